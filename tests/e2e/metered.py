"""A gateway whose limits and ledger can be looked into, for the tests of both."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Scope, limits_of
from byok.core.usage_record import UsageRecord
from byok.service import GatewayService
from byok.spool.spool import Spool
from byok.store.usage import By, DaysWanted, Total, UsageWanted
from byok.web.ledger import Ledger
from tests.e2e.house import ASK_ORG, OURS, House, until
from tests.e2e.raw import Answer, Pairs, request
from tests.support import keys

OPUS_INPUT, OPUS_OUTPUT = 4_000, 20_000
"""Nanodollars a token of the model that the company pays."""

ONE = 12 * OPUS_INPUT + 7 * OPUS_OUTPUT
"""What an answer of the scripted provider costs."""

COUNT = "/v1/messages/count_tokens"
SECOND: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY_2),)
ADMIN: Pairs = (
    ("authorization", f"Bearer {keys.MASTER_KEY}"),
    ("content-type", "application/json"),
)


class Metered(House):
    """*sections* are laid over the configuration, *deployed* over the model."""

    sections: ClassVar[Mapping[str, object]] = {}
    deployed: ClassVar[Mapping[str, object]] = {}

    def configuration(self) -> dict[str, object]:
        config: dict[str, Any] = super().configuration()
        config["model_list"][1]["litellm_params"].update(self.deployed)
        return {**config, **self.sections}

    def ledger_of(self, service: GatewayService) -> Ledger:
        ledger = service._ledger
        assert ledger is not None
        return ledger

    @property
    def ledger(self) -> Ledger:
        return self.ledger_of(self.service)

    @property
    def spool(self) -> Spool:
        spool = self.ledger.spool
        assert spool is not None
        return spool

    @property
    def limiter(self) -> Limiter:
        return self.ledger.counts.limiter

    async def org(self, headers: Pairs = OURS, **options: Any) -> Answer:
        """Ask for what the company pays."""
        return await self.message(headers=headers, body=ASK_ORG, **options)

    async def count(self, headers: Pairs = OURS) -> Answer:
        return await self.ask(request(COUNT, headers=headers, body=ASK_ORG))

    async def change_key(self, **fields: object) -> None:
        body = json.dumps({"key": keys.VIRTUAL_KEY, **fields}).encode()
        answer = await self.ask(request("/key/update", headers=ADMIN, body=body))
        self.assertEqual(answer.status, 200, answer.body)

    async def idle(self) -> None:
        """Wait until nobody holds anything."""
        await until(lambda: not self.limiter.under_way)

    async def records(self, count: int) -> list[UsageRecord]:
        """Wait for so many rows of the ledger, and return them, the oldest first."""
        drain = self.ledger.drain
        assert drain is not None
        await until(lambda: drain.drained >= count)
        store = self.service._store
        assert store is not None
        found = (await store.usage.page(UsageWanted(), limit=1000)).records
        return sorted(found, key=lambda each: each.at)

    async def totals(self) -> tuple[Total, ...]:
        store = self.service._store
        assert store is not None
        return await store.usage.totals(DaysWanted(), by=(By.KEY,))

    def spent(self, key_id: str, service: GatewayService | None = None) -> int:
        """What the limiter counts as spent of a budget that has no end."""
        limiter = self.ledger_of(service or self.service).counts.limiter
        limits = limits_of(Scope.KEY, key_id, max_budget=1)
        (full,) = limiter.fullness(limits, "org", 0.0)
        return full.spent_nano

    def assert_refused(self, answer: Answer, code: str, kind: str) -> None:
        self.assertEqual(answer.status, 429, answer.body)
        self.assertEqual(answer.value("x-byok-error"), code)
        self.assertEqual(json.loads(answer.body)["error"]["type"], kind)
