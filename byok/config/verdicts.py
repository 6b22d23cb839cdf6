"""
What byok makes of every key in LiteLLM's sections, one verdict a key.

LiteLLM takes a misplaced or misspelt setting without a word. Here it is named, with
the place where it belongs or the word it was probably meant to be.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from byok.config.findings import Findings
from byok.config.litellm import (
    LITELLM_KEYS,
    OWN,
    Known,
    Section,
    Verdict,
    section_of,
)
from byok.config.marks import Mark, Path, shown
from byok.config.nodes import Entry, Items, Leaf, Node, Table, is_null
from byok.config.schema import name_of, section_properties, suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One key of LiteLLM's as it stands in the configuration, and its verdict."""

    path: str
    mark: Mark
    verdict: Verdict
    how: str = ""


_HONOURED = Known(verdict=Verdict.HONOURED)


def judge(tree: Table, findings: Findings) -> tuple[Judged, ...]:
    """Return the verdict on every key of LiteLLM's in *tree*, in written order."""
    return tuple(
        judged
        for section, path, table in _sections(tree, ())
        for key, entry in table.entries.items()
        for judged in _judge_key(section, (*path, key), entry, findings)
    )


def _sections(node: Node, path: Path) -> Iterator[tuple[Section, Path, Table]]:
    section = section_of(path)
    if isinstance(node, Table):
        if section is not None:
            yield section, path, node
        for key, entry in node.entries.items():
            yield from _sections(entry.node, (*path, key))
    elif isinstance(node, Items) and path == ("model_list",):
        for at, each in enumerate(node.items):
            yield from _sections(each, (*path, at))


def _judge_key(
    section: Section, path: Path, entry: Entry, findings: Findings
) -> Iterator[Judged]:
    key = str(path[-1])
    if key in OWN[section] or (section is Section.TOP and key.startswith("x-")):
        return
    known = LITELLM_KEYS[section].get(key)
    if known is None and key in section_properties(section):
        known = _HONOURED
    if known is None:
        known = _strange(section, path, entry, findings)
    elif known is not _HONOURED:
        known = _told(section, known, path, entry, findings)
    yield Judged(
        path=name_of(path), mark=entry.mark, verdict=known.verdict, how=known.how
    )


def _told(
    section: Section, known: Known, path: Path, entry: Entry, findings: Findings
) -> Known:
    """Add what an operator has to know of a setting that is not simply honoured."""
    if is_null(entry.node):
        return known
    if known.boolean and isinstance(entry.node, Leaf):
        if isinstance(entry.node.value, str):
            findings.add(
                "E104",
                entry.node.mark,
                name_of(path),
                f"{name_of(path)} is a text, and a switch is needed",
                remedy="Write true or false without quotes.",
            )
            return known
        if entry.node.value is False:
            # Switched off is how it is here anyway.
            return Known(verdict=Verdict.HONOURED)
    code = _code_of(section, known, str(path[-1]))
    if code:
        name = name_of(path)
        message = {
            "W116": f"{name} is unsafe and has no effect here: {known.how}",
            "W117": f"{name} does not protect here: {known.how}",
            "I119": f"{name} works differently here: {known.how}",
            "I120": f"{name} is accepted, and not enforced yet",
            "W121": f"{name} has no effect here: {known.how}",
        }[code]
        findings.add(code, entry.mark, name, message, remedy=_REMEDIES[code])
    return known


_REMEDIES = {
    "W116": "Delete it.",
    "W117": "Delete it, and do not count on it.",
    "I119": "",
    "I120": "Do not count on it.",
    "W121": "Replace it.",
}


def _code_of(section: Section, known: Known, key: str) -> str:
    if known.verdict is Verdict.UNSAFE:
        return "W116"
    if known.protects:
        return "W117"
    if known.limits:
        return "I120"
    if known.replaced:
        return "W121"
    if known.verdict is Verdict.DIFFERS and key not in section_properties(section):
        return "I119"
    return ""


def _strange(section: Section, path: Path, entry: Entry, findings: Findings) -> Known:
    """Report a key that has no meaning in *section*; say where it would have one."""
    key = str(path[-1])
    homes = [
        each
        for each in Section
        if each is not section
        and (key in section_properties(each) or key in LITELLM_KEYS[each])
    ]
    own = section is Section.TOP
    if homes:
        where = " or ".join(homes)
        findings.add(
            "E102" if own else "W115",
            entry.mark,
            name_of(path),
            f"{shown(key, known=True)} does nothing at {section}:"
            f" it belongs into {where}"
            if own
            else f"{shown(key, known=True)} does nothing in {section}:"
            f" it belongs into {where}",
            remedy=f"Move it to {where}.",
        )
        return Known(verdict=Verdict.UNKNOWN, how=f"it belongs into {where}")
    near = suggestion(key, _names(section))
    findings.add(
        "E102" if own else "W114",
        entry.mark,
        name_of(path),
        f"{shown(key)} is not known {'at' if own else 'in'} {section}",
        remedy=f"Did you mean {near}?" if near else "Delete it, or correct it.",
    )
    return Known(verdict=Verdict.UNKNOWN, how=f"did you mean {near}?" if near else "")


def _names(section: Section) -> list[str]:
    return [
        *section_properties(section),
        *(name for name in LITELLM_KEYS[section] if name not in OWN[section]),
    ]
