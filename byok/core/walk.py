"""
A walk over all requests: one of each cell, decided by what decides real ones.

Nothing here knows who wins. Each cell's request goes through `decide` and
`lay_out`, as a client's would, and what they say of it is what is said of the cell.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations, product
from typing import cast

from byok.core.body import BodyHead, read_head
from byok.core.carriers import Presented, find_key
from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import SINGLE_USER, Caller, Decided, Gateway, decide, lay_out
from byok.core.facts import RequestFacts
from byok.core.keys import VirtualKey
from byok.core.providers import PROVIDERS
from byok.core.routes import RELAYED, Dialect, Route
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.core.specimens import GATEWAY_KEY, Specimen, Wanted, specimens
from byok.core.supposed import ANY_MODEL, body_for
from byok.policy import classes, floor, names, slot
from byok.policy.cells import (
    DIMENSIONS,
    Dimension,
    Grid,
    Put,
    Texts,
    TooManyCellsError,
    address_cells,
    facts_of,
    is_asked,
    key_cells,
    putting_key,
    putting_route,
    putting_stream,
    putting_tags,
    putting_text,
    tag_cells,
)
from byok.policy.classes import Classified, How
from byok.policy.declared import ClassTable
from byok.policy.match import Context, Glob, Match
from byok.policy.outcome import Headers
from byok.policy.rules import Action, Direction, Rule

LIMIT = 200_000
# More fields than these are not tried together to get a request admitted.
_MOST_COMPANIONS = 6
# Names that read well, where a family of models serves them.
_MODELS = ("claude-sonnet-5-5", ANY_MODEL, "gpt-5")
_PRESENT = b"present"
_KEY = Secret(GATEWAY_KEY)
_ANYBODY = Caller(key_id=f"key_{'x' * 22}", alias="any-key")
# A field that is not looked at beyond its being there.
_ANY = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """
    What is walked over: a gateway and who may call it.

    `carriers` are the headers a gateway key may come in; `records` the keys that
    bring rules of their own.
    """

    gateway: Gateway
    carriers: tuple[bytes, ...]
    single_user: bool = False
    records: tuple[VirtualKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where requests are walked from: a deployment, an API, and whose they are."""

    deployment: Deployment
    dialect: Dialect
    record: VirtualKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """One request: who asks for what by `context`, with which fields."""

    place: Place
    context: Context
    fields: tuple[Specimen, ...] = ()
    carrier: str = ""
    headers: Headers = field(default=(), repr=False)

    @property
    def caller(self) -> Caller:
        """Who sends it."""
        secret = _KEY if self.carrier else None
        if self.place.record is not None:
            return Caller.of_key(self.place.record, self.carrier, secret)
        asked = self.context
        return Caller(
            key_id=asked.key_id,
            alias="" if asked.key == asked.key_id else asked.key,
            carrier=self.carrier,
            secret=secret,
            user=asked.user,
            team=asked.team,
            tags=asked.tags,
        )

    @property
    def facts(self) -> RequestFacts:
        """What the gateway knows of it."""
        head, body = _body(self.context.model, self.context.stream)
        return RequestFacts(
            method=self.context.method,
            route=_ROUTES[self.context.route],
            query=b"",
            headers=self.headers,
            head=head,
            body=body,
            client_ip=self.context.client_ip,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a request: `sends` is all that left, nothing where refused."""

    request: Posed
    decided: Decided | Refusal
    sends: Headers = field(default=(), repr=False)

    @property
    def refusal(self) -> Refusal | None:
        """Why nothing left, or None."""
        decided = self.decided
        return decided if isinstance(decided, Refusal) else decided.refusal

    @property
    def source(self) -> str:
        """What fills the credential slot."""
        decided = self.decided
        return "" if isinstance(decided, Refusal) else decided.outcome.credential.source

    def left(self, specimen: Specimen) -> frozenset[bytes]:
        """Return what of the value of *specimen* is in what left, member by member."""
        if specimen.word:
            token = specimen.token
            found = any(token in value for _, value in self.sends)
            return frozenset({token} if found else ())
        sent = {each for _, value in self.sends for each in value.split(b",")}
        return frozenset(sent.intersection(specimen.token.split(b",")))

    def leaves(self, specimen: Specimen) -> bool:
        """Is anything of *specimen* in what left?"""
        return bool(self.left(specimen))

    def rule_on(self, specimen: Specimen) -> Rule | None:
        """Return the rule that decided the field."""
        if isinstance(self.decided, Refusal):
            return None
        outcome = self.decided.outcome
        at = outcome.headers.index((specimen.name, specimen.value))
        return outcome.verdicts[at].rule


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fares:
    """How a credential fares by itself: all that the credential slot asks of it."""

    candidate: str = ""
    removed: bool = False
    denied: str = ""


_ROUTES = {route.id: route for route in RELAYED}


@lru_cache(maxsize=4096)
def _body(model: str, stream: bool) -> tuple[BodyHead, bytes]:  # noqa: FBT001
    body = body_for(model, stream=stream)
    return cast("BodyHead", read_head(body)), body


class Walk:
    """
    One walk, with its limit: `cells` counts the requests that were decided.

    Where the limit is met, TooManyCellsError ends it.
    """

    def __init__(self, subject: Subject, *, limit: int = LIMIT) -> None:
        self.subject = subject
        self.limit = limit
        self.cells = 0
        # What was decided in the context that is looked at now.
        self._at: object = None
        self._known: dict[tuple[int, Headers], Result] = {}

    def places(self, *, apart: bool = False) -> Iterator[Place]:
        """
        Yield every deployment with every API it answers, for any key and each.

        Of deployments that no rule can tell apart, at one address and with the same
        trust, the first stands for all, unless *apart* is said.
        """
        seen: set[object] = set()
        for found in self.subject.gateway.table.deployments:
            provider = PROVIDERS.get(found.provider)
            for dialect in Dialect:
                if provider is None or dialect not in provider.dialects:
                    continue
                for record in (None, *self.subject.records):
                    place = Place(deployment=found, dialect=dialect, record=record)
                    likeness = self._likeness(place)
                    is_new = apart or likeness not in seen
                    seen.add(likeness)
                    yield from [place] if is_new else []

    def _likeness(self, place: Place) -> object:
        """Return what is equal for two deployments only if policy sees them alike."""
        matches = matches_of(self.rules_at(place))
        decided = self._facts(place, matches)
        if decided is None or any(match.model for match in matches):
            return place.deployment.name, place.dialect, place.record
        context = decided.context
        return (
            place.dialect,
            None if place.record is None else place.record.token_id,
            place.deployment.origin,
            context.provider,
            context.trusted,
            context.plaintext,
            context.deployment_key,
            decided.plan.credential_policy,
            tuple(facts_of(match).admits(context) for match in matches),
        )

    def rules_at(self, place: Place) -> tuple[Rule, ...]:
        """Return all rules that may have a say there."""
        gateway = self.subject.gateway
        own = gateway.key_policies.of(place.record)
        return (*gateway.plans.rules, *own.rules)

    def contexts(
        self, place: Place, matches: Sequence[Match], *, tags: Sequence[str] = ()
    ) -> tuple[Context, ...]:
        """
        Return a context for each way in which *matches* may hold there.

        The callers looked at have all of *tags*.
        """
        base = self._base(place, matches)
        if base is None:
            return ()
        dimensions = tuple(self._dimensions(place, base, matches, tags))
        grid = Grid(base, dimensions, matches)
        return grid.contexts(self.limit)

    def _base(self, place: Place, matches: Sequence[Match]) -> Context | None:
        """Return what is fixed at *place*: its deployment's facts, and a caller."""
        decided = self._facts(place, matches)
        return None if decided is None else replace(decided.context, auth="")

    def _facts(self, place: Place, matches: Sequence[Match]) -> Decided | None:
        """Return a decision there; None where the deployment serves no model."""
        models = self._models(place, matches)
        if not models:
            return None
        route, caller = _routes(place.dialect)[0], _ANYBODY
        if self.subject.single_user:
            caller = SINGLE_USER
        elif place.record is not None:
            caller = Caller.of_key(place.record, "", None)
        context = Context(
            route=route.id,
            method=route.method,
            model=models[0],
            model_group="",
            deployment="",
            provider="",
            host="",
            key=caller.name,
            key_id=caller.key_id,
            team=caller.team,
            user=caller.user,
            tags=caller.tags,
        )
        # By nobody's own rules: a key may not open the model that is asked for.
        request = Posed(place=replace(place, record=None), context=context)
        decided = self._decide(request, request.facts, self.subject.gateway)
        # Places are those that serve, so there is a decision.
        return cast("Decided", decided)

    def _models(self, place: Place, matches: Sequence[Match]) -> tuple[str, ...]:
        """Return a model of each cell among those that the deployment serves."""
        table = self.subject.gateway.table
        group = place.deployment.model_group
        patterns = [glob for match in matches for glob in match.model]
        groups = [Glob(each.model_group) for each in table.deployments]
        asked = Texts(patterns)
        found: dict[object, str] = {}
        for model in (*_MODELS, *Texts([*patterns, *groups]).candidates()):
            serving = table.find(model) if model else None
            if serving is not None and serving.model_group == group:
                found.setdefault(asked.signature(model), model)
        return tuple(found.values())

    def _dimensions(
        self,
        place: Place,
        base: Context,
        matches: Sequence[Match],
        tags: Sequence[str],
    ) -> Iterator[Dimension]:
        for name in DIMENSIONS:
            cells = self._cells_of(name, place, base, matches, tags)
            if cells and (is_asked(name, matches) or (name == "tags" and tags)):
                yield Dimension(name=name, cells=cells)

    def _cells_of(
        self,
        name: str,
        place: Place,
        base: Context,
        matches: Sequence[Match],
        tags: Sequence[str],
    ) -> tuple[Put, ...]:
        if name == "route":
            return tuple(
                putting_route(each.id, each.method) for each in _routes(place.dialect)
            )
        if name == "stream":
            return tuple(putting_stream(on=each) for each in (False, True))
        if name == "model":
            return _texts(name, self._models(place, matches))
        if name == "client_ip":
            ranges = (each for match in matches for each in match.client_ip)
            return _texts(name, address_cells(ranges))
        if self.subject.single_user:
            return ()
        if name == "auth":
            return _texts(name, [each.decode() for each in self.subject.carriers])
        if place.record is not None:
            return ()
        if name == "tags":
            return tuple(
                putting_tags(each)
                for each in tag_cells([match.tags for match in matches], *tags)
            )
        if name == "key":
            patterns = [glob for match in matches for glob in match.key]
            return tuple(putting_key(*each) for each in key_cells(patterns))
        asked = {
            "team": [glob for match in matches for glob in match.team],
            "user": [glob for match in matches for glob in match.user],
        }
        return _texts(name, Texts(asked[name]).witnesses(getattr(base, name)))

    def pose(
        self, place: Place, context: Context, fields: Sequence[Specimen] = ()
    ) -> Posed | None:
        """
        Return the request that has *fields*, or None where none can have them.

        The gateway key stands in the header that the context says, or in the first
        that is free; the one who reads keys has to find it there.
        """
        headers = tuple(each for one in fields for each in one.headers)
        request = Posed(
            place=place, context=context, fields=tuple(fields), headers=headers
        )
        if self.subject.single_user:
            return request if check_edge(headers, b"") is None else None
        asked = [context.auth.encode()] if context.auth else self.subject.carriers
        for carrier in asked:
            bearer = b"Bearer " if carrier == b"authorization" else b""
            whole = ((carrier, bearer + GATEWAY_KEY.encode()), *headers)
            if check_edge(whole, b"") is not None:
                continue
            presented = find_key(whole, self.subject.carriers, self.class_table)
            if isinstance(presented, Presented) and (
                presented.carrier.encode() == carrier and presented.key == _KEY
            ):
                return replace(request, headers=whole, carrier=carrier.decode())
        return None

    def bare(self, place: Place, context: Context) -> Posed:
        """Return the request without any field; anybody can send that."""
        return cast("Posed", self.pose(place, context))

    def count(self) -> None:
        """Count one cell; raises TooManyCellsError where that was one too many."""
        self.cells += 1
        if self.cells > self.limit:
            raise TooManyCellsError

    def decide(self, request: Posed, gateway: Gateway | None = None) -> Result:
        """Let the gateway, or another one, decide *request*."""
        self.count()
        by = gateway or self.subject.gateway
        if self._at is not request.context:
            self._at = request.context
            self._known.clear()
        known = self._known.get((id(by), request.headers))
        if known is None:
            known = self._known[id(by), request.headers] = self._result(request, by)
        return known

    def _result(self, request: Posed, gateway: Gateway) -> Result:
        facts = request.facts
        decided = self._decide(request, facts, gateway)
        if isinstance(decided, Refusal) or decided.refusal is not None:
            return Result(request=request, decided=decided)
        sends = lay_out(facts, decided).headers
        return Result(request=request, decided=decided, sends=sends)

    def _decide(
        self, request: Posed, facts: RequestFacts, gateway: Gateway
    ) -> Decided | Refusal:
        # By another gateway's table, where it is not the one walked over.
        own = gateway.table is self.subject.gateway.table
        return decide(
            facts,
            request.caller,
            gateway,
            deployment=request.place.deployment if own else None,
        )

    def admitted(self, request: Posed) -> Result:
        """
        Decide *request*, with more fields if that is what it takes to be admitted.

        Rules may require a field, or refuse where none of a kind came.
        """
        result = self.decide(request)
        decided = result.decided
        if isinstance(decided, Refusal) or decided.outcome.denied is None:
            return result
        if not _is_curable(decided.outcome.denied.rule):
            return result
        companions = self._companions(request)
        if len(companions) > _MOST_COMPANIONS:
            raise TooManyCellsError
        for number in range(1, len(companions) + 1):
            for some in combinations(companions, number):
                more = self.pose(
                    request.place, request.context, (*request.fields, *some)
                )
                cured = None if more is None else self.decide(more)
                if cured is not None and cured.refusal is None:
                    return cured
        return result

    def _companions(self, request: Posed) -> tuple[Specimen, ...]:
        """Return the fields for want of which rules refuse."""
        rules = [
            rule
            for rule in self.rules_at(request.place)
            if _is_curable(rule)
            and not rule.shadow
            and rule.match.admits(request.context)
        ]
        found: dict[bytes, Specimen] = {}
        for rule in rules:
            if rule.action is Action.REQUIRE:
                found[rule.require] = Specimen(
                    name=rule.require, value=_PRESENT, kind=_ANY, token=_PRESENT
                )
                continue
            for each in self.specimens([rule], lambda _: True):
                if each.name not in found and rule.match.header.matches(
                    each.name.decode("latin-1"), each.kind, request.context
                ):
                    found[each.name] = each
                    break
        return tuple(found.values())

    @property
    def class_table(self) -> ClassTable:
        """What the configuration declares over the classes that are built in."""
        return self.subject.gateway.plans.class_table

    def specimens(
        self, rules: Sequence[Rule], wanted: Wanted, *, more: Sequence[Match] = ()
    ) -> tuple[Specimen, ...]:
        """Return a field of each cell that *rules* and *more* can tell apart."""
        matches = (*matches_of(rules), *more)
        written = {each for rule in rules for each in _written(rule)}
        patterns = [glob for match in matches for glob in match.header.name]
        patterns += [Glob(each.decode("latin-1")) for each in sorted(written)]
        patterns += [glob for rule in rules for glob in rule.grant]
        return specimens(
            patterns,
            gateway_names=self.subject.gateway.plans.gateway_names,
            wanted=wanted,
            drops=[glob for rule in rules for glob in rule.drop],
            lists={
                glob.text.encode()
                for rule in rules
                if rule.drop
                for glob in rule.match.header.name
            },
            passing=any(rule.grant for rule in rules),
            class_table=self.class_table,
        )

    def credential_sets(
        self,
        place: Place,
        context: Context,
        credentials: Sequence[Specimen],
        gateways: Sequence[Gateway] = (),
    ) -> Iterator[tuple[Specimen, ...]]:
        """
        Yield every set of client credentials that can make a difference, small first.

        Two credentials in one header that fare alike by themselves, as candidate or
        as one taken away, are one; what fares as if it had not come is none. One
        that is refused makes a difference only where another of *gateways* admits
        it, and is then tried beside each set.
        """
        options: dict[bytes, dict[object, Specimen]] = {}
        refused: dict[object, Specimen] = {}
        every = gateways or (self.subject.gateway,)
        empty = self.bare(place, context)
        without = tuple(self._fares(empty, None, gateway) for gateway in every)
        for each in credentials:
            request = self.pose(place, context, (each,))
            if request is None:
                continue
            fares = tuple(self._fares(request, each, gateway) for gateway in every)
            denials = [
                now.denied != then.denied
                for now, then in zip(fares, without, strict=True)
            ]
            if any(denials):
                if not all(denials):
                    refused.setdefault((each.name, fares), each)
            elif fares != without:
                options.setdefault(each.name, {}).setdefault(fares, each)
        sets = self._product(options)
        yield from sets
        for each in refused.values():
            yield from (
                (each, *some)
                for some in sets
                if all(other.name != each.name for other in some)
            )

    def _product(
        self, options: Mapping[bytes, Mapping[object, Specimen]]
    ) -> tuple[tuple[Specimen, ...], ...]:
        positions = [
            (None, *found.values())
            for name, found in options.items()
            # What is no singleton may come again.
            for _ in range(1 if name in names.SINGLETONS else 2)
        ]
        if math.prod(map(len, positions)) > self.limit:
            raise TooManyCellsError
        sets = (
            tuple(each for each in some if each is not None)
            for some in product(*positions)
        )
        return tuple(sorted(dict.fromkeys(sets), key=len))

    def _fares(
        self, request: Posed, specimen: Specimen | None, gateway: Gateway
    ) -> "_Fares":
        decided = self.decide(request, gateway).decided
        if isinstance(decided, Refusal):
            return _Fares(denied=decided.code)
        outcome = decided.outcome
        candidate = ""
        if specimen is not None:
            at = outcome.headers.index((specimen.name, specimen.value))
            verdict = outcome.verdicts[at]
            rule = verdict.rule
            if verdict.action is Action.FORWARD or (
                rule is not None and rule.id == floor.SINGLE_CREDENTIAL
            ):
                is_oauth = specimen.kind.cls == classes.ANTHROPIC_OAUTH
                candidate = slot.CLIENT_OAUTH if is_oauth else slot.CLIENT_API_KEY
        return _Fares(
            candidate=candidate,
            removed=bool(outcome.credential.removed),
            denied=outcome.denied.rule.id if outcome.denied else "",
        )

    def bases(
        self,
        place: Place,
        context: Context,
        sets: Sequence[tuple[Specimen, ...]],
        gateways: Sequence[Gateway] = (),
    ) -> tuple[tuple[Specimen, ...], ...]:
        """
        Return a set of credentials for each source that can fill the slot.

        Of several the one that is admitted is taken. With several *gateways* there
        is one for each combination of their sources.
        """
        found: dict[object, tuple[bool, tuple[Specimen, ...]]] = {}
        asked = [(some, self.pose(place, context, some)) for some in sets]
        for some, request in [(s, q) for s, q in asked if q is not None]:
            every = gateways or (self.subject.gateway,)
            results = [self.decide(request, each) for each in every]
            sources = tuple(each.source for each in results)
            is_admitted = all(_pays(each) for each in results)
            known = found.get(sources)
            if known is None or (is_admitted and not known[0]):
                found[sources] = is_admitted, some
        # What is admitted comes first, for who needs but one.
        admitted = sorted(found.values(), key=lambda each: not each[0])
        return tuple(some for _, some in admitted)


def matches_of(rules: Sequence[Rule]) -> tuple[Match, ...]:
    """Return every condition of *rules*."""
    return tuple(
        match
        for rule in rules
        for match in (rule.match, rule.unless)
        if match is not None
    )


def touching(
    rules: Sequence[Rule], wanted: Wanted, *, puts_in: bool = False
) -> tuple[Rule, ...]:
    """
    Return the *rules* that can matter for fields of the *wanted* classes.

    Those about the request as a whole always can; those that put fields in only
    where *puts_in* says so.
    """
    about = [cls for cls in sorted(classes.CLASSES) if wanted(cls)]
    return tuple(
        rule
        for rule in rules
        if rule.direction is Direction.REQUEST
        and not rule.shadow
        and can_touch(rule, about, puts_in=puts_in)
    )


def can_touch(rule: Rule, about: Sequence[str], *, puts_in: bool) -> bool:
    """Can *rule* matter for fields of the classes *about*? See `touching`."""
    if rule.action is Action.LOG:
        return False
    if rule.action is Action.INJECT:
        return puts_in
    if rule.action is Action.REQUIRE or rule.match.header.present is not None:
        return True
    if rule.action is Action.ALLOW_REQUEST:
        return classes.GATEWAY_CONTROL in about
    wanted = rule.match.header.cls
    return not wanted or any(glob.matches(cls) for glob in wanted for cls in about)


def _pays(result: Result) -> bool:
    """Is the credential slot content, whatever else refuses?"""
    decided = result.decided
    return isinstance(decided, Decided) and not decided.outcome.credential.denied


def _is_curable(rule: Rule) -> bool:
    """Does the rule refuse for want of a field?"""
    return rule.action is Action.REQUIRE or (
        rule.action is Action.DENY and rule.match.header.present is False
    )


def _written(rule: Rule) -> tuple[bytes, ...]:
    """Return the names that a rule writes or looks for beside its match."""
    injected = rule.inject.name if rule.inject else b""
    return tuple(each for each in (injected, rule.rename_to, rule.require) if each)


def _routes(dialect: Dialect) -> tuple[Route, ...]:
    return tuple(route for route in RELAYED if route.dialect is dialect)


def _texts(name: str, texts: Sequence[str]) -> tuple[Put, ...]:
    return tuple(putting_text(name, each) for each in texts)
