"""
Sentences about all requests, proved by trying one of each cell.

A pass is a proof under two assumptions: that the classifier recognises a
credential, and that requests differ in no way but those that conditions can ask
about. A failure is a request that anybody can have explained.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain
from typing import cast

from byok.core.answer_fields import about_answers
from byok.core.errors import Refusal
from byok.core.exchange import Gateway
from byok.core.prove_answers import shown_more
from byok.core.routing import Deployment
from byok.core.specimens import GATEWAY_KEY, Specimen, Wanted
from byok.core.walk import (
    LIMIT,
    Place,
    Posed,
    Result,
    Subject,
    Walk,
    can_touch,
    matches_of,
    touching,
)
from byok.policy import classes, slot
from byok.policy.assertions import Assertion
from byok.policy.cells import UnsettledError
from byok.policy.match import Context, Glob, HeaderMatch, Match
from byok.policy.rules import BUILT_IN, Rule, Tier

BYOK_ONLY = "byok-only"


class Status(Enum):
    """How a property came out."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    UNSETTLED = "UNSETTLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """
    A request by which a property does not hold, and the rule that lets it be.

    Where `answer` is set, it is this field of the answer to the request that shows it.
    """

    request: Posed
    message: str
    rule: Rule | None = None
    answer: bytes = b""

    @property
    def size(self) -> tuple[int, int]:
        """How much there is to read in it."""
        asked = self.request.context
        said = (asked.team, asked.user, *asked.tags, asked.client_ip)
        fields = (len(each.value) for each in self.request.fields)
        return len(self.request.fields) + sum(map(bool, said)), sum(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """
    What was found of one property, over how many cells.

    Counterexamples are one of each kind, the smallest. `note` says what there was
    nothing to try of, or why it was not settled.
    """

    id: str
    title: str
    status: Status
    cells: int
    counterexamples: tuple[Counterexample, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What to prove of: a subject, the one it replaces, and its users' own sentences.
    """

    subject: Subject
    against: Subject | None = None
    assertions: tuple[Assertion, ...] = ()


Found = Iterator[tuple[object, Counterexample]]
"""Counterexamples by their kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One sentence that can be proved of a gateway."""

    id: str
    title: str
    search: Callable[[Walk, Question], Found]
    vacuous: Callable[[Question], str] = field(default=lambda _: "")


def prove(wanted: Property, question: Question, *, limit: int = LIMIT) -> Proof:
    """Try *wanted* on every cell; what the limit cuts short is unsettled."""
    walk = Walk(question.subject, limit=limit)
    found: dict[object, Counterexample] = {}
    note, is_settled = wanted.vacuous(question), True
    if not note:
        try:
            for kind, each in wanted.search(walk, question):
                known = found.get(kind)
                if known is None or each.size < known.size:
                    found[kind] = each
        except UnsettledError as error:
            is_settled = False
            note = error.why or f"more than {limit} cells; raise the limit with --cells"
    status = Status.PASS if is_settled else Status.UNSETTLED
    return Proof(
        id=wanted.id,
        title=wanted.title,
        status=Status.FAIL if found else status,
        cells=walk.cells,
        counterexamples=tuple(sorted(found.values(), key=lambda each: each.size)),
        note=note,
    )


def _is_provider_credential(cls: str) -> bool:
    return cls.startswith(classes.PROVIDER_CREDENTIAL_PREFIX)


def _is_credential(cls: str) -> bool:
    return cls.startswith("credential.")


def _is_gateway(cls: str) -> bool:
    return cls == classes.GATEWAY


# -- The ways through the cells -------------------------------------------------------

At = Callable[[Place], bool]


def _anywhere(_: Place) -> bool:
    return True


def _single(
    walk: Walk, wanted: Wanted, *, more: Sequence[Match] = (), at: At = _anywhere
) -> Iterator[tuple[tuple[Specimen, ...], Result]]:
    """
    Yield each field of the *wanted* classes by itself, in each context.

    Beside each there is a set of credentials for each source that may fill the
    slot, since rules may ask which one leaves. *more* are further conditions that
    tell requests apart.
    """
    for place in filter(at, walk.places()):
        every = walk.rules_at(place)
        rules = touching(every, lambda cls: wanted(cls) or _is_provider_credential(cls))
        matches = (*matches_of(rules), *more)
        fields = walk.specimens(rules, wanted, more=more)
        credentials = walk.specimens(rules, _is_provider_credential)
        for context in walk.contexts(place, matches):
            bases: Sequence[tuple[Specimen, ...]] = ((),)
            if not all(each.kind.is_provider_credential for each in fields):
                sets = tuple(walk.credential_sets(place, context, credentials))
                bases = walk.bases(place, context, sets) or bases
            asking = asking_source(rules, context)
            for each in fields:
                for base in beside(each, bases, asking, more):
                    result = _tried(walk, place, context, (each, *base))
                    if result is not None:
                        yield (each,), result


def asking_source(rules: Sequence[Rule], context: Context) -> tuple[Rule, ...]:
    """Return those of *rules* that may hold and ask which credential leaves."""
    return tuple(
        rule
        for rule in rules
        if any(match.credential for match in matches_of((rule,)))
        and rule.match.admits(context)
    )


def beside(
    each: Specimen,
    bases: Sequence[tuple[Specimen, ...]],
    asking: Sequence[Rule],
    more: Sequence[Match] = (),
) -> Sequence[tuple[Specimen, ...]]:
    """
    Return the credentials that a field has to be tried beside.

    A provider's credential is judged before one is chosen, so it stands alone. Any
    other needs all *bases* only where a rule about it asks which one leaves.
    """
    if each.kind.is_provider_credential:
        return ((),)
    about = (each.kind.cls,)
    if any(match.credential for match in more) or any(
        can_touch(rule, about, puts_in=True) for rule in asking
    ):
        return bases
    return bases[:1]


def _tried(
    walk: Walk, place: Place, context: Context, fields: Sequence[Specimen]
) -> Result | None:
    request = walk.pose(place, context, fields)
    return None if request is None else walk.admitted(request)


def _sets(
    walk: Walk,
    *,
    tags: Sequence[str] = (),
    more: Sequence[Match] = (),
    at: At = _anywhere,
) -> Iterator[tuple[tuple[Specimen, ...], Result]]:
    """Yield every set of client credentials in each context; callers have *tags*."""
    for place in filter(at, walk.places()):
        rules = touching(walk.rules_at(place), _is_provider_credential)
        credentials = walk.specimens(rules, _is_provider_credential, more=more)
        matches = (*matches_of(rules), *more)
        for context in walk.contexts(place, matches, tags=tags):
            if not context.tags.issuperset(tags):
                continue
            yield from [
                (some, result)
                for some in walk.credential_sets(place, context, credentials)
                if (result := _tried(walk, place, context, some)) is not None
            ]


def _deployment_of(result: Result) -> Deployment:
    return result.request.place.deployment


def _shown(each: Specimen) -> str:
    return each.name.decode("latin-1")


def _first_rule(result: Result, some: Sequence[Specimen]) -> Rule | None:
    return next(filter(None, (result.rule_on(each) for each in some)), None)


# -- P1 to P4, P7, P8: what may leave -------------------------------------------------


def _confinement(walk: Walk, _: Question) -> Found:
    for some, result in chain(_single(walk, _is_provider_credential), _sets(walk)):
        found = _deployment_of(result)
        for each in some:
            if each.kind.cls in found.trusted or not result.leaves(each):
                continue
            rule = result.rule_on(each)
            kind = (found.name, each.kind.cls, rule and rule.id)
            message = (
                f"{each.kind.cls} in {_shown(each)} is sent to {found.origin},"
                " which is not trusted for it"
            )
            yield (
                kind,
                Counterexample(request=result.request, message=message, rule=rule),
            )


def _gateway_secrecy(walk: Walk, _: Question) -> Found:
    key = GATEWAY_KEY.encode()
    for (each,), result in _single(walk, _is_gateway):
        if result.leaves(each) or any(key in value for _, value in result.sends):
            rule = result.rule_on(each)
            kind = (_deployment_of(result).name, rule and rule.id)
            message = f"a gateway credential leaves in {_shown(each)}"
            yield (
                kind,
                Counterexample(request=result.request, message=message, rule=rule),
            )


def _single_credential(walk: Walk, _: Question) -> Found:
    for some, result in _sets(walk):
        leaving = [
            name.decode("latin-1")
            for name, value in result.sends
            if _authenticates(walk, name, value)
        ]
        if len(leaving) > 1:
            message = f"credentials leave together: {', '.join(leaving)}"
            rule = _first_rule(result, some)
            yield (
                (_deployment_of(result).name, *leaving),
                Counterexample(request=result.request, message=message, rule=rule),
            )


def _authenticates(walk: Walk, name: bytes, value: bytes) -> bool:
    kind = walk.class_table.classify(name, value)
    return kind.is_credential and kind.cls != classes.OTHER_CREDENTIAL


def _payer(walk: Walk, _: Question) -> Found:
    for _some, result in _sets(walk, tags=(BYOK_ONLY,)):
        if result.refusal is None and result.source == slot.DEPLOYMENT:
            name = _deployment_of(result).name
            message = f"a key tagged {BYOK_ONLY} spends the api_key of {name}"
            yield name, Counterexample(request=result.request, message=message)


def _no_plaintext(walk: Walk, _: Question) -> Found:
    singles = _single(walk, _is_credential, at=_is_in_the_clear)
    for some, result in chain(singles, _sets(walk, at=_is_in_the_clear)):
        found = _deployment_of(result)
        for name, value in result.sends:
            if walk.class_table.classify(name, value).is_credential:
                message = (
                    f"a credential goes to {found.origin} in the clear,"
                    f" in {name.decode('latin-1')}"
                )
                rule = _first_rule(result, some)
                yield (
                    (found.name, name),
                    Counterexample(request=result.request, message=message, rule=rule),
                )


def _is_in_the_clear(place: Place) -> bool:
    found = place.deployment
    return found.origin.scheme == "http" and not (
        found.plaintext_ok and found.origin.is_loopback
    )


def _assertions(walk: Walk, question: Question) -> Found:
    for said in question.assertions:
        for some, result in _said(walk, said):
            decided = result.decided
            for each in some:
                if isinstance(decided, Refusal) or not result.leaves(each):
                    continue
                name = _shown(each)
                if said.covers(each.kind.cls) and said.when.holds(
                    name, each.kind, decided.context, result.source
                ):
                    found, rule = _deployment_of(result), result.rule_on(each)
                    message = (
                        f"{said.id} ({said.where}): {each.kind.cls} in {name} is sent"
                        f" to {found.origin}"
                    )
                    yield (
                        (said.id, found.name, rule and rule.id),
                        Counterexample(
                            request=result.request, message=message, rule=rule
                        ),
                    )


def _said(walk: Walk, said: Assertion) -> Iterator[tuple[tuple[Specimen, ...], Result]]:
    """Yield every request that the assertion may be about."""

    def at(place: Place) -> bool:
        return said.is_about(place.deployment.origin.host)

    yield from _single(walk, said.covers, more=[said.when], at=at)
    if any(map(said.covers, filter(_is_provider_credential, classes.CLASSES))):
        yield from _sets(walk, more=[said.when], at=at)


# -- P5, P6: two sets of rules side by side -------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One request, decided by two gateways."""

    some: tuple[Specimen, ...]
    one: Result
    other: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class _All:
    """What tells requests apart where two gateways are compared."""

    rules: tuple[Rule, ...]
    wanted: Wanted
    matches: tuple[Match, ...] = ()
    # Where the first difference will do, it is looked for where it is near.
    one_is_enough: bool = False

    @property
    def wants_credentials(self) -> bool:
        """Can a set of credentials fare otherwise by the one than by the other?"""
        return any(map(self.wanted, filter(_is_provider_credential, classes.CLASSES)))


def _pairs(
    walk: Walk, place: Place, other: Gateway, contexts: Sequence[Context], all_of: _All
) -> Iterator[Pair]:
    """Yield what both gateways make of every field and set of credentials."""
    gateways = (walk.subject.gateway, other)
    credentials = walk.specimens(
        all_of.rules, _is_provider_credential, more=all_of.matches
    )
    fields = walk.specimens(
        all_of.rules,
        lambda cls: all_of.wanted(cls) and not _is_provider_credential(cls),
        more=all_of.matches,
    )
    for context in contexts:
        if all_of.one_is_enough:
            singles = ((), *((each,) for each in credentials))
            yield from _both(walk, place, context, singles, other)
        sets = tuple(walk.credential_sets(place, context, credentials, gateways))
        bases = walk.bases(place, context, sets, gateways) or ((),)
        asking = asking_source(all_of.rules, context)
        together = (
            (each, *base) for each in fields for base in beside(each, bases, asking)
        )
        some = chain(sets if all_of.wants_credentials else (), together)
        yield from _both(walk, place, context, some, other)


def _both(
    walk: Walk,
    place: Place,
    context: Context,
    every: Iterable[tuple[Specimen, ...]],
    other: Gateway,
) -> Iterator[Pair]:
    for some in every:
        request = walk.pose(place, context, some)
        if request is None:
            continue
        one = walk.decide(request)
        yield Pair(some=some, one=one, other=walk.decide(request, other))
        cured = walk.admitted(request)
        if cured is not one:
            yield Pair(some=some, one=cured, other=walk.decide(cured.request, other))


def team_rules(rules: Sequence[Rule]) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of the tier team by the list or document they stand in."""
    found: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        if rule.tier is Tier.TEAM and not rule.shadow:
            name = rule.id.rpartition(".")[0]
            found[name] = (*found.get(name, ()), rule)
    return found


def _isolation(walk: Walk, question: Question) -> Found:
    gateway = question.subject.gateway
    every = gateway.plans.rules
    for name, own in team_rules(every).items():
        teams = [glob for rule in own for glob in rule.match.team]
        without = with_rules(gateway, [each for each in every if each not in own])
        for place in walk.places():
            rules = touching(walk.rules_at(place), _anything, puts_in=True)
            contexts = [
                each
                for each in walk.contexts(
                    place, (*matches_of(rules), Match(team=(*teams,)))
                )
                if not any(glob.matches(each.team) for glob in teams)
                and any(rule.match.admits(each) for rule in own)
            ]
            all_of = _All(rules=rules, wanted=_wanted_by(own))
            for pair in _pairs(walk, place, without, contexts, all_of):
                if effect(pair.one) == effect(pair.other):
                    continue
                context = pair.one.request.context
                rule = next(each for each in own if each.match.admits(context))
                message = (
                    f"rules of {name or 'a team'} change what becomes of a request of"
                    f" {context.team or 'no team'}"
                )
                yield (
                    (name, rule.id, place.deployment.name),
                    Counterexample(
                        request=pair.one.request, message=message, rule=rule
                    ),
                )


def _anything(_: str) -> bool:
    return True


def _wanted_by(rules: Sequence[Rule]) -> Wanted:
    """Return whether a field of some class can be touched by one of *rules*."""
    if any(not rule.match.header.cls for rule in rules):
        return _anything
    globs = [glob for rule in rules for glob in rule.match.header.cls]
    return lambda cls: any(glob.matches(cls) for glob in globs)


def effect(result: Result) -> tuple[object, ...]:
    """Return what there is to see of a result from outside: equal ones are alike."""
    return result.refusal is None, result.sends, result.source


def with_rules(gateway: Gateway, rules: Sequence[Rule]) -> Gateway:
    """Return *gateway* as it would be with these *rules* instead of its own."""
    return replace(gateway, plans=gateway.plans.with_rules(rules))


def _no_widening(walk: Walk, question: Question) -> Found:
    # Without one the property is vacuous, and nobody comes here.
    old = cast("Subject", question.against).gateway
    old_rules = touching(old.plans.rules, _anything, puts_in=True)
    # What the old one told apart by its own deployments is told apart by models.
    known = tuple(_without_facts(match) for match in matches_of(old_rules))
    groups = tuple(
        Match(model=(Glob(each.model_group),)) for each in old.table.deployments
    )
    theirs = tuple(Glob(each.decode(), exact=True) for each in old.plans.gateway_names)
    named = (Match(header=HeaderMatch(name=theirs)),)
    for place in walk.places(apart=True):
        rules = touching(walk.rules_at(place), _anything, puts_in=True)
        both = (*rules, *old_rules)
        changed = _changed(rules, old_rules)
        contexts = walk.contexts(place, (*matches_of(rules), *known, *groups))
        for context in contexts:
            wanted = _wanted_by(changed)
            likeness = _likeness(walk, place, context, old)
            if likeness is None:
                # Whatever is admitted now was refused; who pays is all there is to try.
                wanted = _is_provider_credential
            elif not likeness:
                wanted = _anything
            elif not any(_may_hold(rule, context) for rule in changed):
                continue
            all_of = _All(
                rules=both,
                wanted=wanted,
                matches=named,
                one_is_enough=likeness is None,
            )
            for pair in _pairs(walk, place, old, [context], all_of):
                wider = _wider(pair)
                if wider is None:
                    continue
                message, rule = wider
                yield (
                    (place.deployment.name, message),
                    Counterexample(
                        request=pair.one.request, message=message, rule=rule
                    ),
                )
                if likeness is None:
                    break
    said = tuple(map(_without_facts, matches_of(about_answers(old.plans.rules))))
    for shown in shown_more(walk, old, (*said, *groups)):
        yield (
            (shown.request.place.deployment.name, shown.what),
            Counterexample(
                request=shown.request,
                message=shown.what,
                rule=shown.rule,
                answer=shown.name,
            ),
        )


def _changed(rules: Sequence[Rule], others: Sequence[Rule]) -> tuple[Rule, ...]:
    """Return the rules that stand on one side only, wherever they are written."""
    here, there = ({_unplaced(rule) for rule in side} for side in (rules, others))
    return tuple(here ^ there)


def _unplaced(rule: Rule) -> Rule:
    return replace(rule, where=BUILT_IN, since="", why="")


def _may_hold(rule: Rule, context: Context) -> bool:
    # Deployments may be called otherwise in the other configuration.
    return _without_facts(rule.match).admits(context)


def _likeness(walk: Walk, place: Place, context: Context, old: Gateway) -> bool | None:
    """
    Is all but the rules as it was: destination, trust, keys, the credential slot?

    None means that the old gateway serves no such request at all.
    """
    request = walk.bare(place, context)
    one, other = walk.decide(request).decided, walk.decide(request, old).decided
    if isinstance(other, Refusal):
        return None
    return (
        not isinstance(one, Refusal)
        and one.context == other.context
        and one.deployment.origin == other.deployment.origin
        and one.plan.credential_policy == other.plan.credential_policy
        and old.plans.gateway_names == walk.subject.gateway.plans.gateway_names
    )


def _wider(pair: Pair) -> tuple[str, Rule | None] | None:
    """Say what leaves by the first gateway and did not by the other, if anything."""
    one, other = pair.one, pair.other
    if isinstance(one.decided, Refusal) or one.refusal is not None:
        return None
    origin = one.decided.deployment.origin
    if isinstance(other.decided, Refusal) or other.refusal is not None:
        refusal = other.refusal
        code = refusal.rule or refusal.code if refusal is not None else ""
        return f"a request that was refused ({code}) goes to {origin}", None
    before = other.decided.deployment.origin
    if origin != before:
        return f"a request that went to {before} goes to {origin}", None
    for each in pair.some:
        if one.left(each) - other.left(each):
            what = f"{each.kind.cls} in {_shown(each)}"
            return f"{what} goes to {origin} and stayed here", one.rule_on(each)
    if one.source == slot.DEPLOYMENT != other.source:
        name = one.decided.deployment.name
        return f"the api_key of {name} is spent where it was not", None
    put_in = {each.rule.inject: each.rule for each in one.decided.outcome.injections}
    for injection in other.decided.outcome.injections:
        put_in.pop(injection.rule.inject, None)
    for rule in put_in.values():
        if rule.inject is not None and rule.inject.reference:
            return f"a secret of the operator goes to {origin}", rule
    return None


def _without_facts(match: Match) -> Match:
    return replace(
        match, model_group=(), deployment=(), provider=(), host=(), deployment_key=None
    )


# -- What there is to prove -----------------------------------------------------------


def _no_shared_key(question: Question) -> str:
    found = question.subject.gateway.table.deployments
    return "" if any(each.api_key for each in found) else "no deployment has an api_key"


def _no_http(question: Question) -> str:
    found = question.subject.gateway.table.deployments
    if any(each.origin.scheme == "http" for each in found):
        return ""
    return "every deployment is reached by https"


def _no_team_rules(question: Question) -> str:
    rules = question.subject.gateway.plans.rules
    return "" if team_rules(rules) else "no team has rules"


def _nothing_old(question: Question) -> str:
    return "" if question.against else "nothing to compare with; name it with --against"


def _nothing_said(question: Question) -> str:
    return "" if question.assertions else "no policy file has an assert block"


PROPERTIES: tuple[Property, ...] = (
    Property(
        id="P1",
        title="no credential goes to a host that is not trusted for it",
        search=_confinement,
    ),
    Property(
        id="P2", title="no gateway credential is ever sent", search=_gateway_secrecy
    ),
    Property(id="P3", title="at most one credential leaves", search=_single_credential),
    Property(
        id="P4",
        title=f"a key tagged {BYOK_ONLY} never spends a deployment's api_key",
        search=_payer,
        vacuous=_no_shared_key,
    ),
    Property(
        id="P5",
        title="the rules of one team change nothing for another",
        search=_isolation,
        vacuous=_no_team_rules,
    ),
    Property(
        id="P6",
        title="nothing leaves that did not before",
        search=_no_widening,
        vacuous=_nothing_old,
    ),
    Property(
        id="P7",
        title="no credential goes over http in the clear",
        search=_no_plaintext,
        vacuous=_no_http,
    ),
    Property(
        id="P8",
        title="what policy files assert",
        search=_assertions,
        vacuous=_nothing_said,
    ),
)
