"""
Rules that put different values into one header of one request (E220).

There is no tie to break: whoever wrote both has to say which one is meant. Whether
two rules meet at all is asked of every deployment there is, cell by cell.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from byok.core.providers import PROVIDERS
from byok.core.routes import RELAYED
from byok.core.routing import Deployment, DeploymentTable
from byok.core.supposed import ANY_MODEL
from byok.core.walk import matches_of
from byok.policy import classes, slot
from byok.policy.cells import (
    Dimension,
    Grid,
    Put,
    Texts,
    address_cells,
    key_cells,
    putting_key,
    putting_route,
    putting_stream,
    putting_tags,
    putting_text,
    tag_cells,
)
from byok.policy.classes import Classified, How
from byok.policy.match import Context, Glob, Match
from byok.policy.rules import Direction, Rule, Tier, When

_LIMIT = 10_000
_NO_FIELD = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)
_SOURCES = (*slot.SOURCES, slot.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """Two rules that disagree, and a request for which both hold."""

    one: Rule
    other: Rule
    context: Context

    @property
    def example(self) -> str:
        """The request in a few words, as far as the rules ask about it."""
        asked = matches_of((self.one, self.other))
        said = (
            (name, getattr(self.context, name))
            for name in ("route", "model", "deployment", "team", "user", "key")
        )
        words = [
            f"{name} {value}"
            for name, value in said
            if value and any(getattr(match, name) for match in asked)
        ]
        tags = sorted(self.context.tags)
        return ", ".join([*words, *(f"tag {tag}" for tag in tags)])


def clashes(rules: Sequence[Rule], table: DeploymentTable) -> tuple[Clash, ...]:
    """
    Return each pair of injects that disagree for some request to one of *table*.

    They are of one tier and equally strict, so that nothing says which one wins.
    """
    return tuple(
        Clash(one=one, other=other, context=context)
        for one, other in _pairs(rules)
        for context in [_meeting(one, other, table)]
        if context is not None
    )


def clashes_somewhere(rules: Sequence[Rule]) -> tuple[Clash, ...]:
    """
    Return each pair of injects that disagree at whatever deployments there may be.

    So it is for rules that no configuration knows, those of a key.
    """
    return tuple(
        Clash(one=one, other=other, context=context)
        for one, other in _pairs(rules)
        for context in [_meeting_somewhere(one, other)]
        if context is not None
    )


def _pairs(rules: Sequence[Rule]) -> Iterator[tuple[Rule, Rule]]:
    alike: dict[tuple[Tier, Direction, bytes, bool], list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.inject is not None and rule.inject.when is not When.APPEND:
            key = (rule.tier, rule.direction, rule.inject.name, rule.lock)
            alike[key].append(rule)
    for every in alike.values():
        for one, other in combinations(every, 2):
            if one.inject != other.inject and one.shadow is other.shadow:
                yield one, other


def _meeting(one: Rule, other: Rule, table: DeploymentTable) -> Context | None:
    """Return a request for which both rules hold, or None."""
    if _are_apart(one.match, other.match):
        return None
    matches = matches_of((one, other))
    for found in table.deployments:
        models = _models(found, table, matches)
        if found.provider not in PROVIDERS or not models:
            continue
        context = _meeting_at(_base(found), models, one, other)
        if context is not None:
            return context
    return None


def _meeting_at(
    base: Context, models: Sequence[str], one: Rule, other: Rule
) -> Context | None:
    matches = matches_of((one, other))
    dimensions = tuple(_dimensions(base.provider, models, matches))
    for context in Grid(base, dimensions, matches).contexts(_LIMIT):
        if any(
            _holds(one, context, source) and _holds(other, context, source)
            for source in _SOURCES
        ):
            return context
    return None


def _meeting_somewhere(one: Rule, other: Rule) -> Context | None:
    """Return a request for which both hold, to any deployment one could think of."""
    if _are_apart(one.match, other.match):
        return None
    matches = matches_of((one, other))
    models = _texts("model", matches).witnesses(ANY_MODEL)
    for place in product(
        _texts("deployment", matches).witnesses(ANY_MODEL),
        _texts("model_group", matches).witnesses(ANY_MODEL),
        PROVIDERS,
        _hosts(matches),
        (False, True),
    ):
        deployment, group, provider, host, has_key = place
        base = Context(
            route="",
            method="",
            model="",
            model_group=group,
            deployment=deployment,
            provider=provider,
            host=host,
            deployment_key=has_key,
        )
        context = _meeting_at(base, models, one, other)
        if context is not None:
            return context
    return None


def _texts(name: str, matches: Sequence[Match]) -> Texts:
    return Texts(glob for match in matches for glob in getattr(match, name))


def _hosts(matches: Sequence[Match]) -> tuple[str, ...]:
    texts = (each.text for match in matches for each in match.host)
    named = (f"any{each[1:]}" if each.startswith("*.") else each for each in texts)
    return tuple(dict.fromkeys(("host.example", *named)))


_LITERALS = ("deployment", "model_group", "team", "user", "key", "host")


def _are_apart(one: Match, other: Match) -> bool:
    """Do the two name different things, without any pattern? That is quick to see."""
    return any(
        here and there and here.isdisjoint(there)
        for name in _LITERALS
        for here, there in [(_named(one, name), _named(other, name))]
    )


def _named(match: Match, name: str) -> frozenset[str]:
    patterns = getattr(match, name)
    texts = frozenset(each.text for each in patterns)
    is_plain = all(getattr(p, "exact", False) or "*" not in p.text for p in patterns)
    # A key has two names, and one rule may use either.
    is_plain = is_plain and (name != "key" or not any(map(_is_id, texts)))
    return texts if is_plain else frozenset()


def _is_id(text: str) -> bool:
    return text.startswith("key_")


def _base(found: Deployment) -> Context:
    return Context(
        route="",
        method="",
        model="",
        model_group=found.model_group,
        deployment=found.name,
        provider=found.provider,
        host=found.origin.host,
        trusted=found.trusted,
        deployment_key=found.api_key is not None,
    )


def _models(
    found: Deployment, table: DeploymentTable, matches: Sequence[Match]
) -> tuple[str, ...]:
    patterns = [glob for match in matches for glob in match.model]
    groups = [Glob(each.model_group) for each in table.deployments]
    asked = Texts(patterns)
    models: dict[object, str] = {}
    for model in (ANY_MODEL, *Texts([*patterns, *groups]).candidates()):
        serving = table.find(model) if model else None
        if serving is not None and serving.model_group == found.model_group:
            models.setdefault(asked.signature(model), model)
    return tuple(models.values())


def _dimensions(
    provider: str, models: Sequence[str], matches: Sequence[Match]
) -> Iterator[Dimension]:
    dialects = PROVIDERS[provider].dialects
    routes = [each for each in RELAYED if each.dialect in dialects]
    yield _dimension("route", (putting_route(each.id, each.method) for each in routes))
    yield _dimension("model", (putting_text("model", each) for each in models))
    for name in ("team", "user", "auth"):
        texts = _texts(name, matches)
        puts = (putting_text(name, each) for each in texts.witnesses(""))
        yield _dimension(name, puts)
    keys = key_cells([glob for match in matches for glob in match.key])
    yield _dimension("key", (putting_key(*each) for each in keys))
    tags = tag_cells([match.tags for match in matches])
    yield _dimension("tags", (putting_tags(each) for each in tags))
    addresses = address_cells(each for match in matches for each in match.client_ip)
    puts = (putting_text("client_ip", each) for each in addresses)
    yield _dimension("client_ip", puts)
    yield _dimension("stream", (putting_stream(on=each) for each in (False, True)))


def _dimension(name: str, puts: Iterator[Put]) -> Dimension:
    return Dimension(name=name, cells=tuple(puts))


def _holds(rule: Rule, context: Context, source: str) -> bool:
    # What is put in looks at no field that came.
    unless = rule.unless
    return rule.match.holds("", _NO_FIELD, context, source) and not (
        unless is not None and unless.holds("", _NO_FIELD, context, source)
    )
