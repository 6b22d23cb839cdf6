"""Two configurations, one of which is to replace the other."""

import copy
from pathlib import Path

import yaml

from byok.config import Config, Report, examine
from byok.reload.review import Review, review
from tests.config.files import ENVIRON, write

Json = dict[str, object]

ANTHROPIC = "anthropic/claude-sonnet-5-5"
BASE: Json = {
    "model_list": [
        {"model_name": "sonnet", "litellm_params": {"model": ANTHROPIC}},
    ],
    "litellm_settings": {"forward_llm_provider_auth_headers": True},
    # Fewer rules, fewer cells to look at.
    "general_settings": {"master_key": "os.environ/MASTER_KEY", "policy_packs": []},
}


def rule(name: str, action: object, header: str = "x-foo", **more: object) -> Json:
    return {
        "id": name,
        "action": action,
        "match": {"header": {"name": header}},
        **more,
    }


def config(*rules: Json, general: Json | None = None, **sections: object) -> Json:
    """The base with *rules*, more *general* settings, and other *sections*."""
    made = copy.deepcopy(BASE)
    settings = made["general_settings"]
    assert isinstance(settings, dict)
    settings |= {"policies": list(rules), **(general or {})}
    return made | sections


def model(name: str, **params: object) -> Json:
    return {"model_name": name, "litellm_params": {"model": ANTHROPIC, **params}}


def read(directory: Path, data: Json | str, name: str = "config.yaml") -> Report:
    text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
    return examine(write(directory, text, name), environ=ENVIRON)


def loaded(directory: Path, data: Json | str, name: str = "config.yaml") -> Config:
    report = read(directory, data, name)
    assert report.config is not None, report.findings
    return report.config


def reviewed(
    directory: Path, old: Json, new: Json | str, *, both_ways: bool = False
) -> Review:
    """What there is to say when *new* is to replace *old*."""
    running = loaded(directory, old)
    return review(read(directory, new), running, both_ways=both_ways)
