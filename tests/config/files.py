"""Configuration files for tests, and what was found in them."""

from pathlib import Path
from textwrap import dedent

from byok.config import Config, Report, examine
from tests.support import keys
from tests.support.sweep import exempt

ENVIRON = {
    "MASTER_KEY": keys.MASTER_KEY,
    "DEPLOYMENT_KEY": keys.DEPLOYMENT_KEY,
    "PEPPER": keys.KEY_PEPPER,
}

MODELS = """\
model_list:
  - model_name: claude-*
    litellm_params:
      model: anthropic/claude-*
"""

MASTER = """\
general_settings:
  master_key: os.environ/MASTER_KEY
"""

SMALLEST = MODELS + MASTER
"""A configuration about which there is nothing to say."""


def write(directory: Path, text: str, name: str = "config.yaml") -> Path:
    """Write *text*, without the indentation all its lines share, to a file."""
    # What a test writes here is input, not output, and may hold planted secrets.
    path = exempt(directory / name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), "utf-8")
    return path


def report_on(directory: Path, text: str, **more: str) -> Report:
    """Examine the configuration *text*, with the planted environment and *more*."""
    return examine(write(directory, text), environ={**ENVIRON, **more})


def config_of(directory: Path, text: str, **more: str) -> Config:
    """Return the configuration *text*, in which there must be no error."""
    report = report_on(directory, text, **more)
    assert report.config is not None, [str(each) for each in report.findings]
    return report.config


def found(directory: Path, text: str) -> list[str]:
    """Return code and line of each finding in *text*: `E101:3`."""
    return [f"{each.code}:{each.line}" for each in report_on(directory, text).findings]
