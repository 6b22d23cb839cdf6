"""
The whole plan of one caller at one deployment: every kind of header, and its fate.

Each cell is a decision of the gateway's own about a made-up request, so it says what
happens and not what somebody reads in the rules. Names that neither a rule nor a
class mentions all share a fate; one of them stands for the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from byok.core.exchange import Caller, Decided, Gateway, decide
from byok.core.facts import RequestFacts
from byok.core.routing import Deployment
from byok.core.supposed import PLACEHOLDERS, filled
from byok.policy import names
from byok.policy.match import Context, Glob
from byok.policy.outcome import Headers, Outcome, Verdict
from byok.policy.plan import DEFAULT_DENY
from byok.policy.rules import Action, Direction, Rule
from byok.policy.slot import CredentialPolicy
from byok.policy.tiers import Overridden

Fate = tuple[object, ...]
VALUE = b"some-value"
_CREDENTIAL_NAMES = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_ELSEWHERE = "x-somewhere-else"
_OTHER_HEADERS = "any other header"

# What a client may bring of its own, and the words for it.
OFFERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "nothing": (),
    "a claude.ai login": (("authorization", "<anthropic.oauth>"),),
    "an Anthropic API key": (("x-api-key", "<anthropic.api_key>"),),
    "both of these": (
        ("authorization", "<anthropic.oauth>"),
        ("x-api-key", "<anthropic.api_key>"),
    ),
    "an OpenAI API key": (("authorization", "<openai.api_key>"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """
    One kind of header and what becomes of it.

    `source` is the credential that leaves beside it, empty for credentials
    themselves. `shadow` says what rules in shadow would do instead.
    """

    name: str
    cls: str
    source: str
    verdict: str
    rule: str
    origin: str
    reason: str
    over: tuple[Overridden, ...] = ()
    shadow: str = ""

    @property
    def fate(self) -> Fate:
        """All that is the same of headers which share a row."""
        return (
            self.cls,
            self.verdict,
            self.rule,
            self.origin,
            self.reason,
            self.over,
            self.shadow,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a client brings, what then leaves, and why nothing does."""

    offered: str
    source: str
    payer: str
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutIn:
    """A field that policy puts into requests, or into answers."""

    name: str
    when: str
    rule: Rule
    source: str
    over: tuple[Overridden, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """Everything that holds for one caller at one deployment."""

    context: Context
    policy: CredentialPolicy
    cells: tuple[Cell, ...]
    offers: tuple[Offer, ...]
    injections: tuple[PutIn, ...]
    requests: tuple[Rule, ...]
    grants: tuple[Rule, ...]
    responses: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Headers that share a class and a fate; `sources` are none where it is always."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    cell: Cell


def effective(
    facts: RequestFacts, caller: Caller, gateway: Gateway, deployment: Deployment
) -> Effective | None:
    """
    Return what holds for *caller* at *deployment*; None where it does not serve.

    *facts* are those of a request without headers.
    """
    asking = _Asking(facts, caller, gateway, deployment)
    first = asking.decided(())
    if first is None:
        return None
    context = first.context
    rules = asking.rules
    able = [rule for rule in rules if rule.match.admits(context) and not rule.shadow]
    asked = [rule for rule in able if rule.direction is Direction.REQUEST]
    return Effective(
        context=context,
        policy=gateway.plans.plan(context).credential_policy,
        cells=(*asking.credential_cells(), *asking.plain_cells()),
        offers=tuple(asking.offers()),
        injections=tuple(asking.injections()),
        requests=tuple(
            rule
            for rule in asked
            if rule.action is Action.REQUIRE
            or (rule.action is Action.DENY and _is_about_request(rule))
        ),
        grants=tuple(rule for rule in asked if rule.action is Action.ALLOW_REQUEST),
        responses=tuple(r for r in able if r.direction is Direction.RESPONSE),
    )


def _is_about_request(rule: Rule) -> bool:
    header = rule.match.header
    return header.is_empty or header.present is not None


class _Asking:
    """One caller at one deployment, asked about many headers."""

    def __init__(
        self,
        facts: RequestFacts,
        caller: Caller,
        gateway: Gateway,
        deployment: Deployment,
    ) -> None:
        self._facts = facts
        self._caller = caller
        self._gateway = gateway
        self._deployment = deployment
        self.rules = (
            *gateway.plans.rules,
            *gateway.key_policies.of(caller.record).rules,
        )
        self._names = tuple(_names(self.rules, gateway.plans.gateway_names))

    def decided(self, headers: Headers) -> Decided | None:
        found = decide(
            replace(self._facts, headers=headers),
            self._caller,
            self._gateway,
            deployment=self._deployment,
        )
        return found if isinstance(found, Decided) else None

    def _outcome(self, headers: Headers) -> Outcome:
        # Whether a deployment serves does not depend on headers.
        return cast("Decided", self.decided(headers)).outcome

    def credential_cells(self) -> Iterator[Cell]:
        for word in PLACEHOLDERS:
            for name in (*_CREDENTIAL_NAMES, _ELSEWHERE):
                sent = filled(name, f"<{word}>")
                outcome = self._outcome(((name.encode(), sent.encode()),))
                # What has no shape is whatever its header makes of it.
                if not outcome.kinds[0].is_credential:
                    continue
                yield _cell(
                    outcome, 0, _OTHER_HEADERS if name == _ELSEWHERE else name, ""
                )

    def plain_cells(self) -> Iterator[Cell]:
        for source, offered in self._ways():
            asked = tuple((sample.encode(), VALUE) for _, sample in self._names)
            outcome = self._outcome((*offered, *asked))
            for at, (shown, _) in enumerate(self._names, len(offered)):
                yield _cell(outcome, at, shown, source)

    def offers(self) -> Iterator[Offer]:
        for words, headers in OFFERS.items():
            if words == "an OpenAI API key" and not self._is_openai:
                continue
            found = cast("Decided", self.decided(_made(headers)))
            credential = found.outcome.credential
            refusal = found.refusal
            yield Offer(
                offered=words,
                source=credential.source,
                payer=credential.payer,
                refusal="" if refusal is None else refusal.code,
            )

    @property
    def _is_openai(self) -> bool:
        return self._deployment.provider == "openai"

    def injections(self) -> Iterator[PutIn]:
        for source, offered in self._ways():
            for each in self._outcome(offered).injections:
                inject = each.rule.inject
                yield PutIn(
                    name=each.name,
                    when=inject.when.value if inject else "",
                    rule=each.rule,
                    source=source,
                    over=each.over,
                )

    def _ways(self) -> tuple[tuple[str, Headers], ...]:
        """
        Return each credential that may leave, with what a client brings for it.

        Where none may, that one way is told of which everything is refused.
        """
        found: dict[str, tuple[Headers, bool]] = {}
        for headers in OFFERS.values():
            made = _made(headers)
            credential = self._outcome(made).credential
            found.setdefault(credential.source, (made, bool(credential.denied)))
        able = {key: each for key, each in found.items() if not each[1]} or found
        return tuple((source, made) for source, (made, _) in able.items())


def _made(headers: Iterable[tuple[str, str]]) -> Headers:
    return tuple(
        (name.encode(), filled(name, value).encode()) for name, value in headers
    )


def _names(
    rules: Sequence[Rule], gateway_names: Iterable[bytes]
) -> Iterator[tuple[str, str]]:
    """Yield every name that a class or a rule mentions, with one that fits it."""
    patterns = [
        *(
            each.decode()
            for each in sorted(names.OF_A_CLASS | frozenset(gateway_names))
        ),
        *(f"{each.decode()}*" for each in names.PREFIXES_OF_A_CLASS),
        *(f"*{each.decode()}" for each in names.OTHER_CREDENTIAL_SUFFIXES),
        *_named_by(rules),
        "x-*",
        "*",
    ]
    credentials = {
        each.decode()
        for each in names.AMBIGUOUS_CREDENTIALS | names.NAMED_CREDENTIALS.keys()
    }
    seen: set[str] = set()
    for text in patterns:
        if text not in seen and text not in credentials:
            seen.add(text)
            yield text, text.replace("*", "something")


def _named_by(rules: Iterable[Rule]) -> list[str]:
    found: set[Glob] = set()
    for rule in rules:
        for match in (rule.match, rule.unless):
            if match is not None and rule.direction is Direction.REQUEST:
                found |= set(match.header.name)
    return sorted(each.text for each in found)


def _cell(outcome: Outcome, at: int, shown: str, source: str) -> Cell:
    verdict = outcome.verdicts[at]
    shadow = next((each for each in outcome.shadow if each.index == at), None)
    rule = verdict.rule
    return Cell(
        name=shown,
        cls=outcome.kinds[at].cls,
        source=source,
        verdict=_words(verdict),
        rule=DEFAULT_DENY if rule is None else rule.id,
        origin="" if rule is None else str(rule.where),
        reason=verdict.reason.value,
        over=verdict.over,
        shadow=""
        if shadow is None
        else f"{shadow.would} by {shadow.rule.id if shadow.rule else DEFAULT_DENY}",
    )


def _words(verdict: Verdict) -> str:
    word = verdict.action.word
    if verdict.drop:
        return f"{word} without {', '.join(each.text for each in verdict.drop)}"
    if verdict.action is Action.RENAME and verdict.rule is not None:
        return f"{word} to {verdict.rule.rename_to.decode('latin-1')}"
    return word


def rows_of(cells: Sequence[Cell]) -> tuple[Row, ...]:
    """Put together what shares a fate, whatever credential leaves or by which."""
    by_name: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_name.setdefault((cell.name, cell.cls), []).append(cell)
    rows: dict[tuple[Fate, tuple[str, ...]], list[str]] = {}
    first: dict[Fate, Cell] = {}
    for (name, _), found in by_name.items():
        fates: dict[Fate, list[str]] = {}
        for cell in found:
            fates.setdefault(cell.fate, []).append(cell.source)
            first.setdefault(cell.fate, cell)
        for fate, sources in fates.items():
            key = (fate, () if len(fates) == 1 else tuple(sources))
            rows.setdefault(key, []).append(name)
    return tuple(
        Row(names=tuple(shared), sources=sources, cell=first[fate])
        for (fate, sources), shared in rows.items()
    )
