"""
Transcripts of a terminal: run again, and compared with what was printed.

A command stands after `$ ` and goes on where its line ends in a backslash. A line
of three dots stands for any lines. What differs in each run is masked: ids,
keys, fingerprints, times, ports.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from byok.cli import main

PROMPT = "$ "
ANYTHING = "..."

_MASKS = tuple(
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"sk-byok-(?:[0-9A-Za-z]{49}|\.\.\.)", "sk-byok-#"),
        (r"sk-\.\.\.[0-9A-Za-z_-]{4}", "sk-...#"),
        (r"\bkey_[0-9A-Za-z]{22}", "key_#"),
        (r"\breq_[0-9a-f]{24}", "req_#"),
        (r"\bfp=[0-9a-f]{8}", "fp=#"),
        (r"\bg\d+-[0-9a-f]{8}\b", "g#"),
        (r'("fingerprint": )"[0-9a-f]{8}"', r'\1"#"'),
        (r'("config_digest": )"sha256:[0-9a-f]{64}"', r'\1"#"'),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "TIME"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
        (r"\b(first|total)=[0-9.]+ms", r"\1=#ms"),
        (r"\b\d+( cells, )\d+ ms", r"#\1# ms"),
        (r"\bcli:\w+", "cli:#"),
        (r"(127\.0\.0\.1|localhost):\d+", r"\1:#"),
        (r"\bbyok \d+\.\d+\.\d+", "byok #"),
        (r'("version": )"\d+\.\d+\.\d+"', r'\1"#"'),
        (r" +$", ""),
    )
)

_OPERATORS = frozenset("|&;<>()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command and what it printed; `first` counts the lines of its block."""

    command: str
    printed: tuple[str, ...]
    first: int


def steps(lines: Sequence[str]) -> Iterator[Step]:
    """Yield the steps of one transcript."""
    at = 0
    while at < len(lines):
        assert lines[at].startswith(PROMPT), f"no command: {lines[at]!r}"
        command = [lines[at].removeprefix(PROMPT)]
        at += 1
        while command[-1].endswith("\\"):
            command.append(lines[at])
            at += 1
        first = at
        while at < len(lines) and not lines[at].startswith(PROMPT):
            at += 1
        yield Step(
            command="\n".join(command), printed=tuple(lines[first:at]), first=first
        )


def masked(line: str) -> str:
    """Return *line* without what differs in each run."""
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line


def shown(line: str) -> str:
    """Return *line* as a page may show it: new keys would look like leaked ones."""
    return re.sub(r"sk-byok-[0-9A-Za-z]{49}", "sk-byok-...", line).rstrip()


def agree(printed: Sequence[str], recorded: Sequence[str]) -> bool:
    """Is *printed* what was recorded, dots standing for any lines?"""
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line == ANYTHING else re.escape(masked(line) + "\n")
        for line in recorded
    )
    text = "".join(masked(line) + "\n" for line in printed)
    return re.fullmatch(pattern, text) is not None


def run(command: str, place: Path, env: Mapping[str, str]) -> list[str]:
    """
    Run *command* in *place*, and return the lines of both outputs.

    A plain `byok ...` is run in this process, which is much faster.
    """
    words = _plain_words(command)
    if words is not None and words[0] == "byok":
        with chdir(place):
            result = CliRunner(env=env).invoke(main, words[1:], catch_exceptions=False)
        return result.output.splitlines()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        check=False,
        cwd=place,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def _plain_words(command: str) -> list[str] | None:
    """Split *command*, or return None where it takes a shell to understand it."""
    lexer = shlex.shlex(
        command.replace("\\\n", " "), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split = True
    words = list(lexer)
    if any(set(word) <= _OPERATORS or "$" in word for word in words):
        return None
    return words
