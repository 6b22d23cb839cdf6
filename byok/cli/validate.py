"""`byok validate`: everything there is to say about a configuration, at once."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from byok.cli.render import Renderer, Style, Styled, err, out
from byok.config import Finding, Report, examine
from byok.config.codes import Level
from byok.config.findings import has_errors, in_order, strictly
from byok.config.litellm import Verdict
from byok.config.policy_tests import policy_test_findings, run_policy_tests
from byok.config.verdicts import Judged

INVALID = 1
UNREADABLE = 2

_STYLES = {
    Level.ERROR: Style.BAD,
    Level.WARNING: Style.WARN,
    Level.INFO: Style.INFO,
    Verdict.HONOURED: Style.GOOD,
    Verdict.NO_EFFECT: Style.FAINT,
    Verdict.DIFFERS: Style.INFO,
    Verdict.UNSAFE: Style.WARN,
    Verdict.UNKNOWN: Style.BAD,
}


@click.command(name="validate")
@click.argument(
    "config_path",
    metavar="[CONFIG]",
    default="config.yaml",
    type=click.Path(path_type=Path),
)
@click.option("--strict", is_flag=True, help="Take every warning for an error.")
@click.option(
    "--verdicts", is_flag=True, help="List what becomes of each LiteLLM setting."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate(
    config_path: Path,
    strict: bool,  # noqa: FBT001 - click's
    verdicts: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """
    Check CONFIG (config.yaml) and print what is wrong with it, and what to do.

    A file that lost its indentation is printed with it, ready to be saved.

    Exit codes: 0 it can be used; 1 it cannot (with --strict: or there is a
    warning); 2 it cannot be read.
    """
    report = examine(config_path)
    found = report.findings
    if report.config is not None:
        failing = policy_test_findings(run_policy_tests(report.config))
        found = in_order((*found, *failing))
    findings = strictly(found) if strict else found
    if as_json:
        out().json(_data(report, findings))
    else:
        _print(report, findings, str(config_path), with_verdicts=verdicts)
    if any(each.code == "E100" for each in findings):
        sys.exit(UNREADABLE)
    if has_errors(findings):
        sys.exit(INVALID)


def _print(
    report: Report, findings: Sequence[Finding], name: str, *, with_verdicts: bool
) -> None:
    # With an indented file to print, that alone is the output.
    screen = out() if report.indented is None else err()
    for each in findings:
        _print_finding(screen, each)
    if report.indented is not None:
        out().raw(report.indented)
        return
    if with_verdicts and report.verdicts:
        _print_verdicts(screen, report.verdicts)
    screen.line(_summary(findings, name))
    for limit in _limits(report):
        screen.line(limit)
    if report.verdicts and not with_verdicts:
        screen.line(f"{_counted(report.verdicts)} (--verdicts lists them)")


def _print_finding(screen: Renderer, finding: Finding) -> None:
    place = str(finding).partition(f" {finding.code} ")[0]
    code = Styled(finding.code, _STYLES[finding.level])
    screen.line(place, " ", code, " ", finding.message)
    if finding.remedy:
        screen.line("    ", Styled(finding.remedy, Style.FAINT))


def _print_verdicts(screen: Renderer, verdicts: Sequence[Judged]) -> None:
    screen.table(
        [
            [str(each.mark), each.path, Styled(each.verdict, _style(each)), each.how]
            for each in verdicts
        ],
        heads=("where", "LiteLLM setting", "verdict", "how"),
    )
    screen.line()


def _style(judged: Judged) -> Style:
    return _STYLES[judged.verdict]


def _summary(findings: Sequence[Finding], name: str) -> str:
    count = Counter(each.level for each in findings)
    if not count:
        return f"{name}: nothing to complain about."
    parts = [
        _plural(count[level], word)
        for level, word in (
            (Level.ERROR, "error"),
            (Level.WARNING, "warning"),
            (Level.INFO, "note"),
        )
        if count[level]
    ]
    return f"{name}: {', '.join(parts)}."


def _limits(report: Report) -> Iterator[str]:
    unusual = [] if report.config is None else list(report.config.limits.unusual())
    if unusual:
        said = [f"{name} {value:.10g} ({usual:.10g})" for name, value, usual in unusual]
        yield f"limits, with the default in brackets: {', '.join(said)}"


def _counted(verdicts: Sequence[Judged]) -> str:
    count = Counter(each.verdict for each in verdicts)
    parts = [f"{count[each]} {each}" for each in Verdict if count[each]]
    return f"{_plural(len(verdicts), 'LiteLLM setting')}: {', '.join(parts)}"


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _data(report: Report, findings: Sequence[Finding]) -> dict[str, object]:
    count = Counter(each.level for each in findings)
    return {
        "version": 1,
        "ok": not has_errors(findings),
        "counts": {level.value: count[level] for level in Level},
        "findings": [
            {
                "code": each.code,
                "level": each.level.value,
                "path": each.path,
                "file": each.file,
                "line": each.line,
                "col": each.col,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in findings
        ],
        "verdicts": [
            {
                "path": each.path,
                "file": each.mark.file,
                "line": each.mark.line,
                "col": each.mark.col,
                "verdict": each.verdict.value,
                "how": each.how,
            }
            for each in report.verdicts
        ],
        "limits": {}
        if report.config is None
        else {
            name: {"value": value, "default": usual}
            for name, value, usual in report.config.limits.unusual()
        },
        "indented": report.indented,
    }
