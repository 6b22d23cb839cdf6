"""The configuration: from the bytes of YAML files to one frozen Config."""

from byok.config.findings import Finding
from byok.config.load import ConfigError, Report, check, examine, load
from byok.config.masterkey import master_key_in, secret_at, with_master_key
from byok.config.model import Config, General

__all__ = [
    "Config",
    "ConfigError",
    "Finding",
    "General",
    "Report",
    "check",
    "examine",
    "load",
    "master_key_in",
    "secret_at",
    "with_master_key",
]
