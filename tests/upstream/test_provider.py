"""What a provider receives, and what becomes of what it answers."""

import gzip
import os
from hashlib import sha256
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTime,
    ITCPTransport,
)
from twisted.logger import LogLevel
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from byok.core.errors import (
    EgressViolation,
    ProviderBroken,
    ProviderTimedOut,
    ProviderUnreachable,
)
from byok.core.exchange import Planned
from byok.upstream.agent import ExchangeAgent
from byok.upstream.link import Links
from byok.upstream.outgoing import Outgoing
from byok.upstream.provider import Providers
from byok.wire.answer import Answer
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ClientLimits
from tests.e2e.watching import Events
from tests.support import keys, plays
from tests.support.provider import Provider
from tests.support.sweep import exempt
from tests.upstream.reading import body_of
from tests.upstream.shipments import deployment, loopback, planned


@implementer(IHostnameResolver)
class NobodyKnows:
    """A resolver that finds no name, without asking anybody."""

    def resolveHostName(
        self,
        resolutionReceiver,
        hostName,
        portNumber=0,
        addressTypes=None,
        transportSemantics="TCP",
    ):
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IHostResolution)
class Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing under way."""


class Sending(TestCase):
    """A scripted provider, and the way out to it."""

    timeout = 20

    async def setUp(self):
        self.provider = Provider(reactor)
        await self.provider.start()
        self.addCleanup(self._stop)
        self.providers = self.way_out()
        self.deployment = deployment(loopback(self.provider.port))

    async def _stop(self):
        await self.provider.stop()
        self.assertEqual(self.provider.faults, [])

    def way_out(self, **options) -> Providers:
        providers = Providers(reactor, clock=IReactorTime(reactor), **options)
        self.addCleanup(providers.close)
        return providers

    def send(self, request: Planned) -> Deferred[Answer]:
        return Deferred.fromCoroutine(
            self.providers.send(request, gateway_secrets=(keys.VIRTUAL_KEY.encode(),))
        )


class RequestTests(Sending):
    async def test_the_approved_headers_leave_framed_once(self):
        """S-40: every line of the request, as raw bytes."""
        body = b'{"model":"claude"}'
        headers = (
            (b"anthropic-beta", b"a,b"),
            (b"anthropic-beta", b"c"),
            (b"x-api-key", keys.ANTHROPIC_API_KEY.encode()),
        )
        await body_of(await self.send(planned(self.deployment, headers=headers)))

        request = await self.provider.request(0)
        self.assertEqual(request.target, b"/v1/messages?beta=true")
        self.assertEqual(
            sorted(request.names()),
            [
                b"accept-encoding",
                b"anthropic-beta",
                b"anthropic-beta",
                b"content-length",
                b"host",
                b"x-api-key",
            ],
        )
        self.assertEqual(
            request.values(b"host"), (b"127.0.0.1:%d" % self.provider.port,)
        )
        self.assertEqual(request.values(b"accept-encoding"), (b"identity",))
        self.assertEqual(request.values(b"content-length"), (b"%d" % len(body),))
        self.assertEqual(request.values(b"anthropic-beta"), (b"a,b", b"c"))

    async def test_a_framing_line_among_the_approved_stops_the_request(self):
        for name in (b"content-length", b"transfer-encoding", b"connection", b"host"):
            with self.assertRaises(EgressViolation):
                await self.send(planned(self.deployment, headers=((name, b"3"),)))

        self.assertEqual(self.provider.received, b"")

    async def test_the_target_leaves_as_it_is(self):
        """No library between tidies a path or a query."""
        for target in (b"/v1/messages?", b"/x?a=%zz&&b=+?&c", b"/a;p=1?q#f", b"/%2e"):
            await body_of(await self.send(planned(self.deployment, target=target)))

            request = self.provider.requests[-1]
            self.assertEqual(request.target, target)

    async def test_a_large_body_arrives_whole(self):
        """S-17: the same sha256, whatever the bytes are."""
        body = bytes(range(256)) * 40_000

        await body_of(await self.send(planned(self.deployment, body=body)))

        request = await self.provider.request(0)
        self.assertEqual(request.body_sha256, sha256(body).hexdigest())

    async def test_an_upload_waits_for_a_provider_that_does_not_read(self):
        """The body is cut into pieces as they are wanted, and all of it arrives."""
        stalled = plays.says("ok", streaming=False)
        slow = plays.Play(
            steps=(
                plays.StopReading(),
                plays.Await(signal="read on"),
                plays.StartReading(),
                plays.Await(signal="answer"),
                *stalled.steps,
            )
        ).at_head()
        self.provider.play("/v1/messages", slow)
        body = b"x" * 20_000_000

        sending = self.send(planned(self.deployment, body=body))
        self.provider.fire("read on")
        request = await self.provider.request(0)
        self.provider.fire("answer")
        await body_of(await sending)

        self.assertEqual(len(request.body), len(body))

    async def test_a_get_has_no_body_and_no_length(self):
        target = b"/v1/models"
        request = planned(self.deployment, method=b"GET", target=target, body=b"")

        await body_of(await self.send(request))

        sent = await self.provider.request(0)
        self.assertEqual((sent.method, sent.body), (b"GET", b""))
        self.assertEqual(sent.values(b"content-length"), ())

    async def test_environment_and_netrc_have_no_say(self):
        """S-43: neither a proxy variable nor a netrc changes where a request goes."""
        home = home_with_netrc(Path(self.mktemp()))
        proxy = Provider(reactor)
        await proxy.start()
        self.addCleanup(proxy.stop)
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")
        environment = {**os.environ, **dict.fromkeys(names, proxy.url)}
        environment["HOME"] = str(home)
        environment["ANTHROPIC_API_KEY"] = keys.ANTHROPIC_API_KEY_2
        self.patch(os, "environ", environment)

        await body_of(await self.send(planned(self.deployment)))

        request = await self.provider.request(0)
        self.assertEqual(request.values(b"authorization"), ())
        self.assertEqual(
            request.values(b"x-api-key"), (keys.ANTHROPIC_API_KEY.encode(),)
        )
        self.assertEqual(proxy.received, b"")

    async def test_a_stopped_request_is_counted_and_logged_without_its_secret(self):
        events = Events()
        events.watch(self)
        stray = ((b"x-note", keys.VIRTUAL_KEY.encode()),)

        with self.assertRaises(EgressViolation):
            await self.send(planned(self.deployment, headers=stray))

        self.assertEqual(self.provider.received, b"")
        self.assertEqual(self.providers.guard_trips, 1)
        logged = [
            event for event in events.all if event["log_level"] is LogLevel.critical
        ]
        self.assertEqual(len(logged), 1)
        self.assertIn("x-note", logged[0]["reason"])
        self.assertNotIn(keys.VIRTUAL_KEY, repr(logged[0]))


class AnswerTests(Sending):
    async def test_status_headers_and_body_are_the_providers(self):
        said = b'{"type":"error"}'
        headers = (("x-should-retry", "true"), ("x-odd", "a"), ("x-odd", "b"))
        self.provider.play("/v1/messages", plays.answer(529, said, headers=headers))

        answer = await self.send(planned(self.deployment))

        self.assertEqual(answer.status, 529)
        self.assertEqual(answer.length_bytes, len(said))
        fields = answer.fields
        self.assertIn((b"x-should-retry", b"true"), fields)
        self.assertEqual([v for n, v in fields if n == b"x-odd"], [b"a", b"b"])
        self.assertEqual(await body_of(answer), said)

    async def test_a_compressed_answer_is_not_decoded(self):
        """S-42: a provider that compresses unasked gets its bytes relayed."""
        packed = gzip.compress(b"x" * 100_000)
        self.provider.play(
            "/v1/messages",
            plays.answer(200, packed, headers=(("Content-Encoding", "gzip"),)),
        )

        answer = await self.send(planned(self.deployment))

        self.assertIn((b"content-encoding", b"gzip"), answer.fields)
        self.assertEqual(answer.length_bytes, len(packed))
        self.assertEqual(await body_of(answer), packed)

    async def test_no_cookie_of_an_answer_comes_back_with_the_next_request(self):
        for _ in range(2):
            await body_of(await self.send(planned(self.deployment)))

        _, second = self.provider.requests
        self.assertEqual(second.connection, 0)
        self.assertEqual(second.values(b"cookie"), ())
        self.assertNotIn(b"provider-cookie", second.raw)

    async def test_a_redirect_is_not_followed(self):
        elsewhere = Provider(reactor)
        await elsewhere.start()
        self.addCleanup(elsewhere.stop)
        for status in (300, 301, 302, 303, 304, 307, 308, 399):
            location = (("Location", f"{elsewhere.url}/v1/messages"),)
            self.provider.play(
                "/v1/messages", plays.answer(status, b"", headers=location)
            )

            word = "304" if status == 304 else "redirect"
            with self.assertRaisesRegex(ProviderBroken, word):
                await self.send(planned(self.deployment))

        self.assertEqual(elsewhere.connections, [])

    async def test_a_status_that_does_not_exist_is_a_fault(self):
        for status in (0, 99, 600, 999, 99999):
            self.provider.play("/v1/messages", plays.answer(status, b"x"))

            with self.assertRaises(ProviderBroken):
                await self.send(planned(self.deployment))

    async def test_interim_answers_are_passed_over(self):
        final = plays.says("hi", streaming=False)
        play = plays.Play(steps=(plays.informs(103), plays.informs(100), *final.steps))
        self.provider.play("/v1/messages", play)

        answer = await self.send(planned(self.deployment))

        self.assertEqual(answer.status, 200)
        await body_of(answer)

    async def test_names_that_connection_nominates_are_known(self):
        headers = (("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"))
        self.provider.play("/v1/messages", plays.answer(200, b"x", headers=headers))

        answer = await self.send(planned(self.deployment))

        self.assertEqual(answer.nominated, {b"x-hop", b"keep-alive"})
        await body_of(answer)

    async def test_names_nominated_on_an_answer_without_body_are_known_too(self):
        headers = (("Connection", "X-Hop"), ("X-Hop", "1"))
        self.provider.play("/v1/messages", plays.answer(200, b"", headers=headers))

        answer = await self.send(planned(self.deployment))

        self.assertEqual(answer.nominated, {b"x-hop"})

    async def test_aborting_an_answer_drops_its_connection(self):
        self.provider.play("/v1/messages", plays.big(50_000_000))
        answer = await self.send(planned(self.deployment))

        answer.abort()

        exchange = await self.provider.exchange(0)
        await exchange.hung_up.wait()
        self.assertLess(exchange.sent, 50_000_000)

    async def test_aborting_a_finished_answer_leaves_its_connection_to_the_next(self):
        first = await self.send(planned(self.deployment))
        await body_of(first)
        self.provider.play(
            "/v1/messages", plays.says("hi there").hold_before(b"there", signal="go")
        )
        second = await self.send(planned(self.deployment))

        first.abort()
        self.provider.fire("go")

        self.assertIn(b"message_stop", await body_of(second))
        self.assertEqual(len(self.provider.connections), 1)


class SurplusTests(Sending):
    """What a provider sends beyond an answer begins nobody's next one."""

    SURPLUS = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEvil!"

    async def test_bytes_behind_an_answer_close_its_connection(self):
        for whole in (
            plays.says("first"),
            plays.says("first", streaming=False),
            plays.answer(200, b""),
        ):
            before = len(self.provider.connections)
            play = plays.Play(steps=(plays.Send(data=whole.sent() + self.SURPLUS),))
            self.provider.play("/v1/messages", play, plays.says("second"))

            first = await body_of(await self.send(planned(self.deployment)))
            second = await body_of(await self.send(planned(self.deployment)))

            self.assertNotIn(b"Evil", first + second)
            self.assertIn(b"second", second)
            self.assertEqual(len(self.provider.connections), before + 2)
            await self.providers.close()

    async def test_bytes_that_come_while_nobody_asks_close_the_connection_too(self):
        whole = plays.says("first").then(
            plays.Await(signal="more"), plays.Send(data=self.SURPLUS)
        )
        self.provider.play("/v1/messages", whole, plays.says("second"))
        await body_of(await self.send(planned(self.deployment)))
        exchange = await self.provider.exchange(0)

        self.provider.fire("more")
        await exchange.connection.closed.wait()
        second = await body_of(await self.send(planned(self.deployment)))

        self.assertIn(b"second", second)
        self.assertEqual(len(self.provider.connections), 2)

    async def test_names_nominated_on_an_answer_with_more_behind_it_are_known(self):
        headers = (("Connection", "X-Hop"), ("X-Hop", "1"))
        whole = plays.answer(200, b"{}", headers=headers)
        play = plays.Play(steps=(plays.Send(data=whole.sent() + b"more"),))
        self.provider.play("/v1/messages", play)

        answer = await self.send(planned(self.deployment))

        self.assertEqual(answer.nominated, {b"x-hop"})
        self.assertEqual(await body_of(answer), b"{}")


class FaultTests(Sending):
    async def test_a_closed_port_is_unreachable(self):
        await self.provider.stop()

        with self.assertRaises(ProviderUnreachable):
            await self.send(planned(self.deployment))

    async def test_a_name_that_does_not_resolve_is_unreachable(self):
        names = IReactorPluggableNameResolver(reactor)
        before = names.installNameResolver(NobodyKnows())
        self.addCleanup(names.installNameResolver, before)
        nowhere = loopback(443, scheme="https", host="does-not-exist.invalid")

        with self.assertRaisesRegex(ProviderUnreachable, "host name"):
            await self.send(planned(deployment(nowhere)))

    async def test_a_connection_closed_without_answer_is_broken_and_not_retried(self):
        """S-49: repeating a request is the client's decision; it costs its money."""
        for method in (b"POST", b"GET"):
            before = len(self.provider.exchanges.entries)
            self.provider.play("/v1/messages", plays.says("hi"), plays.hangs_up())
            request = planned(self.deployment, method=method)
            await body_of(await self.send(request))

            with self.assertRaisesRegex(ProviderBroken, "kept connection .* not known"):
                await self.send(request)

            self.assertEqual(len(self.provider.exchanges.entries), before + 2)

    async def test_a_connection_that_was_closed_meanwhile_is_not_used(self):
        """The close arrived before the request did, which then leaves on a new one."""
        for at in range(5):
            await body_of(await self.send(planned(self.deployment)))
            connection = self.provider.connections[at]
            ITCPTransport(connection.transport).abortConnection()
            await connection.closed.wait()

        self.assertEqual(len(self.provider.requests), 5)

    async def test_an_answer_that_is_not_http_is_broken(self):
        for junk in (
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        ):
            play = plays.Play(steps=(plays.Send(data=junk), plays.Close()))
            self.provider.play("/v1/messages", play)

            with self.assertRaises(ProviderBroken):
                await self.send(planned(self.deployment))

    async def test_a_provider_that_never_answers_times_out(self):
        limits = ClientLimits(answer_s=0.05, silence_s=0.05)
        self.providers = self.way_out(limits=limits)
        self.provider.play("/v1/messages", plays.hangs())

        with self.assertRaises(ProviderTimedOut):
            await self.send(planned(self.deployment))

        exchange = await self.provider.exchange(0)
        await exchange.hung_up.wait()

    async def test_a_request_that_cannot_be_written_leaves_no_connection(self):
        """What `prepare` let through by mistake, the wire still refuses."""
        links = Links(reactor, Deadlines(IReactorTime(reactor)), limits=ClientLimits())
        self.addCleanup(links.close)
        outgoing = Outgoing(
            origin=self.deployment.origin,
            method=b"GET",
            target=b"/",
            headers=((b"x-note", b"one\r\nx-evil: 1"),),
            body=b"",
        )
        link = links.link(self.deployment)
        agent = ExchangeAgent(outgoing, link=link, pool=links.pool)

        with self.assertRaises(ValueError):
            await agent.request(b"GET", b"")

        await self.provider.connections[0].closed.wait()
        while links.pool.open_connections:
            await next_turn()
        self.assertEqual(self.provider.received, b"")

    async def test_a_cancelled_request_drops_its_connection(self):
        self.provider.play("/v1/messages", plays.hangs())
        sending = self.send(planned(self.deployment))
        exchange = await self.provider.exchange(0)

        sending.cancel()

        await exchange.hung_up.wait()
        await self.assertFailure(sending, CancelledError)

    async def test_a_request_cancelled_in_mid_upload_drops_its_connection(self):
        play = plays.Play(steps=(plays.StopReading(), plays.Await(signal="never")))
        self.provider.play("/v1/messages", play.at_head())
        sending = self.send(planned(self.deployment, body=b"x" * 30_000_000))
        while not self.provider.connections:
            await next_turn()

        sending.cancel()

        await self.assertFailure(sending, CancelledError)


def home_with_netrc(home: Path) -> Path:
    home.mkdir()
    netrc = f"machine 127.0.0.1 login user password {keys.BASIC_PASSWORD}\n"
    exempt(home / ".netrc").write_text(netrc)
    return home


async def next_turn() -> None:
    """Let the reactor go round once."""
    turn: Deferred[None] = Deferred()
    IReactorTime(reactor).callLater(0, turn.callback, None)
    await turn
