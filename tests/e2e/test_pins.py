"""A key of another organisation, or of another person, is told or refused."""

import json
from pathlib import Path
from typing import ClassVar

from twisted.internet import reactor

from byok.config import load
from byok.core.pinning import digest_begins_with
from byok.logs.live import LiveSecrets
from byok.service import GatewayService
from byok.store.opening import open_pins
from tests.e2e.house import ASK_ORG, ENVIRONMENT, OURS, OWN, House, until
from tests.e2e.raw import Pairs, request
from tests.support import keys

HERS: Pairs = (
    ("x-litellm-api-key", keys.VIRTUAL_KEY_2),
    ("x-api-key", keys.ANTHROPIC_API_KEY),
)
MASTER: Pairs = (("authorization", f"Bearer {keys.MASTER_KEY}"),)


class PinCase(House):
    async def setUp(self):
        await super().setUp()
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="berta", user_id="berta")

    def assert_no_canary_in_the_store(self):
        directory = Path(self.service._config.directory)
        for file in filter(Path.is_file, directory.glob("byok.db*")):
            self.assertNotIn(b"CANARY", file.read_bytes(), file)


class RefusedOrganizationTests(PinCase):
    general: ClassVar = {
        "byok": {"allow_orgs": ["another-one"], "on_unknown_org": "refuse"}
    }

    async def test_the_next_request_with_a_key_of_another_organization_is_refused(self):
        first = await self.message()
        second = await self.message()
        other = await self.message(
            headers=(*OURS, ("x-api-key", keys.ANTHROPIC_API_KEY_2))
        )
        company = await self.message(headers=OURS, body=ASK_ORG)

        self.assertEqual((first.status, second.status), (200, 403))
        self.assertEqual(second.value("x-byok-error"), "policy.organization")
        self.assertIn("allow_orgs", json.loads(second.body)["error"]["message"])
        self.assertEqual((other.status, company.status), (200, 200))
        self.assertEqual(len(self.provider.requests), 3)
        (told,) = self.logged("key-of-unknown-organization")
        self.assertEqual(told["reaction"], "refuse")
        self.assert_no_canary_in_the_store()

    async def test_the_refusal_is_in_the_record_of_the_decision(self):
        await self.message()
        await self.message()

        listed = await self.ask(
            request("/byok/decisions?limit=1", method="GET", headers=MASTER)
        )

        (record,) = json.loads(listed.body)["decisions"]
        self.assertEqual(record["refusal"]["code"], "policy.organization")
        self.assertEqual(record["verdict"], "deny")
        self.assertEqual(record["sends"], [])


class ReportedOrganizationTests(PinCase):
    general: ClassVar = {"byok": {"allow_orgs": ["another-one"]}}

    async def test_a_key_of_another_organization_is_told_once(self):
        for _ in range(3):
            self.assertEqual((await self.message()).status, 200)

        (told,) = self.logged("key-of-unknown-organization")
        self.assertEqual(told["reaction"], "report")
        self.assertEqual(told["key"], "anna")


class BoundKeyTests(PinCase):
    general: ClassVar = {"byok": {"bind_keys": "refuse"}}

    async def test_a_key_belongs_to_whom_used_it_first(self):
        first = await self.message(headers=HERS)
        again = await self.message(headers=HERS)
        other = await self.message(headers=OWN)

        self.assertEqual((first.status, again.status, other.status), (200, 200, 403))
        self.assertEqual(other.value("x-byok-error"), "policy.key-owner")
        self.assertNotIn("berta", other.body.decode())
        (told,) = self.logged("key-of-another-owner")
        self.assertEqual((told["owner"], told["caller"][:4]), ("user:berta", "key:"))
        message = json.loads(other.body)["error"]["message"]
        self.assertIn(f"`byok pins release {told['pin']}`", message)

    async def restart(self):
        """Put another gateway on the same store in the place of this one."""
        path = self.service._config.path
        await self.service.stopService()
        self.service = GatewayService(
            load(path, environ=ENVIRONMENT, listen=["tcp:0:interface=127.0.0.1"]),
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

    async def test_a_key_that_was_released_belongs_to_whom_uses_it_next(self):
        await self.message(headers=HERS)
        directory = Path(self.service._config.directory)
        with open_pins(directory / "byok.db") as pins:
            # It is written behind the exchange.
            await until(pins.all)
            (pin,) = pins.all()
            beginning = digest_begins_with(pin.name)
            assert beginning is not None
            pins.release(beginning, by="cli:root", now=1.0)
        # A gateway knows it by heart for a minute; another one does not.
        await self.restart()

        other = await self.message(headers=OWN)
        again = await self.message(headers=HERS)

        self.assertEqual((other.status, again.status), (200, 403))
        (told,) = self.logged("pin-bound-anew")
        self.assertEqual((told["pin"], told["by"]), (pin.name, "cli:root"))


class UnpinnedTests(PinCase):
    async def test_without_a_word_nothing_is_learned(self):
        await self.message(headers=HERS)
        other = await self.message(headers=OWN)

        self.assertEqual(other.status, 200)
        self.assertEqual(self.logged("key-of-another-owner"), [])
