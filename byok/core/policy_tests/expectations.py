"""What was expected of a request, compared with the explanation of what was done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from byok.core.explain import Json
from byok.core.policy_tests.cases import Expected, HeaderExpected, ShadowExpected
from byok.core.policy_tests.trial import Trial
from byok.policy.classes import PROVIDER_CREDENTIAL_PREFIX

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """
    One thing that is not as expected.

    `header` is the field that it is about, where it is about one.
    """

    what: str
    expected: str
    got: str
    header: str = ""
    hint: str = ""


def mismatches(
    expected: Expected, trial: Trial, *, rules: Iterable[str] = ()
) -> tuple[Mismatch, ...]:
    """
    Return everything in which *trial* is not as *expected*.

    *rules* are the ids that there are, for a hint where one that is expected is not.
    """
    ids = frozenset(rules)
    return (
        *_of_request(expected, trial),
        *(
            each
            for header in expected.headers
            for each in _of_header(header, trial, ids)
        ),
        *_of_credential(expected, trial),
        *_of_names(expected, trial),
        *_of_classes(expected, trial),
        *of_shadow(expected, shadows_of(trial)),
    )


def slots_of(explanation: Json, name: str) -> Sequence[Json]:
    """Return what the explanation says of each field called *name*."""
    slots = cast("Sequence[Json]", explanation["slots"])
    return [each for each in slots if each["slot"] == f"header:{name}"]


def _of_request(expected: Expected, trial: Trial) -> Iterator[Mismatch]:
    refusal = trial.refusal
    why = "" if refusal is None else f" ({refusal.status} {refusal.code})"
    verdict = str(trial.explanation["verdict"])
    if expected.verdict and expected.verdict != verdict:
        yield Mismatch(what="verdict", expected=expected.verdict, got=verdict + why)
    if expected.status:
        # What a provider would answer is not known here, only what byok answers.
        got = "it leaves" if refusal is None else str(refusal.status)
        if str(expected.status) != got:
            yield Mismatch(what="status", expected=str(expected.status), got=got)
    if expected.code:
        got = "it leaves" if refusal is None else refusal.code
        if expected.code != got:
            yield Mismatch(what="code", expected=expected.code, got=got)
    if expected.rule:
        got = (refusal.rule if refusal else "") or _NOTHING
        if expected.rule != got:
            yield Mismatch(what="rule of the refusal", expected=expected.rule, got=got)


def _of_header(
    expected: HeaderExpected, trial: Trial, ids: frozenset[str]
) -> Iterator[Mismatch]:
    slots = slots_of(trial.explanation, expected.name)
    if not slots:
        # It was given: the request was refused before anybody looked at it.
        refusal = trial.refusal
        yield Mismatch(
            what=f"header {expected.name}",
            expected="a verdict",
            got=f"none, for the request was refused ({refusal.code})"
            if refusal
            else "none",
        )
    for each in slots:
        yield from of_slot(expected, each, ids)


def of_slot(
    expected: HeaderExpected, slot: Json, ids: frozenset[str]
) -> Iterator[Mismatch]:
    """Yield in what one field, as it is explained in *slot*, is not as *expected*."""
    determining = cast("Sequence[Json]", slot["determining"])
    decided_by = [str(each["rule"]) for each in determining]
    for what, wanted, got in (
        ("verdict", expected.verdict, str(slot["verdict"])),
        ("class", expected.cls, str(slot["class"])),
        ("sent_as", expected.sent_as, str(slot["sent_as"] or _NOTHING)),
    ):
        if wanted and wanted != got:
            yield Mismatch(
                what=f"header {expected.name} {what}",
                expected=wanted,
                got=got,
                header=expected.name,
            )
    if expected.by and expected.by not in decided_by:
        yield Mismatch(
            what=f"header {expected.name} by",
            expected=expected.by,
            got=", ".join(decided_by),
            header=expected.name,
            hint=_hint(expected.by, ids),
        )


def _hint(rule: str, ids: frozenset[str]) -> str:
    if rule in ids or not ids:
        return ""
    near = get_close_matches(rule, sorted(ids), n=1)
    return "no rule has this id" + (f"; did you mean {near[0]}?" if near else "")


def _of_credential(expected: Expected, trial: Trial) -> Iterator[Mismatch]:
    found = trial.explanation["credential"]
    credential = cast("Json", found) if isinstance(found, Mapping) else {}
    for what, wanted in (("source", expected.source), ("payer", expected.payer)):
        got = str(credential.get(what) or _NOTHING)
        if wanted and wanted != got:
            yield Mismatch(what=f"credential {what}", expected=wanted, got=got)


def _of_names(expected: Expected, trial: Trial) -> Iterator[Mismatch]:
    sends = cast("Sequence[str]", trial.explanation["sends"])
    listed = ", ".join(sends) or _NOTHING
    for name in expected.sends:
        if name not in sends:
            yield Mismatch(what="sends", expected=name, got=listed, header=name)
    for name in expected.never_sends:
        if name in sends:
            yield Mismatch(
                what="never_sends", expected=f"no {name}", got=listed, header=name
            )


def _of_classes(expected: Expected, trial: Trial) -> Iterator[Mismatch]:
    for glob in expected.never_sends_class:
        for cls in sorted(filter(glob.matches, trial.sent_classes)):
            yield _leak("never_sends_class", f"no {glob.text}", cls, trial)
    if expected.never_to_untrusted:
        trusted = trial.trusted
        for cls in sorted(trial.sent_classes - trusted):
            if cls.startswith(PROVIDER_CREDENTIAL_PREFIX):
                request = cast("Json", trial.explanation["request"])
                what = "never_sends_class_to_untrusted"
                wanted = f"{request['host']} is not trusted for it"
                yield _leak(what, wanted, cls, trial)


def _leak(what: str, wanted: str, cls: str, trial: Trial) -> Mismatch:
    slots = cast("Sequence[Json]", trial.explanation["slots"])
    names = [
        str(each["slot"]).removeprefix("header:")
        for each in slots
        if each["class"] == cls and each["sent_as"]
    ]
    return Mismatch(
        what=what,
        expected=wanted,
        got=f"{cls} leaves",
        header=names[0] if names else "",
    )


def of_shadow(expected: Expected, found: Sequence[Json]) -> Iterator[Mismatch]:
    """Yield where what rules in shadow would do, which was *found*, is not expected."""
    if expected.shadow is None:
        return
    if not expected.shadow and found:
        yield Mismatch(
            what="shadow",
            expected=_NOTHING,
            got="; ".join(map(_shadow_words, found)),
        )
    for each in expected.shadow:
        yield from _of_one_shadow(each, found)


def _of_one_shadow(
    expected: ShadowExpected, found: Sequence[Json]
) -> Iterator[Mismatch]:
    there = [each for each in found if each["slot"] == expected.slot]
    fits = [
        each
        for each in there
        if expected.would in ("", each["would"]) and expected.by in ("", each["rule"])
    ]
    if fits:
        return
    wanted = " ".join(
        word
        for word in (
            f"would {expected.would}" if expected.would else "",
            f"by {expected.by}" if expected.by else "",
        )
        if word
    )
    yield Mismatch(
        what=f"shadow {expected.slot}",
        expected=wanted or "something",
        got="; ".join(map(_shadow_words, there)) or _NOTHING,
        header=expected.slot.removeprefix("header:"),
    )


def shadows_of(trial: Trial) -> Sequence[Json]:
    """Return everything that rules in shadow would change."""
    explanation = trial.explanation
    slots = cast("Sequence[Json]", explanation["slots"])
    credential = explanation["credential"]
    out = [each for slot in slots for each in cast("Sequence[Json]", slot["shadow"])]
    if isinstance(credential, Mapping):
        out += cast("Sequence[Json]", credential["shadow"])
    return [*out, *cast("Sequence[Json]", explanation["shadow"])]


def _shadow_words(each: Json) -> str:
    by = f" by {each['rule']}" if each["rule"] else ""
    return f"{each['slot']} would {each['would']}{by}"
