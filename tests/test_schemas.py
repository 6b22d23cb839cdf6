"""Schemas as editors use them: found by the files that name them, and speaking."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from byok.resources import schema_files
from tests.support.processes import ROOT

SHIPPED = sorted(
    path
    for place in ("policies", "examples")
    for path in (ROOT / place).rglob("*.yaml")
)
_LINE = re.compile(r"# yaml-language-server: \$schema=(?P<target>\S+)\Z")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def target_of(path: Path) -> Path | None:
    first = path.read_text("utf-8").splitlines()[0]
    found = _LINE.fullmatch(first)
    return (path.parent / found["target"]).resolve() if found else None


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_a_shipped_file_names_a_schema_that_is_there_and_fits_it(path: Path):
    target = target_of(path)

    assert target is not None, "its first line names no schema"
    assert target in [each.resolve() for each in schema_files()]
    schema = json.loads(target.read_text("utf-8"))
    data = yaml.safe_load(path.read_text("utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(data)) == []


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every property of *schema*, with where it stands."""
    if isinstance(schema, dict):
        for name, each in schema.get("properties", {}).items():
            yield f"{path}.{name}", each
        for key, each in schema.items():
            yield from properties(each, f"{path}.{key}")
    elif isinstance(schema, list):
        for at, each in enumerate(schema):
            yield from properties(each, f"{path}[{at}]")


@pytest.mark.parametrize("path", schema_files(), ids=lambda path: path.stem)
def test_a_schema_has_a_title_and_describes_every_key(path: Path):
    schema = json.loads(path.read_text("utf-8"))

    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    assert [
        where
        for where, each in properties(schema)
        if not each.get("description") and "$ref" not in each
    ] == []
    assert [
        name
        for name, each in schema.get("$defs", {}).items()
        if not each.get("description")
    ] == []
