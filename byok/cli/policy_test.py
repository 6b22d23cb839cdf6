"""`byok policy test`: requests, and whether each is treated as expected."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from byok.cli.loading import UNUSABLE, loaded, refuse
from byok.cli.policy_test_formats import as_data, as_junit, as_tap, print_text
from byok.cli.render import out
from byok.config import Config
from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.policy_tests import bench_of, suite_of
from byok.config.sources import read_bytes
from byok.core.policy_tests.cases import Suite
from byok.core.policy_tests.report import Report, merged, run

FAILED = 1


_EPILOG = """\b
Examples:
  byok policy test
  byok policy test policies/*_test.yaml --coverage
  byok policy test policies/contractors_test.yaml -c staging.yaml
  byok policy test --coverage-min 90 --format junit > results.xml

\b
Exit codes: 0 everything is as expected; 1 something is not, or --coverage-min was not
  reached; 2 wrong usage, or a file cannot be read or used.
"""


@click.command(name="test", epilog=_EPILOG)
@click.argument(
    "files", nargs=-1, metavar="[FILES]...", type=click.Path(path_type=Path)
)
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Test this configuration, whatever the documents name.",
)
@click.option("--coverage", is_flag=True, help="Say which rules the tests met.")
@click.option(
    "--coverage-min",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail where the tests met less of the rules.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "tap", "junit", "json"]),
    default="text",
    show_default=True,
    help="How to print the results.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def policy_test(  # noqa: PLR0917 - one parameter for each option
    files: tuple[Path, ...],
    config_path: Path | None,
    coverage: bool,  # noqa: FBT001 - click's
    coverage_min: float | None,
    form: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """
    Run the tests in FILES: documents of kind PolicyTest.

    Each names the configuration that it tests; without FILES those are run that the
    configuration (config.yaml) names under policy_tests. Nothing is sent, and no
    secret has to be there.
    """
    report = merged(
        [run(suites, bench_of(of)) for of, suites in _courses(files, config_path)]
    )
    with_coverage = coverage or coverage_min is not None
    _print(report, "json" if as_json else form, with_coverage=with_coverage)
    if any(each.error for each in report.results):
        sys.exit(UNUSABLE)
    if not report.ok:
        sys.exit(FAILED)
    if coverage_min is not None and report.coverage.percent < coverage_min:
        click.echo(
            f"{report.coverage.percent:.1f}% of the rules were met,"
            f" and {coverage_min:g}% are asked for.",
            err=True,
        )
        sys.exit(FAILED)


def _print(report: Report, form: str, *, with_coverage: bool) -> None:
    if form == "json":
        out().json(as_data(report, with_coverage=with_coverage))
    elif form == "junit":
        out().raw(as_junit(report))
    elif form == "tap":
        out().raw(as_tap(report, with_coverage=with_coverage))
    else:
        print_text(out(), report, with_coverage=with_coverage)


def _courses(
    files: Sequence[Path], config_path: Path | None
) -> list[tuple[Config, list[Suite]]]:
    """Return the suites of each configuration that is tested."""
    if not files:
        config = loaded(config_path or Path("config.yaml"))
        if not config.policy_tests:
            click.echo(
                f"{config.path} names no policy_tests; name FILES to run.", err=True
            )
            sys.exit(UNUSABLE)
        return [(config, list(config.policy_tests))]
    findings = Findings()
    suites: dict[Path, list[Suite]] = {}
    for path in files:
        suite = _read(path, findings)
        if suite is not None:
            of = config_path or _config_of(path, suite)
            suites.setdefault(of, []).append(suite)
    if findings.has_errors:
        refuse(list(findings.all()), "Nothing was run.")
    return [(loaded(path), found) for path, found in suites.items()]


def _config_of(path: Path, suite: Suite) -> Path:
    if not suite.config:
        return Path("config.yaml")
    # As a reader would name it: a/../config.yaml is config.yaml.
    return Path(os.path.normpath(path.parent / suite.config))


def _read(path: Path, findings: Findings) -> Suite | None:
    try:
        data = read_bytes(path)
    except OSError as error:
        reason = error.strerror or "it is not a regular file"
        findings.add(
            "E100",
            Mark(str(path)),
            "",
            f"it cannot be read: {reason}",
            remedy="Name a document of policy tests.",
        )
        return None
    return suite_of(data, str(path), findings)
