"""The master key: made at the first start, and found by who only needs that."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from byok.config.findings import Findings
from byok.config.includes import UnreadableError, gather
from byok.config.marks import Mark
from byok.config.model import Config
from byok.config.nodes import Leaf
from byok.config.references import References, environment_table, is_reference
from byok.core.exchange import Gateway
from byok.core.secret import Secret

_BYTES = 32


def with_master_key(config: Config) -> tuple[Config, bool]:
    """
    Return *config* with a master key, and whether it was made just now.

    The key goes into the file that `general_settings.master_key` names, which only
    its owner can read. A file that another process made meanwhile is used as it is.
    Raises OSError where it cannot be written.
    """
    path = config.general.master_key_file
    if path is None:
        return config, False
    key = f"sk-{secrets.token_urlsafe(_BYTES)}"
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
    except FileExistsError:
        return _with(config, path.read_text("utf-8").rstrip("\r\n")), False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{key}\n")
    return _with(config, key), True


def master_key_in(path: Path, environ: Mapping[str, str]) -> Secret | None:
    """
    Return the master key that the configuration *path* names, or None.

    Whatever else is wrong with the file is no matter: who asks may be on the way to
    be told just that.
    """
    findings = Findings()
    try:
        gathered = gather(path, findings)
    except UnreadableError:
        return None
    if gathered.tree is None:
        return None
    node = gathered.tree.table("general_settings").get("master_key")
    refs = References(
        directory=gathered.directory,
        table=environment_table(gathered.tree, findings),
        environ=environ,
        findings=findings,
    )
    return None if node is None else refs.secret(node, "general_settings.master_key")


def secret_at(reference: str, environ: Mapping[str, str]) -> Secret | None:
    """
    Return the secret that *reference* leads to, from the working directory.

    None where it leads to nothing or is no reference: a secret on a command line can
    be read by others.
    """
    node = Leaf(Mark(""), reference)
    refs = References(
        directory=Path.cwd(), table={}, environ=environ, findings=Findings()
    )
    return refs.secret(node, "") if is_reference(node) else None


def _with(config: Config, key: str) -> Config:
    secret = Secret(key)
    general = replace(config.general, master_key=secret, master_key_file=None)
    gateway: Gateway = replace(config.gateway, secrets=(secret,))
    return replace(config, general=general, gateway=gateway)
