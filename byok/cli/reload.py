"""`byok reload`: a running gateway takes up its changed configuration."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from byok.cli.render import Renderer, Style, Styled, Text, out
from byok.cli.running import ask, end_at, master_key, of_gateway, refusal_in
from byok.core.secret import Secret

REFUSED = 1
WIDENS = 3
_BY_SIGNAL = (
    "A gateway without one is administered by nobody, so it cannot be asked to reload:"
    " send it SIGHUP (kill -HUP and its process id), and its log says whether it did."
)
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_SIGN_STYLES = {"+": Style.GOOD, "-": Style.BAD, "~": Style.INFO}
_LEVELS = {"error": Style.BAD, "warning": Style.WARN, "info": Style.INFO}

Answer = Mapping[str, Any]

_EPILOG = """\b
Examples:
  byok reload --dry-run
  byok reload
  byok reload --url https://byok.example.com --key-from file:master.key

\b
The gateway reads the file it was started with, wherever this is run.
One without a master key cannot be asked: send SIGHUP to its process.
Exit codes: 0 done (or would be done); 1 refused, and what is in use stays in use;
  2 wrong usage, no gateway, or not its master key; 3 refused since more could
  leave than before (with --dry-run: it would widen).
"""


@click.command(name="reload", epilog=_EPILOG)
@of_gateway
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "--allow-widening",
    is_flag=True,
    help="Do it even if more may leave then than now.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reload(
    *,
    url: str,
    key_from: str | None,
    config_path: Path,
    dry_run: bool,
    allow_widening: bool,
    as_json: bool,
) -> None:
    """
    Let a running gateway use its changed configuration.

    It is checked, its policy tests are run, and it is compared with the one in use
    for all requests. If anything is wrong, or more could leave than before, nothing
    changes. Requests on their way end as they began.
    """
    key = master_key(key_from, config_path, without_one=_BY_SIGNAL)
    wish = {"dry_run": dry_run, "allow_widening": allow_widening}
    answer = _ask(url, key, wish)
    if as_json:
        out().json(answer)
    else:
        _print(answer)
    sys.exit(_code(answer))


def _ask(url: str, key: Secret, wish: Mapping[str, bool]) -> Answer:
    """Ask the gateway at *url*; return its answer if it is one about a reload."""
    status, body = ask(url, "/byok/reload", key, wish)
    if not isinstance(body, dict) or "obstacle" not in body:
        end_at(refusal_in(status, body, url, without_master_key=_BY_SIGNAL))
    return body


def _code(answer: Answer) -> int:
    obstacle = answer["obstacle"]
    if obstacle is None:
        return 0
    return WIDENS if obstacle["code"] == "reload.widens" else REFUSED


def _print(answer: Answer) -> None:
    screen = out()
    for each in (*answer["findings"], *answer["failed_tests"]):
        _print_finding(screen, each)
    for name in answer["needs_restart"]:
        screen.line(Styled("restart  ", Style.WARN), name)
    for said in answer["broken_assertions"]:
        screen.line(Styled("broken   ", Style.BAD), said)
    if answer["changes"]:
        screen.table([_row(each) for each in answer["changes"]])
    for word, style in (("widens", Style.BAD), ("narrows", Style.GOOD)):
        found = answer["widenings" if word == "widens" else "narrowings"]
        for line in _effects(word, style, found):
            screen.line(*line)
    screen.line(*_summary(answer))


def _print_finding(screen: Renderer, each: Answer) -> None:
    place = f"{each['file']}:{each['line']}:{each['col']}"
    code = Styled(each["code"], _LEVELS[each["level"]])
    screen.line(place, " ", code, " ", each["message"])
    if each["remedy"]:
        screen.line("    ", Styled(each["remedy"], Style.FAINT))


def _row(each: Answer) -> list[Text]:
    sign = _SIGNS[each["change"]]
    return [
        Styled(f"{sign} {each['what']}", _SIGN_STYLES[sign]),
        each["name"],
        each["where"],
    ]


def _effects(
    word: str, style: Style, found: Sequence[Answer]
) -> Iterator[tuple[Text, ...]]:
    for each in found:
        where = "" if each["where"] == "built-in" else f" ({each['where']})"
        yield Styled(f"{word:<9}", style), f"{each['text']}{where}"
        # Of the other way it shows the other file, which is no file any more.
        if each["shown_by"] and word == "widens":
            yield "         try ", each["shown_by"]


def _summary(answer: Answer) -> tuple[Text, ...]:
    obstacle, generation = answer["obstacle"], answer["generation"]
    if obstacle is not None:
        word = "would not reload" if answer["dry_run"] else "not reloaded"
        return (
            Styled(f"{word}, {generation} stays in use: ", Style.BAD),
            obstacle["message"],
        )
    if answer["dry_run"]:
        return (f"would reload: {generation} is in use.",)
    before = answer["previous"]
    workers = answer.get("workers")
    shared = ""
    if isinstance(workers, dict):
        shared = f" ({workers.get('reloaded')} of {workers.get('workers')} workers)"
    return (Styled("reloaded: ", Style.GOOD), f"{before} -> {generation}{shared}")
