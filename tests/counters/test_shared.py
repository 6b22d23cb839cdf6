"""What two gateways count together, and what becomes of it without their server."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import TestCase

from byok.core.counters import CountersAddress
from byok.core.errors import CountersUnavailable
from byok.core.limits.demand import Actual, Demand, Denied, Reservation, Saved
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Limit, Metric, Scope, limits_of
from byok.core.secret import Secret
from byok.counters.limiter import SharedLimiter
from byok.counters.shared import SharedCounts
from tests.counters.engines import at_once
from tests.e2e.house import until
from tests.e2e.watching import Events
from tests.support.keys import COUNTERS_PASSWORD
from tests.support.valkey import Asking, Valkey
from tests.upstream.certificates import Authority

HOST = "127.0.0.1"


def of_key(**given) -> tuple[Limit, ...]:
    return limits_of(Scope.KEY, "k", **given)


@pytest.mark.valkey
class SharedTests(TestCase):
    """Two gateways' worth of counts, and a server that goes and comes."""

    timeout = 60

    @pytest.fixture(autouse=True)
    def _have_server(self, valkey: Valkey) -> None:
        self.server = valkey

    async def setUp(self):
        watched = Events()
        watched.watch(self)
        self.events = watched.all
        self.one, self.local = await self.made()
        self.other, _ = await self.made()

    async def made(
        self,
        *,
        password: str = COUNTERS_PASSWORD,
        lease_s: float = 30.0,
        is_recorded: bool = True,
        **where: Any,
    ) -> tuple[SharedCounts, Limiter]:
        local = Limiter()
        address = replace(
            CountersAddress(
                host=HOST, port=self.server.port, password=Secret(password)
            ),
            **where,
        )
        made = SharedCounts(
            address,
            local,
            reactor=reactor,
            lease_s=lease_s,
            is_recorded=is_recorded,
        )
        await made.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(made.stop()))
        return made, local

    def logged(self, event: str) -> int:
        return sum(each.get("event") == event for each in self.events)

    def held(self) -> set[str]:
        with Asking(self.server.port) as asking:
            return {each.id for each in at_once(SharedLimiter(asking.run).leases())}

    def used(self, limits) -> int:
        with Asking(self.server.port) as asking:
            limiter = SharedLimiter(asking.run)
            (full,) = at_once(limiter.fullness(limits, "org", 0.0))
            return full.used_nano

    async def ask(self, counts: SharedCounts, name: str, limits, cost_nano: int = 0):
        demand = Demand(id=name, limits=limits, cost_nano=cost_nano)
        return await counts.reserve(demand)

    async def away(self, counts: SharedCounts) -> None:
        await until(lambda: not counts.is_shared)

    async def back(self, *counts: SharedCounts) -> None:
        await until(lambda: all(each.is_shared for each in counts))
        await until(lambda: not any(each._ended for each in counts))

    async def test_one_rate_holds_for_both(self):
        limits = of_key(rpm=7)
        asked = [
            Deferred.fromCoroutine(self.ask(counts, f"{at}{name}", limits))
            for at in range(10)
            for name, counts in (("a", self.one), ("b", self.other))
        ]

        found = await gatherResults(asked)

        let_in = [each for each in found if isinstance(each, Reservation)]
        self.assertEqual(len(let_in), 7)
        self.assertEqual(
            {each.limit.metric for each in found if isinstance(each, Denied)},
            {Metric.REQUESTS},
        )

    async def test_a_lease_that_one_gives_back_the_other_may_have(self):
        limits = of_key(parallel=1)
        self.assertIsInstance(await self.ask(self.one, "a", limits), Reservation)
        self.assertIsInstance(await self.ask(self.other, "b", limits), Denied)

        self.assertTrue(self.one.settle("a", Actual()))
        self.assertFalse(self.one.settle("a", Actual()))
        await self.back(self.one)

        self.assertIsInstance(await self.ask(self.other, "b", limits), Reservation)
        self.assertEqual(self.held(), {"b"})

    async def test_what_the_ledger_says_counts_for_both(self):
        limits = of_key(max_budget=1e-7)
        self.one.restore(
            [Saved(key=limits[0].key, start=0.0, end=None, spent_nano=100)]
        )

        denied = await self.ask(self.one, "a", limits, 1)

        self.assertIsInstance(denied, Denied)
        self.assertIsInstance(await self.ask(self.other, "b", limits, 1), Denied)

    async def test_nobody_is_asked_in_vain_for_long_and_it_comes_back(self):
        limits = of_key(parallel=5, max_budget=1e-6)
        await self.ask(self.one, "a", limits, 300)
        await self.ask(self.one, "b", limits, 300)
        self.server.freeze()
        clock = reactor.seconds
        began = clock()

        with pytest.raises(CountersUnavailable):
            await self.ask(self.one, "c", limits, 300)

        self.assertLess(clock() - began, 0.5)
        self.assertFalse(self.one.is_shared)
        # Those that the server let in end meanwhile; one that it may have goes on here.
        self.assertTrue(self.one.settle("a", Actual(cost_nano=5)))
        self.assertFalse(self.one.settle("c", Actual(cost_nano=5)))
        with pytest.raises(CountersUnavailable):
            await self.ask(self.one, "d", limits)

        self.server.thaw()
        await self.back(self.one)

        self.assertEqual(self.held(), {"b"})
        # What the first cost is in the ledger, from where everybody hears of it.
        self.assertEqual(self.used(limits), 300)
        self.assertEqual(self.logged("limits-degraded"), 1)
        self.assertEqual(self.logged("limits-shared"), 1)

    async def test_without_a_ledger_it_hears_from_here_what_was_spent(self):
        limits = of_key(max_budget=1e-6)
        counts, _ = await self.made(is_recorded=False)
        await self.ask(counts, "a", limits, 300)
        self.server.freeze()
        with pytest.raises(CountersUnavailable):
            await self.ask(counts, "b", limits, 300)
        counts.settle("a", Actual(cost_nano=5))
        self.server.thaw()
        await self.back(counts)

        self.assertEqual(self.used(limits), 5)

    async def test_a_server_that_forgot_all_is_told_what_is_under_way(self):
        limits = of_key(rpm=3, parallel=3, max_budget=1e-6)
        await self.ask(self.one, "a", limits, 200)
        await self.ask(self.other, "b", limits, 300)
        self.one.settle("a", Actual(cost_nano=150))
        await self.back(self.one)
        await self.ask(self.one, "c", limits, 100)

        self.server.kill()
        await self.away(self.one)
        await self.away(self.other)
        # What was spent is known here for as long as it is needed.
        (full,) = self.local.fullness(limits, "org", 1e9)
        self.assertEqual(full.used_nano, 150)
        self.server.start()
        await self.back(self.one, self.other)

        self.assertEqual(self.held(), {"b", "c"})
        self.assertEqual(self.used(limits), 150 + 300 + 100)
        self.assertIsInstance(await self.ask(self.one, "d", limits), Reservation)
        self.assertIsInstance(await self.ask(self.other, "e", limits), Denied)
        for name, counts in (("b", self.other), ("c", self.one), ("d", self.one)):
            counts.settle(name, Actual(cost_nano=1))
        await self.back(self.one, self.other)
        self.assertEqual(self.used(limits), 153)
        self.assertEqual(self.held(), set())

    async def test_what_a_dead_gateway_held_runs_out_and_counts_as_used(self):
        limits = of_key(parallel=1, max_budget=1e-6)
        dying, _ = await self.made(lease_s=0.3)
        await self.ask(dying, "a", limits, 250)
        dying._renewing.stop()

        async def let_in() -> bool:
            return isinstance(await self.ask(self.one, "b", limits, 1), Reservation)

        self.assertFalse(await let_in())
        await eventually(let_in)

        self.assertEqual(self.held(), {"b"})
        self.assertEqual(self.used(limits), 251)
        # It was not dead: what it says is believed.
        dying.settle("a", Actual(cost_nano=40))
        await self.back(dying)
        self.assertEqual(self.used(limits), 41)

    async def test_what_goes_on_keeps_its_lease(self):
        limits = of_key(parallel=1)
        living, _ = await self.made(lease_s=0.3)
        await self.ask(living, "a", limits)
        ends = reactor.seconds() + 1.0

        while reactor.seconds() < ends:
            self.assertIsInstance(await self.ask(self.one, "b", limits), Denied)

        self.assertEqual(self.held(), {"a"})

    async def test_a_request_given_up_while_it_asks_holds_nothing(self):
        limits = of_key(parallel=1)
        asking = Deferred.fromCoroutine(self.ask(self.one, "a", limits))
        asking.addErrback(lambda _: None)
        asking.cancel()
        self.assertTrue(self.one.abandon("a"))
        await self.back(self.one)

        self.assertEqual(self.held(), set())

    async def test_a_server_that_lost_its_scripts_is_given_them_again(self):
        limits = of_key(rpm=1)
        with Asking(self.server.port) as asking:
            asking.ask("SCRIPT", "FLUSH")

        with pytest.raises(CountersUnavailable):
            await self.ask(self.one, "a", limits)
        await self.back(self.one)

        self.assertIsInstance(await self.ask(self.one, "b", limits), Reservation)
        self.assertIsInstance(await self.ask(self.one, "c", limits), Denied)

    async def test_with_a_wrong_password_it_counts_by_itself_and_says_why(self):
        wrong, _ = await self.made(password="wrong")

        self.assertFalse(wrong.is_shared)
        with pytest.raises(CountersUnavailable):
            await self.ask(wrong, "a", of_key(rpm=1))
        (event,) = [e for e in self.events if e.get("event") == "limits-degraded"]
        self.assertIn("WRONGPASS", event["why"])

    async def test_over_tls_the_certificate_is_checked(self):
        authority = Authority()
        endpoint = SSL4ServerEndpoint(
            reactor, 0, authority.issue(HOST).options(), interface=HOST
        )
        # It speaks TLS for the server behind it.
        port = await endpoint.listen(ProxyFactory(HOST, self.server.port))
        self.addCleanup(port.stopListening)
        at = {"port": port.getHost().port, "secure": True}

        trusting, _ = await self.made(**at, ca_pem=authority.pem)
        other, _ = await self.made(**at, ca_pem=Authority().pem)

        self.assertTrue(trusting.is_shared)
        self.assertFalse(other.is_shared)
        limits = of_key(rpm=1)
        self.assertIsInstance(await self.ask(trusting, "a", limits), Reservation)
        self.assertIsInstance(await self.ask(self.one, "b", limits), Denied)

    async def test_another_prefix_is_another_estate(self):
        apart, _ = await self.made(prefix="apart")
        limits = of_key(rpm=1)
        await self.ask(self.one, "a", limits)

        self.assertIsInstance(await self.ask(apart, "a", limits), Reservation)

    async def test_an_id_is_open_once(self):
        await self.ask(self.one, "a", ())

        with pytest.raises(ValueError, match="open already"):
            await self.ask(self.other, "a", ())

    async def test_memory_is_given_back(self):
        limits = of_key(rpm=9, tpm=9, parallel=9, max_budget=1.0, budget_duration="1d")
        await self.ask(self.one, "a", limits, 1)
        with Asking(self.server.port) as asking:
            for key in asking.names("*"):
                if key == b"{byok}:memory":
                    continue
                left = asking.ask("TTL", key)
                assert isinstance(left, int)
                self.assertGreater(left, 0, key)
                self.assertTrue(key.startswith(b"{byok}:"))
        self.one.settle("a", Actual(tokens=1, cost_nano=1))
        await self.back(self.one)

        with Asking(self.server.port) as asking:
            names = asking.names("{byok}:[^m]*")
        kinds = sorted(name.split(b":")[3] for name in names)
        self.assertEqual(kinds, [b"cost", b"requests", b"tokens"])
        self.assertEqual(self.one.under_way, 0)


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    while not await ask():
        pass
