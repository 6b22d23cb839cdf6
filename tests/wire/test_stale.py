"""Kept connections that a server closed, or is about to."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.ssl import CertificateOptions

from byok.wire.connection import ClientConnection
from byok.wire.errors import ClosedEarly, ClosedWhileKept
from tests.upstream.certificates import Authority
from tests.wire.test_pool import OK, Peer, PoolCase

REQUESTS = 50


def close_after(peer: Peer, data: bytes) -> None:
    """Answer, and close without having said so."""
    if peer.received.endswith(b"\r\n\r\n"):
        peer.wire.write(OK)
        peer.wire.loseConnection()


class StaleCase(PoolCase):
    async def secured(self, answer) -> tuple[Any, int, Authority]:
        authority = Authority()
        options: CertificateOptions = authority.issue("127.0.0.1").options()
        server, port = await self.listen(answer, options)
        return server, port, authority

    async def in_a_row(self, port: int, authority: Authority | None = None) -> int:
        """Send requests, each as soon as the last is answered; count those lost."""
        lost = 0
        for _ in range(REQUESTS):
            connection = await self.connecting(port, authority=authority)
            try:
                self.assertEqual(await self.fetch(connection), b"hi")
            except ClosedEarly:
                lost += 1
        return lost


class TestClosed(StaleCase):
    async def test_no_request_is_lost_to_a_server_that_closes_after_each(self):
        """The close came with the answer; the next request begins within its end."""
        server, port = await self.listen(close_after)

        lost = await self.in_a_row(port)

        self.assertEqual((lost, len(server.peers)), (0, REQUESTS))

    async def test_no_request_is_lost_where_tls_is_closed_after_each(self):
        server, port, authority = await self.secured(close_after)

        lost = await self.in_a_row(port, authority)

        self.assertEqual((lost, len(server.peers)), (0, REQUESTS))

    async def test_none_is_lost_where_the_close_comes_a_moment_later(self):
        """Our own reactor has not come round to it, and is not waited for."""
        for authority in (None, Authority()):
            options = (
                None if authority is None else authority.issue("127.0.0.1").options()
            )
            server, port = await self.listen(options=options)
            for at in range(REQUESTS):
                connection = await self.connecting(port, authority=authority)
                self.assertEqual(await self.fetch(connection), b"hi")
                server.peers[at].wire.abortConnection()
                await server.peers[at].lost

            self.assertEqual(len(server.peers), REQUESTS)

    async def test_every_stale_one_is_passed_over(self):
        server, port = await self.listen()
        lent = [await self.connecting(port) for _ in range(5)]
        for connection in lent:
            await self.fetch(connection)
        for peer in server.peers[1:]:
            peer.wire.abortConnection()
        for peer in server.peers[1:]:
            await peer.lost

        self.assertIs(await self.connecting(port), lent[0])
        self.assertEqual(len(server.peers), 5)

    async def test_one_with_something_unasked_for_on_it_is_passed_over(self):
        server, port = await self.listen()
        first = await self.connecting(port)
        await self.fetch(first)
        server.peers[0].wire.write(OK)
        await written(server.peers[0])

        second = await self.connecting(port)

        self.assertIsNot(second, first)
        self.assertEqual(await self.fetch(second), b"hi")

    async def test_a_sound_one_is_used_under_tls_too(self):
        server, port, authority = await self.secured(
            lambda peer, _: peer.wire.write(OK)
        )

        lost = await self.in_a_row(port, authority)

        self.assertEqual((lost, len(server.peers)), (0, 1))


class TestTooLate(StaleCase):
    async def test_a_close_that_crosses_the_request_is_told_as_that(self):
        """It may have been taken, so it is not sent again."""
        server, port = await self.listen()
        connection = await self.connecting(port)
        await self.fetch(connection)
        server.answer = lambda peer, _: peer.wire.loseConnection()
        again = await self.connecting(port)
        self.assertIs(again, connection)

        with self.assertRaises(ClosedWhileKept):
            await again.request(b"GET", b"/", ())

        self.assertEqual(len(server.peers), 1)

    async def test_a_close_on_a_new_connection_is_no_such_thing(self):
        _, port = await self.listen(lambda peer, _: peer.wire.loseConnection())
        connection: ClientConnection = await self.connecting(port)

        failure = await self.assertFailure(
            connection.request(b"GET", b"/", ()), ClosedEarly
        )

        self.assertNotIsInstance(failure, ClosedWhileKept)


def written(peer: Peer) -> Deferred[None]:
    """Wait until the kernel has what was written to *peer*'s socket."""
    done: Deferred[None] = Deferred()
    peer.wire.registerProducer(WhenEmpty(peer, done), False)
    return done


class WhenEmpty:
    """A producer that is asked for more when all is written."""

    def __init__(self, peer: Peer, done: Deferred[None]) -> None:
        self._peer = peer
        self._done = done
        self._asked = 0

    def resumeProducing(self) -> None:
        self._asked += 1
        if self._asked > 1:
            self._peer.wire.unregisterProducer()
            self._done.callback(None)

    def stopProducing(self) -> None:
        """There is nothing to stop."""
