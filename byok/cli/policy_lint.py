"""`byok policy lint`: what is odd about rules, for people, editors and reviews."""

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import click

from byok import __version__
from byok.cli.loading import config_option, loaded
from byok.cli.policy_prove import subject_of
from byok.cli.render import Renderer, Style, Styled, out
from byok.config import Config
from byok.core.lint import Known, lint
from byok.core.walk import LIMIT
from byok.policy.lint import CODES, Level, Oddity
from byok.policy.rules import Where
from byok.resources import policy_files
from byok.store.location import store_place
from byok.store.peek import peek_keys

FAILED = 1

_STYLES = {
    Level.ERROR: Style.BAD,
    Level.WARNING: Style.WARN,
    Level.NOTE: Style.INFO,
}
_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


_EPILOG = """\b
Examples:
  byok policy lint
  byok policy lint -c byok.yaml --strict
  byok policy lint --format github
  byok policy lint --format sarif > byok.sarif

\b
Exit codes: 0 nothing weighs as an error; 1 something does (with --strict: a warning,
  too, and what was not looked at); 2 wrong usage, or the configuration cannot be used.
"""


@click.command(name="lint", epilog=_EPILOG)
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="Text, JSON, annotations of a GitHub workflow, or SARIF 2.1.0.",
)
@click.option(
    "--cells",
    type=click.IntRange(min=1),
    default=LIMIT,
    show_default=True,
    help="Look at this many cells at most.",
)
@click.option("--strict", is_flag=True, help="Take every warning for an error.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def policy_lint(
    config_path: Path,
    form: str,
    cells: int,
    strict: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """
    Say what is odd about the rules of a configuration, though it is valid.

    Rules are tried on one request of each kind that policy can tell apart, so what
    is said of them is true of all requests.
    """
    config = loaded(config_path)
    found, is_whole = lint(
        subject_of(config),
        today=datetime.now(UTC).date(),
        known=_known(config),
        shipped=[f"policies/{each.name}" for each in policy_files()],
        limit=cells,
    )
    if as_json or form == "json":
        out().json(_data(found, is_whole=is_whole))
    elif form == "sarif":
        out().json(_sarif(found))
    elif form == "github":
        for each in found:
            out().line(_annotation(each))
    else:
        _print(out(), found, str(config_path), is_whole=is_whole)
    failing = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    if any(each.level in failing for each in found) or (strict and not is_whole):
        sys.exit(FAILED)


def _known(config: Config) -> Known:
    """Return the names of teams and keys, as far as the store and the file know."""
    keys = peek_keys(store_place(config.store_url, base=config.directory))
    if keys is None:
        return Known(teams=config.teams or None)
    names = {name for key in keys for name in (key.token_id, key.key_alias) if name}
    teams = {key.team_id for key in keys if key.team_id}
    return Known(
        teams=frozenset(teams | config.teams), keys=frozenset(names), records=keys
    )


def _print(
    screen: Renderer, found: Sequence[Oddity], name: str, *, is_whole: bool
) -> None:
    for each in found:
        code = Styled(each.code, _STYLES[each.level])
        screen.line(f"{each.where} ", code, f" {each.message}")
        screen.line("    ", Styled(each.remedy, Style.FAINT))
    if not is_whole:
        screen.line(
            Styled("There are more cells than --cells allows to look at;", Style.WARN),
            " L01 to L04, L07, L08 and L13 are not complete.",
        )
    count = Counter(each.level for each in found)
    parts = [
        f"{count[level]} {level.value}{'s' if count[level] > 1 else ''}"
        for level in Level
        if count[level]
    ]
    screen.line(f"{name}: {', '.join(parts) or 'nothing odd about its rules'}.")


def _data(found: Sequence[Oddity], *, is_whole: bool) -> dict[str, object]:
    count = Counter(each.level for each in found)
    return {
        "version": 1,
        "ok": not count[Level.ERROR],
        "complete": is_whole,
        "counts": {level.value: count[level] for level in Level},
        "findings": [
            {
                "code": each.code,
                "level": each.level.value,
                "rule": each.rule,
                "file": each.where.file,
                "line": each.where.line,
                "message": each.message,
                "remedy": each.remedy,
            }
            for each in found
        ],
    }


def _annotation(each: Oddity) -> str:
    """Return a finding as a workflow command, which GitHub shows beside the line."""
    place = [f"file={_property(each.where.file)}"]
    if each.where.line:
        place.append(f"line={each.where.line}")
    place.append(f"title={each.code}")
    text = f"{each.message}. {each.remedy}"
    return f"::{_GITHUB[each.level]} {','.join(place)}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(found: Sequence[Oddity]) -> dict[str, object]:
    """Return the findings in the format that code scanners exchange."""
    order = list(CODES)
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "byok policy lint",
                        "version": __version__,
                        "rules": [
                            {
                                "id": code.name,
                                "shortDescription": {"text": code.meaning},
                                "defaultConfiguration": {"level": code.level.value},
                            }
                            for code in CODES.values()
                        ],
                    }
                },
                "results": [
                    {
                        "ruleId": each.code,
                        "ruleIndex": order.index(each.code),
                        "level": each.level.value,
                        "message": {"text": f"{each.message}. {each.remedy}"},
                        "locations": [_location(each.where)],
                        "partialFingerprints": {
                            "rule": f"{each.code}/{each.rule}",
                        },
                    }
                    for each in found
                ],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _location(where: Where) -> dict[str, object]:
    place: dict[str, object] = {"artifactLocation": {"uri": quote(where.file)}}
    if where.line:
        place["region"] = {"startLine": where.line}
    return {"physicalLocation": place}
