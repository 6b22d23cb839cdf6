"""Writing at once: what the kernel takes, what waits, and what goes round by TLS."""

from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.trial.unittest import TestCase

from byok.wire.sockets import ISocket, send_now
from tests.wire.sockets import TCPSocket


class Reads(Protocol):
    """Keeps what comes until the connection ends."""

    def __init__(self) -> None:
        self.data = b""
        self.ended: Deferred[bytes] = Deferred()

    def dataReceived(self, data):
        self.data += data

    def connectionLost(self, reason=connectionDone):
        self.ended.callback(self.data)


class Writes(Protocol):
    """A server's end, once it is there."""

    def __init__(self, made: Deferred[Any]) -> None:
        self.made = made

    def connectionMade(self):
        self.made.callback(self.transport)


class SendNowTests(TestCase):
    timeout = 10

    async def setUp(self):
        made: Deferred[Any] = Deferred()
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Factory.forProtocol(lambda: Writes(made))
        )
        self.addCleanup(port.stopListening)
        self.client = Reads()
        await TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port).connect(
            Factory.forProtocol(lambda: self.client)
        )
        self.transport = await made

    async def end(self) -> bytes:
        self.transport.loseConnection()
        return await self.client.ended

    async def test_nothing_waits_for_the_reactor_where_nothing_waited_before(self):
        send_now(self.transport, b"a")
        waiting = list(self.transport._tempDataBuffer)

        self.assertEqual((waiting, await self.end()), ([], b"a"))

    async def test_what_waits_goes_first(self):
        self.transport.write(b"a")
        send_now(self.transport, b"b")
        self.transport.write(b"c")
        send_now(self.transport, b"d")

        self.assertEqual(await self.end(), b"abcd")

    async def test_what_the_kernel_does_not_take_waits_and_arrives(self):
        much = bytes(range(256)) * (1 << 16)
        send_now(self.transport, much)
        send_now(self.transport, b"the end")

        self.assertTrue(self.transport._tempDataBuffer)
        self.assertEqual(await self.end(), much + b"the end")

    async def test_to_a_connection_that_is_over_nothing_is_sent(self):
        await self.end()

        send_now(self.transport, b"late")

        self.assertEqual(self.transport._tempDataBuffer, [])


def test_what_is_no_socket_itself_is_written_to_as_any_transport():
    socket = TCPSocket()

    send_now(cast(ISocket, socket), b"a")

    assert bytes(socket.taken) == b"a"
