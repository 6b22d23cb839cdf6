"""An HTTP proxy that opens tunnels by CONNECT, and plays what it is told to."""

from collections.abc import Mapping

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress, IListeningPort, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy(Factory):
    """
    Listens on a free port of 127.0.0.1, and keeps the head of what it was asked.

    *leads* says to which port of 127.0.0.1 each `host:port` leads; what is not in it
    gets a 502. *wants* is the `proxy-authorization` it insists on. *answer* is given
    in place of a tunnel; None is silence.
    """

    noisy = False

    def __init__(
        self,
        leads: Mapping[str, int] | None = None,
        *,
        wants: str | None = None,
        answer: bytes | None = b"",
        closes: bool = False,
    ) -> None:
        self.leads = dict(leads or {})
        self.wants = wants
        self.answer = answer
        self.closes = closes
        self.established = ESTABLISHED
        self.heads: list[bytes] = []
        self.carried = b""
        self.asked: Deferred[None] = Deferred()
        self.connections: list[Client] = []
        self._port: IListeningPort | None = None

    async def start(self) -> None:
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._port = await endpoint.listen(self)
        address = self._port.getHost()
        assert isinstance(address, IPv4Address)
        self.port = address.port

    async def stop(self) -> None:
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        gone = [each.gone for each in self.connections]
        for each in self.connections:
            each.drop()
        await gatherResults(gone)

    def buildProtocol(self, addr: IAddress | None) -> "Client":
        client = Client(self)
        self.connections.append(client)
        return client


class Client(Protocol):
    """One connection to the proxy, and the one it leads on to."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._head = b""
        self._target: Target | None = None
        self._is_open = True
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if self._target is not None:
            self._proxy.carried += data
            ITCPTransport(self._target.transport).write(data)
            return
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            self._proxy.heads.append(self._head)
            self._asked(self._head.decode("ascii").split("\r\n"))

    def _asked(self, lines: list[str]) -> None:
        proxy, transport = self._proxy, ITCPTransport(self.transport)
        if not proxy.asked.called:
            proxy.asked.callback(None)
        method, target, _ = lines[0].split(" ")
        if proxy.answer is None:
            return
        if proxy.answer or proxy.closes:
            transport.write(proxy.answer)
        elif method != "CONNECT":
            transport.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
        elif proxy.wants and f"proxy-authorization: {proxy.wants}" not in lines:
            transport.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b"Proxy-Authenticate: Basic realm=corp\r\nContent-Length: 2\r\n\r\nno"
            )
        elif target not in proxy.leads:
            transport.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        else:
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", proxy.leads[target])
            endpoint.connect(Factory.forProtocol(lambda: Target(self))).addErrback(
                lambda _: transport.loseConnection()
            )
        if proxy.closes:
            transport.loseConnection()

    def established(self, target: "Target") -> None:
        self._target = target
        ITCPTransport(self.transport).write(self._proxy.established)

    def drop(self) -> None:
        ITCPTransport(self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_open = False
        if self._target is not None:
            ITCPTransport(self._target.transport).abortConnection()
        self.gone.callback(None)


class Target(Protocol):
    """The connection from the proxy to where a tunnel leads."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def connectionMade(self) -> None:
        self._client.established(self)

    def dataReceived(self, data: bytes) -> None:
        ITCPTransport(self._client.transport).write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        ITCPTransport(self._client.transport).loseConnection()
