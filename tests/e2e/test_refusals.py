"""Answers of our own: their status, their shape, and what they do not say."""

import json
from typing import ClassVar

from byok.core.body import MAX_BODY_BYTES
from tests.e2e.house import ASK, ASK_ORG, LOGIN, MODEL, OURS, OWN, House
from tests.e2e.raw import Answer, request
from tests.support import keys

KEY_ALONE = (("x-api-key", keys.ANTHROPIC_API_KEY),)
WRONG = (("x-litellm-api-key", keys.VIRTUAL_KEY_2), *KEY_ALONE)


class RefusalTests(House):
    def assert_refused(
        self, answer: Answer, status: int, kind: str, code: str
    ) -> dict[str, dict[str, str]]:
        self.assertEqual((answer.status, answer.value("x-byok-error")), (status, code))
        self.assertEqual(answer.value("content-type"), "application/json")
        document: dict[str, dict[str, str]] = json.loads(answer.body)
        self.assertEqual(document["type"], "error")
        self.assertEqual(document["error"]["type"], kind)
        self.assertEqual(document["request_id"], answer.value("request-id"))
        if 400 <= status < 500:
            self.assertEqual(answer.value("x-should-retry"), "false")
        self.assertEqual(self.provider.received, b"")
        return document

    async def test_no_byok_key_is_a_401_that_says_what_came(self):
        answer = await self.message(headers=KEY_ALONE)

        document = self.assert_refused(
            answer, 401, "authentication_error", "auth.missing-key"
        )
        self.assertIn("ANTHROPIC_CUSTOM_HEADERS", document["error"]["message"])
        self.assertIn("an Anthropic API key", document["error"]["message"])

    async def test_with_a_login_it_is_a_403(self):
        """A 401 would make the client spend its refresh token."""
        answer = await self.message(headers=LOGIN[1:])

        self.assert_refused(answer, 403, "permission_error", "auth.missing-key")

    async def test_a_wrong_byok_key_is_not_rescued_by_another_carrier(self):
        headers = (*WRONG, ("authorization", f"Bearer {keys.VIRTUAL_KEY}"))

        answer = await self.message(headers=headers)

        self.assert_refused(answer, 401, "authentication_error", "auth.invalid-key")

    async def test_a_key_with_a_letter_outside_ascii_is_a_wrong_key(self):
        raw = request(headers=(("x-litellm-api-key", "sk-\xe4\xf6"),), body=ASK)

        answer = await self.ask(raw)

        self.assert_refused(answer, 401, "authentication_error", "auth.invalid-key")

    async def test_a_made_up_provider_token_opens_nothing(self):
        """S-06"""
        for path in ("/v1/messages", "/v1/chat/completions", "/v1/models"):
            raw = request(
                path,
                method="GET" if path == "/v1/models" else "POST",
                headers=(("authorization", "Bearer sk-ant-oat01-x"),),
            )

            answer = await self.ask(raw)

            self.assertEqual(answer.status, 403)
            self.assertEqual(answer.value("x-byok-error"), "auth.missing-key")

    async def test_chat_completions_are_refused_in_openais_shape(self):
        raw = request("/v1/chat/completions", headers=KEY_ALONE, body=ASK)

        answer = await self.ask(raw)

        self.assertEqual(answer.status, 401)
        error = json.loads(answer.body)["error"]
        self.assertEqual(error["type"], "authentication_error")
        self.assertEqual(error["code"], "auth.missing-key")
        self.assertIsNone(error["param"])

    async def test_no_provider_credential_is_a_401_that_says_what_to_do(self):
        answer = await self.message(headers=OURS)

        document = self.assert_refused(
            answer, 401, "authentication_error", "credential.missing"
        )
        self.assertIn("ANTHROPIC_API_KEY", document["error"]["message"])

    async def test_an_unknown_model_is_a_404(self):
        answer = await self.message(body=ASK.replace(MODEL.encode(), b"gpt-x"))

        self.assert_refused(answer, 404, "not_found_error", "route.unknown-model")

    async def test_a_model_that_the_key_does_not_open_is_a_403(self):
        await self.make_key(keys.VIRTUAL_KEY_2, models=["company-model"])

        answer = await self.message(headers=WRONG)

        self.assert_refused(answer, 403, "permission_error", "auth.model-not-allowed")

    async def test_bodies_that_two_readers_read_differently_are_400s(self):
        for body in (
            b"",
            b"[]",
            b"{",
            b'{"model":"a","model":"b"}',
            b'{"model":"\xff"}',
            b'{"model":NaN}',
            b"[" * 100,
            b'{"model":"%s","api_base":"https://evil.example"}' % MODEL.encode(),
        ):
            answer = await self.message(body=body)

            self.assertEqual(answer.status, 400, body)
            document = json.loads(answer.body)
            self.assertEqual(document["error"]["type"], "invalid_request_error")
        self.assertEqual(self.provider.received, b"")

    async def test_a_body_over_the_limit_is_a_413(self):
        head = request(headers=OWN)
        size = MAX_BODY_BYTES + 1
        head = head.replace(b"Content-Length: 0", b"Content-Length: %d" % size)
        client = await self.begin(head)
        client.transport.write(b"x" * size)

        answer = await client.end()

        self.assert_refused(answer, 413, "request_too_large", "body.too-large")

    async def test_a_body_of_just_the_limit_is_relayed(self):
        body = ASK[:-1] + b',"x":"' + b"y" * (MAX_BODY_BYTES - len(ASK) - 7) + b'"}'
        self.assertEqual(len(body), MAX_BODY_BYTES)

        answer = await self.message(body=body)

        self.assertEqual(answer.status, 200)

    async def test_edge_cases_of_heads_are_400s(self):
        for header, code in (
            (("x_api_key", "1"), "edge.header-name"),
            (("x-api-key", "1"), "edge.repeated-header"),
            (("x-odd", "a\x01b"), "http.lines"),
        ):
            answer = await self.message(headers=(*OWN, header))

            self.assert_refused(answer, 400, "invalid_request_error", code)

    async def test_a_key_named_by_connection_is_a_400(self):
        headers = (*OWN, ("Connection", "keep-alive, x-api-key"))
        raw = request(headers=headers, body=ASK, close=False)
        client = await self.begin(raw)

        await client.until(b'"request_id"')

        answer = client.answer()
        self.assert_refused(
            answer, 400, "invalid_request_error", "edge.connection-nomination"
        )

    async def test_a_credential_in_the_query_is_a_400(self):
        raw = request(f"/v1/messages?key={keys.VIRTUAL_KEY}", headers=OWN, body=ASK)

        answer = await self.ask(raw)

        self.assertEqual(answer.status, 400)
        self.assertEqual(self.provider.received, b"")

    async def test_a_query_that_is_not_ascii_is_a_400(self):
        answer = await self.ask(request("/v1/messages?x=\x85", headers=OWN, body=ASK))

        self.assert_refused(answer, 400, "invalid_request_error", "http.target")

    async def test_paths_that_two_servers_read_differently_are_400s(self):
        for path in (
            "/v1//messages",
            "/v1/../v1/messages",
            "/v1/./messages",
            "/v1/%6dessages",
            "/v1/messages;a=b",
            "/key/%67enerate",
            "/v1/messages\\",
        ):
            answer = await self.ask(request(path, headers=OWN, body=ASK))

            self.assert_refused(answer, 400, "invalid_request_error", "edge.path")

    async def test_a_target_that_is_no_path_is_a_400(self):
        for target in ("http://evil.example/v1/messages", "*", "v1/messages"):
            answer = await self.ask(request(target, headers=OWN, body=ASK))

            self.assert_refused(answer, 400, "invalid_request_error", "http.target")

    async def test_an_unreachable_provider_is_a_502_that_names_no_address(self):
        await self.provider.stop()

        answer = await self.message()

        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.value("x-byok-error"), "provider.unreachable")
        self.assertIsNone(answer.value("x-should-retry"))
        self.assertNotIn(b"127.0.0.1", answer.body)

    async def test_no_refusal_repeats_a_key(self):
        for headers in (KEY_ALONE, WRONG, LOGIN[1:], OURS):
            answer = await self.message(headers=headers)

            shown = answer.body + repr(answer.headers).encode()
            told = [key for key in keys.ALL_CANARIES if key.encode() in shown]
            self.assertEqual(told, [])


class MasterKeyTests(House):
    async def test_the_master_key_works_on_data_routes(self):
        headers = (("authorization", f"Bearer {keys.MASTER_KEY}"), *KEY_ALONE)

        answer = await self.message(headers=headers)

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.values(b"authorization"), ())
        self.assertNotIn(keys.MASTER_KEY.encode(), self.provider.received)

    async def test_the_master_key_never_leaves_as_x_api_key(self):
        headers = (*OURS, ("x-api-key", keys.MASTER_KEY))

        answer = await self.message(headers=headers, body=ASK_ORG)

        self.assertEqual(answer.status, 200)
        self.assertNotIn(keys.MASTER_KEY.encode(), self.provider.received)


class MasterKeyAtHomeTests(House):
    general: ClassVar = {"master_key_on_data_routes": False}

    async def test_the_master_key_can_be_kept_off_data_routes(self):
        headers = (("authorization", f"Bearer {keys.MASTER_KEY}"), *KEY_ALONE)

        answer = await self.message(headers=headers)

        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.value("x-byok-error"), "auth.master-key")
        self.assertEqual(self.provider.received, b"")


class SingleUserTests(House):
    """Without a master key, on loopback only: nothing is a gateway credential."""

    def configuration(self):
        configuration = super().configuration()
        configuration["general_settings"] = {
            "allow_plaintext_loopback": True,
            "dangerously_permit_weak_or_unset_master_key": True,
        }
        return configuration

    async def make_key(self, key, **fields):
        """There are no virtual keys here."""

    async def test_a_provider_key_is_all_that_is_needed(self):
        answer = await self.message(headers=KEY_ALONE)

        self.assertEqual(answer.status, 200)
        sent = await self.provider.request(0)
        self.assertEqual(sent.values(b"x-api-key"), (keys.ANTHROPIC_API_KEY.encode(),))

    async def test_a_page_in_a_browser_is_not_the_user(self):
        """Nothing else would tell them apart: a page needs no key to post this."""
        for headers in (
            (("Origin", "https://evil.example"),),
            (("Origin", "null"),),
            (("Origin", "http://gateway.test"),),
            (("Sec-Fetch-Site", "cross-site"),),
            (("Sec-Fetch-Site", "same-site"),),
            (("Sec-Fetch-Site", "none"), ("Origin", "")),
        ):
            plain = (*headers, ("Content-Type", "text/plain"))
            answer = await self.message(headers=plain, body=ASK_ORG)

            self.assertEqual(answer.status, 403)
            self.assertEqual(answer.value("x-byok-error"), "auth.from-a-page")
        self.assertEqual(self.provider.received, b"")

    async def test_an_address_typed_by_hand_is_answered(self):
        headers = (("Sec-Fetch-Site", "none"),)

        answer = await self.ask(request("/v1/models", method="GET", headers=headers))

        self.assertEqual(answer.status, 200)

    async def test_administration_is_closed(self):
        answer = await self.ask(request("/key/list", method="GET"))

        self.assertEqual(answer.status, 403)
