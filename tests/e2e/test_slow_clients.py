"""Clients that take their time on purpose, on real sockets before a whole gateway."""

import json
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import yaml
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from byok.config import examine
from byok.service import GatewayService
from tests.e2e.house import ASK, ENVIRONMENT, OURS, OWN, House, until
from tests.e2e.raw import RawClient, connect, request
from tests.support import plays

MESSAGES = "/v1/messages"
CHAT = "/v1/chat/completions"
IMPATIENT = {
    "head_s": 0.8,
    "idle_s": 0.8,
    "body_grace_s": 0.8,
    "body_bytes_per_s": 1000,
    "stall_s": 0.8,
    "linger_s": 0.3,
}


class Slow(House):
    limits: ClassVar[Mapping[str, float]] = IMPATIENT

    def configuration(self) -> dict[str, object]:
        return {**super().configuration(), "limits": {"drain_s": 0, **self.limits}}

    async def drip(self, raw: bytes, *, at_once: int = 0) -> RawClient:
        """Send *raw* a byte at a time, for as long as the connection lasts."""
        client = await self.begin(raw[:at_once])
        left = iter(raw[at_once:])

        def send_one() -> None:
            byte = next(left, None)
            if byte is None or client.closed.happened:
                dripping.stop()
            else:
                client.transport.write(bytes((byte,)))

        dripping = LoopingCall(send_one)
        dripping.clock = IReactorTime(reactor)
        stopped = dripping.start(0.02)
        self.addCleanup(lambda: stopped)
        self.addCleanup(client.transport.abortConnection)
        return client

    async def assert_others_are_served(self) -> None:
        self.assertEqual((await self.message()).status, 200)


class SlowlorisTests(Slow):
    async def test_heads_that_never_end_are_refused_while_others_are_served(self):
        head = request(headers=(*OWN, ("x-padding", "p" * 4000)), body=ASK)
        slow = [await self.drip(head) for _ in range(12)]

        await self.assert_others_are_served()
        answers = [await each.end() for each in slow]

        for answer in answers:
            self.assertEqual(answer.status, 408)
            self.assertEqual(answer.value("x-byok-error"), "http.head-too-slow")
            error = json.loads(answer.body)["error"]
            self.assertEqual(error["type"], "timeout_error")
        lines = [e for e in self.logged("access") if e["route"] == "unreadable"]
        self.assertEqual(
            {(e["status"], e["error"]) for e in lines}, {(408, "http.head-too-slow")}
        )
        self.assertEqual(len(lines), len(slow))
        self.assertEqual(len(self.provider.requests), 1)
        self.assert_no_alarm()

    async def test_a_connection_on_which_nothing_comes_is_ended(self):
        client = await connect(self.port)

        answer = await client.end()

        self.assertEqual(answer.status, 408)
        self.assert_no_alarm()

    async def test_a_kept_connection_is_closed_and_not_reset(self):
        client = await self.begin(request(headers=OWN, body=ASK, close=False))
        await client.until(b"end_turn")

        await client.closed.wait()

        self.assertFalse(client.reset)
        self.assertNotIn(b" 408 ", client.received)


class SlowBodyTests(Slow):
    async def refused(self, path: str) -> dict[str, object]:
        raw = request(path, headers=OWN, body=ASK + b" " * 4000)
        client = await self.drip(raw, at_once=raw.index(b"\r\n\r\n") + 4)

        await self.assert_others_are_served()
        answer = await client.end()

        self.assertEqual(answer.status, 408)
        self.assertEqual(answer.value("x-byok-error"), "http.body-too-slow")
        lines = [e for e in self.logged("access") if e["status"] == 408]
        self.assertEqual([e["error"] for e in lines], ["http.body-too-slow"])
        self.assertEqual(lines[0]["key"], "anna")
        self.assertEqual(len(self.provider.requests), 1)
        self.assert_no_alarm()
        told: dict[str, object] = json.loads(answer.body)
        return told

    async def test_a_body_that_drips_is_refused_in_anthropics_words(self):
        told = await self.refused(MESSAGES)

        self.assertEqual(told["type"], "error")

    async def test_a_body_that_drips_is_refused_in_openais_words(self):
        told = await self.refused(CHAT)

        error = told["error"]
        assert isinstance(error, dict)
        self.assertEqual(error["code"], "http.body-too-slow")

    async def test_a_stranger_is_refused_before_a_body_is_waited_for(self):
        raw = request(body=ASK + b" " * 4000)
        client = await self.drip(raw, at_once=raw.index(b"\r\n\r\n") + 4)

        answer = await client.end()

        self.assertEqual(answer.status, 401)

    async def test_an_upload_that_is_slow_and_steady_is_taken(self):
        raw = request(headers=OWN, body=ASK)
        client = await self.drip(raw, at_once=len(raw) - 20)

        self.assertEqual((await client.end()).status, 200)


class SlowReadTests(Slow):
    async def test_a_client_that_does_not_read_is_cut_off_and_so_is_its_provider(self):
        self.provider.play(MESSAGES, plays.big(60_000_000))
        client = await self.begin(request(headers=OWN, body=ASK))
        await client.until(b"0123456789abcdef")
        client.transport.pauseProducing()

        await self.assert_others_are_served()
        await until(self.stalled)
        exchange = await self.provider.exchange(0)
        await exchange.hung_up.wait()

        (line,) = self.stalled()
        self.assertEqual((line["status"], line["key"]), (200, "anna"))
        self.assertLess(line["bytes_out"], 60_000_000)
        client.transport.resumeProducing()
        await client.closed.wait()
        self.assertTrue(client.reset)
        self.assert_no_alarm()

    def stalled(self):
        return [e for e in self.logged("access") if e["ending"] == "client stalled"]

    async def test_a_client_that_reads_now_and_then_gets_everything(self):
        size = 12_000_000
        self.provider.play(MESSAGES, plays.big(size))
        client = await self.begin(request(headers=OWN, body=ASK))
        await client.until(b"0123456789abcdef")
        clock = IReactorTime(reactor)
        reads = [True]

        def turn() -> None:
            if client.closed.happened:
                turning.stop()
                return
            reads[0] = not reads[0]
            if reads[0]:
                client.transport.resumeProducing()
            else:
                client.transport.pauseProducing()

        turning = LoopingCall(turn)
        turning.clock = clock
        stopped = turning.start(0.15)

        answer = await client.end()
        await stopped

        self.assertEqual(len(answer.body), size)
        self.assertEqual(self.stalled(), [])


class CrowdTests(Slow):
    limits: ClassVar[Mapping[str, float]] = {"connections_per_ip": 3}

    async def test_connections_over_the_cap_are_closed_and_others_go_on(self):
        kept = [
            await self.begin(request(headers=OWN, body=ASK, close=False))
            for _ in range(3)
        ]
        for each in kept:
            await each.until(b"end_turn")

        more = await connect(self.port)
        await more.closed.wait()

        self.assertEqual(more.received, b"")
        warned = [e for e in self.events if "turned away" in str(e.get("log_format"))]
        self.assertEqual(len(warned), 1)
        kept[0].transport.loseConnection()
        await kept[0].closed.wait()
        serving = self.service._serving
        assert serving is not None
        await until(lambda: serving.open_connections < 3)
        await self.assert_others_are_served()


class ReloadTests(Slow):
    def _made(self) -> GatewayService:
        service = super()._made()
        service._reread = partial(
            examine,
            service._config.path,
            environ=ENVIRONMENT,
            listen=["tcp:0:interface=127.0.0.1"],
        )
        return service

    async def test_new_connections_have_the_limits_of_the_new_configuration(self):
        reloading = self.service._reloading
        assert reloading is not None
        before = await self.begin(request(headers=OWN, body=ASK, close=False))
        await before.until(b"end_turn")
        fields = tuple((f"x-{number}", "1") for number in range(20))
        many = request("/byok/whoami", method="GET", headers=(*OURS, *fields))
        config = {**self.configuration(), "limits": {"header_fields": 16}}
        self.service._config.path.write_text(yaml.safe_dump(config))

        reloaded = await reloading.reload(may_widen=False, dry_run=False, by="test")
        after = await self.ask(many)
        before.received.clear()
        before.transport.write(many)
        answer = await before.end()

        self.assertIsNone(reloaded.obstacle)
        changes = reloaded.document["changes"]
        assert isinstance(changes, list)
        self.assertIn("limits.header_fields", [each["name"] for each in changes])
        self.assertEqual(after.value("x-byok-error"), "http.too-many-fields")
        self.assertEqual((after.status, answer.status), (431, 200))
