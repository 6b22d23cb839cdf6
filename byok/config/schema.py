"""
The shape of a configuration, by `schemas/config.schema.json`.

jsonschema's messages quote the value they complain about, so only the rule and the
place of an error are used. What the schema allows here and forbids there is said
in our own words.
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from byok.config.findings import Findings
from byok.config.litellm import LITELLM_KEYS, Section
from byok.config.marks import Path, dotted, shown
from byok.config.nodes import Table, key_mark_of, mark_of, plain
from byok.resources import schema_file

_SWITCH_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "0", "1"})
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


@cache
def config_schema() -> dict[str, Any]:
    """Return the schema of configurations."""
    schema: dict[str, Any] = json.loads(
        schema_file("config.schema.json").read_text("utf-8")
    )
    return schema


@cache
def section_properties(section: Section) -> Mapping[str, Any]:
    """Return the properties that the schema gives *section*, by name."""
    schema = config_schema()
    definitions = schema["$defs"]
    parts = {
        Section.TOP: schema,
        Section.GENERAL: definitions["general_settings"],
        Section.LITELLM: definitions["litellm_settings"],
        Section.ROUTER: definitions["router_settings"],
        Section.MODEL: definitions["model"],
        Section.PARAMS: definitions["litellm_params"],
        Section.INFO: definitions["model_info"],
    }
    properties: Mapping[str, Any] = parts[section].get("properties", {})
    return properties


@cache
def known_names() -> frozenset[str]:
    """Every key that byok or LiteLLM has a meaning for; such a key may be printed."""
    names: set[str] = set()
    for part in _subschemas(config_schema()):
        names |= part.get("properties", {}).keys()
    for keys in LITELLM_KEYS.values():
        names |= keys.keys()
    return frozenset(names)


def check_shape(tree: Table, findings: Findings) -> None:
    """Report every place where *tree* has not the shape of a configuration."""
    validator = Draft202012Validator(config_schema())
    for error in validator.iter_errors(plain(tree)):
        _report(error, tree, findings)


def name_of(path: Path) -> str:
    """Name *path* for people, with only such keys quoted as byok knows."""
    return dotted(path, known=known_names())


def suggestion(key: str, names: Iterator[str] | frozenset[str] | list[str]) -> str:
    """Return the one of *names* that *key* was probably meant to be, or nothing."""
    close = get_close_matches(key, list(names), n=1, cutoff=0.75)
    return close[0] if close else ""


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from _subschemas(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _subschemas(part)


def _report(error: ValidationError, tree: Table, findings: Findings) -> None:
    path: Path = tuple(error.absolute_path)
    if "policies" in path[:-1]:
        return  # rules are read by the policy language, which says more
    if error.validator == "additionalProperties":
        _report_unknown(error, path, tree, findings)
        return
    if error.validator == "required":
        _report_missing(error, path, tree, findings)
        return
    name = name_of(path)
    if "propertyNames" in error.absolute_schema_path:
        # The failing value is a key here, so its place is among the keys.
        findings.add(
            "E117",
            key_mark_of(tree, (*path, str(error.instance))),
            name,
            f"a key under {name} has not the form of a name there",
            remedy=_form(path),
        )
        return
    code, message, remedy = _wording(error)
    findings.add(code, mark_of(tree, path), name, f"{name} {message}", remedy=remedy)


def _form(path: Path) -> str:
    if path[:1] == ("environment_variables",):
        return "Write capitals, digits and underscores: MY_KEY."
    return "Write the name of a header: letters, digits and dashes."


def _report_unknown(
    error: ValidationError, path: Path, tree: Table, findings: Findings
) -> None:
    if not path:
        return  # the top level is judged together with LiteLLM's sections
    schema: Any = error.schema
    names = frozenset(schema.get("properties", {}))
    keys: Any = error.instance
    for key in keys:
        if key in names:
            continue
        name = name_of(path)
        findings.add(
            "E163" if path == ("providers",) else "E102",
            key_mark_of(tree, (*path, key)),
            name_of((*path, key)),
            f"{shown(key)} is not a key of {name}",
            remedy=_correction(key, names),
        )


def _correction(key: str, names: frozenset[str]) -> str:
    near = suggestion(key, names)
    if near:
        return f"Did you mean {near}?"
    for section in (Section.GENERAL, Section.PARAMS, Section.TOP):
        if key in section_properties(section):
            return f"Move it to {section}."
    return f"Known here: {', '.join(sorted(names))}."


def _report_missing(
    error: ValidationError, path: Path, tree: Table, findings: Findings
) -> None:
    required: Any = error.validator_value
    present: Any = error.instance
    for key in required:
        if key not in present:
            findings.add(
                "E114",
                mark_of(tree, path),
                name_of((*path, key)),
                f"{name_of(path)} has no {key}",
                remedy=f"Add `{key}:`, indented below it.",
            )


def _wording(error: ValidationError) -> tuple[str, str, str]:
    """Return code, message and remedy for *error*, without a value of the file."""
    rule: Any = error.validator
    asked: Any = error.validator_value
    if rule == "type":
        return _wrong_type([asked] if isinstance(asked, str) else asked, error.instance)
    if rule == "enum":
        words = ", ".join(str(each) for each in asked if each is not None)
        return "E105", "is not one of the words allowed", f"Write one of: {words}."
    if rule in {"minLength", "minItems"}:
        return "E117", "is empty", "Fill it in, or delete the line."
    if rule == "maxLength":
        return "E117", f"is longer than {asked} characters", "Shorten it."
    if rule == "uniqueItems":
        return "E117", "lists something twice", "Delete one of the two."
    if rule == "minimum":
        return "E117", f"is too small: the least is {asked}", "Raise it."
    if rule == "exclusiveMinimum":
        return "E117", f"is too small: it has to be above {asked}", "Raise it."
    if rule == "maximum":
        return "E117", f"is too large: the most is {asked}", "Lower it."
    return "E117", "has not the form it needs", _hint(error)


def _hint(error: ValidationError) -> str:
    schema: Any = error.schema
    described = schema.get("description", "")
    return f"What it is: {described}" if described else ""


def _wrong_type(types: list[str], value: object) -> tuple[str, str, str]:
    wanted = " or ".join(_TYPES[each] for each in types if each != "null")
    if "boolean" in types and "string" not in types:
        if isinstance(value, str) and value.strip().lower() in _SWITCH_WORDS:
            return (
                "E104",
                "is a text, and a switch is needed",
                "Write true or false without quotes.",
            )
        return "E104", "is not a switch", "Write true or false."
    return "E101", f"has the wrong type: {wanted} is needed", f"Write {wanted}."
