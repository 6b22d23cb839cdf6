"""Whatever happens in a handler, a client gets one answer or a visible cut."""

import json
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from byok.core.errors import EgressViolation, Refusal, StoreUnavailable
from byok.core.facts import Headers
from byok.core.routes import Dialect
from byok.logs.live import LiveSecrets
from byok.policy import classes
from byok.policy.declared import ClassTable, DeclaredName
from byok.policy.match import Glob
from byok.web.access import AccessLog
from byok.web.front import Front
from byok.web.generation import Current, Generation
from byok.web.places import Place
from byok.web.visit import Handler, Visit
from byok.wire.errors import Unreadable
from tests.e2e.watching import Events
from tests.support import keys


class Told:
    """A client that notes what it is told."""

    method = b"POST"
    target = b"/here?x=1"
    headers: Headers = ((b"x-api-key", keys.OPAQUE_TOKEN.encode()),)
    peer = "192.0.2.1"
    gone_because = ""
    received_bytes = 2

    def __init__(self) -> None:
        self.status: int | None = None
        self.answer: dict[bytes, bytes] = {}
        self.said = b""
        self.ended: str | None = None
        self.gone = False
        self._watchers: list[Callable[[], None]] = []

    @property
    def responded(self) -> bool:
        return self.status is not None

    async def read_body(self) -> bytes:
        return b"{}"

    def respond(self, status: int, headers: Headers) -> None:
        assert self.status is None
        self.status, self.answer = status, dict(headers)

    def flush(self) -> None:
        assert self.responded

    def write(self, data: bytes) -> None:
        self.said += data

    def finish(self) -> None:
        assert self.ended is None
        self.ended = "finished"

    def abort(self) -> None:
        assert self.ended is None
        self.ended = "aborted"

    def on_gone(self, callback: Callable[[], None]) -> None:
        self._watchers.append(callback)

    def register_producer(self, producer: IPushProducer) -> None:
        raise AssertionError("nothing is relayed here")

    def unregister_producer(self) -> None:
        raise AssertionError("nothing is relayed here")

    def hang_up(self) -> None:
        self.gone = True
        for watcher in self._watchers:
            watcher()


async def _never(visit: Visit) -> None:
    raise AssertionError("never called")


class Here:
    """Every path leads to one handler."""

    def __init__(self, handler: Handler, dialect: Dialect) -> None:
        self._place = Place(route="/here", handlers={b"POST": handler}, dialect=dialect)

    def find(self, path: bytes) -> Place:
        return self._place


class FrontTests(SynchronousTestCase):
    def setUp(self):
        self.events = Events()
        self.events.watch(self)
        self.live = LiveSecrets()

    def take(self, handler: Handler, dialect: Dialect = Dialect.ANTHROPIC) -> Told:
        client = Told()
        here = Generation(
            places=Here(handler, dialect), access=AccessLog(clock=Clock())
        )
        Front(Current(here), live=self.live).take(client)
        return client

    def lines(self) -> list[dict[str, object]]:
        return [each for each in self.events.all if each.get("event") == "access"]

    def test_a_handler_that_answers_is_left_alone(self):
        async def handler(visit: Visit) -> None:
            visit.say_json(200, {"a": 1})

        client = self.take(handler)

        self.assertEqual((client.status, client.ended), (200, "finished"))
        self.assertEqual(len(self.lines()), 1)

    def test_a_refusal_is_answered_in_the_dialect_of_the_place(self):
        async def handler(visit: Visit) -> Refusal:
            return Refusal(
                status=403, kind="permission_error", code="x.y", message="No."
            )

        anthropic = json.loads(self.take(handler).said)
        openai = json.loads(self.take(handler, Dialect.OPENAI).said)

        self.assertEqual(anthropic["error"]["type"], "permission_error")
        self.assertEqual(openai["error"]["code"], "x.y")

    def test_a_retry_that_will_succeed_is_not_forbidden(self):
        async def handler(visit: Visit) -> Refusal:
            return Refusal(
                status=429,
                kind="rate_limit_error",
                code="limit.rate",
                message="Later.",
                headers=(("Retry-After", "3"),),
            )

        client = self.take(handler)

        self.assertEqual(client.answer[b"retry-after"], b"3")
        self.assertNotIn(b"x-should-retry", client.answer)

    def test_an_exception_is_a_500_that_says_nothing_of_it(self):
        async def handler(visit: Visit) -> None:
            raise ValueError("detail")

        client = self.take(handler)

        self.assertEqual((client.status, client.ended), (500, "finished"))
        self.assertNotIn(b"detail", client.said)
        self.assertEqual(self.lines()[0]["error"], "internal")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_an_exception_after_the_answer_began_is_a_cut(self):
        async def handler(visit: Visit) -> None:
            visit.client.respond(200, ())
            visit.client.write(b"half")
            raise ValueError("detail")

        client = self.take(handler)

        self.assertEqual((client.said, client.ended), (b"half", "aborted"))
        line = self.lines()[0]
        self.assertEqual((line["error"], line["ending"]), ("internal", "cut"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_store_that_is_away_is_a_503_worth_repeating(self):
        async def handler(visit: Visit) -> None:
            raise StoreUnavailable("/path/to/byok.db: disk I/O error")

        client = self.take(handler)

        self.assertEqual(client.status, 503)
        self.assertEqual(client.answer[b"retry-after"], b"2")
        self.assertNotIn(b"byok.db", client.said)
        said = [formatEvent(e) for e in self.events.all if e.get("why")]
        why = "the key store cannot be used: /path/to/byok.db: disk I/O error"
        self.assertEqual(said, [why])

    def test_a_stopped_request_is_a_502_not_worth_repeating(self):
        async def handler(visit: Visit) -> None:
            raise EgressViolation("x-note holds something")

        client = self.take(handler)

        self.assertEqual(client.status, 502)
        self.assertEqual(client.answer[b"x-byok-error"], b"egress.stopped")
        self.assertEqual(client.answer[b"x-should-retry"], b"false")
        self.assertNotIn(b"x-note", client.said)

    def test_a_client_that_leaves_cancels_its_handler(self):
        waiting: Deferred[None] = Deferred()

        async def handler(visit: Visit) -> None:
            await waiting

        client = self.take(handler)
        client.hang_up()

        self.assertIsNone(client.status)
        self.assertEqual(self.lines()[0]["status"], 499)
        alarms = [e for e in self.events.all if e["log_level"] >= LogLevel.error]
        self.assertEqual(alarms, [])

    def test_a_method_that_is_not_there_is_a_405(self):
        async def handler(visit: Visit) -> None:
            raise AssertionError("never called")

        client = Told()
        client.method = b"PUT"
        here = Generation(
            places=Here(handler, Dialect.ANTHROPIC), access=AccessLog(clock=Clock())
        )
        Front(Current(here), live=self.live).take(client)

        self.assertEqual(client.status, 405)
        self.assertEqual(client.answer[b"allow"], b"POST")

    def test_what_is_no_request_is_answered_and_written_down_all_the_same(self):
        bad = Unreadable(status=431, code="http.head-too-long", message="Too long.")
        nowhere = Here(_never, Dialect.ANTHROPIC)
        here = Generation(places=nowhere, access=AccessLog(clock=Clock()))

        headers, body = Front(Current(here), live=self.live).refuse(bad, "192.0.2.1")

        error = json.loads(body)["error"]
        self.assertEqual(error["message"], "Too long.")
        self.assertEqual(dict(headers)[b"x-byok-error"], b"http.head-too-long")
        self.assertEqual(dict(headers)[b"content-length"], b"%d" % len(body))
        (line,) = self.lines()
        self.assertEqual(
            (line["status"], line["error"], line["client"], line["bytes_out"]),
            (431, "http.head-too-long", "192.0.2.1", len(body)),
        )

    def test_what_a_generation_calls_a_credential_is_live_from_then_on(self):
        class Badged(Told):
            headers: Headers = ((b"x-corp-badge", b"badge-of-ann-8271"),)

        seen: list[bool] = []

        async def handler(visit: Visit) -> None:
            seen.append(bool(list(self.live.spans("a badge-of-ann-8271 b"))))
            visit.say_json(200, {})

        places = Here(handler, Dialect.ANTHROPIC)
        access = AccessLog(clock=Clock())
        declared = DeclaredName(name=Glob("x-corp-*"), cls=classes.OTHER_CREDENTIAL)
        table = ClassTable([declared])
        current = Current(Generation(places=places, access=access))
        front = Front(current, live=self.live)
        front.take(Badged())
        front.take(Badged())
        current.replace(
            Generation(places=places, access=access, classify=table.classify)
        )
        front.take(Badged())

        self.assertEqual(seen, [False, False, True])

    def test_what_a_request_carries_is_live_while_it_is_here_and_no_longer(self):
        seen: list[bool] = []

        def is_live() -> bool:
            return bool(list(self.live.spans(f"a {keys.OPAQUE_TOKEN} b")))

        async def handler(visit: Visit) -> None:
            seen.append(is_live())
            visit.say_json(200, {})

        self.take(handler)

        self.assertEqual((seen, is_live()), ([True], False))
