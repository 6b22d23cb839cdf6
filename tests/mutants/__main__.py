"""
Change the trusted core in small ways, and see whether a test notices.

    python -m tests.mutants [--jobs N] [FILES]

Prints each mutant that all tests let pass, and fails where there is one that
`equivalent.yaml` does not explain. The tree itself is never changed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.equivalents import Equivalent, read_equivalents
from tests.mutants.mutations import mutants
from tests.mutants.targets import TREE, TRUSTED, killers_of

COPIED = ("byok", "tests", "policies", "schemas", "examples", "pyproject.toml")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", ".*")


class Worker:
    """A copy of the tree with a process in it that tries mutants."""

    def __init__(self, root: Path) -> None:
        for name in COPIED:
            source = TREE / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=_LEFT_OUT)
            else:
                shutil.copy(source, root / name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.worker"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(
        self, file: str, source: str, tests: Sequence[str], timeout: float
    ) -> tuple[str, float]:
        """Return what the *tests* make of the changed *source*, and in which time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"file": file, "source": source, "tests": tests, "timeout": timeout}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["outcome"], answer["seconds"]

    def close(self) -> None:
        """Let the process end, since nothing more is asked of it."""
        self._process.communicate()


@contextmanager
def workers(count: int) -> Iterator[SimpleQueue[Worker]]:
    """Lend *count* workers, whose copies go away at the end."""
    with tempfile.TemporaryDirectory(prefix="byok-mutants-") as directory:
        idle: SimpleQueue[Worker] = SimpleQueue()
        made = [Worker(Path(directory, str(number))) for number in range(count)]
        for each in made:
            idle.put(each)
        try:
            yield idle
        finally:
            for each in made:
                each.close()


def main(arguments: Sequence[str]) -> int:
    """Try the mutants of the files that *arguments* name; 0 where none survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("files", nargs="*", default=TRUSTED)
    options = parser.parse_args(arguments)
    known = read_equivalents()
    bad = 0
    with workers(options.jobs) as idle, ThreadPoolExecutor(options.jobs) as pool:
        for file in options.files:
            bad += _try_file(file, known, idle, pool)
    return 1 if bad else 0


def _try_file(
    file: str,
    known: Sequence[Equivalent],
    idle: SimpleQueue[Worker],
    pool: ThreadPoolExecutor,
) -> int:
    begun = time.monotonic()
    source = (TREE / file).read_text("utf-8")
    tests = killers_of(file)

    def attempt(changed: str, timeout: float) -> tuple[str, float]:
        worker = idle.get()
        try:
            return worker.ask(file, changed, tests, timeout)
        finally:
            idle.put(worker)

    outcome, seconds = attempt(source, 300)
    if outcome != "survived":
        say(f"{file}: its tests fail before anything is changed: {' '.join(tests)}")
        return 1
    timeout = max(6.0, seconds * 4)
    found = list(mutants(file, source))
    equal = [each for each in found if any(one.covers(each) for one in known)]
    tried = [each for each in found if each not in equal]
    outcomes = pool.map(lambda each: attempt(each.source, timeout)[0], tried)
    survivors = []
    slow = 0
    for mutant, outcome in zip(tried, outcomes, strict=True):
        slow += outcome == "timeout"
        if outcome == "survived":
            survivors.append(mutant)
            say(str(mutant))
    stale = [each for each in known if each.file == file and not each.is_among(equal)]
    for each in stale:
        say(f"{file}: equivalent.yaml explains what no mutant is: {each}")
    say(
        f"{file}: {len(found)} mutants, {len(equal)} equivalent,"
        f" {len(tried) - len(survivors)} killed ({slow} by the clock),"
        f" {len(survivors)} survived, {time.monotonic() - begun:.0f} s"
    )
    return len(survivors) + len(stale)


def say(line: str) -> None:
    """Write a *line* at once: a run takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
