"""The store's file is deleted under a gateway that is at work."""

import json
from pathlib import Path

from twisted.logger import LogLevel

from tests.e2e.house import OWN, House, until
from tests.e2e.raw import Answer, request
from tests.support import keys

OTHER = (("x-litellm-api-key", keys.VIRTUAL_KEY_2), *OWN[1:])


class DeletedStoreTests(House):
    async def setUp(self):
        await super().setUp()
        answer = await self.message()
        self.assertEqual(answer.status, 200)
        self.store = Path(self.service._config.directory) / "byok.db"
        for file in self.store.parent.glob("byok.db*"):
            if file.is_file() and not file.name.endswith("pepper"):
                file.unlink()
        await until(lambda: self.logged("store-replaced"))

    async def ready(self) -> Answer:
        return await self.ask(request("/health/readiness", method="GET"))

    async def test_it_is_an_error_in_the_log_and_the_gateway_is_not_ready(self):
        ready = await self.ready()

        self.assertEqual(ready.status, 503)
        told = json.loads(ready.body)
        self.assertEqual((told["status"], told["db"]), ("unhealthy", "unavailable"))
        (event,) = self.logged("store-replaced")
        self.assertIs(event["log_level"], LogLevel.error)

    async def test_keys_in_use_work_and_others_are_not_called_unknown(self):
        known, unknown = await self.message(), await self.message(headers=OTHER)

        self.assertEqual(known.status, 200)
        self.assertEqual(unknown.status, 503)
        self.assertEqual(unknown.value("x-byok-error"), "store.unavailable")

    async def test_no_key_is_made_that_would_be_lost(self):
        answer = await self.ask(
            request(
                "/key/generate",
                headers=(
                    ("authorization", f"Bearer {keys.MASTER_KEY}"),
                    ("content-type", "application/json"),
                ),
                body=b"{}",
            )
        )

        self.assertEqual(answer.status, 503)
        self.assertFalse(self.store.exists())
