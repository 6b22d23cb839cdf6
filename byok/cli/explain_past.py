"""Decisions that were recorded, decided again by a configuration."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import click

from byok.cli.decision_log import Keys, keys_of, named, newest
from byok.cli.render import Renderer, Style, Styled, out
from byok.config import Config
from byok.core.decision_queries import Wanted
from byok.core.records import Json
from byok.core.replay import Group, Replayed, grouped, rebuild, replay

_SPEC = re.compile(r"last:([1-9][0-9]{0,6})")
_SHOWN = 3


class Past:
    """The decisions that the gateway of one configuration recorded."""

    def __init__(self, log: Config) -> None:
        self._log = log
        self._keys: Keys = keys_of(log)

    def named(self, decision_id: str) -> Json:
        """Return one of them, or end with what is wrong."""
        return named(self._log, decision_id)

    def newest(self, spec: str) -> Sequence[Json]:
        """Return those that `last:N` names."""
        found = _SPEC.fullmatch(spec)
        if found is None:
            raise click.UsageError(
                "--replay takes last: and a number, for example last:1000"
            )
        return newest(self._log, Wanted(limit=int(found[1])))

    def again(self, record: Json, config: Config) -> Replayed | str:
        """Decide *record* again by *config*; a text says why that cannot be."""
        caller = record["caller"]
        key_id = str(caller["key_id"]) if isinstance(caller, Mapping) else ""
        key, belongs = self._keys(key_id)
        rebuilt = rebuild(record, key=key, belongs=belongs)
        if isinstance(rebuilt, str):
            return rebuilt
        return replay(
            record,
            rebuilt,
            config.gateway,
            config_digest=config.digest,
            assumed=_unknown(config),
        )

    def explained(self, record: Json, config: Config) -> dict[str, object]:
        """Return the explanation of *record* by *config*, with what changed since."""
        found = self.again(record, config)
        if isinstance(found, str):
            raise click.UsageError(f"this decision cannot be made again: {found}")
        since = [f"since it was recorded: {each}" for each in found.changes]
        warnings = found.explanation["warnings"]
        kept = warnings if isinstance(warnings, list) else []
        return {**found.explanation, "warnings": [*kept, *since]}


def show_replay(past: Past, spec: str, config: Config, *, as_json: bool) -> bool:
    """
    Print which of the latest decisions *config* would make differently.

    Returns whether any would be.
    """
    replayed: dict[str, Replayed] = {}
    skipped: Counter[str] = Counter()
    for record in past.newest(spec):
        found = past.again(record, config)
        if isinstance(found, str):
            skipped[found] += 1
        else:
            replayed[str(record["id"])] = found
    groups = grouped(replayed)
    if as_json:
        out().json(_as_data(groups, len(replayed), skipped))
    else:
        _print(out(), groups, len(replayed), skipped, _unknown(config))
    return bool(groups)


def _as_data(
    groups: Sequence[Group], replayed: int, skipped: Mapping[str, int]
) -> dict[str, object]:
    return {
        "replayed": replayed,
        "changed": sum(len(group.ids) for group in groups),
        "skipped": dict(skipped),
        "groups": [
            {
                "count": len(group.ids),
                "changes": [each.shown() for each in group.changes],
                "decisions": list(group.ids),
            }
            for group in groups
        ],
    }


def _print(
    screen: Renderer,
    groups: Sequence[Group],
    replayed: int,
    skipped: Mapping[str, int],
    assumed: Sequence[str],
) -> None:
    changed = sum(len(group.ids) for group in groups)
    were = "was" if replayed == 1 else "were"
    screen.line(f"{_count(replayed)} {were} made again, {changed} differently")
    for reason, count in sorted(skipped.items()):
        screen.line(f"{count} could not be made again: {reason}")
    for each in assumed:
        screen.line(f"assumed: {each}")
    for group in groups:
        screen.line()
        screen.line(Styled(_count(len(group.ids)), Style.STRONG))
        for change in group.changes:
            screen.line("  ", str(change))
        shown = ", ".join(group.ids[:_SHOWN])
        more = len(group.ids) - _SHOWN
        rest = f" and {more} more" if more > 0 else ""
        screen.line("  ", Styled(f"{shown}{rest}", Style.FAINT))


def _count(number: int) -> str:
    return f"{number} decision" if number == 1 else f"{number} decisions"


def _unknown(config: Config) -> tuple[str, ...]:
    asked = any(
        match is not None and match.client_ip
        for rule in config.rules
        for match in (rule.match, rule.unless)
    )
    return ("client_ip is unknown: addresses are not recorded",) if asked else ()
