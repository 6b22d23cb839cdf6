"""
What a walk over all requests, and over answers to them, shows of each rule.

Who won and who lost is read off the outcomes of the one decision; whether a rule
matters is found by deciding once more without it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import cast

from byok.core.answer_fields import about_answers, answer_fields
from byok.core.errors import Refusal
from byok.core.exchange import Decided, Gateway
from byok.core.key_policies import KeyPolicies
from byok.core.keys import VirtualKey
from byok.core.prove import asking_source, beside, effect, with_rules
from byok.core.specimens import Specimen
from byok.core.walk import Place, Result, Subject, Walk, matches_of, touching
from byok.policy import classes, names, slot
from byok.policy.classes import Classified, How
from byok.policy.lint import Oddity, is_switch, oddity
from byok.policy.match import Context, Glob, Match
from byok.policy.outcome import Headers, Injection, Verdict
from byok.policy.plan import ONE_LEAVES
from byok.policy.plans import OwnRules
from byok.policy.rules import Action, Rule, Tier

_LOCKED = "lock above"
_BY_FLOOR = "floor"
_SAME_TIER = "same tier, stricter won"
# Rules of these tiers speak for many, so that a narrower one may undo them.
_BROAD = frozenset({Tier.PACK, Tier.SETTINGS, Tier.MODEL_GROUP, Tier.MODEL})
_NOTHING = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)


@dataclass(slots=True)
class _Seen:
    """What was seen of one rule on the walk."""

    holds: bool = False
    decides: bool = False
    beaten_by: dict[str, Rule] = field(default_factory=dict)
    beaten_because: set[str] = field(default_factory=set)
    disagrees_with: dict[str, Rule] = field(default_factory=dict)
    undone_by: dict[str, Rule] = field(default_factory=dict)
    matters: bool = False


def all_rules(subject: Subject) -> tuple[Rule, ...]:
    """Return the rules of the configuration, and those that keys bring along."""
    of = subject.gateway.key_policies.of
    own = (rule for record in subject.records for rule in of(record).rules)
    return (*subject.gateway.plans.rules, *own)


_Differs = Callable[[Rule], bool]
"""Says whether something would be otherwise without a rule."""


class _Without(KeyPolicies):
    """The rules that keys bring along, but for one."""

    def __init__(self, every: KeyPolicies, left_out: tuple[Tier, str]) -> None:
        super().__init__()
        self._every = every
        self._left_out = left_out

    def of(self, record: VirtualKey | None) -> OwnRules:
        own = self._every.of(record)
        rules = [e for e in own.rules if (e.tier, e.id) != self._left_out]
        return replace(own, rules=tuple(rules))


class Linter:
    """One walk over all requests, with what it shows of each rule."""

    def __init__(
        self, walk: Walk, shipped: Collection[str], unknown: Collection[str]
    ) -> None:
        self._walk = walk
        self._shipped = shipped
        self._unknown = unknown
        # Ids are unique in a tier, and hashing a whole rule takes its time.
        self._seen: dict[tuple[Tier, str], _Seen] = defaultdict(_Seen)
        self._without: dict[tuple[Tier, str], Gateway] = {}
        self._found: list[Oddity] = []
        self._names = frozenset(
            name
            for each in walk.subject.records
            for name in (each.token_id, each.key_alias)
        )

    def found(self) -> list[Oddity]:
        """Walk, and return what was found."""
        for place in self._walk.places():
            rules = self._walk.rules_at(place)
            asked = touching(rules, lambda _: True, puts_in=True)
            fields = self._walk.specimens(asked, lambda _: True)
            credentials = [e for e in fields if e.kind.is_provider_credential]
            for context in self._walk.contexts(place, matches_of(rules)):
                if place.record is None and {context.key, context.key_id} & self._names:
                    # Whose key that is is known, and it has a place of its own.
                    continue
                self._look_at(place, context, rules, fields, credentials)
        for rule in all_rules(self._walk.subject):
            if rule.where.file not in self._shipped:
                self._judge(rule)
        return self._found

    def _look_at(
        self,
        place: Place,
        context: Context,
        rules: Sequence[Rule],
        fields: Sequence[Specimen],
        credentials: Sequence[Specimen],
    ) -> None:
        sets = tuple(self._walk.credential_sets(place, context, credentials))
        bases = self._walk.bases(place, context, sets) or ((),)
        sources = [slot.NONE]
        answered: dict[str, Result] = {}
        asking = asking_source(rules, context)
        together = (
            (each, *base) for each in fields for base in beside(each, bases, asking)
        )
        for some in chain(sets, together):
            request = self._walk.pose(place, context, some)
            if request is not None:
                result = self._walk.admitted(request)
                sources.append(result.source)
                self._note(result)
                self._check_renames(result, some)
                if result.refusal is None:
                    answered.setdefault(result.source, result)
        for rule in rules:
            if _is_apart(rule) and _may_hold(rule, context, fields, set(sources)):
                seen = self._seen[rule.tier, rule.id]
                seen.holds = seen.decides = True
        self._check_beta(place, context, credentials)
        for each in answered.values():
            self._note_answers(each, about_answers(rules))

    def _note_answers(self, result: Result, rules: Sequence[Rule]) -> None:
        """Note what rules about answers make of each field of one to *result*."""
        if not rules:
            return
        # It was not refused, or there were no answer.
        plan = cast("Decided", result.decided).plan.response
        every = answer_fields(rules, result.source, self._walk.class_table)
        for fields in ((), *every):
            outcome = plan.apply(fields, result.source)
            without = partial(self._answer_without, result, fields, outcome.sends)
            for verdict in outcome.verdicts:
                self._note_verdict(verdict, without)
            for each in outcome.injections:
                self._note_injection(each, without)

    def _answer_without(
        self, result: Result, fields: Headers, sends: Headers, rule: Rule
    ) -> bool:
        """Would an answer be otherwise without *rule*?"""
        gateway = self._gateway_without(rule)
        other = self._walk.decide(result.request, gateway).decided
        # A rule about answers decides about no request.
        plan = cast("Decided", other).plan.response
        return plan.apply(fields, result.source).sends != sends

    def _note(self, result: Result) -> None:
        if isinstance(result.decided, Refusal):
            return
        outcome = result.decided.outcome
        without = partial(self._effect_without, result)
        for verdict in outcome.verdicts:
            self._note_verdict(verdict, without)
        for each in outcome.injections:
            self._note_injection(each, without)
        if outcome.denied is not None:
            self._decided(outcome.denied.rule, without)

    def _effect_without(self, result: Result, rule: Rule) -> bool:
        """Would become something else of the request without *rule*?"""
        other = self._walk.decide(result.request, self._gateway_without(rule))
        return effect(result) != effect(other)

    def _note_verdict(self, verdict: Verdict, without: _Differs) -> None:
        winner = verdict.rule
        if winner is None:
            return
        for rule in (winner, *verdict.beside):
            self._decided(rule, without)
        for over in verdict.over:
            if over.because == ONE_LEAVES:
                # It would have decided, but another credential was chosen.
                self._decided(over.rule, without)
            else:
                self._lost(over.rule, winner, over.because)

    def _note_injection(self, found: Injection, without: _Differs) -> None:
        self._decided(found.rule, without)
        for over in found.over:
            self._lost(over.rule, found.rule, over.because)

    def _decided(self, rule: Rule, without: _Differs) -> None:
        seen = self._seen[rule.tier, rule.id]
        seen.holds = seen.decides = True
        if not seen.matters and not self._is_exempt(rule):
            seen.matters = without(rule)

    def _is_exempt(self, rule: Rule) -> bool:
        """Need nobody ask whether the rule matters, since it may for others?"""
        return (
            rule.lock
            or rule.tier is Tier.FLOOR
            or rule.tier is Tier.REQUEST
            or rule.where.file in self._shipped
            or _is_apart(rule)
        )

    def _gateway_without(self, rule: Rule) -> Gateway:
        key = rule.tier, rule.id
        if key not in self._without:
            gateway = self._walk.subject.gateway
            others = [e for e in gateway.plans.rules if (e.tier, e.id) != key]
            self._without[key] = replace(
                with_rules(gateway, others),
                key_policies=_Without(gateway.key_policies, key),
            )
        return self._without[key]

    def _lost(self, rule: Rule, winner: Rule, because: str) -> None:
        seen = self._seen[rule.tier, rule.id]
        seen.holds = True
        seen.beaten_because.add(because)
        if because in {_LOCKED, _BY_FLOOR}:
            seen.beaten_by.setdefault(winner.id, winner)
        elif because == _SAME_TIER and rule.action is not winner.action:
            seen.disagrees_with.setdefault(winner.id, winner)
        elif winner.action is Action.FORWARD and rule.action is Action.STRIP:
            seen.undone_by.setdefault(winner.id, winner)

    def _judge(self, rule: Rule) -> None:
        seen = self._seen[rule.tier, rule.id]
        if rule.shadow or rule.id in self._unknown:
            return
        if not seen.holds:
            self._add("L01", rule, "can never hold", "Widen its match, or delete it.")
        elif _moves_credentials(rule):
            # Though the field stays here under any name, it is no credential any
            # more, and another one pays.
            pass
        elif not seen.decides and seen.beaten_because <= {_LOCKED, _BY_FLOOR}:
            winner = next(iter(seen.beaten_by.values()))
            self._add(
                "L02",
                rule,
                f"can never apply: {winner.id} ({winner.where}) always wins",
                "Delete it, or add an exception there with unless.",
            )
        elif not seen.matters and not self._is_exempt(rule):
            self._add(
                "L03",
                rule,
                "changes nothing: without it all would be the same",
                "Delete it; a lock would hold against narrower rules.",
            )
        unsettled = [
            other
            for other in seen.disagrees_with.values()
            if not other.lock and not (is_switch(rule) and is_switch(other))
        ]
        for other in unsettled:
            self._add(
                "L04",
                rule,
                f"disagrees with {other.id} ({other.where}) of the same tier,"
                f" which wins by being stricter ({other.action.word})",
                "Say so with unless.",
            )
        for other in seen.undone_by.values():
            if rule.tier in _BROAD and not rule.lock and _is_about_credentials(rule):
                self._add(
                    "L07",
                    rule,
                    f"strips a credential that {other.id} ({other.where}) forwards",
                    "Add lock: true, if nobody narrower may forward it.",
                )

    def _check_renames(self, result: Result, some: Sequence[Specimen]) -> None:
        for each in some:
            rule = result.rule_on(each)
            if rule is None or rule.action is not Action.RENAME:
                continue
            there = self._specimen(rule.rename_to, b"value-that-is-there")
            request = result.request
            more = self._walk.pose(request.place, request.context, (*some, there))
            both = None if more is None else self._walk.decide(more)
            sent = [] if both is None else [name for name, _ in both.sends]
            put_in = rule.rename_to.decode("latin-1")
            if sent.count(rule.rename_to) > 1 or put_in in _put_in(both):
                self._add(
                    "L08",
                    rule,
                    f"renames to {put_in}, which is forwarded or put in as well",
                    "Choose a name that nothing else has.",
                )

    def _check_beta(
        self, place: Place, context: Context, credentials: Sequence[Specimen]
    ) -> None:
        beta = self._specimen(b"anthropic-beta", b"oauth-2025-04-20")
        for each in credentials:
            if each.kind.cls != classes.ANTHROPIC_OAUTH or not each.kind.own_slot:
                continue
            request = self._walk.pose(place, context, (each, beta))
            if request is None:
                continue
            result = self._walk.admitted(request)
            rule = result.rule_on(each)
            if rule is not None and result.leaves(each) and not result.leaves(beta):
                by = result.rule_on(beta)
                self._add(
                    "L13",
                    rule,
                    "forwards a login, and anthropic-beta stays here"
                    f" ({by.id if by else 'no rule forwards it'}): it is refused"
                    " without",
                    "Forward anthropic-* to the same host.",
                )

    def _specimen(self, name: bytes, value: bytes) -> Specimen:
        cls = self._walk.class_table.class_of_name(name)
        kind = Classified(cls=cls, how=How.NAME)
        return Specimen(name=name, value=value, kind=kind, token=value)

    def _add(self, code: str, rule: Rule, message: str, remedy: str) -> None:
        told = rule.where.file not in self._shipped
        self._found += [oddity(code, rule, message, remedy)] if told else []


def _put_in(result: Result | None) -> tuple[str, ...]:
    decided = None if result is None else result.decided
    known = decided if isinstance(decided, Decided) else None
    return tuple(each.name for each in known.outcome.injections) if known else ()


def _is_apart(rule: Rule) -> bool:
    """Does the rule decide something of which outcomes do not tell who lost?"""
    return rule.action in {Action.LOG, Action.ALLOW_REQUEST, Action.REQUIRE} or (
        rule.action is Action.DENY
        and (rule.match.header.is_empty or rule.match.header.present is not None)
    )


def _may_hold(
    rule: Rule, context: Context, fields: Sequence[Specimen], sources: Collection[str]
) -> bool:
    every: list[tuple[str, Classified]] = [("", _NOTHING)]
    if not rule.match.header.is_empty:
        every = [(each.name.decode("latin-1"), each.kind) for each in fields]
    return any(
        rule.match.holds(name, kind, context, source)
        and not (rule.unless or _NEVER).holds(name, kind, context, source)
        for name, kind in every
        for source in sources
    )


_SLOTS = names.AMBIGUOUS_CREDENTIALS | names.NAMED_CREDENTIALS.keys()

# A condition that holds for nothing.
_NEVER = Match(route=(Glob("no route", exact=True),))


def _moves_credentials(rule: Rule) -> bool:
    asked = rule.match.header
    return rule.action is Action.RENAME and (
        asked.is_empty
        or _is_about_credentials(rule)
        or any(
            glob.matches(name.decode("latin-1"))
            for glob in asked.name
            for name in _SLOTS
        )
    )


def _is_about_credentials(rule: Rule) -> bool:
    credentials = [each for each in classes.CLASSES if each.startswith("credential.")]
    asked = rule.match.header.cls
    return any(glob.matches(cls) for glob in asked for cls in credentials)
