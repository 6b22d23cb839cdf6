"""
What a rule may ask of a request: a closed grammar of independent dimensions.

Every dimension is a literal, a one-star glob or a set of them, so a rule is a
box and questions about all requests stay decidable. Matching cannot fail.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from byok.policy.classes import Classified


@dataclass(frozen=True, slots=True)
class Glob:
    """
    A literal, or a text with exactly one `*` that stands for any characters.

    `exact` takes the star as a letter: names of deployments and groups may hold one.
    """

    text: str
    exact: bool = False

    def matches(self, value: str) -> bool:
        """Does *value* fit?"""
        if self.exact:
            return value == self.text
        head, star, tail = self.text.partition("*")
        if not star:
            return value == head
        return (
            len(value) >= len(head) + len(tail)
            and value.startswith(head)
            and value.endswith(tail)
        )


@dataclass(frozen=True, slots=True)
class HostGlob:
    """An exact host name, or `*.suffix` for one or more labels before the suffix."""

    text: str

    def matches(self, value: str) -> bool:
        """Does the lower-case host *value* fit?"""
        if self.text.startswith("*."):
            suffix = self.text[1:]
            return value.endswith(suffix) and len(value) > len(suffix)
        return value == self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """
    What is known of one attempt before any header is looked at.

    `trusted` holds the credential classes the destination's origin may receive;
    `vouched` says whether it is trusted for its own provider's credentials at all.
    A caller's key has two names, `key` (its alias) and `key_id`: rules use either.
    """

    route: str
    method: str
    model: str
    model_group: str
    deployment: str
    provider: str
    host: str
    trusted: frozenset[str] = frozenset()
    vouched: bool = False
    plaintext: bool = False
    deployment_key: bool = False
    key: str = ""
    key_id: str = ""
    team: str = ""
    user: str = ""
    tags: frozenset[str] = frozenset()
    auth: str = ""
    stream: bool = False
    client_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """A condition on the caller's tags; an empty part asks nothing."""

    any: frozenset[str] = frozenset()
    all: frozenset[str] = frozenset()
    none: frozenset[str] = frozenset()

    def matches(self, tags: frozenset[str]) -> bool:
        """Do *tags* meet every part?"""
        return (
            (not self.any or bool(self.any & tags))
            and self.all <= tags
            and not self.none & tags
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMatch:
    """
    The part of a match that asks about one field.

    `present` makes it a question about the request: is there such a field at all?
    """

    name: tuple[Glob, ...] = ()
    cls: tuple[Glob, ...] = ()
    here: bool | None = None
    own: bool | None = None
    present: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Does it ask nothing?"""
        return self == HeaderMatch()

    def matches(self, name: str, kind: Classified, context: Context) -> bool:
        """Does the field fit, on its way to the destination of *context*?"""
        return (
            _fits(self.name, name)
            and _fits(self.cls, kind.cls)
            and (self.own is None or self.own == kind.own_slot)
            and (self.here is None or self.here == is_trusted_here(kind, context))
        )


def is_trusted_here(kind: Classified, context: Context) -> bool:
    """
    May the destination receive what a field of *kind* is?

    For a credential the destination has to be trusted for its very class; for
    any other field, for its own provider's credentials.
    """
    if kind.is_provider_credential:
        return kind.cls in context.trusted
    return context.vouched


def _fits(patterns: Iterable[Glob | HostGlob], value: str) -> bool:
    # An absent dimension asks nothing.
    asked = False
    for pattern in patterns:
        asked = True
        if pattern.matches(value):
            return True
    return not asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One box: every dimension has to hold, any item of a dimension is enough."""

    route: tuple[Glob, ...] = ()
    method: tuple[Glob, ...] = ()
    model: tuple[Glob, ...] = ()
    model_group: tuple[Glob, ...] = ()
    deployment: tuple[Glob, ...] = ()
    provider: tuple[Glob, ...] = ()
    team: tuple[Glob, ...] = ()
    user: tuple[Glob, ...] = ()
    key: tuple[Glob, ...] = ()
    auth: tuple[Glob, ...] = ()
    host: tuple[HostGlob, ...] = ()
    tags: Tags = field(default_factory=Tags)
    client_ip: tuple[IPv4Network | IPv6Network, ...] = ()
    stream: bool | None = None
    deployment_key: bool | None = None
    credential: tuple[Glob, ...] = ()
    header: HeaderMatch = field(default_factory=HeaderMatch)

    def admits(self, context: Context) -> bool:
        """Do the dimensions known before any header hold?"""
        return self.admits_request(context) and self.admits_caller(context)

    def admits_request(self, context: Context) -> bool:
        """Do the dimensions of the request and of its destination hold?"""
        return (
            _all_fit(self, context, _REQUEST_TEXTS)
            and _fits(self.host, context.host)
            and (self.stream is None or self.stream == context.stream)
            and (
                self.deployment_key is None
                or self.deployment_key == context.deployment_key
            )
        )

    def admits_caller(self, context: Context) -> bool:
        """Do the dimensions of who is calling hold?"""
        return (
            _all_fit(self, context, _CALLER_TEXTS)
            and (_fits(self.key, context.key) or _fits(self.key, context.key_id))
            and self.tags.matches(context.tags)
            and self._admits_address(context.client_ip)
        )

    def _admits_address(self, address: str) -> bool:
        if not self.client_ip:
            return True
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            # How a socket for both families names a client of the older one.
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.client_ip)

    def holds(
        self, name: str, kind: Classified, context: Context, credential: str | None
    ) -> bool:
        """
        Does the whole box hold for the field *name*?

        *credential* is the source that fills the credential slot, or None while
        that is still being decided: a box that asks for it cannot hold yet.
        """
        if not self.admits(context):
            return False
        if self.credential and (
            credential is None or not _fits(self.credential, credential)
        ):
            return False
        return self.header.matches(name, kind, context)


_REQUEST_TEXTS = (
    "route",
    "method",
    "model",
    "model_group",
    "deployment",
    "provider",
)
_CALLER_TEXTS = ("team", "user", "auth")


def _all_fit(match: Match, context: Context, dimensions: tuple[str, ...]) -> bool:
    return all(
        _fits(getattr(match, name), getattr(context, name)) for name in dimensions
    )
