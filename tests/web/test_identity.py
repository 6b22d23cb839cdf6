"""Who is calling, decided by one value in one header."""

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred

from byok.core.belonging import Belonging
from byok.core.errors import Refusal
from byok.core.exchange import SINGLE_USER, Caller
from byok.core.facts import Headers
from byok.core.keys import VirtualKey
from byok.core.secret import Secret
from byok.web.identity import Identity
from tests.store.test_people import team
from tests.support import keys

ANNA = VirtualKey(
    token_id="key_1",
    digest=b"d",
    pepper_id="p",
    key_name="sk-...",
    created_at=0.0,
    updated_at=0.0,
    key_alias="anna",
)
SLOW_DOWN = Refusal(
    status=429, kind="rate_limit_error", code="auth.too-many", message="Later."
)


class Known:
    """Knows one key; `asked` are the keys and addresses it was asked for."""

    def __init__(self, found: VirtualKey | Refusal | None = ANNA) -> None:
        self._found = found
        self.asked: list[tuple[bytes, str]] = []

    async def maybe(self, key: bytes, *, peer: str) -> VirtualKey | Refusal | None:
        self.asked.append((key, peer))
        return self._found if key == keys.VIRTUAL_KEY.encode() else None

    async def ours_among(
        self, words: Sequence[bytes], *, peer: str
    ) -> tuple[bytes, ...] | Refusal:
        if b"sk-one-too-many" in words:
            return SLOW_DOWN
        ours = (keys.VIRTUAL_KEY.encode(), keys.VIRTUAL_KEY_2.encode())
        return tuple(each for each in words if each in ours)


def identify(
    headers: Headers,
    lookup: Known,
    *,
    master: str | None = keys.MASTER_KEY,
    query: bytes = b"",
) -> Caller | Refusal:
    identity = Identity(
        lookup=lookup, master_key=None if master is None else Secret(master)
    )
    results: list[Caller | Refusal] = []
    asking = identity.identify(headers, peer="192.0.2.1", query=query)
    Deferred.fromCoroutine(asking).addCallback(results.append)
    (result,) = results
    return result


OURS = keys.VIRTUAL_KEY.encode()


@pytest.mark.parametrize(
    ("headers", "carrier"),
    [
        (((b"x-litellm-api-key", OURS),), "x-litellm-api-key"),
        (((b"x-litellm-api-key", b"Bearer " + OURS),), "x-litellm-api-key"),
        (((b"authorization", b"bEaReR " + OURS),), "authorization"),
        (((b"x-api-key", OURS),), "x-api-key"),
        (
            ((b"x-api-key", OURS), (b"authorization", b"Bearer sk-ant-oat01-x")),
            "x-api-key",
        ),
        (((b"x-litellm-api-key", b""), (b"x-api-key", OURS)), "x-api-key"),
    ],
)
def test_the_first_candidate_in_the_order_of_carriers_is_looked_up(headers, carrier):
    lookup = Known()

    caller = identify(headers, lookup)

    assert isinstance(caller, Caller)
    assert (caller.name, caller.carrier) == ("anna", carrier)
    assert lookup.asked == [(OURS, "192.0.2.1")]


@pytest.mark.parametrize(
    "headers",
    [
        ((b"x-litellm-api-key", b"sk-wrong"), (b"authorization", b"Bearer " + OURS)),
        ((b"x-litellm-api-key", b"sk-wrong"), (b"x-api-key", OURS)),
    ],
)
def test_a_wrong_key_is_not_rescued_by_a_later_carrier(headers):
    """S-05"""
    lookup = Known()

    refusal = identify(headers, lookup)

    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (401, "auth.invalid-key")
    assert lookup.asked == [(b"sk-wrong", "192.0.2.1")]


def test_unknown_expired_and_blocked_keys_are_refused_alike():
    """S-53"""
    headers = ((b"x-litellm-api-key", OURS),)
    other = ((b"x-litellm-api-key", b"sk-other"),)

    assert identify(headers, Known(None)) == identify(other, Known())


def test_too_many_guesses_are_told_to_wait():
    refusal = identify(((b"x-litellm-api-key", OURS),), Known(SLOW_DOWN))

    assert refusal is SLOW_DOWN


def test_the_master_key_asks_no_store():
    lookup = Known()
    headers = ((b"authorization", b"Bearer " + keys.MASTER_KEY.encode()),)

    caller = identify(headers, lookup)

    assert isinstance(caller, Caller)
    assert caller.is_master
    assert lookup.asked == []


def test_without_a_master_key_everybody_is_the_one_user():
    assert identify((), Known(), master=None) is SINGLE_USER


@pytest.mark.parametrize("master", [False, True])
@pytest.mark.parametrize(
    ("headers", "others"),
    [
        ((), []),
        (((b"x-api-key", keys.ANTHROPIC_API_KEY.encode()),), []),
        (((b"x-api-key", b"sk-of-somebody-else"),), []),
        (((b"x-api-key", keys.VIRTUAL_KEY_2.encode()),), [keys.VIRTUAL_KEY_2]),
        (
            ((b"authorization", b"Bearer " + keys.VIRTUAL_KEY_2.encode()),),
            [keys.VIRTUAL_KEY_2],
        ),
        (((b"x-note", b"is " + keys.VIRTUAL_KEY_2.encode()),), [keys.VIRTUAL_KEY_2]),
        (((b"user-agent", keys.VIRTUAL_KEY_2.encode()),), [keys.VIRTUAL_KEY_2]),
        (((b"anthropic-x", keys.VIRTUAL_KEY_2.encode()),), [keys.VIRTUAL_KEY_2]),
    ],
)
def test_other_keys_of_ours_are_noted_wherever_they_stand(headers, others, master):
    key = keys.MASTER_KEY if master else keys.VIRTUAL_KEY

    caller = identify(((b"x-litellm-api-key", key.encode()), *headers), Known())

    assert isinstance(caller, Caller)
    assert caller.others == tuple(Secret(each) for each in others)


def test_another_key_of_ours_in_the_query_is_noted():
    query = b"beta=true&key=" + keys.VIRTUAL_KEY_2.encode()
    own = ((b"x-litellm-api-key", OURS),)

    caller = identify(own, Known(), query=query)

    assert isinstance(caller, Caller)
    assert caller.others == (Secret(keys.VIRTUAL_KEY_2),)


def test_too_many_words_that_may_be_keys_are_told_to_wait():
    headers = ((b"x-litellm-api-key", OURS), (b"x-note", b"sk-one-too-many"))

    assert identify(headers, Known()) is SLOW_DOWN


def test_the_key_that_authenticated_is_no_other():
    ours = ((b"x-litellm-api-key", OURS), (b"x-api-key", OURS))

    caller = identify(ours, Known())

    assert isinstance(caller, Caller)
    assert caller.others == ()


class Team:
    """Everybody is in one team."""

    def __init__(self, *, blocked: bool) -> None:
        self._belongs = Belonging(team=team(blocked=blocked))

    def of(self, record: VirtualKey) -> Belonging:
        """Return the team."""
        return self._belongs


def of_a_team(*, blocked: bool) -> Caller | Refusal:
    identity = Identity(
        lookup=Known(), master_key=Secret(keys.MASTER_KEY), people=Team(blocked=blocked)
    )
    results: list[Caller | Refusal] = []
    asking = identity.identify(((b"x-litellm-api-key", OURS),), peer="192.0.2.1")
    Deferred.fromCoroutine(asking).addCallback(results.append)
    (result,) = results
    return result


def test_a_key_of_a_blocked_team_is_refused_like_one_that_nobody_has():
    unknown = identify(((b"x-litellm-api-key", b"sk-nobodys"),), Known())

    assert of_a_team(blocked=True) == unknown
    admitted = of_a_team(blocked=False)
    assert isinstance(admitted, Caller)
    assert admitted.belongs.team == team()
