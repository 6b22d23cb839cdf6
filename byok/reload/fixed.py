"""What a running process cannot change: it was opened, read or written at the start."""

from collections.abc import Callable

from byok.config import Config

_FIXED: tuple[tuple[str, Callable[[Config], object]], ...] = (
    ("listen", lambda config: config.listen),
    ("store", lambda config: config.store_url),
    ("counters", lambda config: config.counters),
    ("usage.record", lambda config: config.governance.records_usage),
    ("usage.directory", lambda config: config.governance.spool),
    ("usage.sync", lambda config: config.governance.is_synced),
    ("general_settings.key_pepper", lambda config: config.general.key_peppers),
    ("general_settings.decision_log", lambda config: config.general.kept_decisions),
    ("litellm_settings.json_logs", lambda config: config.general.json_logs),
)


def needs_restart(running: Config, new: Config) -> tuple[str, ...]:
    """
    Name the settings in which *new* differs and which take a restart.

    So does a master key that is still to be made, and beginning or ceasing to ask
    callers for keys: neither should be the side effect of a reload.
    """
    names = [name for name, value in _FIXED if value(running) != value(new)]
    is_asked = running.general.single_user != new.general.single_user
    if is_asked or new.general.master_key_file is not None:
        names.append("general_settings.master_key")
    return tuple(names)
