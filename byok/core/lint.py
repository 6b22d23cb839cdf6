"""
What is odd about rules among others: found by trying one request of each cell.

A rule that never decides, that only ever loses, or without which all would be the
same is one that somebody believes in and that does nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from itertools import chain

from byok.core.errors import Refusal
from byok.core.exchange import Decided, Gateway
from byok.core.prove import asking_source, beside, effect, with_rules
from byok.core.specimens import Specimen
from byok.core.walk import (
    LIMIT,
    Place,
    Result,
    Subject,
    Walk,
    matches_of,
    touching,
)
from byok.policy import classes, slot
from byok.policy.cells import Texts, UnsettledError
from byok.policy.classes import Classified, How
from byok.policy.lint import Level, Oddity, is_switch, lint_rules, oddity
from byok.policy.match import Context, Glob, Match
from byok.policy.outcome import Verdict
from byok.policy.plan import ONE_LEAVES
from byok.policy.rules import Action, Direction, Rule, Tier

_LOCKED = "lock above"
_BY_FLOOR = "floor"
_SAME_TIER = "same tier, stricter won"
# Rules of these tiers speak for many, so that a narrower one may undo them.
_BROAD = frozenset({Tier.PACK, Tier.SETTINGS, Tier.MODEL_GROUP, Tier.MODEL})
_NOTHING = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    The names that exist beside deployments; None where nobody knows them.
    """

    teams: frozenset[str] | None = None
    keys: frozenset[str] | None = None


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


def lint(
    subject: Subject,
    *,
    today: date,
    known: Known,
    shipped: Collection[str] = (),
    limit: int = LIMIT,
) -> tuple[tuple[Oddity, ...], bool]:
    """
    Return everything odd about the rules of *subject*, and whether all was looked at.

    Rules in the files *shipped* are left alone, but for what others do to them.
    """
    rules = subject.gateway.plans.rules
    found = [
        *lint_rules(rules, today=today, shipped=shipped),
        *_names(subject, rules, known, shipped),
        *_trust(subject),
    ]
    unknown = {each.rule for each in found if each.code == "L05"}
    is_whole = True
    try:
        linter = _Linter(Walk(subject, limit=limit), shipped, unknown)
        found += linter.found()
    except UnsettledError:
        is_whole = False
    unique = dict.fromkeys(found)
    ordered = sorted(
        unique, key=lambda each: (each.where.file, each.where.line, each.code)
    )
    return tuple(ordered), is_whole


# -- L05, L10: what deployments say ---------------------------------------------------


def _names(
    subject: Subject, rules: Sequence[Rule], known: Known, shipped: Collection[str]
) -> Iterator[Oddity]:
    found = subject.gateway.table.deployments
    words: dict[str, tuple[frozenset[str] | None, Level]] = {
        "deployment": (frozenset(each.name for each in found), Level.ERROR),
        "model_group": (frozenset(each.model_group for each in found), Level.ERROR),
        "provider": (frozenset(each.provider for each in found), Level.ERROR),
        "model": (None, Level.ERROR),
        # These may be made while the gateway runs.
        "team": (known.teams, Level.WARNING),
        "key": (known.keys, Level.WARNING),
    }
    hosts = frozenset(each.origin.host for each in found)
    for rule in rules:
        if rule.where.file in shipped:
            continue
        for match in matches_of((rule,)):
            for name, (there, level) in words.items():
                for glob in getattr(match, name):
                    if name == "model":
                        exists = _is_served(subject, glob)
                    else:
                        exists = there is None or any(map(glob.matches, there))
                    if not exists:
                        yield _no_such(rule, name, glob.text, there or (), level)
            for host in match.host:
                if not any(map(host.matches, hosts)):
                    yield _no_such(rule, "host", host.text, hosts, Level.ERROR)


def _is_served(subject: Subject, glob: Glob) -> bool:
    table = subject.gateway.table
    groups = [Glob(each.model_group) for each in table.deployments]
    return any(
        glob.matches(each) and table.find(each) is not None
        for each in Texts([glob, *groups]).candidates()
    )


def _no_such(
    rule: Rule, name: str, text: str, there: Collection[str], level: Level
) -> Oddity:
    near = get_close_matches(text, sorted(there), n=1)
    return oddity(
        "L05",
        rule,
        f"asks for the {name} {text}, which does not exist",
        f"Did you mean {near[0]}?" if near else "Correct the name, or delete it.",
        level=level,
    )


def _trust(subject: Subject) -> Iterator[Oddity]:
    for found in subject.gateway.table.deployments:
        if not found.trust_note or found.origin.scheme == "https":
            continue
        level = Level.WARNING if found.plaintext_ok else Level.ERROR
        yield Oddity(
            code="L10",
            level=level,
            rule=found.name,
            where=found.where,
            message=f"{found.name} is trusted with clients' credentials"
            f" ({found.trust_note}) and reached by {found.origin.scheme}",
            remedy="Give it an https api_base.",
        )


# -- L01 to L04, L07, L08, L13: what a walk shows -------------------------------------


class _Linter:
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

    def found(self) -> list[Oddity]:
        """Walk, and return what was found."""
        for place in self._walk.places():
            rules = self._walk.rules_at(place)
            asked = touching(rules, lambda _: True, puts_in=True)
            fields = self._walk.specimens(asked, lambda _: True)
            credentials = [e for e in fields if e.kind.is_provider_credential]
            for context in self._walk.contexts(place, matches_of(rules)):
                self._look_at(place, context, rules, fields, credentials)
        for rule in self._walk.subject.gateway.plans.rules:
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
        for rule in rules:
            if _is_apart(rule) and _may_hold(rule, context, fields, set(sources)):
                seen = self._seen[rule.tier, rule.id]
                seen.holds = seen.decides = True
        self._check_beta(place, context, credentials)

    def _note(self, result: Result) -> None:
        if isinstance(result.decided, Refusal):
            return
        outcome = result.decided.outcome
        for verdict in outcome.verdicts:
            self._note_verdict(verdict, result)
        for each in outcome.injections:
            self._decided(each.rule, result)
            for over in each.over:
                self._lost(over.rule, each.rule, over.because)
        if outcome.denied is not None:
            self._decided(outcome.denied.rule, result)

    def _note_verdict(self, verdict: Verdict, result: Result) -> None:
        winner = verdict.rule
        if winner is None:
            return
        for rule in (winner, *verdict.beside):
            self._decided(rule, result)
        for over in verdict.over:
            if over.because == ONE_LEAVES:
                # It would have decided, but another credential was chosen.
                self._decided(over.rule, result)
            else:
                self._lost(over.rule, winner, over.because)

    def _decided(self, rule: Rule, result: Result) -> None:
        seen = self._seen[rule.tier, rule.id]
        seen.holds = seen.decides = True
        if not seen.matters and not self._is_exempt(rule):
            without = self._gateway_without(rule)
            other = self._walk.decide(result.request, without)
            seen.matters = effect(result) != effect(other)

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
            self._without[key] = with_rules(gateway, others)
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
            there = _specimen(rule.rename_to, b"value-that-is-there")
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
        beta = _specimen(b"anthropic-beta", b"oauth-2025-04-20")
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

    def _add(self, code: str, rule: Rule, message: str, remedy: str) -> None:
        told = rule.where.file not in self._shipped
        self._found += [oddity(code, rule, message, remedy)] if told else []


def _put_in(result: Result | None) -> tuple[str, ...]:
    decided = None if result is None else result.decided
    known = decided if isinstance(decided, Decided) else None
    return tuple(each.name for each in known.outcome.injections) if known else ()


def _is_apart(rule: Rule) -> bool:
    """Does the rule decide something of which outcomes do not tell who lost?"""
    return (
        rule.direction is Direction.RESPONSE
        or rule.action in {Action.LOG, Action.ALLOW_REQUEST, Action.REQUIRE}
        or (
            rule.action is Action.DENY
            and (rule.match.header.is_empty or rule.match.header.present is not None)
        )
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


# A condition that holds for nothing.
_NEVER = Match(route=(Glob("no route", exact=True),))


def _is_about_credentials(rule: Rule) -> bool:
    credentials = [each for each in classes.CLASSES if each.startswith("credential.")]
    asked = rule.match.header.cls
    return any(glob.matches(cls) for glob in asked for cls in credentials)


def _specimen(name: bytes, value: bytes) -> Specimen:
    kind = Classified(cls=classes.class_of_name(name), how=How.NAME)
    return Specimen(name=name, value=value, kind=kind, token=value)
