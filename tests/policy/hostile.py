"""
Strategies for headers as friends and foes send them: keys in the wrong places,
lists, schemes in odd case, empty values, repeats.
"""

import base64

from hypothesis import strategies as st

from byok.policy import classes, names
from tests.support import keys

GATEWAY_KEY = keys.VIRTUAL_KEY.encode()
SHORT_KEY = b"sk-1234"

PROVIDER_KEYS = tuple(
    key.encode()
    for key in (
        keys.ANTHROPIC_API_KEY,
        keys.ANTHROPIC_API_KEY_2,
        keys.ANTHROPIC_OAUTH,
        keys.ANTHROPIC_OAUTH_2,
        keys.OPENAI_API_KEY,
        keys.OPENROUTER,
        keys.GOOGLE,
    )
)
ADMIN_KEY = keys.ANTHROPIC_ADMIN.encode()

# One name at least of every class that a name can have, and of every odd kind.
HEADER_NAMES: tuple[bytes, ...] = tuple(
    sorted(
        names.HOP_BY_HOP
        | names.FRAMING
        | names.COOKIES
        | names.GATEWAY_CREDENTIALS
        | names.AMBIGUOUS_CREDENTIALS
        | names.NAMED_CREDENTIALS.keys()
        | names.OTHER_CREDENTIALS
        | names.PROTOCOL
        | names.CLIENT_IDENTITY
        | {
            b"anthropic-beta",
            b"anthropic-version",
            b"forwarded",
            b"traceparent",
            b"x-amz-date",
            b"x-b3-traceid",
            b"x-byok-explain",
            b"x-claude-code-session-id",
            b"x-company-key",
            b"x-custom",
            b"x-foo_bar",
            b"x-forwarded-for",
            b"x-litellm-tags",
            b"x-pass-x-custom",
            b"x-request-id",
            b"x-session-token",
            b"x-stainless-os",
            b"x_api_key",
        }
    )
)

_WORD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
word_bytes = st.sampled_from([bytes([each]) for each in _WORD])
words = st.lists(word_bytes, min_size=1, max_size=12).map(b"".join)
# What may stand beside a token in a header's value.
boundaries = st.sampled_from([b" ", b",", b", ", b";", b"=", b":", b"/", b"(", b'"'])
printable = st.text(
    alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=24
).map(lambda text: text.strip().encode())


@st.composite
def shaped(draw) -> tuple[bytes, str]:
    """Draw a value that has the shape of a credential, and its class."""
    prefix, _ = draw(st.sampled_from(classes.CREDENTIAL_SHAPES))
    value = prefix + draw(words)
    # The net `sk-ant-` has finer meshes in front of it.
    finest = max(
        (each for each in classes.CREDENTIAL_SHAPES if value.startswith(each[0])),
        key=lambda each: (len(value) > len(each[0]), len(each[0])),
    )
    return value, finest[1]


@st.composite
def any_case(draw, word: bytes) -> bytes:
    """Draw a spelling of *word*."""
    flips = draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
    pairs = zip(word.decode(), flips, strict=True)
    return "".join(c.upper() if flip else c.lower() for c, flip in pairs).encode()


@st.composite
def bearer(draw, token: st.SearchStrategy[bytes]) -> bytes:
    """Draw *token* behind the Bearer scheme, in any case and with any gap."""
    scheme = draw(any_case(b"bearer"))
    gap = draw(st.sampled_from([b" ", b"  ", b"\t", b" \t "]))
    return scheme + gap + draw(token)


@st.composite
def basic(draw, token: st.SearchStrategy[bytes]) -> bytes:
    """Draw *token* as user or password of the Basic scheme."""
    pair = draw(st.sampled_from([b"%b:", b":%b", b"user:%b", b"%b:pass"]))
    encoded = base64.b64encode(pair % draw(token))
    if draw(st.booleans()):
        encoded = encoded.rstrip(b"=")
    return draw(any_case(b"basic")) + b" " + encoded


def _hostile_values(
    secrets: st.SearchStrategy[bytes],
) -> st.SearchStrategy[bytes]:
    listed = st.tuples(words, boundaries, secrets, boundaries, words).map(b"".join)
    return st.one_of(
        secrets,
        bearer(secrets),
        basic(secrets),
        listed,
        st.tuples(secrets, st.just(b", "), secrets).map(b"".join),
    )


plain_values = st.one_of(
    st.sampled_from([b"", b"1", b"oauth-2025-04-20", b"a,oauth-2025-04-20, b", b"*/*"]),
    printable,
    words,
    bearer(words),
    st.just("café".encode()),
)


def values(*secrets: bytes) -> st.SearchStrategy[bytes]:
    """Draw a value that is plain, or holds a provider's key or one of *secrets*."""
    return st.one_of(
        plain_values,
        _hostile_values(st.sampled_from([*PROVIDER_KEYS, ADMIN_KEY, *secrets])),
        _hostile_values(shaped().map(lambda pair: pair[0])),
    )


def headers(*secrets: bytes, max_size: int = 9):
    """Draw a list of fields, names repeated at times, with *secrets* among values."""
    field = st.tuples(st.sampled_from(HEADER_NAMES), values(*secrets))
    # The fields that a well-behaved client sends, so that much is forwarded too.
    usual = st.sampled_from(
        [
            (b"anthropic-version", b"2023-06-01"),
            (b"anthropic-beta", b"oauth-2025-04-20,fine-2025"),
            (b"content-type", b"application/json"),
            (b"user-agent", b"claude-cli/2"),
            (b"x-api-key", keys.ANTHROPIC_API_KEY.encode()),
            (b"authorization", b"Bearer " + keys.ANTHROPIC_OAUTH.encode()),
            (b"authorization", b"Bearer " + keys.ANTHROPIC_API_KEY_2.encode()),
            (b"x-custom", b"1"),
        ]
    )
    return st.lists(st.one_of(usual, usual, field), max_size=max_size).map(tuple)
