"""Two plans of one caller at one deployment, compared."""

from collections.abc import Iterator
from dataclasses import dataclass

from byok.core.effective import Effective, Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is otherwise in another plan."""

    what: str
    before: str
    after: str
    rule: str = ""
    origin: str = ""


def changes(before: Effective, after: Effective) -> tuple[Change, ...]:
    """Return in what *after* is otherwise than *before*, rows first."""
    return (
        *_changed_cells(before, after),
        *_changed_offers(before, after),
        *_changed_rules(before, after),
    )


def _changed_cells(before: Effective, after: Effective) -> Iterator[Change]:
    olds = {(each.name, each.cls, each.source): each for each in before.cells}
    told: set[tuple[str, ...]] = set()
    for cell in after.cells:
        old = olds.get((cell.name, cell.cls, cell.source))
        was = "" if old is None else old.verdict
        what = f"{cell.name} {cell.cls}"
        key = (what, was, cell.verdict, cell.rule)
        if old is None or was == cell.verdict or key in told:
            continue
        told.add(key)
        yield Change(
            what=what,
            before=was,
            after=cell.verdict,
            rule=cell.rule,
            origin=cell.origin,
        )


def _changed_offers(before: Effective, after: Effective) -> Iterator[Change]:
    for old, new in zip(before.offers, after.offers, strict=True):
        if old != new:
            yield Change(
                what=f"credential, where the client brings {new.offered}",
                before=_offer_words(old),
                after=_offer_words(new),
            )


def _offer_words(offer: Offer) -> str:
    return f"refused ({offer.refusal})" if offer.refusal else offer.source


def _changed_rules(before: Effective, after: Effective) -> Iterator[Change]:
    for word, olds, news in (
        ("request", before.requests, after.requests),
        ("x-pass-", before.grants, after.grants),
        ("answer", before.responses, after.responses),
        (
            "put in",
            tuple(each.rule for each in before.injections),
            tuple(each.rule for each in after.injections),
        ),
    ):
        for rule in dict.fromkeys(news):
            if all(rule.id != old.id or rule.tier != old.tier for old in olds):
                yield Change(
                    what=word,
                    before="nothing",
                    after=rule.action.word,
                    rule=rule.id,
                    origin=str(rule.where),
                )
