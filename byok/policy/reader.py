"""
Plain data read one value at a time, with every problem collected and none raised.

A problem has the path of what is wrong and never its value, since a value in
the wrong place may be somebody's key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from byok.policy import classes
from byok.policy.match import Glob
from byok.policy.rules import Tier, Where

Path = tuple[str | int, ...]
Locate = Callable[[Path], Where]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with policy data; never quotes a value from it."""

    code: str
    path: Path
    message: str
    remedy: str


def holds_credential(text: str) -> bool:
    """Does *text* hold the shape of anybody's credential?"""
    # A lone surrogate is a character that YAML can write and UTF-8 cannot carry.
    return classes.find_credential(text.encode("utf-8", "surrogatepass")) is not None


class Reader:
    """One reading of one list of rules, with the problems met on the way."""

    def __init__(self, tier: Tier, locate: Locate, namespace: str) -> None:
        self.tier = tier
        self.locate = locate
        self.namespace = namespace
        self.problems: list[Problem] = []

    def problem(self, code: str, path: Path, message: str, remedy: str = "") -> None:
        self.problems.append(
            Problem(code=code, path=path, message=message, remedy=remedy)
        )

    def mapping(
        self, value: object, path: Path, known: Sequence[str]
    ) -> Mapping[str, object]:
        """Return *value* if it is a mapping of known keys; else say what is wrong."""
        if not isinstance(value, Mapping):
            self.problem("E101", path, "a mapping is needed here")
            return {}
        for key in value:
            if key not in known:
                close = get_close_matches(str(key), known, n=1)
                self.problem(
                    "E102",
                    (*path, str(key)),
                    "unknown key",
                    f"did you mean {close[0]}?"
                    if close
                    else f"known here: {', '.join(known)}",
                )
        return value

    def text(self, value: object, path: Path) -> str:
        """Return a string that holds no secret; it may be empty."""
        if not isinstance(value, str):
            self.problem("E101", path, "a text is needed here")
            return ""
        if holds_credential(value):
            self.problem(
                "E210",
                path,
                "this is the shape of a credential; a policy may not hold one",
                "name a key by its alias or id",
            )
            return ""
        return value

    def texts(self, value: object, path: Path) -> tuple[str, ...]:
        """Return a string, or a list of strings, as a tuple without secrets."""
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not items:
            self.problem("E101", path, "a string or a list of strings is needed here")
            return ()
        out: list[str] = []
        for index, item in enumerate(items):
            where = (*path, index) if items is value else path
            if not item:
                self.problem("E101", where, "a string of at least one letter is needed")
            elif text := self.text(item, where):
                out.append(text)
        return tuple(out)

    def globs(self, value: object, path: Path) -> tuple[Glob, ...]:
        out: list[Glob] = []
        for text in self.texts(value, path):
            if text.count("*") > 1:
                self.problem("E103", path, "a pattern may hold one * only")
            else:
                out.append(Glob(text))
        return tuple(out)

    def boolean(self, value: object, path: Path) -> bool | None:
        if isinstance(value, bool):
            return value
        self.problem("E104", path, "true or false is needed here, without quotes")
        return None

    def one_of(self, value: object, path: Path, words: Sequence[str]) -> str | None:
        if isinstance(value, str) and value in words:
            return value
        close = get_close_matches(value, words, n=1) if isinstance(value, str) else []
        self.problem(
            "E105",
            path,
            f"one of {', '.join(words)} is needed here",
            f"did you mean {close[0]}?" if close else "",
        )
        return None
