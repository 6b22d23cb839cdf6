"""Configurations for commands that only look at them: no secret has to be there."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from byok.cli.environment import SupposedEnvironment
from byok.cli.render import err
from byok.config import Config, ConfigError, load
from byok.config.findings import Finding
from byok.core.routing import Deployment

UNUSABLE = 2

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="config.yaml",
    show_default=True,
    help="The gateway's configuration.",
)


def loaded(path: Path) -> Config:
    """Return the configuration in *path*, or say what is wrong with it and exit."""
    try:
        return load(path, environ=SupposedEnvironment())
    except ConfigError as error:
        refuse(
            [each for each in error.findings if each.level == "error"],
            f"{path} is not valid. Run: byok validate {path}",
        )


def refuse(findings: list[Finding], summary: str) -> NoReturn:
    """Print *findings*, each with its remedy, and exit."""
    screen = err()
    for each in findings:
        screen.line(str(each))
        if each.remedy:
            screen.line("    ", each.remedy)
    screen.line(summary)
    sys.exit(UNUSABLE)


def deployment_named(config: Config, name: str) -> Deployment:
    """Return the deployment *name*, or say which ones there are."""
    found = config.gateway.table.named(name)
    if found is None:
        names = ", ".join(each.name for each in config.gateway.table.deployments)
        raise click.UsageError(f"no deployment has that name; there are: {names}")
    return found
