"""`byok leases`: what a running gateway holds for requests that are under way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from byok.cli.render import Style, Styled, Text, out
from byok.cli.running import ask, end_at, master_key, of_gateway, refusal_in

_EPILOG = """\b
Examples:
  byok leases
  byok leases --url https://byok.example.com --key-from file:master.key --json

\b
Of several workers one answers, and shows its own: ask again for another's.
Exit codes: 0 done; 2 wrong usage, no gateway, or not its master key.
"""


@click.command(name="leases", epilog=_EPILOG)
@of_gateway
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def leases(*, url: str, key_from: str | None, config_path: Path, as_json: bool) -> None:
    """
    Show what limits hold for requests under way: slots, and money that is reserved.

    Each is given back when its request ends, at the latest when its connection does.
    """
    key = master_key(key_from, config_path)
    status, answer = ask(url, "/byok/leases", key)
    if not isinstance(answer, dict) or "leases" not in answer:
        end_at(refusal_in(status, answer, url))
    if as_json:
        out().json(answer)
        return
    screen = out()
    rows = [_row(each) for each in answer["leases"]]
    if rows:
        heads: list[Text] = [
            Styled(name, Style.FAINT) for name in ("age", "key", "holds", "request")
        ]
        screen.table([heads, *rows])
    else:
        screen.line(f"Nothing is held in process {answer['process']}.")


def _row(lease: Mapping[str, Any]) -> list[Text]:
    holds = ", ".join(_held(each) for each in lease["holds"]) or "-"
    return [f"{lease['age_s']:.1f} s", lease["owner"], holds, lease["request_id"]]


def _held(hold: Mapping[str, Any]) -> str:
    whose = f"{hold['of']} {hold['name']}"
    if hold["what"] == "budget":
        return f"${hold['dollars']:.4f} of {whose}"
    return f"a slot of {whose}"
