"""The composed gateway: what it opens, and what it does when it cannot."""

import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

import yaml
from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import formatEvent
from twisted.trial.unittest import TestCase

from byok.config import load
from byok.logs.live import LiveSecrets
from byok.service import GatewayService
from tests.e2e.raw import RawClient, request
from tests.e2e.watching import Events
from tests.support import keys

ENVIRONMENT = {"BYOK_TEST_MASTER_KEY": keys.MASTER_KEY}
GENERAL = {"master_key": "os.environ/BYOK_TEST_MASTER_KEY"}


class ServiceTests(TestCase):
    timeout = 20

    def setUp(self):
        self.events = Events()
        self.events.watch(self)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.live = LiveSecrets()
        self.failures: list[str] = []
        self.announced: list[Sequence[str]] = []

    def service(self, *listen: str, **sections: object) -> GatewayService:
        config = {
            "model_list": [
                {
                    "model_name": "claude-*",
                    "litellm_params": {"model": "anthropic/claude-*"},
                }
            ],
            "general_settings": GENERAL,
            **sections,
        }
        path = self.directory / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        return GatewayService(
            load(path, environ=ENVIRONMENT, listen=listen),
            reactor=reactor,
            live=self.live,
            announce=self.announced.append,
            fail=lambda: self.failures.append("failed"),
        )

    async def run_service(self, service: GatewayService) -> None:
        service.startService()
        self.addCleanup(service.stopService)
        assert service.starting is not None
        await service.starting

    def said(self, event: str) -> list[dict[str, object]]:
        return [each for each in self.events.all if each.get("event") == event]

    async def test_it_listens_everywhere_it_is_told_to(self):
        socket = self.directory / "byok.sock"
        service = self.service(
            "tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1", f"unix:{socket}"
        )

        await self.run_service(service)

        kinds = [each.port is None for each in service.listening]
        self.assertEqual(kinds, [False, False, True])
        self.assertEqual(len(self.said("listening")), 3)
        self.assertEqual(self.failures, [])

    async def test_a_unix_socket_answers_too(self):
        socket = self.directory / "byok.sock"
        await self.run_service(self.service(f"unix:{socket}"))

        factory = Factory.forProtocol(RawClient)
        client = await UNIXClientEndpoint(reactor, str(socket)).connect(factory)
        client.transport.write(request("/health/readiness", method="GET"))
        answer = await client.end()

        self.assertEqual(answer.status, 200)
        (lines,) = self.announced
        self.assertIn("no TCP listener", lines[0])

    async def test_a_unix_socket_is_not_everybodys(self):
        socket, open_one = self.directory / "byok.sock", self.directory / "open.sock"
        await self.run_service(
            self.service(f"unix:{socket}", f"unix:{open_one}:mode=666")
        )

        modes = [stat.S_IMODE(each.stat().st_mode) for each in (socket, open_one)]
        self.assertEqual(modes, [0o660, 0o666])
        first, _ = (formatEvent(each) for each in self.said("listening"))
        self.assertEqual(
            first, f"listening on {socket}, reachable from this machine only"
        )

    async def test_what_to_paste_works_from_every_directory(self):
        await self.run_service(self.service("tcp:0:interface=127.0.0.1"))

        (lines,) = self.announced
        (line,) = [each for each in lines if " keys create " in each]
        config = self.directory.absolute() / "config.yaml"
        self.assertIn(f" keys create -c {shlex.quote(str(config))} --alias ", line)

    async def test_its_secrets_are_known_to_the_log(self):
        await self.run_service(self.service("tcp:0:interface=127.0.0.1"))

        self.assertTrue(list(self.live.spans(keys.MASTER_KEY)))

    async def test_a_master_key_is_made_where_the_configuration_asks_for_one(self):
        general = {"master_key": "file:master.key", "generate_master_key": True}
        service = self.service("tcp:0:interface=127.0.0.1", general_settings=general)

        await self.run_service(service)

        made = (self.directory / "master.key").read_text().strip()
        self.assertTrue(list(self.live.spans(made)))
        self.assertEqual(len(self.said("master-key-made")), 1)

    async def test_a_listener_that_cannot_be_had_fails_the_start(self):
        first = self.service("tcp:0:interface=127.0.0.1")
        await self.run_service(first)
        port = first.listening[0].port

        await self.run_service(self.service(f"tcp:{port}:interface=127.0.0.1"))

        self.assertEqual(self.failures, ["failed"])
        (failed,) = self.said("start-failed")
        self.assertIn(str(port), str(failed["reason"]))

    async def test_a_store_that_cannot_be_had_fails_the_start(self):
        service = self.service(
            "tcp:0:interface=127.0.0.1", store="sqlite:///missing/byok.db"
        )

        await self.run_service(service)

        self.assertEqual(self.failures, ["failed"])
        self.assertEqual(service.listening, ())

    async def test_what_validate_would_warn_of_is_in_the_log(self):
        await self.run_service(
            self.service(
                "tcp:0:interface=127.0.0.1",
                general_settings={**GENERAL, "nonsense_setting": 1},
            )
        )

        warnings = [str(each.get("warning")) for each in self.events.all]
        self.assertTrue(any("nonsense_setting" in each for each in warnings))

    async def test_it_is_stopped_once_however_often_it_is_told(self):
        service = self.service("tcp:0:interface=127.0.0.1")
        await self.run_service(service)

        await service.stopService()
        await service.stopService()

        self.assertEqual(len(self.said("stopped")), 1)

    async def test_stopping_before_starting_has_finished_closes_everything(self):
        service = self.service("tcp:0:interface=127.0.0.1")
        service.startService()

        await service.stopService()

        self.assertEqual(self.failures, [])
