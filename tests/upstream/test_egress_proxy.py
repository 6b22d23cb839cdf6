"""Requests that go out through a proxy: by a tunnel, with TLS in it."""

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import formatEvent
from twisted.trial.unittest import TestCase

from byok.core.egress import EgressProxy, basic_authorization
from byok.core.errors import (
    ProviderTimedOut,
    ProviderUnreachable,
    ProxyFailed,
    ProxyRefused,
)
from byok.core.secret import Secret
from byok.upstream.provider import Providers
from byok.wire.answer import Answer
from tests.e2e.watching import Events
from tests.support import keys, plays
from tests.support.provider import Provider
from tests.support.proxy import Proxy
from tests.upstream.certificates import Authority
from tests.upstream.globe import Globe
from tests.upstream.reading import body_of
from tests.upstream.shipments import deployment, loopback, planned

HOST = "api.example"
PASSWORD = Secret(keys.PROXY_PASSWORD)
# Three characters a time: what stands behind the colon is its own base64 then.
SHOWN = basic_authorization("corp1", PASSWORD)


class Through(TestCase):
    timeout = 20

    async def setUp(self):
        self.events = Events()
        self.events.watch(self)
        self.authority = Authority()
        self.ca_file = self.authority.write(Path(self.mktemp()))
        self.provider = Provider(reactor)
        await self.provider.start(self.secured(HOST))
        self.addCleanup(self.provider.stop)
        self.globe = Globe({"proxy.corp": [["127.0.0.1"]]})
        self.providers = Providers(self.globe, clock=IReactorTime(reactor))
        self.addCleanup(self.providers.close)

    def secured(self, name: str) -> SSL4ServerEndpoint:
        options = self.authority.issue(name).options()
        return SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")

    async def proxy(self, **options) -> Proxy:
        proxy = Proxy({f"{HOST}:443": self.provider.port}, **options)
        await proxy.start()
        self.addCleanup(proxy.stop)
        return proxy

    async def send(
        self, proxy: Proxy, *, shows: Secret | None = None, connect_timeout_s=5.0
    ) -> Answer:
        to = deployment(
            loopback(443, scheme="https", host=HOST),
            via=EgressProxy(
                host="proxy.corp",
                port=proxy.port,
                authorization=shows,
                password=PASSWORD if shows else None,
            ),
            ca_file=self.ca_file,
            plaintext_ok=False,
            connect_timeout_s=connect_timeout_s,
        )
        return await self.providers.send(planned(to), gateway_secrets=())

    def told(self) -> str:
        return formatEvent([each for each in self.events.all if "fault" in each][-1])

    def assert_no_credentials_in(self, *texts: object) -> None:
        for secret in (SHOWN, PASSWORD):
            shown = secret.reveal().removeprefix("Basic ")
            self.assertNotIn(shown, repr(texts) + repr(self.events.all))


class TunnelTests(Through):
    async def test_a_request_goes_through_a_tunnel_and_the_proxy_reads_none_of_it(self):
        proxy = await self.proxy()

        answer = await self.send(proxy)

        self.assertEqual(answer.status, 200)
        await body_of(answer)
        request = await self.provider.request(0)
        self.assertEqual(
            request.values(b"x-api-key"), (keys.ANTHROPIC_API_KEY.encode(),)
        )
        self.assertEqual(request.values(b"host"), (HOST.encode(),))
        for word in (b"POST", b"x-api-key", keys.ANTHROPIC_API_KEY.encode()):
            self.assertNotIn(word, proxy.carried + b"".join(proxy.heads))

    async def test_the_name_of_the_provider_is_the_proxys_to_look_up(self):
        """Where it leads is not looked at here: a tunnel may lead inside."""
        proxy = await self.proxy()

        await body_of(await self.send(proxy))

        self.assertEqual(self.globe.nameResolver.asked, ["proxy.corp"])
        self.assertEqual(self.globe.connected, ["127.0.0.1"])
        self.assertIn(f"CONNECT {HOST}:443 ".encode(), proxy.heads[0])

    async def test_a_tunnel_is_kept_for_the_next_request(self):
        proxy = await self.proxy()

        for _ in range(3):
            await body_of(await self.send(proxy))

        self.assertEqual(len(proxy.heads), 1)
        self.assertEqual(len(self.provider.requests), 3)

    async def test_a_tunnel_to_somebody_else_is_refused_before_a_byte_of_the_request(
        self,
    ):
        impostor = Provider(reactor)
        await impostor.start(self.secured("evil.example"))
        self.addCleanup(impostor.stop)
        proxy = await self.proxy()
        proxy.leads = {f"{HOST}:443": impostor.port}

        with self.assertRaisesRegex(ProviderUnreachable, "no trusted TLS"):
            await self.send(proxy)

        self.assertEqual(impostor.received, b"")


class CredentialTests(Through):
    async def test_the_proxy_is_shown_its_credentials_and_the_provider_is_not(self):
        proxy = await self.proxy(wants=SHOWN.reveal())

        answer = await self.send(proxy, shows=SHOWN)

        self.assertEqual(answer.status, 200)
        await body_of(answer)
        request = await self.provider.request(0)
        self.assertEqual(request.values(b"proxy-authorization"), ())
        self.assert_no_credentials_in(answer.fields)

    async def test_credentials_that_are_not_accepted_are_told_as_that(self):
        proxy = await self.proxy(wants="Basic somebody-elses")
        for shows in (SHOWN, None):
            with self.assertRaisesRegex(ProxyRefused, r"credentials.*\(407\)") as told:
                await self.send(proxy, shows=shows)

            self.assert_no_credentials_in(told.exception, self.told())
        self.assertEqual(self.provider.received, b"")


class FaultTests(Through):
    async def test_what_the_proxy_answers_is_told_as_the_proxys(self):
        for status, fault, words in (
            (403, ProxyRefused, "does not let the gateway through"),
            (451, ProxyRefused, "does not let the gateway through"),
            (429, ProxyFailed, "opened no tunnel"),
            (502, ProxyFailed, "could not reach the provider"),
            (504, ProxyFailed, "could not reach the provider"),
            (302, ProxyFailed, "opened no tunnel"),
        ):
            proxy = await self.proxy(answer=b"HTTP/1.1 %d x\r\n\r\n" % status)

            with self.assertRaisesRegex(fault, rf"{words}.*\({status}\)"):
                await self.send(proxy)

    async def test_a_proxy_that_is_none_is_told_as_that(self):
        proxy = await self.proxy(answer=b"SSH-2.0-OpenSSH\r\n")

        with self.assertRaisesRegex(ProxyFailed, "did not answer as a proxy"):
            await self.send(proxy)

        self.assertIn("it does not speak HTTP", self.told())

    async def test_a_proxy_that_is_not_there_is_told_as_that(self):
        proxy = await self.proxy()
        await proxy.stop()

        with self.assertRaisesRegex(ProxyFailed, "could not be reached"):
            await self.send(proxy)

        line = self.told()
        self.assertIn(f"here via http://proxy.corp:{proxy.port}: ", line)
        self.assertIn("(ConnectionRefusedError)", line)

    async def test_a_proxy_whose_name_is_not_known_is_told_as_that(self):
        proxy = await self.proxy()
        self.globe = Globe({})
        self.providers = Providers(self.globe, clock=IReactorTime(reactor))
        self.addCleanup(self.providers.close)

        with self.assertRaisesRegex(ProxyFailed, "could not be reached"):
            await self.send(proxy)

        self.assertIn("(DNSLookupError)", self.told())

    async def test_the_time_to_connect_covers_the_proxys_silence(self):
        proxy = await self.proxy(answer=None)

        with self.assertRaisesRegex(ProviderTimedOut, "in time"):
            await self.send(proxy, connect_timeout_s=0.3)

        await proxy.connections[0].gone

    async def test_the_time_to_connect_covers_tls_in_the_tunnel(self):
        silent = Factory.forProtocol(Protocol)
        silent.noisy = False
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port = await endpoint.listen(silent)
        self.addCleanup(port.stopListening)
        proxy = await self.proxy()
        proxy.leads = {f"{HOST}:443": port.getHost().port}

        with self.assertRaisesRegex(ProviderTimedOut, "in time"):
            await self.send(proxy, connect_timeout_s=0.3)

        await proxy.connections[0].gone
        self.assertNotIn(b"POST", proxy.carried)

    async def test_a_tunnel_that_ends_in_mid_answer_is_a_cut_answer(self):
        proxy = await self.proxy()
        held = plays.says("first words").hold_before(b"words", signal="never")
        self.provider.play("/v1/messages", held, plays.says("second"))
        answer = await self.send(proxy)

        proxy.connections[0].drop()

        self.assertNotIn(b"words", await body_of(answer))
        self.assertIn(b"second", await body_of(await self.send(proxy)))
        self.assertEqual(len(proxy.heads), 2)
