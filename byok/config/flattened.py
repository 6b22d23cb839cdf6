"""
A file that lost its indentation, and the same file with it.

Copying YAML from a web page can drop the spaces at the beginning of every line.
What is left is often still YAML, with another meaning. Which key belongs under
which follows from the schema, so the file can be put right.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byok.config.findings import Findings
from byok.config.litellm import LITELLM_KEYS, Section
from byok.config.masking import harmless, is_suspicious, masked
from byok.config.nodes import Table
from byok.config.reader import decoded, read_tree
from byok.config.schema import config_schema

_LINE = re.compile(
    r"(?P<dash>- )?(?P<key>[A-Za-z_][A-Za-z0-9_./*-]*):"
    r"(?:[ \t]+(?P<value>\S.*?))?[ \t]*"
)
_ITEM = re.compile(r"- (?P<value>\S.*?)[ \t]*")
# The name above the listing, which is copied along with it.
_TITLE = re.compile(r"[\w.-]+\.ya?ml")

_SECTIONS = {
    "general_settings": Section.GENERAL,
    "litellm_settings": Section.LITELLM,
    "router_settings": Section.ROUTER,
    "litellm_params": Section.PARAMS,
    "model_info": Section.INFO,
}


@dataclass(slots=True)
class _Open:
    """A mapping or list that further lines may belong to."""

    schema: Mapping[str, Any]
    indent: int
    is_list: bool
    name: str = ""
    is_empty: bool = True

    def knows(self, key: str) -> bool:
        """Does the schema say that *key* stands here?"""
        return not self.is_list and key in self.schema.get("properties", {})

    def tolerates(self, key: str) -> bool:
        """Is *key* one of LiteLLM's that may stand here?"""
        section = _SECTIONS.get(self.name)
        return not self.is_list and section is not None and key in LITELLM_KEYS[section]

    @property
    def is_free(self) -> bool:
        """May any key stand here?"""
        return not self.is_list and not self.schema.get("properties")


def indented(data: bytes, file: str) -> str | None:
    """
    Return the YAML in *data* with its indentation, if that is all it lacks.

    Secrets written into it are replaced by references, since the result is printed.
    None for a file that was never flattened or cannot be put right.
    """
    text = decoded(data, file, Findings())
    if text is None:
        return None
    lines = text.splitlines()
    if lines and _TITLE.fullmatch(lines[0].strip()):
        lines = lines[1:]
    if not _looks_flattened(lines):
        return None
    restored = _Restorer().restore(lines)
    if restored is None or not _is_sound(restored, file):
        return None
    return restored


def _looks_flattened(lines: list[str]) -> bool:
    top = config_schema()["properties"]
    strayed = sections = False
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            return False
        found = _LINE.fullmatch(line)
        if found and not found["dash"]:
            sections = sections or (found["key"] in top and not found["value"])
            strayed = strayed or (found["key"] not in top and sections)
    return strayed


def _is_sound(text: str, file: str) -> bool:
    findings = Findings()
    tree = read_tree(text.encode(), file, findings)
    return (
        isinstance(tree, Table)
        and not findings.has_errors
        and all(key in config_schema()["properties"] for key in tree.entries)
    )


class _Restorer:
    """Writes the lines of one flat file with the indentation they need."""

    def __init__(self) -> None:
        self._root = config_schema()
        self._open = [_Open(self._root, 0, is_list=False)]
        self._out: list[str] = []
        self._indent = 0

    def restore(self, lines: list[str]) -> str | None:
        """Return all *lines* indented, or None where one belongs nowhere."""
        for at, line in enumerate(lines):
            stripped = line.strip()
            if not stripped:
                self._out.append("")
            elif stripped.startswith("#"):
                self._comment(stripped, lines[at + 1 :])
            elif not self._content(stripped):
                return None
        return "\n".join(self._out).strip("\n") + "\n"

    def _comment(self, text: str, rest: list[str]) -> None:
        # A comment right above a key belongs to it; one below belongs to what
        # stands above it.
        follower = rest[0].strip() if rest else ""
        above_content = bool(self._out) and bool(self._out[-1])
        found = _LINE.fullmatch(follower)
        is_header = found is not None and found["key"] in self._root["properties"]
        indent = 0 if is_header and not above_content else self._indent
        self._out.append(" " * indent + harmless(text))

    def _content(self, line: str) -> bool:
        found = _LINE.fullmatch(line)
        if found is None:
            item = _ITEM.fullmatch(line)
            return item is not None and self._item(item["value"])
        if found["dash"]:
            entry = self._list(found["key"])
            if entry is None:
                return False
            schema = self._resolved(entry.schema.get("items", {}))
            self._open.append(_Open(schema, entry.indent + 2, is_list=False))
            return self._key(found, dash=True)
        return self._key(found, dash=False)

    def _list(self, key: str | None) -> _Open | None:
        """Close what is open down to the list of an item, and return that."""
        lists = [at for at, each in enumerate(self._open) if self._may_hold(at, each)]
        at = next(
            (at for at in reversed(lists) if self._items_know(self._open[at], key)),
            lists[-1] if lists else None,
        )
        if at is None:
            return None
        self._open[at].is_list = True
        del self._open[at + 1 :]
        return self._open[at]

    def _may_hold(self, at: int, each: _Open) -> bool:
        # What a key without a value opened may turn out to be a list.
        innermost = 0 < at == len(self._open) - 1
        return each.is_list or (each.is_free and each.is_empty and innermost)

    def _items_know(self, each: _Open, key: str | None) -> bool:
        items = self._resolved(each.schema.get("items", {}))
        return key is not None and key in items.get("properties", {})

    def _item(self, value: str) -> bool:
        entry = self._list(None)
        if entry is None:
            return False
        self._write(entry.indent, f"- {masked(entry.name, value)}")
        return True

    def _key(self, found: re.Match[str], *, dash: bool) -> bool:
        key, value = found["key"], found["value"]
        home = self._open[-1] if dash else self._home(key)
        if home is None:
            return False
        home.is_empty = False
        indent = home.indent - 2 if dash else home.indent
        if is_suspicious(key):
            return False
        text = f"{key}:" if value is None else f"{key}: {_printable(home, key, value)}"
        self._write(indent, f"- {text}" if dash else text)
        if value is None or value.startswith("#"):
            schema = self._resolved(home.schema.get("properties", {}).get(key, {}))
            is_list = "array" in schema.get("type", ()) and "items" in schema
            self._open.append(_Open(schema, home.indent + 2, is_list, key))
        return True

    def _home(self, key: str) -> _Open | None:
        """Close what is open down to where *key* belongs, and return that."""
        for fits in (_Open.knows, _Open.tolerates):
            for at in range(len(self._open) - 1, -1, -1):
                if fits(self._open[at], key):
                    del self._open[at + 1 :]
                    return self._open[at]
        innermost = self._open[-1]
        if not innermost.is_list and len(self._open) > 1:
            return innermost
        return None

    def _write(self, indent: int, text: str) -> None:
        self._indent = indent + (2 if text.startswith("- ") else 0)
        self._out.append(" " * indent + text)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        resolved: Mapping[str, Any] = self._root["$defs"][reference.rpartition("/")[2]]
        return resolved


def _printable(home: _Open, key: str, value: str) -> str:
    if home.name == "environment_variables":
        return "replace-me"  # a reference may not stand here
    return masked(key, value, is_known=home.knows(key) or home.tolerates(key))
