"""
What was found in a configuration, all of it at once.

A finding says where, what and what to do. It never quotes a value: whatever
stands in a configuration may be somebody's secret in the wrong place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from byok.config.codes import Level, level_of
from byok.config.marks import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing an operator should know about their configuration."""

    code: str
    level: Level
    path: str
    file: str
    line: int
    col: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = Mark(self.file, self.line, self.col)
        return f"{mark} {self.code} {self.message}"


class Findings:
    """Collects findings while a configuration is read; the order is sorted last."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(
        self, code: str, mark: Mark, path: str, message: str, *, remedy: str = ""
    ) -> None:
        """Note that *code* was found at *mark*, in the setting named *path*."""
        self._found.append(
            Finding(
                code=code,
                level=level_of(code),
                path=path,
                file=mark.file,
                line=mark.line,
                col=mark.col,
                message=message,
                remedy=remedy,
            )
        )

    def extend(self, found: Iterable[Finding]) -> None:
        """Take over what somebody else found."""
        self._found.extend(found)

    @property
    def has_errors(self) -> bool:
        """Was anything found that keeps the configuration from being used?"""
        return has_errors(self._found)

    def all(self) -> tuple[Finding, ...]:
        """Everything found so far, each once, sorted by place."""
        return in_order(self._found)


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """
    Sort *found* by file, line and column, without repetitions.

    Files keep the order in which they were first mentioned: the main file is
    read before those it includes. The same thing found by two readers is said once,
    as the first of them said it; of an empty value nothing else is said.
    """
    once: dict[tuple[str, ...], Finding] = {}
    for each in found:
        once.setdefault((each.code, each.message, *_place(each)), each)
    empty = {_place(each) for each in once.values() if _says_empty(each)}
    unique = [
        each for each in once.values() if _says_empty(each) or _place(each) not in empty
    ]
    files = {each: at for at, each in enumerate(dict.fromkeys(f.file for f in unique))}
    return tuple(sorted(unique, key=lambda f: (files[f.file], f.line, f.col, f.code)))


def _place(finding: Finding) -> tuple[str, ...]:
    return finding.file, str(finding.line), str(finding.col), finding.path


def _says_empty(finding: Finding) -> bool:
    return finding.code == "E117" and finding.message.endswith(" is empty")


def has_errors(found: Iterable[Finding]) -> bool:
    """Is any of *found* an error?"""
    return any(each.level is Level.ERROR for each in found)


def strictly(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return *found* with every warning raised to an error."""
    return tuple(
        replace(each, level=Level.ERROR) if each.level is Level.WARNING else each
        for each in found
    )
