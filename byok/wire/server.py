"""Accepts connections, as long as there is room for them."""

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from byok.wire.channel import ServerChannel
from byok.wire.serving import Serving
from byok.wire.sockets import host_of

_log = Logger(namespace="byok.wire")


class HTTPServer(ServerFactory):
    """
    Makes a channel for each connection to one listener.

    Connections over a cap are closed before a byte of them is read: a queue would
    only make all wait.
    """

    noisy = False

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._turned_away = 0

    def buildProtocol(self, addr: IAddress | None) -> ServerChannel | None:
        """Return a channel, or None where there is no room."""
        peer = host_of(addr)
        if self.serving.has_room_for(peer):
            self._turned_away = 0
            return ServerChannel(self.serving)
        self._turned_away += 1
        # One line for a flood, not one for each of it.
        if self._turned_away == 1:
            _log.warn(
                "connections are turned away: {open} are open, of which at most {most}"
                " may be, and at most {each} from one address",
                open=self.serving.open_connections,
                most=self.serving.limits.connections,
                each=self.serving.limits.connections_per_ip,
            )
        return None
