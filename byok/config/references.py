"""
Values that stand elsewhere: `os.environ/NAME` and `file:path`.

A reference is the whole value, never a part of one, and what it leads to is not
looked at for further references. Nothing is read from the environment or the disk
that the configuration does not name.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from byok.config.findings import Findings
from byok.config.kept import Files
from byok.config.marks import Mark
from byok.config.nodes import Leaf, Node, Table
from byok.core.secret import Secret

ENVIRONMENT_PREFIX = "os.environ/"
FILE_PREFIX = "file:"
MAX_SECRET_BYTES = 64 * 1024

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# What other tools write for "from the environment". As a literal it would be sent
# to a provider as the key.
_LOOKALIKE = re.compile(
    r"\$\{?[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}?"
    r"|\$\{\{.*\}\}"
    r"|\{\{.*\}\}"
    r"|(?:env|ENV)[:/][A-Za-z_][A-Za-z0-9_]*"
    r"|@env:[A-Za-z_][A-Za-z0-9_]*"
    r"|os\.(?:environ|getenv)\W.*",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """
    Where references of one configuration lead.

    *table* is its `environment_variables` section, which is asked before the
    process environment and never exported to it. Secrets in files come from *files*
    where those have been kept.
    """

    directory: Path
    table: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    findings: Findings = field(repr=False)
    files: Files = field(default_factory=Files, repr=False)

    def secret(self, node: Node, path: str) -> Secret | None:
        """
        Return the secret that *node* names or holds, or None with a finding.

        A literal is accepted, with a warning: whoever can read the file or its
        history has it.
        """
        text = self._looked_up(node, path, secret=True)
        return None if text is None else Secret(text)

    def text(self, node: Node, path: str) -> str | None:
        """Return the text that *node* names or holds, or None with a finding."""
        return self._looked_up(node, path, secret=False)

    def _looked_up(self, node: Node, path: str, *, secret: bool) -> str | None:
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            return None  # of the wrong type, which the schema has reported
        text = node.value
        if text.startswith(ENVIRONMENT_PREFIX):
            return self._variable(text, node.mark, path)
        if text.startswith(FILE_PREFIX):
            return self._file(text, node.mark, path)
        if _LOOKALIKE.fullmatch(text):
            self.findings.add(
                "E130",
                node.mark,
                path,
                f"{path} is written like a reference of some other tool",
                remedy=f"Write {ENVIRONMENT_PREFIX}NAME, or file:path.",
            )
            return None
        if secret:
            return self._literal(text, node.mark, path)
        return text

    def _literal(self, text: str, mark: Mark, path: str) -> str | None:
        if not text:
            self.findings.add(
                "E117", mark, path, f"{path} is empty", remedy="Delete the line."
            )
            return None
        self.findings.add(
            "W302",
            mark,
            path,
            f"{path} holds the secret itself",
            remedy=f"Write {ENVIRONMENT_PREFIX}NAME or file:path instead.",
        )
        return text

    def _variable(self, text: str, mark: Mark, path: str) -> str | None:
        name = text.removeprefix(ENVIRONMENT_PREFIX)
        if not _NAME.fullmatch(name):
            self.findings.add(
                "E130",
                mark,
                path,
                f"{path} names no environment variable: a name is"
                " capitals, digits and underscores, and the whole value",
                remedy=f"Write {ENVIRONMENT_PREFIX}NAME and nothing else.",
            )
            return None
        value = self.table.get(name, self.environ.get(name))
        if value:
            return value
        state = "empty" if value is not None else "not set"
        self.findings.add(
            "E131",
            mark,
            path,
            f"the environment variable {name} is {state}",
            remedy=f"Set {name} for the process that runs byok.",
        )
        return None

    def _file(self, text: str, mark: Mark, path: str) -> str | None:
        name = text.removeprefix(FILE_PREFIX)
        try:
            data = self.files.kept_secret(name)
            if data is None:
                data = self._read(name, mark, path)
        except OSError as error:
            reason = error.strerror or "it is not a regular file"
            self._bad_file(mark, path, f"cannot be read: {reason}")
            return None
        if len(data) > MAX_SECRET_BYTES:
            self._bad_file(mark, path, f"holds more than {MAX_SECRET_BYTES} bytes")
            return None
        try:
            value = data.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            self._bad_file(mark, path, "is not text")
            return None
        if not value:
            self._bad_file(mark, path, "is empty")
            return None
        self.files.keep_secret(name, data)
        return value

    def _read(self, name: str, mark: Mark, path: str) -> bytes:
        descriptor = os.open(
            secret_path(name, self.directory),
            os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC,
        )
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise OSError
            if mode & (stat.S_IRGRP | stat.S_IROTH):
                self.findings.add(
                    "W304",
                    mark,
                    path,
                    f"the file that {path} names can be read by other users",
                    remedy="Take the permission away: chmod 600.",
                )
            return file.read(MAX_SECRET_BYTES + 1)

    def _bad_file(self, mark: Mark, path: str, reason: str) -> None:
        self.findings.add(
            "E132",
            mark,
            path,
            f"the file that {path} names {reason}",
            remedy="Name a file that holds the secret and nothing else;"
            " a relative name starts at the directory of the configuration.",
        )


def secret_path(name: str, directory: Path) -> Path:
    """Return where `file:` *name* leads; raises OSError where it cannot be a path."""
    if not name or "\0" in name:
        raise OSError("no file is named")
    return directory / name


def is_reference(node: Node | None) -> bool:
    """Is *node* a reference, well written or not?"""
    return (
        isinstance(node, Leaf)
        and isinstance(node.value, str)
        and node.value.startswith((ENVIRONMENT_PREFIX, FILE_PREFIX))
    )


def environment_table(tree: Table, findings: Findings) -> dict[str, str]:
    """
    Return the `environment_variables` section as texts.

    A value there is final: one that is itself a reference is refused, so that no
    chain has to be followed to know what a variable is.
    """
    table: dict[str, str] = {}
    for name, entry in tree.table("environment_variables").entries.items():
        node = entry.node
        if is_reference(node):
            findings.add(
                "E130",
                node.mark,
                "environment_variables",
                "a variable here may not refer to another",
                remedy="Refer to the other one where this one is used.",
            )
        elif isinstance(node, Leaf) and node.value is not None:
            table[name] = str(node.value) if isinstance(node.value, str) else node.text
    return table
