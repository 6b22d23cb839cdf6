"""
The providers: their address, their credentials, and who else may see these.

Trust is by exact origin. A provider's own origin is trusted for its credentials;
so is an origin the operator names under `providers`, and a deployment's, for the
classes it is vouched for with `trust_client_credentials`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from byok.core.routes import CHAT_COMPLETIONS, Dialect, Route
from byok.policy import classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Scheme, host and port: `host` is a lower-case A-label without a final dot."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port == _DEFAULT_PORTS.get(self.scheme):
            return f"{self.scheme}://{host}"
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def authority(self) -> str:
        """The host and the port, which is never left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Does the host, as written, name this machine?"""
        return _is_loopback(self.host)


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What byok knows of a provider: where it is and what it takes."""

    name: str
    origin: Origin
    dialects: frozenset[Dialect]
    credentials: frozenset[str]
    base_path: str = ""


def _https(host: str) -> Origin:
    return Origin(scheme="https", host=host, port=443)


# Providers that deployments may name. Anthropic answers the OpenAI shape too, at
# its compatible endpoint.
PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(
        name="anthropic",
        origin=_https("api.anthropic.com"),
        dialects=frozenset({Dialect.ANTHROPIC, Dialect.OPENAI}),
        credentials=frozenset({classes.ANTHROPIC_API_KEY, classes.ANTHROPIC_OAUTH}),
    ),
    "openai": Provider(
        name="openai",
        origin=_https("api.openai.com"),
        dialects=frozenset({Dialect.OPENAI}),
        credentials=frozenset({classes.OPENAI_API_KEY}),
    ),
}

# The short words of `trust_client_credentials`.
TRUST_WORDS: Mapping[str, str] = {
    cls.removeprefix(classes.PROVIDER_CREDENTIAL_PREFIX): cls
    for provider in PROVIDERS.values()
    for cls in provider.credentials
}


def trusted_at(
    origin: Origin,
    overrides: Mapping[str, Origin],
    *,
    vouched: Collection[str] = (),
    opaque: bool = False,
) -> frozenset[str]:
    """
    Return the credential classes that may be sent to *origin*.

    *overrides* are the origins of `providers.NAME.api_base`; *vouched* the classes
    of the deployment's `trust_client_credentials`; *opaque* says that it accepts
    a client credential of no known shape.
    """
    trusted = set(vouched)
    for name, provider in PROVIDERS.items():
        if origin in (provider.origin, overrides.get(name)):
            trusted |= provider.credentials
    if opaque:
        trusted.add(classes.UNKNOWN_CREDENTIAL)
    return frozenset(trusted)


def slot_of(provider: str, route: Route, cls: str = "") -> tuple[bytes, bool]:
    """
    Return the header a credential of *provider* travels in on *route*.

    The second value says whether it is a bearer there. *cls* is the credential's
    class where that is known.
    """
    if (
        provider == "anthropic"
        and route != CHAT_COMPLETIONS
        and cls != classes.ANTHROPIC_OAUTH
    ):
        return b"x-api-key", False
    return b"authorization", True
