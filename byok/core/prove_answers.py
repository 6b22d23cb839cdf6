"""
Answers by two configurations: does more of one go back to a client than before?

It is asked where the organisation pays. Where the client does, the provider's answer
is the client's own. What never goes back is no matter of rules, so it is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from byok.core.answer_fields import about_answers, answer_fields
from byok.core.errors import Refusal
from byok.core.exchange import Decided, Gateway
from byok.core.walk import Place, Posed, Walk, matches_of
from byok.policy import slot
from byok.policy.match import Context, Match
from byok.policy.outcome import Headers
from byok.policy.responses import ResponseOutcome
from byok.policy.rules import Rule
from byok.policy.slot import CredentialPolicy, OnMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A field *name* of the answer to *request* that clients did not get to see."""

    request: Posed
    name: bytes
    what: str
    rule: Rule | None


def shown_more(walk: Walk, old: Gateway, known: Sequence[Match]) -> Iterator[Shown]:
    """
    Yield what answers of the gateway walked over show, and those of *old* did not.

    *known* is what tells requests apart for *old*.
    """
    theirs = about_answers(old.plans.rules)
    for place in walk.places(apart=True):
        rules = about_answers(walk.rules_at(place))
        both = (*rules, *theirs)
        if not both:
            continue
        for context in walk.contexts(place, (*matches_of(rules), *known)):
            yield from _at(walk, place, context, old, both)


def _at(
    walk: Walk, place: Place, context: Context, old: Gateway, both: Sequence[Rule]
) -> Iterator[Shown]:
    request = walk.bare(place, context)
    now, then = walk.decide(request).decided, walk.decide(request, old).decided
    # Where one serves the model and the other does not, that is told of the request.
    if isinstance(now, Refusal) or isinstance(then, Refusal):
        return
    for source in _paid_by_us(now):
        tables = walk.class_table, old.plans.class_table
        for fields in ((), *answer_fields(both, source, *tables)):
            walk.count()
            after = now.plan.response.apply(fields, source)
            before = then.plan.response.apply(fields, source)
            yield from _compared(request, fields, after, before)


def _paid_by_us(decided: Decided) -> tuple[str, ...]:
    """Return the sources of credentials by which the organisation pays there."""
    policy: CredentialPolicy = decided.plan.credential_policy
    has_key = decided.context.deployment_key and slot.DEPLOYMENT in policy.order
    sources = [slot.DEPLOYMENT] if has_key else []
    if policy.on_missing is OnMissing.ANONYMOUS:
        sources.append(slot.NONE)
    return tuple(sources)


def _compared(
    request: Posed, fields: Headers, after: ResponseOutcome, before: ResponseOutcome
) -> Iterator[Shown]:
    hidden = {value for _, value in before.sends}
    seen = {value for _, value in after.sends}
    for (name, value), verdict in zip(fields, after.verdicts, strict=True):
        if value in seen - hidden:
            text = f"{name.decode('latin-1')} of an answer goes back and stayed here"
            yield Shown(request=request, name=name, what=text, rule=verdict.rule)
