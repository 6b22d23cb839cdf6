"""Key records for the tests of the store."""

from dataclasses import replace
from typing import Any

from twisted.internet import reactor

from byok.core.keys import Peppers, VirtualKey, display_name, new_token_id
from byok.core.secret import Secret
from tests.support.keys import KEY_PEPPER, VIRTUAL_KEY

# Twisted leaves open what a reactor can do; every real one can do all of it.
REACTOR: Any = reactor

NOW = 1_800_000_000.0
PEPPER = Secret(KEY_PEPPER)
PEPPERS = Peppers(PEPPER)


def record(key: str = VIRTUAL_KEY, /, number: int = 0, **fields: Any) -> VirtualKey:
    """Make the record of *key*, the *number*-th one, with *fields* changed."""
    plain = VirtualKey(
        token_id=new_token_id(number.to_bytes(16)),
        digest=PEPPERS.digest(key.encode()),
        pepper_id=PEPPERS.current_id,
        key_name=display_name(Secret(key)),
        created_at=NOW + number,
        updated_at=NOW + number,
    )
    return replace(plain, **fields)


def records(count: int, **fields: Any) -> list[VirtualKey]:
    """Make *count* records of keys that have nothing in common."""
    return [record(f"sk-{number:030}", number, **fields) for number in range(count)]
