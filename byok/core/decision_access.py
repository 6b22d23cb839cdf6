"""Who may know what was decided, and how to ask for it on a request."""

from collections.abc import Mapping

from byok.core.exchange import SINGLE_USER, Caller
from byok.core.facts import Headers, present

ASKING = b"x-byok-explain"
"""The header by which a request asks to be explained. It speaks to the gateway
alone, so it never leaves."""

RIGHT = "explain"
"""The permission of a virtual key to have its own requests explained."""

_YES = frozenset({b"1", b"true"})


def asks(headers: Headers, caller: Caller) -> bool:
    """Do *headers* ask for an explanation that *caller* may have?"""
    return (present(headers, ASKING) or b"").lower() in _YES and may_ask(caller)


def may_ask(caller: Caller) -> bool:
    """May *caller* have its own requests explained?"""
    if caller.is_master or caller.key_id == SINGLE_USER.key_id:
        return True
    return caller.record is not None and caller.record.permissions.get(RIGHT) is True


def may_read(caller: Caller, record: Mapping[str, object]) -> bool:
    """May *caller* read this *record* of a decision?"""
    whose = record["caller"]
    own = isinstance(whose, Mapping) and whose["key_id"] == caller.key_id
    return caller.is_master or (own and may_ask(caller))
