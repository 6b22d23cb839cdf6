"""
The way back: the same language on the fields of an answer.

Here silence forwards: what an answer says is the provider's, and the fixed list of
what never goes back was taken off before. Rules may take more off, or put in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from byok.policy.classes import Classified, How
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.injections import inject
from byok.policy.match import Context
from byok.policy.outcome import Difference, Headers, Injection, Verdict
from byok.policy.rules import Action, Rule
from byok.policy.tiers import Reason, losers, resolve

REDACTED = b"[redacted]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseOutcome:
    """
    What was decided about the fields of one answer; `headers` are as they came.

    `shadow` is what would differ if the shadow rules about answers were in force.
    """

    headers: Headers = field(repr=False)
    verdicts: tuple[Verdict, ...]
    injections: tuple[Injection, ...]
    sends: Headers = field(repr=False)
    shadow: tuple[Difference, ...] = ()


class ResponsePlan:
    """The rules of one context that are about answers."""

    __slots__ = ("_class_table", "_context", "_injects", "_rules", "_twin")

    def __init__(
        self,
        context: Context,
        rules: Sequence[Rule],
        class_table: ClassTable = NOTHING_DECLARED,
    ) -> None:
        self._class_table = class_table
        self._context = context
        in_force = [rule for rule in rules if not rule.shadow]
        self._injects = tuple(r for r in in_force if r.action is Action.INJECT)
        self._rules = tuple(r for r in in_force if r.action is not Action.INJECT)
        # What would be if the shadow rules were in force, where there are any.
        self._twin: ResponsePlan | None = None
        if len(in_force) < len(rules):
            every = [replace(rule, shadow=False) for rule in rules]
            self._twin = ResponsePlan(context, every, class_table)

    @property
    def is_empty(self) -> bool:
        """Is there no rule about answers here, not even in shadow?"""
        return not self._rules and not self._injects and self._twin is None

    def apply(self, headers: Headers, source: str) -> ResponseOutcome:
        """Decide every field of an answer; *source* is whose credential was sent."""
        verdicts = tuple(self._judge(name, source) for name, _ in headers)
        out: list[tuple[bytes, bytes]] = []
        for (name, value), verdict in zip(headers, verdicts, strict=True):
            if verdict.action is Action.REDACT:
                out.append((name, REDACTED))
            elif verdict.action is Action.RENAME and verdict.rule is not None:
                out.append((verdict.rule.rename_to, value))
            elif verdict.action is not Action.STRIP:
                out.append((name, value))
        sends, injections = inject(
            out,
            [
                rule
                for rule in self._injects
                if self._holds(rule, rule.inject.name if rule.inject else b"", source)
            ],
        )
        outcome = ResponseOutcome(
            headers=headers, verdicts=verdicts, injections=injections, sends=sends
        )
        if self._twin is None:
            return outcome
        other = self._twin.apply(headers, source)
        return replace(outcome, shadow=_differences(outcome, other))

    def _judge(self, name: bytes, source: str) -> Verdict:
        matching = [rule for rule in self._rules if self._holds(rule, name, source)]
        rule, reason = resolve(matching)
        if rule is None:
            return Verdict(action=Action.FORWARD, reason=Reason.DEFAULT)
        return Verdict(
            action=rule.action,
            reason=reason,
            rule=rule,
            over=losers(matching, rule, reason),
        )

    def _holds(self, rule: Rule, name: bytes, source: str) -> bool:
        kind = Classified(cls=self._class_table.class_of_name(name), how=How.NAME)
        text = name.decode("latin-1")
        if not rule.match.holds(text, kind, self._context, source):
            return False
        unless = rule.unless
        return unless is None or not unless.holds(text, kind, self._context, source)


def _differences(
    real: ResponseOutcome, other: ResponseOutcome
) -> tuple[Difference, ...]:
    """Return where *other*, decided with the shadow rules in force, differs."""
    out: list[Difference] = []
    for (name, _), ours, theirs in zip(
        real.headers, real.verdicts, other.verdicts, strict=True
    ):
        if _fate(ours) != _fate(theirs):
            slot, would = f"answer:{name.decode('latin-1')}", theirs.action.word
            out.append(Difference(slot=slot, would=would, rule=theirs.rule))
    before = {(each.name, each.applied, each.rule.inject) for each in real.injections}
    out += [
        Difference(slot=f"answer:{each.name}", would="inject", rule=each.rule)
        for each in other.injections
        if (each.name, each.applied, each.rule.inject) not in before
    ]
    return tuple(out)


def _fate(verdict: Verdict) -> tuple[Action, bytes]:
    renamed = verdict.rule.rename_to if verdict.rule is not None else b""
    return verdict.action, renamed
