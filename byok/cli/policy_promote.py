"""`byok policy promote`: what a document in shadow would change, and the change."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path

import click

from byok.cli.loading import UNUSABLE, config_option, loaded
from byok.cli.policy_effective import facts_for
from byok.cli.render import Renderer, Style, Styled, err, out
from byok.cli.supposed_callers import supposed_caller
from byok.config import Config
from byok.config.load import build_gateway
from byok.config.modes import ModesError, enforced
from byok.config.policy_tests import policy_test_findings, run_policy_tests
from byok.config.sources import Source, read_bytes
from byok.core.effective import effective
from byok.core.effective_changes import Change, changes
from byok.core.policy_tests.wide import named_in
from byok.core.providers import PROVIDERS
from byok.core.routing import Deployment
from byok.policy.rules import Rule

REFUSED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """What is otherwise for one caller at one deployment."""

    deployment: str
    caller: str
    changes: tuple[Change, ...]


_EPILOG = """\b
Examples:
  byok policy promote policies/next.yaml
  byok policy promote next.no-login
  byok policy promote general_settings.no-login --yes

\b
Exit codes: 0 shown, or written; 1 a policy test fails, and nothing was written; 2 no
  such document or rule, none of it in shadow, or the configuration cannot be used.
"""


@click.command(name="promote", epilog=_EPILOG)
@click.argument("what", metavar="DOC|RULE")
@config_option
@click.option("--yes", is_flag=True, help="Write the change into the file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def policy_promote(
    what: str,
    config_path: Path,
    yes: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """
    Show what would change if rules in shadow were in force.

    DOC is one of the configuration's policy_files, or the configuration itself for
    the rules that stand in it. RULE is the id of one rule, wherever it stands. With
    --yes each `mode: shadow` of it becomes `mode: enforce`, and nothing else in the
    file is touched. The tests that the configuration names are run first, with the
    rules in force; one that fails keeps the file as it is.
    """
    config = loaded(config_path)
    source, rule = _named(config, what)
    waiting = tuple(
        each
        for each in config.rules
        if each.shadow and _is_of(each, source) and (rule is None or rule is each)
    )
    if not waiting:
        said = "no rule is in shadow" if rule is None else f"{rule.id} is in force"
        err().line(f"{source.shown}: {said}.")
        sys.exit(UNUSABLE)
    written = _rewritten(source, rule)
    after = _in_force(config, waiting)
    found = list(_differences(config, after, waiting))
    failing = policy_test_findings(run_policy_tests(after))
    if as_json:
        failed = [str(each) for each in failing]
        out().json(_data(source, waiting, found, failed, written=yes and not failed))
    else:
        _print(out(), source, waiting, found)
    if failing:
        for each in failing:
            err().line(str(each))
        err().line(
            f"{source.shown} stays as it is: with its rules in force tests fail."
        )
        sys.exit(REFUSED)
    if yes:
        _replace(source.path.resolve(), written)
        if not as_json:
            out().line(f"{source.shown if rule is None else rule.id}: in force now.")
    elif not as_json:
        out().line("Nothing was written; --yes puts it in force.")


def _named(config: Config, what: str) -> tuple[Source, Rule | None]:
    """Return the file that is meant, and the rule in it where one is named."""
    sources = {each.shown: each for each in config.sources}
    # Another tier may have the id as well; whatever waits is meant.
    for rule in sorted(config.rules, key=lambda each: not each.shadow):
        if rule.id != what:
            continue
        if rule.where.file not in sources:
            raise click.UsageError(f"{what} is built in, and in force")
        return sources[rule.where.file], rule
    return _source(config, Path(what)), None


def _source(config: Config, document: Path) -> Source:
    wanted = document.resolve()
    for each in config.sources:
        if each.path.resolve() == wanted and any(
            _is_of(rule, each) for rule in config.rules
        ):
            return each
    known = [
        each.shown
        for each in config.sources
        if any(_is_of(rule, each) and rule.shadow for rule in config.rules)
    ]
    known += [rule.id for rule in config.rules if rule.shadow]
    near = get_close_matches(str(document), known, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = f"in shadow are: {', '.join(known)}"
    else:
        hint = "none of them has a rule in shadow"
    raise click.UsageError(
        f"{document} is no policy file and no rule of {config.path}; {hint}"
    )


def _is_of(rule: Rule, source: Source) -> bool:
    return rule.where.file == source.shown


def _in_force(config: Config, waiting: Sequence[Rule]) -> Config:
    """Return *config* as it would be with the rules *waiting* in force."""
    chosen = set(map(id, waiting))
    rules = tuple(
        replace(rule, shadow=False) if id(rule) in chosen else rule
        for rule in config.rules
    )
    gateway = build_gateway(
        config.general,
        config.gateway.table,
        rules,
        config.credential_policies,
        config.gateway.plans.class_table,
    )
    return replace(config, rules=rules, gateway=gateway)


def _differences(
    before: Config, after: Config, waiting: Sequence[Rule]
) -> Iterator[_Difference]:
    for found in before.gateway.table.deployments:
        if found.provider not in PROVIDERS:
            continue
        usual: tuple[Change, ...] | None = None
        for key, team, user, tag in _callers(waiting):
            told = _changes(before, after, found, (key, team, user, tag))
            # The first is anybody; of the others only what is special is told.
            is_new = told != usual
            usual = told if usual is None else usual
            if told and is_new:
                words = [
                    f"{word}={value}"
                    for word, value in (
                        ("key", key),
                        ("team", team),
                        ("user", user),
                        ("tag", tag),
                    )
                    if value
                ]
                yield _Difference(
                    deployment=found.name,
                    caller=" ".join(words) or "anyone",
                    changes=told,
                )


def _callers(
    waiting: Sequence[Rule],
) -> Iterator[tuple[str | None, str | None, str | None, str | None]]:
    """Yield nobody in particular, and whoever the rules name."""
    named = [
        (None, *named_in(waiting, each)) for each in ("key", "team", "user", "tags")
    ]
    yield from product(*named)


def _changes(
    before: Config,
    after: Config,
    found: Deployment,
    who: tuple[str | None, str | None, str | None, str | None],
) -> tuple[Change, ...]:
    key, team, user, tag = who
    facts = facts_for(found, before.gateway.table, model=None, route=None)
    plans = [
        effective(
            facts,
            supposed_caller(
                config, key, team=team, user=user, tags=(tag,) if tag else ()
            ),
            config.gateway,
            found,
        )
        for config in (before, after)
    ]
    old, new = plans
    return () if old is None or new is None else changes(old, new)


def _print(
    screen: Renderer,
    source: Source,
    waiting: Sequence[Rule],
    found: Sequence[_Difference],
) -> None:
    screen.line(Styled(f"{source.shown}: in shadow", Style.STRONG))
    screen.table(
        [[f"  {rule.id}", rule.action.word, str(rule.where)] for rule in waiting]
    )
    screen.line()
    if not found:
        screen.line("In force they would change nothing.")
    for each in found:
        screen.line(Styled(f"at {each.deployment}, for {each.caller}", Style.STRONG))
        screen.table(
            [
                [
                    f"  {change.what}",
                    f"{change.before} -> {change.after}",
                    f"{change.rule} {change.origin}".strip(),
                ]
                for change in each.changes
            ]
        )
    screen.line()


def _data(
    source: Source,
    waiting: Sequence[Rule],
    found: Sequence[_Difference],
    failing: Sequence[str],
    *,
    written: bool,
) -> dict[str, object]:
    return {
        "version": 1,
        "document": source.shown,
        "rules": [
            {"rule": rule.id, "action": rule.action.word, "origin": str(rule.where)}
            for rule in waiting
        ],
        "differences": [
            {
                "deployment": each.deployment,
                "caller": each.caller,
                "changes": [
                    {
                        "what": change.what,
                        "before": change.before,
                        "after": change.after,
                        "rule": change.rule or None,
                        "origin": change.origin or None,
                    }
                    for change in each.changes
                ],
            }
            for each in found
        ],
        "failing_tests": list(failing),
        "written": written,
    }


def _rewritten(source: Source, rule: Rule | None) -> bytes:
    """Return the file with its rules, or the one *rule*, in force; or say why not."""
    try:
        return enforced(read_bytes(source.path.resolve()), source.shown, only=rule)
    except ModesError as error:
        err().line(str(error))
        sys.exit(UNUSABLE)
    except OSError as error:
        err().line(f"{source.shown} cannot be read: {error.strerror}")
        sys.exit(UNUSABLE)


def _replace(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh = Path(file.name)
    fresh.chmod(mode & 0o7777)
    fresh.replace(path)
