"""
Header names whose meaning byok fixes for itself.

This file keeps one rule: a name stands in one set only, so that its class never
depends on the order in which sets are asked. All names are lower-case bytes.
"""

# RFC 9110 section 7.6.1, and the two spellings clients still send.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

# The gateway writes these itself. Accept-Encoding is here because upstream is
# always asked for identity: answers are relayed, never decoded.
FRAMING = frozenset(
    {b"accept-encoding", b"content-encoding", b"content-length", b"expect", b"host"}
)

COOKIES = frozenset({b"cookie", b"cookie2", b"set-cookie"})

GATEWAY_CREDENTIALS = frozenset(
    {b"x-litellm-api-key", b"x-byok-api-key", b"x-byok-key"}
)
GATEWAY_CONTROL_PREFIXES = (b"x-litellm-", b"x-byok-", b"x-pass-")

# Names that carry some provider's credential, though not whose.
AMBIGUOUS_CREDENTIALS = frozenset(
    {b"authorization", b"proxy-authorization", b"x-api-key"}
)

# Names that are one provider's by themselves; their values have no shape.
NAMED_CREDENTIALS = {
    b"api-key": "credential.provider.azure.api_key",
    b"ocp-apim-subscription-key": "credential.provider.azure.api_key",
    b"x-goog-api-key": "credential.provider.google.api_key",
}

OTHER_CREDENTIALS = frozenset({b"x-auth-token", b"x-csrf-token", b"x-vault-token"})
OTHER_CREDENTIAL_PREFIXES = (b"x-amz-",)
OTHER_CREDENTIAL_SUFFIXES = (b"-token", b"-secret", b"-api-key")

CLIENT_NETWORK = frozenset(
    {
        b"fly-client-ip",
        b"forwarded",
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-forwarded-for",
        b"x-real-ip",
    }
)
CLIENT_NETWORK_PREFIXES = (b"x-forwarded-", b"x-envoy-", b"cf-")

CLIENT_IDENTITY = frozenset({b"origin", b"referer", b"user-agent", b"x-app"})
CLIENT_IDENTITY_PREFIXES = (b"x-claude-code-",)

PROTOCOL = frozenset({b"accept", b"content-type", b"openai-beta"})
PROTOCOL_PREFIXES = (b"anthropic-",)

TRACING = frozenset(
    {
        b"b3",
        b"baggage",
        b"traceparent",
        b"tracestate",
        b"x-correlation-id",
        b"x-request-id",
    }
)
TRACING_PREFIXES = (b"x-b3-",)

SDK_TELEMETRY_PREFIXES = (b"x-stainless-",)

# What has a class by its name, the names of provider credentials and of the gateway's
# own aside: a new set of names above belongs in one of these two as well.
OF_A_CLASS = frozenset(
    HOP_BY_HOP
    | FRAMING
    | COOKIES
    | OTHER_CREDENTIALS
    | CLIENT_NETWORK
    | CLIENT_IDENTITY
    | PROTOCOL
    | TRACING
)
PREFIXES_OF_A_CLASS = (
    *GATEWAY_CONTROL_PREFIXES,
    *OTHER_CREDENTIAL_PREFIXES,
    *CLIENT_NETWORK_PREFIXES,
    *CLIENT_IDENTITY_PREFIXES,
    *PROTOCOL_PREFIXES,
    *TRACING_PREFIXES,
    *SDK_TELEMETRY_PREFIXES,
)

# A second field of one of these would let two readers pick different ones.
SINGLETONS = frozenset(
    {b"content-type", b"host"}
    | AMBIGUOUS_CREDENTIALS
    | NAMED_CREDENTIALS.keys()
    | GATEWAY_CREDENTIALS
)

# What `Connection` may say of itself (RFC 9110 section 7.6.1).
CONNECTION_OPTIONS = frozenset({b"close", b"keep-alive", b"te", b"upgrade"})

# Names byok interprets: with `_` for `-` a server in front or behind may take
# one for the other, so such spellings are refused.
INTERPRETED = frozenset(
    HOP_BY_HOP
    | FRAMING
    | COOKIES
    | GATEWAY_CREDENTIALS
    | AMBIGUOUS_CREDENTIALS
    | NAMED_CREDENTIALS.keys()
    | {b"anthropic-beta", b"anthropic-version", b"content-type"}
)

# What no request may ask to send by `x-pass-`, over and above whole classes: a
# second reader of the body's type, or of its length.
NEVER_PASSED = frozenset({"content-type", "content-encoding"})
