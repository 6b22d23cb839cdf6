"""
Which of the operator's rules the tests met: matched, decided, made an exception.

What decided is read off the outcomes. Whether a rule held at all is asked of the
rule itself, as a plan asks it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from byok.core.exchange import Decided
from byok.policy import classes, passing
from byok.policy.classes import Classified, How
from byok.policy.declared import ClassTable
from byok.policy.match import Context, Match
from byok.policy.outcome import Difference, Injection, Outcome, Verdict
from byok.policy.responses import ResponseOutcome
from byok.policy.rules import Action, Direction, Rule, Tier, When

DECIDES = "decides"
UNLESS = "is excused by unless"
KEPT = "finds the header there"

_RuleKey = tuple[Tier, str]
_Question = tuple[str, Classified, str | None]
_NO_FIELD = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)
_ABOUT_REQUEST = frozenset({Action.INJECT, Action.REQUIRE, Action.DENY})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCoverage:
    """What the tests met of one rule: did it ever hold, and which ends were reached."""

    rule: Rule
    matched: bool
    reached: tuple[str, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the tests met of all rules; `unmeasured` decide nothing about a request."""

    rules: tuple[RuleCoverage, ...]
    unmeasured: tuple[Rule, ...] = ()

    @property
    def never_matched(self) -> tuple[RuleCoverage, ...]:
        """Rules that never held."""
        return tuple(each for each in self.rules if not each.matched)

    @property
    def never_deciding(self) -> tuple[RuleCoverage, ...]:
        """Rules that held, and something else decided each time."""
        return tuple(
            each for each in self.rules if each.matched and DECIDES in each.missed
        )

    @property
    def branches_missed(self) -> tuple[tuple[RuleCoverage, str], ...]:
        """Other ends of rules that no test came to."""
        return tuple(
            (each, branch)
            for each in self.rules
            for branch in each.missed
            if branch != DECIDES
        )

    @property
    def percent(self) -> float:
        """How many of all ends were reached, of a hundred."""
        reached = sum(len(each.reached) for each in self.rules)
        every = reached + sum(len(each.missed) for each in self.rules)
        return 100.0 * reached / every if every else 100.0


class Meter:
    """Notes what each decision shows of the *rules* it is to measure."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [rule for rule in rules if _is_measured(rule)]
        self._unmeasured = tuple(rule for rule in rules if not _is_measured(rule))
        self._grants = {
            rule.id: _key(rule)
            for rule in self._rules
            if rule.action is Action.ALLOW_REQUEST
        }
        self._matched: set[_RuleKey] = set()
        self._ends: dict[_RuleKey, set[str]] = {}

    def note(self, decided: Decided) -> None:
        """Note what *decided* shows."""
        outcome = decided.outcome
        self._note_ends(_ends_reached(outcome))
        questions = tuple(_questions(outcome, decided.plan.class_table))
        source = outcome.credential.source
        self._note_held(Direction.REQUEST, questions, decided.context, source)

    def note_answer(
        self, decided: Decided, outcome: ResponseOutcome, source: str
    ) -> None:
        """Note what an answer to *decided* shows, where *source* paid."""
        self._note_ends(_ends_of_fields(outcome.verdicts, outcome.injections))
        self._note_ends(_ends_in_shadow(outcome.shadow))
        questions = tuple(
            (name.decode("latin-1"), _named(name, decided.plan.class_table), source)
            for name, _ in outcome.headers
        )
        self._note_held(Direction.RESPONSE, questions, decided.context, source)

    def _note_ends(self, ends: Iterable[tuple[_RuleKey, str]]) -> None:
        for found, end in ends:
            key = self._grants.get(found[1], found) if _is_asking(found) else found
            self._matched.add(key)
            self._ends.setdefault(key, set()).add(end)

    def _note_held(
        self,
        direction: Direction,
        questions: Sequence[_Question],
        context: Context,
        source: str,
    ) -> None:
        for rule in self._rules:
            if rule.direction is not direction:
                continue
            key = _key(rule)
            holding = [
                each
                for each in _asked(rule, questions, source)
                if _holds(rule.match, each, context)
            ]
            if not holding:
                continue
            unless = rule.unless
            excused = [
                each
                for each in holding
                if unless is not None and _holds(unless, each, context)
            ]
            if excused:
                self._ends.setdefault(key, set()).add(UNLESS)
            if len(excused) < len(holding):
                self._matched.add(key)

    def coverage(self) -> Coverage:
        """Return what was noted so far."""
        return Coverage(
            rules=tuple(self._of(rule) for rule in self._rules),
            unmeasured=self._unmeasured,
        )

    def _of(self, rule: Rule) -> RuleCoverage:
        key = _key(rule)
        reached = self._ends.get(key, set())
        ends = _ends_of(rule)
        return RuleCoverage(
            rule=rule,
            matched=key in self._matched,
            reached=tuple(each for each in ends if each in reached),
            missed=tuple(each for each in ends if each not in reached),
        )


def _is_measured(rule: Rule) -> bool:
    # What may stand in a record is decided when there is one, and a test has none.
    return rule.action is not Action.LOG


def _key(rule: Rule) -> _RuleKey:
    return rule.tier, rule.id


def _ends_of(rule: Rule) -> tuple[str, ...]:
    ends = [DECIDES]
    if rule.unless is not None:
        ends.append(UNLESS)
    if rule.inject is not None and rule.inject.when is When.DEFAULT:
        ends.append(KEPT)
    return tuple(ends)


def _ends_of_fields(
    verdicts: Iterable[Verdict], injections: Iterable[Injection]
) -> Iterator[tuple[_RuleKey, str]]:
    for verdict in verdicts:
        for rule in chain((verdict.rule,), verdict.beside):
            if rule is not None:
                yield _granting(rule), DECIDES
    for each in injections:
        yield _key(each.rule), DECIDES if each.applied else KEPT


def _ends_reached(outcome: Outcome) -> Iterator[tuple[_RuleKey, str]]:
    yield from _ends_of_fields(outcome.verdicts, outcome.injections)
    if outcome.denied is not None:
        yield _key(outcome.denied.rule), DECIDES
    yield from _ends_in_shadow(outcome.shadow)


def _ends_in_shadow(
    differences: Iterable[Difference],
) -> Iterator[tuple[_RuleKey, str]]:
    for difference in differences:
        if difference.rule is not None:
            yield _key(difference.rule), DECIDES


def _granting(rule: Rule) -> _RuleKey:
    """What a request asks for by `x-pass-` is decided by the rule that grants it."""
    if rule.tier is Tier.REQUEST:
        return rule.tier, rule.why.removeprefix("granted by ")
    return _key(rule)


def _is_asking(key: _RuleKey) -> bool:
    return key[0] is Tier.REQUEST


def _questions(outcome: Outcome, class_table: ClassTable) -> Iterator[_Question]:
    """Yield what a plan asks its rules about each field."""
    source = outcome.credential.source
    for (name, _), kind in zip(outcome.headers, outcome.kinds, strict=True):
        text = name.decode("latin-1")
        yield text, kind, None if kind.is_provider_credential else source
        asked = passing.asked_name(name, kind)
        if asked:
            yield asked.decode("latin-1"), _named(asked, class_table), source


def _named(name: bytes, class_table: ClassTable) -> Classified:
    return Classified(cls=class_table.class_of_name(name), how=How.NAME)


def _asked(
    rule: Rule, questions: Iterable[_Question], source: str
) -> Iterable[_Question]:
    header = rule.match.header
    if rule.action in _ABOUT_REQUEST and header.is_empty:
        name = rule.inject.name.decode("latin-1") if rule.inject else ""
        return [(name, _NO_FIELD, source)]
    # A rule that asks for a field not to be there holds where it decides.
    return () if header.present is False else questions


def _holds(match: Match, question: _Question, context: Context) -> bool:
    name, kind, source = question
    return match.holds(name, kind, context, source)
