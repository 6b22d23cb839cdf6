"""Two gateways with one database, which is stopped and started under them."""

import json
from typing import ClassVar

from twisted.internet.threads import deferToThread

from byok.core.databases import without_password
from tests.e2e.house import OWN, House, until
from tests.e2e.raw import Answer, request
from tests.store.databases import OnPostgres
from tests.support import keys

OTHER = (("x-litellm-api-key", keys.VIRTUAL_KEY_2), *OWN[1:])


class SharedDatabaseTests(OnPostgres, House):
    """Two nodes, each with all that a gateway has."""

    timeout = 60
    general: ClassVar[dict[str, object]] = {"key_pepper": "os.environ/BYOK_TEST_PEPPER"}

    async def setUp(self):
        self.shown = without_password(self.database().url)
        await super().setUp()
        self.other = self._made()
        self.other.startService()
        self.addCleanup(self.other.stopService)
        assert self.other.starting is not None
        await self.other.starting
        self.ports = self.port, self.other.listening[0].port or 0

    def configuration(self):
        password = "os.environ/BYOK_TEST_STORE_PASSWORD"
        return {
            **super().configuration(),
            "store": {"url": self.shown, "password": password},
        }

    async def at(self, node: int, headers=OWN) -> int:
        """Return the status of a message sent to one of the nodes."""
        self.port = self.ports[node]
        return (await self.message(headers=headers)).status

    async def ready(self) -> Answer:
        return await self.ask(request("/health/readiness", method="GET"))

    async def test_a_key_of_one_node_opens_the_other_until_it_is_blocked(self):
        self.assertEqual([await self.at(0), await self.at(1)], [200, 200])

        self.port = self.ports[0]
        blocked = await self.ask(
            request(
                "/key/block",
                headers=(
                    ("authorization", f"Bearer {keys.MASTER_KEY}"),
                    ("content-type", "application/json"),
                ),
                body=json.dumps({"key": keys.VIRTUAL_KEY}).encode(),
            )
        )
        self.assertEqual(blocked.status, 200)
        self.assertEqual(await self.at(0), 401)

        statuses = []
        while 401 not in statuses:
            statuses.append(await self.at(1))
        self.assertEqual(set(statuses) - {200}, {401})

    async def test_while_it_is_gone_known_keys_work_and_others_are_not_unknown(self):
        self.assertEqual([await self.at(0), await self.at(1)], [200, 200])
        # Both have told of the key by now, so it stays known by heart.
        looks = iter(range(120))
        await until(lambda: next(looks, None) is None)
        self.assertEqual([await self.at(0), await self.at(1)], [200, 200])

        await deferToThread(self.cluster.stop)
        try:
            self.assertEqual([await self.at(0), await self.at(1)], [200, 200])
            self.assertEqual(
                [await self.at(0, OTHER), await self.at(1, OTHER)], [503, 503]
            )
            told = json.loads((await self.ready()).body)
            self.assertEqual((told["status"], told["db"]), ("unhealthy", "unavailable"))
        finally:
            await deferToThread(self.cluster.start)

        self.port = self.ports[0]
        await self.make_key(keys.VIRTUAL_KEY_2)
        self.assertEqual(await self.at(0, OTHER), 200)
        self.assertEqual((await self.ready()).status, 200)
        self.assert_no_alarm()
