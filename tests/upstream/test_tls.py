"""S-44, S-46: whom a connection to a provider trusts, and with whom it is shared."""

from pathlib import Path

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.logger import formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from byok.core.errors import ProviderTimedOut, ProviderUnreachable
from byok.upstream.provider import Providers
from tests.e2e.watching import Events
from tests.support import keys, plays
from tests.support.provider import Provider
from tests.upstream.certificates import Authority, self_signed
from tests.upstream.reading import body_of
from tests.upstream.shipments import deployment, loopback, planned


class Silent(Protocol):
    """Takes a connection, reads what comes, and never says a word."""

    def __init__(self) -> None:
        self.data = b""
        self.greeted: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.greeted.called:
            self.greeted.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class HangsUp(Silent):
    def dataReceived(self, data: bytes) -> None:
        ITCPTransport(self.transport).loseConnection()


class Resets(Silent):
    def dataReceived(self, data: bytes) -> None:
        ITCPTransport(self.transport).abortConnection()


class SpeaksPlainly(Silent):
    def dataReceived(self, data: bytes) -> None:
        ITCPTransport(self.transport).write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Server(Factory):
    noisy = False

    def __init__(self, protocol: type[Silent]) -> None:
        self._makes = protocol
        self.made: list[Silent] = []
        self.first: Deferred[Silent] = Deferred()

    def buildProtocol(self, addr: IAddress | None) -> Silent:
        connection = self._makes()
        self.made.append(connection)
        if not self.first.called:
            self.first.callback(connection)
        return connection


class TlsTests(TestCase):
    timeout = 20

    def setUp(self):
        self.authority = Authority()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.ca_file = self.authority.write(self.folder / "ca.pem")
        self.providers = Providers(reactor, clock=IReactorTime(reactor))
        self.addCleanup(self.providers.close)

    async def listen(self, options: CertificateOptions) -> Provider:
        provider = Provider(reactor)
        endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        await provider.start(endpoint)
        self.addCleanup(provider.stop)
        return provider

    async def send(
        self, provider: Provider, *, host="localhost", ca_file=None, name="here"
    ):
        to = deployment(
            loopback(provider.port, scheme="https", host=host),
            name=name,
            ca_file=ca_file,
            plaintext_ok=False,
            allow_private=True,
        )
        request = planned(to)
        return await self.providers.send(request, gateway_secrets=())

    async def refuses(self, provider: Provider, **options) -> None:
        with self.assertRaisesRegex(ProviderUnreachable, "no trusted TLS"):
            await self.send(provider, **options)

        # The provider stands behind TLS: it would have seen any byte of a request.
        arrived = [bytes(each.received) for each in provider.connections]
        self.assertEqual(b"".join(arrived), b"")

    async def test_a_certificate_of_the_deployments_ca_file_is_trusted(self):
        provider = await self.listen(self.authority.issue("localhost").options())

        answer = await self.send(provider, ca_file=self.ca_file)

        self.assertEqual(answer.status, 200)
        await body_of(answer)

    async def test_an_address_is_trusted_by_its_own_certificate(self):
        provider = await self.listen(self.authority.issue("127.0.0.1").options())

        answer = await self.send(provider, host="127.0.0.1", ca_file=self.ca_file)

        self.assertEqual(answer.status, 200)
        await body_of(answer)

    async def test_a_ca_file_may_hold_several(self):
        other = Authority("another")
        ca_file = other.write(self.folder / "two.pem", self.authority)
        provider = await self.listen(self.authority.issue("localhost").options())

        answer = await self.send(provider, ca_file=ca_file)

        self.assertEqual(answer.status, 200)
        await body_of(answer)

    async def test_an_unknown_authority_is_refused(self):
        provider = await self.listen(self.authority.issue("localhost").options())

        await self.refuses(provider)

    async def test_a_ca_file_replaces_the_platforms_roots(self):
        other = Authority("another").write(self.folder / "other.pem")
        provider = await self.listen(self.authority.issue("localhost").options())

        await self.refuses(provider, ca_file=other)

    async def test_another_hosts_certificate_is_refused(self):
        pair = self.authority.issue("api.anthropic.com")
        provider = await self.listen(pair.options())

        await self.refuses(provider, ca_file=self.ca_file)

    async def test_a_certificate_that_signed_itself_is_refused(self):
        provider = await self.listen(self_signed("localhost").options())

        for ca_file in (None, self.ca_file):
            await self.refuses(provider, ca_file=ca_file)

    async def test_a_certificate_for_another_address_is_refused(self):
        provider = await self.listen(self.authority.issue("127.0.0.2").options())

        await self.refuses(provider, host="127.0.0.1", ca_file=self.ca_file)

    async def test_a_certificate_that_is_not_valid_yet_is_refused(self):
        pair = self.authority.issue("localhost", early=True)
        provider = await self.listen(pair.options())

        await self.refuses(provider, ca_file=self.ca_file)

    async def test_tls_1_2_is_taken_as_well_as_1_3(self):
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            options = self.authority.issue("localhost").options()
            options.getContext().set_min_proto_version(version)
            options.getContext().set_max_proto_version(version)
            provider = await self.listen(options)

            answer = await self.send(provider, ca_file=self.ca_file, name=str(version))

            self.assertEqual(answer.status, 200)
            await body_of(answer)

    async def test_an_expired_certificate_is_refused(self):
        pair = self.authority.issue("localhost", expired=True)
        provider = await self.listen(pair.options())

        await self.refuses(provider, ca_file=self.ca_file)

    async def test_tls_before_1_2_is_refused(self):
        options = self.authority.issue("localhost").options()
        context = options.getContext()
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_max_proto_version(SSL.TLS1_1_VERSION)
        provider = await self.listen(options)

        await self.refuses(provider, ca_file=self.ca_file)

    async def test_a_ca_file_of_one_deployment_opens_nothing_to_another(self):
        provider = await self.listen(self.authority.issue("localhost").options())
        await body_of(await self.send(provider, ca_file=self.ca_file, name="one"))

        with self.assertRaises(ProviderUnreachable):
            await self.send(provider, name="two")

        self.assertEqual(len(provider.requests), 1)

    async def test_a_ca_file_that_is_none_stops_the_start(self):
        junk = self.folder / "junk.pem"
        junk.write_text("not a certificate")
        for bad in (str(junk), str(self.folder / "missing.pem")):
            to = deployment(
                loopback(443, scheme="https", host="localhost"), ca_file=bad
            )

            with self.assertRaises((OSError, ValueError)):
                self.providers.prepare((to,))


class HandshakeTests(TestCase):
    """The time to connect covers TLS: whoever takes a connection may yet be silent."""

    timeout = 20

    def setUp(self):
        self.events = Events()
        self.events.watch(self)
        self.providers = Providers(reactor, clock=IReactorTime(reactor))
        self.addCleanup(self.providers.close)

    async def listen(self, protocol: type[Silent]) -> int:
        self.server = Server(protocol)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await endpoint.listen(self.server)
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def send(self, port: int, *, connect_timeout_s: float) -> None:
        to = deployment(
            loopback(port, scheme="https", host="localhost"),
            plaintext_ok=False,
            allow_private=True,
            connect_timeout_s=connect_timeout_s,
        )
        await self.providers.send(planned(to), gateway_secrets=())

    async def test_a_server_that_never_shakes_hands_is_given_up_in_time(self):
        port = await self.listen(Silent)

        with self.assertRaisesRegex(ProviderTimedOut, "no connection .* in time"):
            await self.send(port, connect_timeout_s=0.2)

        (connection,) = self.server.made
        await connection.lost
        self.assertNotIn(b"POST", connection.data)
        (told,) = [formatEvent(e) for e in self.events.all if "fault" in e]
        self.assertIn("here: no connection to the provider", told)

    async def test_a_server_that_hangs_up_in_the_handshake_is_unreachable(self):
        for closes in (HangsUp, Resets):
            port = await self.listen(closes)

            with self.assertRaises(ProviderUnreachable):
                await self.send(port, connect_timeout_s=10)

    async def test_a_server_that_speaks_something_else_is_unreachable(self):
        port = await self.listen(SpeaksPlainly)

        with self.assertRaisesRegex(ProviderUnreachable, "no trusted TLS"):
            await self.send(port, connect_timeout_s=10)

    async def test_who_gives_up_during_the_handshake_leaves_no_connection(self):
        port = await self.listen(Silent)
        sending = Deferred.fromCoroutine(self.send(port, connect_timeout_s=10))
        connection = await self.server.first
        await connection.greeted

        sending.cancel()

        await connection.lost
        await self.assertFailure(sending, CancelledError)

    async def test_who_gives_up_before_the_connection_is_there_is_no_fault(self):
        port = await self.listen(Silent)
        sending = Deferred.fromCoroutine(self.send(port, connect_timeout_s=10))

        sending.cancel()

        await self.assertFailure(sending, CancelledError)
        self.assertEqual([e for e in self.events.all if "fault" in e], [])


class SharingTests(TestCase):
    timeout = 20

    async def test_two_deployments_on_one_host_share_no_connection(self):
        provider = Provider(reactor)
        await provider.start()
        self.addCleanup(provider.stop)
        providers = Providers(reactor, clock=IReactorTime(reactor))
        self.addCleanup(providers.close)
        for name in ("one", "two", "one", "two"):
            request = planned(deployment(loopback(provider.port), name=name))
            await body_of(await providers.send(request, gateway_secrets=()))

        used = [request.connection for request in provider.requests]
        self.assertEqual(used, [0, 1, 0, 1])

    async def test_answers_at_the_same_time_do_not_mix(self):
        """S-41: what one exchange was answered never shows up in another's."""
        provider = Provider(reactor)
        await provider.start()
        self.addCleanup(provider.stop)
        providers = Providers(reactor, clock=IReactorTime(reactor))
        self.addCleanup(providers.close)
        one = planned(deployment(loopback(provider.port)))
        held = plays.says("first word").hold_before(b"word", signal="go on")
        provider.play("/v1/messages", held, plays.says("second"))

        first = await providers.send(one, gateway_secrets=())
        second = await providers.send(one, gateway_secrets=())
        told = await body_of(second)
        provider.fire("go on")
        first_told = await body_of(first)

        self.assertIn(b"second", told)
        self.assertNotIn(b"second", first_told)
        self.assertIn(b"word", first_told)
        self.assertNotIn(keys.ANTHROPIC_API_KEY.encode(), told + first_told)
