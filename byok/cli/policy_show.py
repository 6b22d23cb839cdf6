"""`byok policy show`: what is built in, what is shipped, what a switch means."""

from difflib import get_close_matches
from pathlib import Path

import click

from byok.cli.loading import config_option, loaded
from byok.cli.render import Style, Styled, Text, out
from byok.config.policies import BASE_PACK, DEFAULT_PACKS
from byok.config.policy_tables import (
    box,
    declared_rows,
    floor_rows,
    known_classes,
)
from byok.policy.declared import NOTHING_DECLARED
from byok.policy.rules import Rule, Tier
from byok.resources import policy_files

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_EPILOG = """\b
Examples:
  byok policy show floor
  byok policy show packs
  byok policy show pack base > policies/ours.yaml
  byok policy show classes -c config.yaml --json
  byok policy show settings -c config.yaml

\b
Exit codes: 0 shown; 2 wrong usage, no such pack, or the configuration cannot be used.
"""


@click.group(name="show", epilog=_EPILOG)
def policy_show() -> None:
    """Show what is built in, shipped, or meant by a switch."""


@policy_show.command(name="floor")
@_json_option
def show_floor(as_json: bool) -> None:  # noqa: FBT001 - click's
    """Show the rules that nobody can write, move or switch off, and why they are."""
    rows = floor_rows()
    if as_json:
        keys = ("rule", "does", "what", "why")
        out().json(
            {"version": 1, "floor": [dict(zip(keys, row, strict=True)) for row in rows]}
        )
        return
    out().table(rows, heads=("rule", "does", "what", "why"))


@policy_show.command(name="packs")
@_json_option
def show_packs(as_json: bool) -> None:  # noqa: FBT001 - click's
    """List the policy documents that are shipped."""
    found = [
        {"name": path.stem, "on": _is_on(path.stem), "about": _about(path)}
        for path in policy_files()
    ]
    if as_json:
        out().json({"version": 1, "packs": found})
        return
    rows = [[str(each["name"]), str(each["on"]), str(each["about"])] for each in found]
    out().table(rows, heads=("pack", "on", "about"))


def _is_on(name: str) -> str:
    if name == BASE_PACK:
        return "always"
    return "by default" if name in DEFAULT_PACKS else "when named"


def _about(path: Path) -> str:
    """Return the comment at the head of a document, as one line."""
    lines = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "$schema=" not in line:
            lines.append(line.lstrip("# "))
    return " ".join(lines)


@policy_show.command(name="pack")
@click.argument("name")
@_json_option
def show_pack(name: str, as_json: bool) -> None:  # noqa: FBT001 - click's
    """Print the shipped document NAME as it is, ready to be copied and changed."""
    packs = {path.stem: path for path in policy_files()}
    if name not in packs:
        near = get_close_matches(name, packs, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(packs)}"
        raise click.UsageError(f"no pack has that name; {hint}")
    text = packs[name].read_text("utf-8")
    if as_json:
        out().json({"version": 1, "name": name, "text": text})
    else:
        out().raw(text)


@policy_show.command(name="classes")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Show what this configuration declares, too.",
)
@_json_option
def show_classes(
    config_path: Path | None,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Show every class of headers, by what it is known, and where it may travel."""
    found = known_classes()
    table = NOTHING_DECLARED
    if config_path is not None:
        table = loaded(config_path).gateway.plans.class_table
    declared = declared_rows(table)
    if as_json:
        out().json(
            {
                "version": 1,
                "classes": [
                    {
                        "class": each.name,
                        "values": each.values,
                        "names": each.names,
                        "travels_in": each.travels_in,
                    }
                    for each in found
                ],
                "declared": [
                    {
                        "class": each.cls,
                        "known_by": each.known_by,
                        "origin": each.origin,
                        "why": each.why,
                    }
                    for each in declared
                ],
            }
        )
        return
    rows: list[list[Text]] = [
        [each.name, ", ".join(each.travels_in), each.known_by] for each in found
    ]
    out().table(rows, heads=("class", "travels in", "known by"))
    if declared:
        out().line()
        out().table(
            [[each.cls, each.known_by, each.origin, each.why] for each in declared],
            heads=("declared", "known by", "written at", "why"),
        )


@policy_show.command(name="settings")
@config_option
@_json_option
def show_settings(config_path: Path, as_json: bool) -> None:  # noqa: FBT001 - click's
    """Show the rules that the switches of a configuration mean."""
    config = loaded(config_path)
    rules = [rule for rule in config.rules if _is_switch(rule)]
    if as_json:
        out().json(
            {
                "version": 1,
                "rules": [
                    {
                        "rule": rule.id,
                        "tier": rule.tier.word,
                        "action": rule.action.word,
                        "what": box(rule.match),
                        "origin": str(rule.where),
                        "why": rule.why,
                    }
                    for rule in rules
                ],
            }
        )
        return
    if not rules:
        out().line("No switch is set: what no other rule forwards stays here.")
        return
    rows: list[list[Text]] = [
        [
            Styled(rule.action.word, Style.STRONG),
            box(rule.match),
            rule.id,
            str(rule.where),
        ]
        for rule in rules
    ]
    out().table(rows, heads=("does", "what", "rule", "written at"))


def _is_switch(rule: Rule) -> bool:
    sections = ("general_settings.forward_", "litellm_settings.forward_")
    groups = rule.tier is Tier.MODEL_GROUP and rule.id.startswith(
        "model_group_settings."
    )
    return rule.id.startswith(sections) or groups
