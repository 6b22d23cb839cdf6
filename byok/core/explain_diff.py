"""Two explanations of one request, line by line: what is the same, what is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from byok.core.explain import Json
from byok.core.explain_text import render

SAME, BEFORE, AFTER = " ", "-", "+"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the comparison; `mark` says which side it stands on."""

    mark: str
    text: str


def compared(before: Json, after: Json) -> tuple[Line, ...]:
    """
    Return both explanations as one text, with the lines of each side marked.

    Where a rule stands is no difference: the same rule in another file or on
    another line decides the same.
    """
    old, new = render(before).split("\n"), render(after).split("\n")
    matcher = SequenceMatcher(
        a=render(_nowhere(before)).split("\n"),
        b=render(_nowhere(after)).split("\n"),
        autojunk=False,
    )
    out: list[Line] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            out += [Line(SAME, text) for text in new[k:m]]
        else:
            out += [Line(BEFORE, text) for text in old[i:j]]
            out += [Line(AFTER, text) for text in new[k:m]]
    return tuple(out)


def _nowhere(explanation: Json) -> Json:
    return {name: _placeless(value) for name, value in explanation.items()}


def _placeless(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_placeless(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    out = {name: _placeless(each) for name, each in value.items()}
    # A request has an origin too, which is where it goes.
    if "rule" in out and out.get("origin") is not None:
        out["origin"] = "here"
    return out
