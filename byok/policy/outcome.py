"""
What a plan decided about one request: values that enforcing and explaining share.
"""

from dataclasses import dataclass, field

from byok.policy.classes import Classified
from byok.policy.match import Glob
from byok.policy.rules import Action, Denial, Rule
from byok.policy.slot import CredentialDecision
from byok.policy.tiers import Overridden, Reason

Headers = tuple[tuple[bytes, bytes], ...]
"""Fields as (lower-case name, value), in order; repeats stay apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    The fate of one cell: all fields that no rule can tell apart.

    `beside` are rules that act together with `rule`: filters of one tier, whose
    patterns all stand in `drop`. `sent_as` is the name that a field leaves under
    where that is not its own.
    """

    action: Action
    reason: Reason
    rule: Rule | None = None
    beside: tuple[Rule, ...] = ()
    over: tuple[Overridden, ...] = ()
    drop: tuple[Glob, ...] = ()
    sent_as: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderDecision:
    """The fate of one inbound field; `index` finds its value in the request."""

    index: int
    name: str
    kind: Classified
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A field that policy puts in, and whether it went in."""

    name: str
    rule: Rule
    applied: bool
    over: tuple[Overridden, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A rule refused the request."""

    rule: Rule
    denial: Denial


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    What would be otherwise in one slot if the shadow rules were in force.

    `index` is the inbound field that it is about, or -1.
    """

    slot: str
    would: str
    rule: Rule | None
    index: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """
    What was decided, apart from any value: requests of one shape share one.

    `kinds` and `verdicts` stand in the order of the inbound list.
    """

    kinds: tuple[Classified, ...]
    verdicts: tuple[Verdict, ...]
    injections: tuple[Injection, ...]
    credential: CredentialDecision
    denied: Denied | None
    shadow: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Everything decided about one attempt.

    `headers` is the inbound list. `sends` is the outgoing list without framing; the
    deployment's own credential is not in it, since policy handles no secrets of the
    operator. One is made for every exchange, so it holds what differs and no more.
    """

    ruling: Ruling
    headers: Headers = field(repr=False)
    sends: Headers = field(repr=False)

    @property
    def kinds(self) -> tuple[Classified, ...]:
        """The class of each inbound field, in order."""
        return self.ruling.kinds

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The fate of each inbound field, in order."""
        return self.ruling.verdicts

    @property
    def injections(self) -> tuple[Injection, ...]:
        """The fields that policy puts in, or would have."""
        return self.ruling.injections

    @property
    def credential(self) -> CredentialDecision:
        """What fills upstream's authentication."""
        return self.ruling.credential

    @property
    def denied(self) -> Denied | None:
        """The rule that refuses the request, if one does."""
        return self.ruling.denied

    @property
    def shadow(self) -> tuple[Difference, ...]:
        """What would differ if the shadow rules were in force."""
        return self.ruling.shadow

    @property
    def decisions(self) -> tuple[HeaderDecision, ...]:
        """The fate of each inbound field, for whoever wants to read it."""
        return tuple(
            HeaderDecision(
                index=index,
                name=name.decode("latin-1"),
                kind=self.kinds[index],
                verdict=self.verdicts[index],
            )
            for index, (name, _) in enumerate(self.headers)
        )


_new = object.__new__
_set_ruling = vars(Outcome)["ruling"].__set__
_set_headers = vars(Outcome)["headers"].__set__
_set_sends = vars(Outcome)["sends"].__set__


def outcome_of(ruling: Ruling, headers: Headers, sends: Headers) -> Outcome:
    """Return an outcome, in half the time that `__init__` of a frozen value takes."""
    outcome = _new(Outcome)
    _set_ruling(outcome, ruling)
    _set_headers(outcome, headers)
    _set_sends(outcome, sends)
    return outcome
