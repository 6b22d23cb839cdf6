"""How what happens on the wire is told to a client; the wire is in tests/wire."""

import pytest
from twisted.internet.defer import CancelledError

from byok.core.errors import Refusal
from byok.web.downstream import body_of, refusal_of
from byok.wire.errors import (
    BodyTooLarge,
    BodyTooSlow,
    BodyUnreadable,
    PeerGone,
    Unreadable,
    WireError,
)
from tests.web.test_front import Told

BAD = Unreadable(status=400, code="http.chunk", message="No chunk.")
TOO_LARGE = Refusal(status=413, kind="request_too_large", code="x", message="Much.")


class Uploading(Told):
    """A client whose body ends in a fault."""

    def __init__(self, fault: WireError) -> None:
        super().__init__()
        self.fault = fault

    async def read_body(self) -> bytes:
        raise self.fault


def outcome(client: Told) -> bytes | Refusal:
    """Read the body of *client*, whose coroutine never waits."""
    with pytest.raises(StopIteration) as done:
        body_of(client, too_large=TOO_LARGE).send(None)
    result: bytes | Refusal = done.value.value
    return result


def test_a_body_that_came_is_given():
    assert outcome(Told()) == b"{}"


def test_each_fault_of_an_upload_has_its_refusal():
    slow = outcome(Uploading(BodyTooSlow()))

    assert outcome(Uploading(BodyTooLarge())) is TOO_LARGE
    assert isinstance(slow, Refusal)
    assert (slow.status, slow.kind) == (408, "timeout_error")
    assert outcome(Uploading(BodyUnreadable(BAD))) == refusal_of(BAD)


def test_nobody_is_answered_where_nobody_is_left():
    with pytest.raises(CancelledError):
        body_of(Uploading(PeerGone()), too_large=TOO_LARGE).send(None)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (408, "timeout_error")]
)
def test_what_is_no_request_is_refused_in_the_kind_of_its_status(status, kind):
    bad = Unreadable(status=status, code="http.x", message="No.")

    refusal = refusal_of(bad)

    assert (refusal.status, refusal.kind) == (status, kind)
    assert (refusal.code, refusal.message) == ("http.x", "No.")
