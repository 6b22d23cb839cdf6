"""S-47: what a name leads to is looked at, and that very address is connected to."""

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP6ServerEndpoint,
    wrapServerTLS,
)
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import formatEvent
from twisted.trial.unittest import TestCase

from byok.core.errors import ProviderOutOfReach, ProviderUnreachable
from byok.upstream.dialling import CheckedEndpoint, Within
from byok.upstream.provider import Providers
from byok.upstream.reach import AddressRefused, Reach
from byok.wire.answer import Answer
from tests.e2e.watching import Events
from tests.support.provider import Provider
from tests.upstream.certificates import Authority
from tests.upstream.globe import Globe
from tests.upstream.reading import body_of
from tests.upstream.shipments import deployment, loopback, planned

HOST = "api.example"
PUBLIC, PUBLIC_6 = "160.79.104.10", "2607:6bc0::10"


class Dialling(TestCase):
    """A provider behind TLS, and a world whose names lead where the test says."""

    timeout = 20

    async def setUp(self):
        self.events = Events()
        self.events.watch(self)
        authority = Authority()
        self.ca_file = authority.write(Path(self.mktemp()))
        self.provider = Provider(reactor)
        await self.provider.start(
            SSL4ServerEndpoint(
                reactor,
                0,
                authority.issue(HOST).options(),
                interface="127.0.0.1",
            )
        )
        self.addCleanup(self.provider.stop)

    def world(self, *answers: list[str], dead=(), **more) -> None:
        self.globe = Globe(
            {HOST: list(answers), **more}, here=(PUBLIC, PUBLIC_6), dead=dead
        )
        self.providers = Providers(self.globe, clock=IReactorTime(reactor))
        self.addCleanup(self.providers.close)

    async def send(self, *, host=HOST, **options) -> Answer:
        to = deployment(
            loopback(self.provider.port, scheme="https", host=host),
            ca_file=self.ca_file,
            plaintext_ok=False,
            **options,
        )
        return await self.providers.send(planned(to), gateway_secrets=())

    async def refuses(self, **options) -> str:
        """Send, see it refused before anything was connected; return the log line."""
        with self.assertRaisesRegex(ProviderOutOfReach, "may not connect") as raised:
            await self.send(**options)

        self.assertEqual(self.globe.connected, [])
        self.assertEqual(self.provider.connections, [])
        self.assertNotRegex(str(raised.exception), r"\d|::|example")
        return formatEvent([e for e in self.events.all if "fault" in e][-1])


class FilterTests(Dialling):
    async def test_a_public_address_is_connected_to(self):
        self.world([PUBLIC])

        answer = await self.send()

        self.assertEqual(answer.status, 200)
        await body_of(answer)
        self.assertEqual(self.globe.connected, [PUBLIC])

    async def test_an_address_out_of_reach_is_refused_by_its_kind(self):
        for address, kind in (
            ("127.0.0.1", "a loopback address"),
            ("169.254.169.254", "a link-local address"),
            ("fd00:ec2::254", "an address in a private network"),
            ("10.1.2.3", "an address in a private network"),
            ("100.64.3.4", "a carrier shares out"),
            ("::ffff:7f00:1", "a loopback address"),
            ("64:ff9b::a9fe:a9fe", "a link-local address"),
            ("2002:7f00:1::", "a loopback address"),
        ):
            self.world([address])

            line = await self.refuses()

            self.assertIn("here: ", line)
            self.assertIn(kind, line)
            self.assertIn("`allow_private: true`", line)

    async def test_an_address_that_nobody_has_is_refused_whatever_is_permitted(self):
        for address in ("0.0.0.0", "224.0.0.1", "::"):
            self.world([address])

            line = await self.refuses(allow_private=True)

            self.assertIn("which no setting permits", line)

    async def test_private_ones_among_public_addresses_are_passed_over(self):
        self.world(["127.0.0.1", "fd00::1", PUBLIC, "10.0.0.1"])

        await body_of(await self.send())

        self.assertEqual(self.globe.connected, [PUBLIC])

    async def test_a_name_that_leads_elsewhere_later_is_refused_then(self):
        """Rebinding, across connections: each one is looked at."""
        self.world([PUBLIC], ["127.0.0.1"])
        await body_of(await self.send())
        await self.providers.close()
        self.provider.connections.clear()
        self.globe.connected.clear()

        await self.refuses()

    async def test_a_connection_asks_for_its_name_once(self):
        """Rebinding, within a connection: no second answer is asked for or used."""
        self.world([PUBLIC], ["127.0.0.1"])

        await body_of(await self.send())

        self.assertEqual(self.globe.nameResolver.asked, [HOST])
        self.assertEqual(self.globe.connected, [PUBLIC])

    async def test_a_name_without_addresses_is_one_that_is_not_known(self):
        self.world([])

        with self.assertRaisesRegex(ProviderUnreachable, "could not be resolved"):
            await self.send()

    async def test_addresses_in_disguise_are_seen_through(self):
        """
        The configuration takes none of these, and a resolver makes loopback of them.
        """
        for host in ("2130706433", "0x7f.1", "127.1", "::ffff:7f00:1", "localhost"):
            endpoint = CheckedEndpoint(
                reactor, host, self.provider.port, reach=Reach(), timeout_s=5
            )

            with self.assertRaises(AddressRefused):
                await endpoint.connect(Nobody())

        self.assertEqual(self.provider.connections, [])

    def test_an_address_that_was_not_looked_at_is_not_connected_to(self):
        """Whatever should find its way past the look-up ends at the connection."""
        self.world([PUBLIC])
        for host in ("127.0.0.1", "localhost", "10.0.0.1"):
            with self.assertRaises(AddressRefused):
                Within(self.globe, Reach()).connectTCP(host, 443, Nobody())

        self.assertEqual(self.globe.connected, [])


class EyeballsTests(Dialling):
    """The first address that answers is used, and no dead one is waited for."""

    async def test_a_dead_address_of_one_family_does_not_hold_up_the_other(self):
        self.world([PUBLIC_6, PUBLIC], dead=[PUBLIC_6])
        began = self.globe.seconds()

        await body_of(await self.send())

        self.assertEqual(self.globe.connected, [PUBLIC_6, PUBLIC])
        self.assertLess(self.globe.seconds() - began, 2.0)
        self.assertTrue(self.globe.attempts[0].stopped)

    async def test_the_families_take_turns(self):
        dead = [f"2607:6bc0::{at}" for at in range(20, 26)]
        self.world([*dead, PUBLIC, "160.79.104.11"], dead=dead)

        await body_of(await self.send())

        self.assertEqual(self.globe.connected, [dead[0], PUBLIC])

    async def test_an_address_that_refuses_is_followed_by_the_next(self):
        # Nobody listens there: the provider has this port on 127.0.0.1 alone.
        self.world(["127.0.0.9", "127.0.0.1"])

        await body_of(await self.send(allow_private=True))

        self.assertEqual(self.globe.connected, ["127.0.0.9", "127.0.0.1"])

    async def test_who_gives_up_leaves_no_attempt_behind(self):
        self.world([PUBLIC_6, PUBLIC], dead=[PUBLIC_6, PUBLIC])
        sending = Deferred.fromCoroutine(self.send())

        sending.cancel()

        await self.assertFailure(sending, CancelledError)
        self.assertTrue(all(each.stopped for each in self.globe.attempts))
        self.assertEqual(len(self.globe.attempts), 1)


class SixTests(TestCase):
    """A provider that only IPv6 leads to."""

    timeout = 20

    def setUp(self):
        self.providers = Providers(reactor, clock=IReactorTime(reactor))
        self.addCleanup(self.providers.close)

    async def listen(self, endpoint: IStreamServerEndpoint) -> Provider:
        provider = Provider(reactor)
        await provider.start(endpoint)
        self.addCleanup(provider.stop)
        return provider

    async def test_a_provider_is_reached_at_an_ipv6_address(self):
        provider = await self.listen(TCP6ServerEndpoint(reactor, 0, interface="::1"))

        to = deployment(loopback(provider.port, host="::1"))
        answer = await self.providers.send(planned(to), gateway_secrets=())

        self.assertEqual(answer.status, 200)
        await body_of(answer)
        request = await provider.request(0)
        self.assertEqual(request.values(b"host"), (b"[::1]:%d" % provider.port,))

    async def test_a_certificate_for_an_ipv6_address_is_trusted(self):
        authority = Authority()
        options = authority.issue("::1").options()
        plain = TCP6ServerEndpoint(reactor, 0, interface="::1")
        provider = await self.listen(wrapServerTLS(options, plain))
        to = deployment(
            loopback(provider.port, scheme="https", host="::1"),
            ca_file=authority.write(Path(self.mktemp())),
            allow_private=True,
        )

        answer = await self.providers.send(planned(to), gateway_secrets=())

        self.assertEqual(answer.status, 200)
        await body_of(answer)


class Nobody(Factory):
    """Is never asked for a protocol."""
