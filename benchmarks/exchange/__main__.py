"""Measure, print, and write down."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.exchange import machine
from benchmarks.exchange.figures import DIRECT
from benchmarks.exchange.processes import (
    ROOT,
    BenchmarkError,
    Child,
    allow_many_files,
    upstream_of,
)
from benchmarks.exchange.profiling import profile
from benchmarks.exchange.report import Run, for_people, in_markdown, write_into
from benchmarks.exchange.samples import Samples
from benchmarks.exchange.scenarios import (
    FULL,
    NORMAL,
    QUICK,
    SCENARIOS,
    Scenario,
    Sizes,
)
from benchmarks.exchange.subjects import Running, Subject, every_subject

PAGE = ROOT / "docs/performance.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """No proxy at all: what load and upstream can do between themselves."""

    upstream: Child
    name: str = DIRECT

    def missing(self) -> str | None:
        """Say nothing: it is always there."""
        return None

    def version(self) -> str:
        """Return nothing of interest."""
        return ""

    @contextmanager
    def run(self, directory: Path, upstream_port: int) -> Iterator[Running]:
        """Yield the upstream."""
        del directory
        yield Running(child=self.upstream, port=upstream_port)


@dataclass(slots=True, kw_only=True)
class Measuring:
    """Runs scenarios against subjects, and keeps what came of it."""

    sizes: Sizes
    directory: Path
    upstream_port: int
    samples: Samples = field(default_factory=Samples)
    failed: list[str] = field(default_factory=list)

    def run(self, scenarios: Sequence[Scenario], subjects: Sequence[Subject]) -> None:
        """Measure everything; subjects take turns within each repeat."""
        for repeat in range(self.sizes.repeats):
            again = [each for each in scenarios if each.repeats or not repeat]
            turns = [[each] for each in again] if self.sizes.starts_anew else [again]
            for turn in turns:
                for subject in subjects:
                    possible = [each for each in turn if _fits(each, subject)]
                    if possible:
                        self._measure(possible, subject, repeat)

    def _measure(
        self, scenarios: Sequence[Scenario], subject: Subject, repeat: int
    ) -> None:
        names = ", ".join(each.name for each in scenarios)
        say(f"{subject.name}: {names}, {repeat + 1} of {self.sizes.repeats}")
        with tempfile.TemporaryDirectory(dir=self.directory) as made:
            directory = Path(made)
            try:
                with subject.run(directory, self.upstream_port) as running:
                    for scenario in scenarios:
                        figures = scenario.play(running, self.sizes, directory)
                        self.samples.add(subject.name, repeat, figures)
            except (BenchmarkError, OSError) as error:
                say(f"  failed: {error}")
                first = str(error).splitlines()[0] if str(error) else repr(error)
                self.failed.append(f"{names} of {subject.name} ({first})")


def _fits(scenario: Scenario, subject: Subject) -> bool:
    return subject.name != DIRECT or scenario.name == "small"


def say(text: str) -> None:
    """Tell whoever waits how far it has come."""
    print(text, file=sys.stderr, flush=True)


def options() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    names = [each.name for each in every_subject()]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exchange")
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument(
        "--quick",
        action="store_true",
        help="half a minute, to see that it works; without LiteLLM",
    )
    how_much.add_argument(
        "--full", action="store_true", help="2,000 idle streams, a soak of 10 minutes"
    )
    parser.add_argument("--repeats", type=int, help="how often each load is measured")
    parser.add_argument("--soak-minutes", type=float, help="how long the soak is")
    parser.add_argument("--only", nargs="+", choices=names, help="these proxies")
    parser.add_argument(
        "--scenarios", nargs="+", choices=[each.name for each in SCENARIOS]
    )
    parser.add_argument("--note", default="", help="a sentence for below the table")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument(
        "--markdown", action="store_true", help=f"write {PAGE.relative_to(ROOT)}"
    )
    parser.add_argument(
        "--profile",
        nargs="?",
        const="small",
        choices=["small", "events"],
        help="show where byok's CPU time goes instead",
    )
    return parser


def sizes_of(chosen: argparse.Namespace) -> Sizes:
    """Return how much of everything was asked for."""
    sizes = QUICK if chosen.quick else FULL if chosen.full else NORMAL
    if chosen.repeats is not None:
        sizes = replace(sizes, repeats=chosen.repeats)
    if chosen.soak_minutes is not None:
        sizes = replace(sizes, soak_s=chosen.soak_minutes * 60)
    return sizes


def present(chosen: argparse.Namespace) -> tuple[list[Subject], dict[str, str]]:
    """Return who is measured, and who is not for which reason."""
    wanted: list[Subject] = []
    left_out: dict[str, str] = {}
    for each in every_subject():
        if chosen.only is not None and each.name not in chosen.only:
            left_out[each.name] = "not asked for"
        elif chosen.quick and chosen.only is None and each.name == "litellm":
            left_out[each.name] = "it takes too long to start for a quick run"
        elif (why := each.missing()) is not None:
            left_out[each.name] = why
        else:
            wanted.append(each)
    return wanted, left_out


def measure(chosen: argparse.Namespace) -> Run:
    """Measure what was *chosen*."""
    sizes = sizes_of(chosen)
    subjects, left_out = present(chosen)
    scenarios = [
        each
        for each in SCENARIOS
        if chosen.scenarios is None or each.name in chosen.scenarios
    ]
    about = machine.machine()
    with (
        tempfile.TemporaryDirectory(prefix="byok-bench-") as made,
        upstream_of(_for_upstream(sizes), Path(made)) as (child, port),
    ):
        measuring = Measuring(sizes=sizes, directory=Path(made), upstream_port=port)
        measuring.run(scenarios, [Direct(upstream=child), *subjects])
    return Run(
        date=machine.today(),
        revision=machine.revision(),
        machine=about,
        versions={each.name: each.version() for each in subjects},
        sizes=asdict(sizes),
        samples=measuring.samples,
        left_out=left_out,
        failed=measuring.failed,
        note=chosen.note,
    )


def _for_upstream(sizes: Sizes) -> Sequence[str]:
    return (
        *("--events", str(sizes.events), "--apart", str(sizes.apart_s)),
        *("--large-mb", str(sizes.large_mb)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where everything that could be measured was."""
    chosen = options().parse_args(arguments)
    if not Path("/proc/self/stat").exists():
        say("this reads CPU time and memory from Linux's /proc, which is not here")
        return 2
    allow_many_files()
    if chosen.profile is not None:
        with (
            tempfile.TemporaryDirectory(prefix="byok-bench-") as made,
            upstream_of((), Path(made)) as (_, port),
        ):
            print(profile(chosen.profile, port))
        return 0
    run = measure(chosen)
    print(for_people(run))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(run.as_document(), indent=1) + "\n")
    if chosen.markdown:
        write_into(PAGE, in_markdown(run))
    return 1 if run.failed else 0


if __name__ == "__main__":
    # Whoever ends us ends what we started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    sys.exit(main())
