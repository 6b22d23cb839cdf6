"""What budgets know of the past, and what becomes of them when that is away."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from twisted.internet import reactor

from byok.config import load
from byok.core.usage_record import UsageRecord
from byok.logs.live import LiveSecrets
from byok.service import GatewayService
from byok.store.usage import UsageWanted
from tests.e2e.house import ASK_ORG, ENVIRONMENT, OURS, until
from tests.e2e.metered import COUNT, ONE, Metered
from tests.e2e.raw import Answer, request
from tests.support import plays, sse

MESSAGES = "/v1/messages"
ANSWER = plays.answer(200, sse.dumps(sse.message([sse.text_block("hi")])))
TOTAL = {"max_budget": 2 * ONE / 10**9}


class PastTests(Metered):
    async def test_a_budget_is_known_again_after_a_restart(self):
        await self.change_key(**TOTAL)
        await self.org()
        (record,) = await self.records(1)
        await self.service.stopService()

        await self.begin_again()
        again, refused = await self.org(), await self.org()

        self.assertEqual((again.status, refused.status), (200, 429))
        self.assertEqual(self.spent(record.key_id), 2 * ONE)

    async def test_a_budget_of_hours_is_known_again_too(self):
        await self.change_key(max_budget=ONE / 10**9, budget_duration="36h")
        await self.org()
        await self.records(1)
        await self.service.stopService()

        await self.begin_again()

        self.assertEqual((await self.org()).status, 429)

    async def test_two_processes_know_of_each_other_within_the_interval(self):
        await self.change_key(**TOTAL)
        first, first_port = self.service, self.port
        await self.begin_again()
        other_port = self.port
        self.assertEqual((await self.org()).status, 200)
        (record,) = await self.records(1)

        other, (self.port, self.service) = self.service, (first_port, first)
        self.assertEqual((await self.org()).status, 200)
        await self.all_records(2)

        # What is in use is read again after each interval.
        self.port, self.service = other_port, other
        self.ledger.budgets._used = dict(self.ledger.budgets._known)
        reading = self.ledger.budgets._again()
        assert reading is not None
        await reading

        self.assertEqual(self.spent(record.key_id), 2 * ONE)
        self.assertEqual((await self.org()).status, 429)

    async def all_records(self, count: int) -> Sequence[UsageRecord]:
        """Wait for so many rows, whichever process drained them."""
        store = self.service._store
        assert store is not None
        while True:
            rows = (await store.usage.page(UsageWanted())).records
            if len(rows) >= count:
                return rows
            await until(lambda: True)

    async def begin_again(self) -> None:
        """Another process on the same files."""
        self.service = GatewayService(
            load(
                self.service._config.path,
                environ=ENVIRONMENT,
                listen=["tcp:0:interface=127.0.0.1"],
            ),
            reactor=reactor,
            live=LiveSecrets(),
            announce=self.announced.append,
            fail=lambda: self.failures.append("failed"),
        )
        self.service.startService()
        self.addCleanup(self.service.stopService)
        assert self.service.starting is not None
        await self.service.starting
        self.port = self.service.listening[0].port or 0


class Away(Metered):
    async def setUp(self):
        await super().setUp()
        await self.change_key(max_budget=1)
        self.assertEqual((await self.message()).status, 200)
        self.store = Path(self.service._config.directory) / "byok.db"
        for file in self.store.parent.glob("byok.db*"):
            if not file.name.endswith("pepper") and file.is_file():
                file.unlink()
        await until(lambda: self.logged("store-replaced"))

    async def ready(self) -> dict[str, object]:
        answer = await self.ask(request("/health/readiness", method="GET"))
        return json.loads(answer.body)


class OpenTests(Away):
    async def test_a_budget_counts_what_is_seen_here_where_its_past_is_away(self):
        self.assertEqual((await self.org()).status, 200)
        await until(lambda: self.ledger.trouble)

        self.assertEqual((await self.ready())["usage"], "degraded")
        self.assertEqual(self.spool.appended, 2)


class ClosedTests(Away):
    sections: ClassVar = {"budgets": {"fail": "closed"}}

    async def test_nobody_spends_of_a_budget_whose_past_is_away(self):
        answer: Answer = await self.org()

        self.assertEqual(answer.status, 503, answer.body)
        self.assertEqual(answer.value("x-byok-error"), "limit.unknown")
        self.assertEqual(answer.value("retry-after"), "5")
        self.assertEqual(self.limiter.under_way, 0)

    async def test_what_has_no_budget_goes_on(self):
        counted = await self.ask(request(COUNT, headers=OURS, body=ASK_ORG))

        self.assertEqual(counted.status, 200)
        self.assertEqual((await self.message()).status, 200)


class SpoolTests(Metered):
    sections: ClassVar = {"usage": {"directory": "waiting"}}

    async def ready(self) -> object:
        answer = await self.ask(request("/health/readiness", method="GET"))
        return json.loads(answer.body)["usage"]

    async def test_exchanges_go_on_where_the_spool_is_full(self):
        spool = self.spool
        bounds = spool._limit, spool._ceiling
        spool._limit = spool._ceiling = 0

        answer = await self.org()

        self.assertEqual(answer.status, 200)
        self.assertEqual(self.ledger.counts.waiting, 1)
        self.assertEqual(await self.ready(), "degraded")
        self.assertEqual(self.line()["status"], 200)
        spool._limit, spool._ceiling = bounds
        self.assertEqual(len(await self.records(1)), 1)
        self.assertEqual(self.ledger.counts.lost, 0)

    async def test_exchanges_go_on_where_its_directory_is_gone(self):
        directory = Path(self.service._config.directory) / "waiting"
        await self.org()
        await self.records(1)
        shutil.rmtree(directory)
        directory.write_text("in the way")

        answer = await self.org()
        await until(lambda: self.ledger.trouble)

        self.assertEqual(answer.status, 200)
        self.assertEqual(await self.ready(), "degraded")
        directory.unlink()
        await until(lambda: not self.ledger.trouble)
        self.assertEqual(await self.ready(), "recorded")

    async def test_what_waits_is_told_at_a_scrape(self):
        await self.org()
        await self.records(1)

        readings = {(name, labels): n for name, labels, n in self.ledger.readings()}

        self.assertEqual(readings["byok_usage_records", ("spooled",)], 1)
        self.assertEqual(readings["byok_usage_records", ("stored",)], 1)
        self.assertEqual(readings["byok_spool_records", ()], 0)
        self.assertEqual(readings["byok_leases_open", ()], 0)
