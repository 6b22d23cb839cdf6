"""
The last look before a request leaves: every field once more, by its value.

The policy has decided by now, and this decides nothing: it holds the finished
request against the few sentences that are true of any, and stops it where one
is not, which by definition is a fault in byok. Nothing else calls an agent.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from treq.client import HTTPClient
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core.errors import EgressViolation, ProviderBroken
from byok.core.facts import Headers
from byok.core.harmless import Harmless
from byok.core.providers import Origin
from byok.core.secret import Secret
from byok.policy import classes, names
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.lookalikes import lookalikes
from byok.upstream.agent import ExchangeAgent
from byok.upstream.outgoing import Outgoing
from byok.upstream.plain_treq import EmptyJar, url_of
from byok.wire.answer import Answer

_TOKENS = re.compile(rb"[A-Za-z0-9_-]+")
_SLOTS = names.AMBIGUOUS_CREDENTIALS | names.NAMED_CREDENTIALS.keys()

IsOurs = Callable[[bytes], Awaitable[bool]]
"""Is this value a key of the gateway's store?"""

_JAR = EmptyJar()

_log = Logger(namespace="byok.egress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """
    What may leave for one destination, as far as credentials go.

    *trusted* are the credential classes its origin may receive from a client,
    *own* the deployment's keys, *gateway* the secrets that are known to open this
    gateway; *is_ours* asks about words that nothing is known of. *plaintext_ok* is the
    operator's leave to use plain http on this machine, and *class_table* what the
    operator declared to be a credential.
    """

    deployment: str
    trusted: Collection[str]
    own: Collection[Secret]
    gateway: Collection[bytes] = field(repr=False)
    plaintext_ok: bool
    is_ours: IsOurs | None = field(default=None, repr=False)
    class_table: ClassTable = field(default=NOTHING_DECLARED, repr=False)


class EgressGuard:
    """Checks, counts and sends; the only caller of an agent."""

    def __init__(self, *, clock: IReactorTime) -> None:
        self._clock = clock
        self._table = NOTHING_DECLARED
        self._harmless = Harmless()
        self.trips = 0

    async def send(
        self,
        outgoing: Outgoing,
        passport: Passport,
        agent: ExchangeAgent,
    ) -> Answer:
        """
        Send *outgoing* and return the answer's head, or raise `EgressViolation`.

        Redirects are not followed: treq would carry a key to wherever they point.
        """
        try:
            check(outgoing, passport, harmless=self._harmless_under(passport))
            await check_words(outgoing, passport)
        except EgressViolation as violation:
            self.trips += 1
            _log.critical(
                "request stopped before it left: {reason} (deployment {deployment},"
                " {trips} stopped since start)",
                reason=str(violation),
                deployment=passport.deployment,
                trips=self.trips,
            )
            raise
        client = HTTPClient(agent, cookiejar=_JAR)
        await client.request(
            outgoing.method.decode("ascii"),
            url_of(outgoing.origin),
            allow_redirects=False,
            unbuffered=True,
            # It is only asked for the time.
            reactor=self._clock,  # type: ignore[arg-type]
        )
        if agent.answer is None:
            raise ProviderBroken("the provider's answer was lost")
        return agent.answer

    def _harmless_under(self, passport: Passport) -> Harmless:
        # What is no credential under one table of classes may be one under another.
        if passport.class_table is not self._table:
            self._table = passport.class_table
            self._harmless = Harmless()
        return self._harmless


def check(
    outgoing: Outgoing, passport: Passport, *, harmless: Harmless | None = None
) -> None:
    """
    Raise `EgressViolation` unless everything in *outgoing* may go where it goes.

    Fields that hold nothing but plain words, whoever sends them and wherever to, are
    kept in *harmless*, and looked at again only for the gateway's own secrets.
    """
    _check_origin(outgoing.origin, passport)
    table = passport.class_table
    harmless = Harmless() if harmless is None else harmless
    target = (b":target", outgoing.target)
    _check_for_secrets(target, outgoing.headers, passport.gateway)
    if harmless.unknown((target,)):
        _check_target(outgoing.target, table)
        harmless.note(target)
    own = {secret.reveal_bytes() for secret in passport.own if len(secret)}
    credentials = 0
    for name, value in harmless.unknown(outgoing.headers):
        shown = name.decode("ascii", "replace")
        if classes.holds_gateway_credential(value, passport.gateway):
            raise EgressViolation(f"a gateway credential stands in {shown}")
        if name in names.COOKIES or table.class_of_name(name) in _NEVER_LEAVES:
            raise EgressViolation(f"{shown} speaks to the gateway and must stay here")
        found = _credentials_in(name, value, table)
        if not found:
            # Under Basic may stand what is the gateway's for another caller.
            if not classes.basic_text(value):
                harmless.note((name, value))
            continue
        credentials += 1
        if classes.without_scheme(value) in own:
            continue
        strangers = sorted(found - set(passport.trusted))
        if strangers:
            raise EgressViolation(
                f"{shown} holds {strangers[0]}, for which this host is not trusted"
            )
    if credentials > 1:
        raise EgressViolation("more than one credential was about to leave")


async def check_words(outgoing: Outgoing, passport: Passport) -> None:
    """
    Raise `EgressViolation` where a word of *outgoing* is a key of the store's.

    The caller's words were asked about when the caller was; what a configuration
    adds to them, only this asks about.
    """
    if passport.is_ours is None:
        return
    for word in lookalikes(outgoing.headers, outgoing.target):
        if await passport.is_ours(word):
            raise EgressViolation("a key of this gateway was about to leave")


def _check_origin(origin: Origin, passport: Passport) -> None:
    if origin.scheme != "https" and not (passport.plaintext_ok and origin.is_loopback):
        raise EgressViolation("plain http to a host that is not a permitted loopback")


def _check_for_secrets(
    target: tuple[bytes, bytes], headers: Headers, secrets: Collection[bytes]
) -> None:
    """Raise where one of *secrets* stands in the target, or plainly in a header."""
    plain = unquote_to_bytes(target[1]) if b"%" in target[1] else b""
    # No secret goes over the end of a line, so all may be searched at once.
    every = b"\n".join([target[1], plain, *[value for _, value in headers]])
    if not classes.holds_gateway_credential(every, secrets):
        return
    for name, value in (target, (b":target", plain), *headers):
        if classes.holds_gateway_credential(value, secrets):
            shown = name.decode("ascii", "replace").removeprefix(":")
            raise EgressViolation(f"a gateway credential stands in {shown}")


def _check_target(target: bytes, table: ClassTable) -> None:
    for text in {target, unquote_to_bytes(target)}:
        found = map(table.find_credential, (text, *_TOKENS.findall(text)))
        if classes.GATEWAY in found:
            raise EgressViolation("a gateway credential stands in the target")


_NEVER_LEAVES = frozenset({classes.GATEWAY, classes.GATEWAY_CONTROL})


def _credentials_in(name: bytes, value: bytes, table: ClassTable) -> set[str]:
    """Name the class of every credential in a field; by name only where none shows."""
    found = {table.find_credential(value)}
    found.update(map(table.find_credential, _TOKENS.findall(value)))
    # A secret that is bound to no provider is where rules let it be.
    shaped = {cls for cls in found if cls not in (None, classes.OTHER_CREDENTIAL)}
    if classes.GATEWAY in shaped:
        shown = name.decode("ascii", "replace")
        raise EgressViolation(f"a gateway credential stands in {shown}")
    if shaped or name not in _SLOTS or not value:
        return shaped
    return {classes.class_of_name(name)}
