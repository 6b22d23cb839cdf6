"""The provider as a process, driven as the tests of real clients drive it."""

import http.client

import pytest

from tests.support import plays
from tests.support.orders import Named
from tests.support.processes import DiedEarly
from tests.support.provider_process import ProviderProcess


def ask(provider: ProviderProcess, path: str, body: bytes = b"{}") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=20)
    try:
        connection.request("POST", path, body, {"X-Api-Key": "key"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_plays_its_orders_and_reports_what_came():
    with ProviderProcess() as provider:
        provider.play("/v1/messages", plays.fails(529, "overloaded_error", "busy"))
        provider.always("/v1/messages", Named(name="echo"))
        assert ask(provider, "/v1/messages?beta=true")[0] == 529
        status, body = ask(provider, "/v1/messages", b'{"a":1}')
        assert (status, b"X-Api-Key: key" in body) == (400, True)
        first, second = provider.requests_for("/v1/messages")
        assert first.target == b"/v1/messages?beta=true"
        assert (second.body, second.connection) == (b'{"a":1}', 1)
        assert second.raw in provider.received
        early, late = provider.times_of("/v1/messages")
        assert early < late


def test_a_body_larger_than_a_pipe_is_reported_whole():
    body = b"x" * 1_000_000
    with ProviderProcess() as provider:
        assert ask(provider, "/v1/messages", body)[0] == 200
        assert provider.requests_for("/v1/messages")[0].body == body


def test_it_tells_when_a_peer_hangs_up():
    with ProviderProcess() as provider:
        provider.play(
            "/v1/messages", plays.says("half").hold_before(b"half", signal="x")
        )
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=20)
        connection.request("POST", "/v1/messages", b"{}")
        answer = connection.getresponse()
        answer.close()
        connection.close()
        assert provider.wait_for_requests(1, "/v1/messages")[0].body == b"{}"
        assert provider.wait_for_hang_up().sent > 0


def confuse(provider: ProviderProcess) -> None:
    """Leave a request behind that has two lengths."""
    with provider:
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=20)
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "1")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        assert connection.getresponse().status == 400
        connection.close()


def test_a_fault_fails_the_test_that_leaves_it_behind():
    provider = ProviderProcess()
    with pytest.raises(AssertionError, match="could not read"):
        confuse(provider)


def test_a_wait_that_cannot_end_says_what_the_process_printed():
    provider = ProviderProcess()
    provider._process.stop()
    with pytest.raises(DiedEarly, match="Listening"):
        provider.wait_for_hang_up()
