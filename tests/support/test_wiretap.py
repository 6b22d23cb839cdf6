"""The wiretap changes nothing that passes through it."""

import http.client
import socket

import pytest

from tests.support import plays
from tests.support.provider_process import ProviderProcess
from tests.support.wiretap import Wiretap


def test_what_the_client_sent_is_what_the_provider_received():
    with ProviderProcess() as provider, Wiretap(provider.port) as tap:
        connection = http.client.HTTPConnection("127.0.0.1", tap.port, timeout=20)
        for body in (b"{}", b"x" * 300_000):
            connection.request("POST", "/v1/messages?beta=true", body)
            assert connection.getresponse().read()
        connection.close()
        assert [one.raw for one in tap.requests] == [
            one.raw for one in provider.requests
        ]
        assert len(tap.requests_for("/v1/messages")) == 2


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_cut_answer_stays_cut(is_reset):
    play = plays.says("cut").cut_before(b"message_stop", reset=is_reset)
    with ProviderProcess() as provider, Wiretap(provider.port) as tap:
        provider.play("/v1/messages", play)
        with socket.create_connection(("127.0.0.1", tap.port), timeout=20) as client:
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            received = bytearray()
            was_reset = False
            try:
                while data := client.recv(65536):
                    received += data
            except ConnectionResetError:
                was_reset = True
        assert was_reset == is_reset
        # What a reset overtakes is lost, as on any network.
        assert play.sent().startswith(received)
        assert is_reset or len(received) == len(play.sent())


def test_a_client_that_leaves_is_missed_at_the_provider():
    with ProviderProcess() as provider, Wiretap(provider.port) as tap:
        provider.play("/v1/messages", plays.hangs())
        with socket.create_connection(("127.0.0.1", tap.port), timeout=20) as client:
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            provider.wait_for_requests(1, "/v1/messages")
        assert provider.wait_for_hang_up().number == 0
