"""
The configuration reference, written from the schema so that it cannot drift.

    python -m byok.config.reference > docs/configuration.md
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from byok.config.codes import CODES
from byok.config.litellm import LITELLM_KEYS, Known, Section, Verdict
from byok.config.schema import config_schema, section_properties

_HEAD = """\
# Configuration

byok reads one YAML file in the shape of LiteLLM's `config.yaml`, with sections of
its own. `byok validate config.yaml` says everything that is wrong with a file, each
with its line and what to do; nothing it says quotes a value.

This page is written by `python -m byok.config.reference` from
`schemas/config.schema.json`, which editors with a YAML language server read too:

```yaml
# yaml-language-server: $schema=schemas/config.schema.json
```

## Values that stand elsewhere

A secret is written as a reference: `os.environ/NAME` (a name of capitals, digits and
underscores) or `file:path` (relative to the configuration; a line end after the
secret is dropped). A reference is the whole value. One that leads to nothing is an
error when the file is read, and nothing is read that the file does not name. A
literal secret works, with a warning.

Names, addresses and other texts take references too.
"""

_SECTIONS = (
    (
        "The top level",
        Section.TOP,
        "Keys that begin with `x-` are read by nobody: a place for YAML anchors.",
    ),
    ("`model_list`", Section.MODEL, "Each entry has these keys."),
    ("`model_list[].litellm_params`", Section.PARAMS, ""),
    ("`model_list[].model_info`", Section.INFO, ""),
    ("`litellm_settings`", Section.LITELLM, ""),
    ("`general_settings`", Section.GENERAL, ""),
)

_VERDICTS: tuple[tuple[str, Callable[[Known], bool], str], ...] = (
    (
        "Works differently",
        lambda known: known.verdict is Verdict.DIFFERS and not known.replaced,
        "These count, in byok's way.",
    ),
    (
        "Written in another way",
        lambda known: known.replaced,
        "These have no effect; the right column says what to write instead.",
    ),
    (
        "Unsafe here",
        lambda known: known.verdict is Verdict.UNSAFE,
        "These have no effect, on purpose.",
    ),
    (
        "Does not protect here",
        lambda known: known.protects,
        "These have no effect; do not count on them.",
    ),
)

_LITELLM_HEAD = """\
## LiteLLM's other settings

byok knows some four hundred settings of LiteLLM's. Those in the tables above are
honoured; those named below do less or something else; all others it knows are
accepted without effect. `byok validate --verdicts` lists what becomes of each
setting of a file.
"""

_LIMITS_HEAD = "These are accepted and limit nothing yet."

_FINDINGS_HEAD = """\
## Findings

E is an error and keeps byok from starting; W is a warning, and an error under
`byok validate --strict`; I is a note.

| code | meaning |
|---|---|"""


def reference() -> str:
    """Return the whole page as Markdown."""
    parts = [
        _HEAD,
        *(_section(*each) for each in _SECTIONS),
        _shared("limits", "`limits`"),
        _shared("prices", "`prices`"),
        _shared("model_price", "`prices.models.NAME`"),
        _shared("usage", "`usage`"),
        _shared("budgets", "`budgets`"),
        _shared("sessions", "`sessions`"),
        _shared("agents", "`agents`"),
        _shared("provider", "`providers.NAME`"),
        _shared("credential", "`credential`"),
        _litellm(),
        _findings(),
    ]
    return "\n".join(parts)


def _section(title: str, section: Section, note: str) -> str:
    lines = [f"## {title}", ""]
    if note:
        lines += [note, ""]
    without_effect = LITELLM_KEYS[section].keys() if section is Section.TOP else ()
    lines += _table(
        {
            name: each
            for name, each in section_properties(section).items()
            if name not in without_effect
        }
    )
    return "\n".join([*lines, ""])


def _shared(name: str, title: str) -> str:
    definition = config_schema()["$defs"][name]
    rows = _table(definition["properties"])
    return "\n".join([f"## {title}", "", definition["description"], "", *rows, ""])


def _table(properties: Mapping[str, Any]) -> Iterator[str]:
    yield "| key | value | meaning |"
    yield "|---|---|---|"
    for name, written in properties.items():
        schema = _resolved(written)
        yield f"| `{name}` | {_value(schema)} | {_meaning(schema)} |"
        for below, each in schema.get("properties", {}).items():
            if "$ref" not in written:
                inner = _resolved(each)
                yield f"| `{name}.{below}` | {_value(inner)} | {_meaning(inner)} |"


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference_to = schema.get("$ref")
    if reference_to is None:
        return schema
    resolved: Mapping[str, Any] = config_schema()["$defs"][
        reference_to.rpartition("/")[2]
    ]
    return resolved


def _value(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"] if each is not None)
    types = schema.get("type", "anything")
    words = [types] if isinstance(types, str) else types
    names = {"array": "list", "object": "mapping", "string": "text"}
    return " or ".join(names.get(each, each) for each in words if each != "null")


def _meaning(schema: Mapping[str, Any]) -> str:
    text = str(schema.get("description", ""))
    words = schema.get("items", {}).get("enum")
    if words:
        text += " One or more of " + ", ".join(f"`{each}`" for each in words) + "."
    if "default" in schema:
        text += f" Default: `{_literal(schema['default'])}`."
    return text.replace("|", "\\|")


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return str(value)


def _litellm() -> str:
    lines = [_LITELLM_HEAD]
    for title, belongs, note in _VERDICTS:
        lines += [f"### {title}", "", note, "", "| setting | here |", "|---|---|"]
        lines += sorted(_rows(belongs))
        lines.append("")
    limits = sorted(name for name, known in _named() if known.limits)
    lines += ["### Not enforced yet", "", _LIMITS_HEAD, ""]
    lines += [f"- `{name}`" for name in limits]
    lines.append("")
    return "\n".join(lines)


def _rows(belongs: Callable[[Known], bool]) -> Iterator[str]:
    for name, known in _named():
        if belongs(known):
            yield f"| `{name}` | {_how(known)} |"


def _named() -> Iterator[tuple[str, Known]]:
    for section, keys in LITELLM_KEYS.items():
        prefix = "" if section is Section.TOP else f"{section}."
        for name, known in keys.items():
            yield f"{prefix}{name}", known


def _how(known: Known) -> str:
    return known.how[:1].upper() + known.how[1:] + "."


def _findings() -> str:
    rows = [f"| {code.name} | {code.meaning} |" for code in CODES.values()]
    return "\n".join([_FINDINGS_HEAD, *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(reference())
