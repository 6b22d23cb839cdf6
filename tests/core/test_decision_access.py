"""A decision is for the eyes of whom it is about, and of who runs the gateway."""

from dataclasses import replace

import pytest

from byok.core.decision_access import asks, may_ask, may_read
from byok.core.exchange import MASTER_KEY_ID, SINGLE_USER, Caller
from tests.core.asking import DEVELOPER
from tests.store.records import record

MASTER = Caller(key_id=MASTER_KEY_ID, is_master=True)
ASKING = ((b"x-byok-explain", b"1"),)


def holder(**permissions: object) -> Caller:
    return Caller.of_key(record(permissions=permissions), "x-litellm-api-key", None)


def of(caller: Caller) -> dict[str, object]:
    return {"caller": {"key_id": caller.key_id}}


@pytest.mark.parametrize("caller", [MASTER, SINGLE_USER, holder(explain=True)])
def test_who_has_the_right_may_ask(caller):
    assert may_ask(caller)
    assert asks(ASKING, caller)


@pytest.mark.parametrize(
    "caller", [DEVELOPER, holder(), holder(explain=False), holder(explain="true")]
)
def test_nobody_else_may_ask(caller):
    assert not may_ask(caller)
    assert not asks(ASKING, caller)
    assert not may_read(caller, of(caller))


@pytest.mark.parametrize("value", [b"0", b"", b"yes", b"no"])
def test_a_request_that_does_not_ask_is_not_explained(value):
    assert not asks(((b"x-byok-explain", value),), MASTER)
    assert not asks((), MASTER)


def test_a_key_reads_its_own_decisions_and_the_master_key_all():
    anne = holder(explain=True)
    bob = replace(anne, key_id="key_bob")

    assert may_read(anne, of(anne))
    assert not may_read(bob, of(anne))
    assert may_read(MASTER, of(anne))
    assert may_read(SINGLE_USER, of(SINGLE_USER))
    assert not may_read(anne, {"caller": None})
