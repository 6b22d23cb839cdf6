"""Who is let in, by the request alone."""

from dataclasses import replace

from byok.core.admission import admit_key, admit_master, admit_single_user
from byok.core.errors import Refusal
from byok.core.exchange import SINGLE_USER, Caller
from byok.core.secret import Secret
from tests.store.records import record
from tests.support.keys import MASTER_KEY, VIRTUAL_KEY

NOW = 1_800_000_000.0


def code_of(found: Caller | Refusal) -> str:
    return found.code if isinstance(found, Refusal) else ""


def test_a_key_in_force_is_its_holders():
    key = Secret(VIRTUAL_KEY)
    caller = admit_key(record(key_alias="anne"), (), "x-api-key", key, now=NOW)

    assert isinstance(caller, Caller)
    assert (caller.name, caller.carrier, caller.secret) == ("anne", "x-api-key", key)


def test_a_blocked_and_an_expired_key_are_refused_alike():
    blocked = replace(record(), blocked=True)
    expired = replace(record(), expires_at=NOW)

    refusals = [
        admit_key(each, (), "x-api-key", None, now=NOW) for each in (blocked, expired)
    ]

    assert refusals[0] == refusals[1]
    assert code_of(refusals[0]) == "auth.invalid-key"


def test_the_master_key_opens_exchanges_unless_it_may_not():
    key = Secret(MASTER_KEY)
    admitted = admit_master((), "authorization", key, on_data_routes=True)
    refused = admit_master((), "x-api-key", key, on_data_routes=False)

    assert isinstance(admitted, Caller)
    assert admitted.is_master
    assert isinstance(refused, Refusal)
    assert refused.code == "auth.master-key"
    # Claude Code hides a message that names this header.
    assert "x-api-key" not in refused.message


def test_the_single_user_is_a_program_and_no_page():
    assert admit_single_user(()) is SINGLE_USER
    assert admit_single_user(((b"sec-fetch-site", b"None"),)) is SINGLE_USER
    for header in (
        (b"origin", b"http://a.example"),
        (b"sec-fetch-site", b"cross-site"),
    ):
        assert code_of(admit_single_user((header,))) == "auth.from-a-page"
