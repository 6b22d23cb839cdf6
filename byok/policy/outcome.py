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
class Outcome:
    """
    Everything decided about one attempt.

    `kinds` and `verdicts` stand in the order of `headers`, the inbound list.
    `sends` is the outgoing list without framing; the deployment's own credential
    is not in it, since policy handles no secrets of the operator.
    """

    headers: Headers = field(repr=False)
    kinds: tuple[Classified, ...]
    verdicts: tuple[Verdict, ...]
    injections: tuple[Injection, ...]
    credential: CredentialDecision
    sends: Headers = field(repr=False)
    denied: Denied | None
    shadow: tuple[Difference, ...] = ()

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
