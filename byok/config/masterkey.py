"""The master key that is made at the first start, for who has none yet."""

import os
import secrets
from dataclasses import replace

from byok.config.model import Config
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


def _with(config: Config, key: str) -> Config:
    secret = Secret(key)
    general = replace(config.general, master_key=secret, master_key_file=None)
    gateway: Gateway = replace(config.gateway, secrets=(secret,))
    return replace(config, general=general, gateway=gateway)
