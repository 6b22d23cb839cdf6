"""What goes to the provider and what comes back, byte for byte."""

import gzip
import json
import os
from hashlib import sha256

from tests.e2e.house import ASK, ASK_ORG, ASK_STREAM, LOGIN, MODEL, OURS, OWN, House
from tests.e2e.raw import request
from tests.support import keys, plays, sse


class RequestTests(House):
    async def test_the_developers_key_is_the_one_credential_that_leaves(self):
        answer = await self.message()

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.values(b"x-api-key"), (keys.ANTHROPIC_API_KEY.encode(),))
        self.assertEqual(sent.values(b"authorization"), ())
        self.assertNotIn(keys.VIRTUAL_KEY.encode(), self.provider.received)
        self.assert_no_alarm()

    async def test_a_login_leaves_as_the_bearer_it_came_as(self):
        await self.message(headers=LOGIN)

        sent = await self.provider.request(0)
        bearer = f"Bearer {keys.ANTHROPIC_OAUTH}".encode()
        self.assertEqual(sent.values(b"authorization"), (bearer,))
        self.assertEqual(sent.values(b"x-api-key"), ())
        beta = b"claude-code-20250219,oauth-2025-04-20"
        self.assertEqual(sent.values(b"anthropic-beta"), (beta,))

    async def test_a_company_deployment_uses_its_own_key(self):
        await self.message(headers=OURS, body=ASK_ORG)

        sent = await self.provider.request(0)
        self.assertEqual(sent.values(b"x-api-key"), (keys.DEPLOYMENT_KEY.encode(),))

    async def test_body_and_query_leave_as_they_came(self):
        """S-17: white space, order and escapes included."""
        body = (
            b'\n{ "max_tokens":1,"model" : "%s", "x":"\\u00e4 \xc3\xa4", "n": 1.50,'
            b'"system":[{"type":"text","text":"first"}],"unknown":{"z":1,"a":[ ]} }\r\n'
        ) % MODEL.encode()
        target = "/v1/messages?beta=true&x=%7B%20&&y=+"

        await self.ask(request(target, headers=OWN, body=body))

        sent = await self.provider.request(0)
        self.assertEqual(sent.body, body)
        self.assertEqual(sent.target.decode(), target)

    async def test_an_alias_changes_the_models_name_and_nothing_else(self):
        body = b'{"a":1, "model" :  "company-model","b": "company-model"}'

        await self.message(headers=OURS, body=body)

        sent = await self.provider.request(0)
        self.assertEqual(
            sent.body, b'{"a":1, "model" :  "claude-opus-5-5","b": "company-model"}'
        )

    async def test_a_large_body_arrives_with_the_same_digest(self):
        blob = os.urandom(12_000_000).hex().encode()
        body = ASK[:-1] + b', "data": "' + blob + b'"}'

        answer = await self.message(body=body)

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.body_sha256, sha256(body).hexdigest())

    async def test_a_chunked_upload_leaves_with_a_length(self):
        head = request(headers=(*OWN, ("Transfer-Encoding", "chunked")))
        head = head.replace(b"Content-Length: 0\r\n", b"")
        chunks = b"".join(plays.chunk(ASK[at : at + 7]) for at in range(0, len(ASK), 7))

        answer = await self.ask(head + chunks + plays.chunk(b""))

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.body, ASK)
        self.assertEqual(sent.values(b"content-length"), (b"%d" % len(ASK),))
        self.assertEqual(sent.values(b"transfer-encoding"), ())

    async def test_hop_by_hop_cookies_and_network_headers_stay_here(self):
        await self.message(
            headers=(
                *OWN,
                ("Cookie", keys.COOKIE),
                ("TE", "trailers"),
                ("X-Forwarded-For", "10.1.2.3"),
                ("Accept-Encoding", "gzip, br"),
                ("Keep-Alive", "timeout=5"),
            )
        )

        sent = await self.provider.request(0)
        self.assertEqual(sent.values(b"accept-encoding"), (b"identity",))
        gone = {b"cookie", b"te", b"x-forwarded-for", b"keep-alive", b"connection"}
        self.assertEqual(gone & set(sent.names()), set())

    async def test_bytes_outside_ascii_do_not_leave_and_do_no_harm(self):
        answer = await self.message(headers=(*OWN, ("User-Agent", "cl\xe4ude/1")))

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertNotIn(b"\xe4", sent.raw)
        self.assert_no_alarm()

    async def test_openais_shape_goes_to_its_own_path_with_a_bearer(self):
        answer = await self.ask(request("/v1/chat/completions", headers=OWN, body=ASK))

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.target, b"/v1/chat/completions")
        bearer = f"Bearer {keys.ANTHROPIC_API_KEY}".encode()
        self.assertEqual(sent.values(b"authorization"), (bearer,))
        self.assertEqual(sent.values(b"x-api-key"), ())

    async def test_the_prefix_is_a_second_spelling(self):
        answer = await self.ask(
            request("/anthropic/v1/messages?beta=true", headers=OWN, body=ASK)
        )

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.target, b"/v1/messages?beta=true")

    async def test_requests_on_one_connection_are_answered_in_order(self):
        self.provider.play("/v1/messages", plays.says("one", streaming=False))
        self.provider.play("/v1/messages", plays.says("two", streaming=False))
        both = request(headers=OWN, body=ASK, close=False) + request(
            headers=OWN, body=ASK
        )

        client = await self.begin(both)
        await client.closed.wait()

        first, second = bytes(client.received).split(b"HTTP/1.1 200 OK")[1:]
        self.assertIn(b'"one"', first)
        self.assertIn(b'"two"', second)


class AnswerTests(House):
    async def test_a_json_answer_is_the_providers(self):
        play = plays.says("hi", streaming=False)
        self.provider.play("/v1/messages", play)

        answer = await self.message()

        self.assertTrue(play.sent().endswith(b"\r\n\r\n" + answer.body))
        self.assertEqual(answer.value("content-length"), str(len(answer.body)))
        self.assertEqual(answer.value("request-id"), "req_011ByokScripted")

    async def test_a_stream_is_relayed_with_every_ping_and_comment(self):
        events = (
            *sse.text_stream("hello world"),
            sse.COMMENT,
            b"event: odd\r\ndata: x\r\n\r\n",
        )
        self.provider.play("/v1/messages", plays.stream(events))

        answer = await self.message(body=ASK_STREAM)

        self.assertEqual(answer.body, b"".join(events))
        self.assertTrue(answer.complete)
        self.assertEqual(answer.value("transfer-encoding"), "chunked")
        self.assertEqual(answer.value("content-length"), None)

    async def test_each_event_arrives_before_the_next_is_sent(self):
        events = sse.text_stream("one two three")
        self.provider.play("/v1/messages", plays.stepped_stream(events))
        client = await self.begin(request(headers=OWN, body=ASK_STREAM))

        for number, event in enumerate(events):
            if number:
                self.provider.fire(f"event-{number}")
            await client.until(plays.chunk(event))

        self.assertTrue((await client.end()).complete)

    async def test_headers_about_host_network_and_cookies_stay_behind(self):
        answer = await self.message()

        gone = {"server", "set-cookie", "via", "cf-ray"}
        self.assertEqual(gone & answer.names(), set())
        self.assertIn("anthropic-organization-id", answer.names())
        self.assertIn("anthropic-ratelimit-requests-remaining", answer.names())

    async def test_the_companys_affairs_are_not_told_to_its_developers(self):
        answer = await self.message(headers=OURS, body=ASK_ORG)

        self.assertEqual(answer.status, 200)
        gone = {"anthropic-organization-id", "anthropic-ratelimit-requests-remaining"}
        self.assertEqual(gone & answer.names(), set())

    async def test_errors_are_the_providers_status_and_body_and_hints(self):
        body = sse.error_body("overloaded_error", "Overloaded")
        hints = (("retry-after", "7"), ("x-should-retry", "true"))
        for status in (400, 401, 403, 404, 413, 429, 500, 529):
            self.provider.play(
                "/v1/messages", plays.answer(status, body, headers=hints)
            )

            answer = await self.message()

            self.assertEqual((answer.status, answer.body), (status, body))
            self.assertEqual(answer.value("retry-after"), "7")
            self.assertEqual(answer.value("x-should-retry"), "true")
            self.assertEqual(answer.value("x-byok-error"), None)

    async def test_html_of_whatever_stands_before_the_provider_is_relayed(self):
        play = plays.html(503)
        self.provider.play("/v1/messages", play)

        answer = await self.message()

        self.assertEqual(answer.status, 503)
        self.assertTrue(play.sent().endswith(answer.body))

    async def test_the_providers_reason_phrase_is_not(self):
        head = plays.head(
            200, (("Content-Length", "2"),), reason="Fine \x1b[31m X-Evil: 1"
        )
        play = plays.Play(steps=(plays.Send(data=head), plays.Send(data=b"{}")))
        self.provider.play("/v1/messages", play)

        answer = await self.message()

        self.assertEqual(answer.reason, "OK")

    async def test_a_redirect_becomes_an_error_without_its_address(self):
        elsewhere = "https://evil.example/v1/messages"
        play = plays.answer(307, b"", headers=(("Location", elsewhere),))
        self.provider.play("/v1/messages", play)

        answer = await self.message()

        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.value("x-byok-error"), "provider.broken")
        self.assertEqual(answer.value("location"), None)
        self.assertNotIn(b"evil.example", answer.body)

    async def test_a_compressed_answer_is_relayed_as_it_is(self):
        """S-42"""
        packed = gzip.compress(b'{"type":"message"}' * 1000)
        headers = (("Content-Encoding", "gzip"),)
        self.provider.play("/v1/messages", plays.answer(200, packed, headers=headers))

        answer = await self.message()

        self.assertEqual(answer.body, packed)
        self.assertEqual(answer.value("content-encoding"), "gzip")

    async def test_an_answer_without_a_body_stays_without_one(self):
        self.provider.play("/v1/messages", plays.answer(204, b""))

        answer = await self.message()

        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.value("content-length"), None)
        self.assertEqual(answer.value("transfer-encoding"), None)

    async def test_a_client_of_http_1_0_gets_its_answer_unchunked(self):
        events = sse.text_stream("hello")
        self.provider.play("/v1/messages", plays.stream(events))

        answer = await self.message(body=ASK_STREAM, version="1.0")

        self.assertEqual(answer.body, b"".join(events))
        self.assertEqual(answer.value("transfer-encoding"), None)


class EchoTests(House):
    """S-18: providers that quote what they were sent."""

    async def test_the_companys_key_is_masked_in_an_error(self):
        self.provider.play("/v1/messages", echo_in_pieces)

        answer = await self.message(headers=OURS, body=ASK_ORG)

        self.assertEqual(answer.status, 400)
        self.assertTrue(answer.complete)
        self.assertNotIn(keys.DEPLOYMENT_KEY.encode(), answer.body)
        self.assertIn(b"*" * len(keys.DEPLOYMENT_KEY), answer.body)
        self.assertEqual(answer.value("x-echo"), None)

    async def test_an_error_that_cannot_be_read_is_not_shown(self):
        packed = gzip.compress(keys.DEPLOYMENT_KEY.encode())
        headers = (("Content-Encoding", "gzip"),)
        self.provider.play("/v1/messages", plays.answer(401, packed, headers=headers))

        answer = await self.message(headers=OURS, body=ASK_ORG)

        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.value("x-byok-error"), "provider.unreadable-error")
        self.assertEqual(json.loads(answer.body)["error"]["type"], "api_error")

    async def test_a_developers_own_key_is_the_developers_to_see(self):
        self.provider.play("/v1/messages", echo_in_pieces)

        answer = await self.message()

        self.assertIn(keys.ANTHROPIC_API_KEY.encode(), answer.body)


def echo_in_pieces(asked) -> plays.Play:
    """An error that quotes the key, cut in the middle of it."""
    key = asked.values(b"x-api-key")[0]
    body = sse.error_body("authentication_error", f"invalid x-api-key {key.decode()}")
    at = body.index(key) + 20
    whole = plays.answer(400, body, headers=(("x-echo", key.decode()),))
    head, _ = whole.steps
    return plays.Play(
        steps=(head, plays.Send(data=body[:at]), plays.Send(data=body[at:]))
    )
