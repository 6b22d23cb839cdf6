"""What is logged of an exchange, and what never is."""

from typing import ClassVar

from twisted.logger import formatEvent

from tests.e2e.house import ASK, ASK_ORG, ASK_STREAM, LOGIN, MODEL, OURS, OWN, House
from tests.e2e.raw import request
from tests.support import keys, plays


class AccessTests(House):
    async def test_one_line_tells_who_asked_for_what_and_how_it_went(self):
        headers = (*OWN, ("x-litellm-user-id", "anna@example.com"))

        answer = await self.message(headers=headers, body=ASK_STREAM)

        line = self.line()
        wanted = {
            "method": "POST",
            "route": "/v1/messages",
            "status": 200,
            "key": "anna",
            "user": "anna@example.com",
            "model": MODEL,
            "deployment": MODEL,
            "payer": "user-key",
            "credential": "credential.provider.anthropic.api_key",
            "bytes_in": len(ASK_STREAM),
            "bytes_out": len(answer.body),
            "input_tokens": 12,
            "output_tokens": 7,
            "error": None,
            "ending": "complete",
            "client": "127.0.0.1",
            "provider_request_id": "req_011ByokScripted",
        }
        self.assertEqual({name: line[name] for name in wanted}, wanted)
        self.assertGreaterEqual(line["duration_ms"], line["first_byte_ms"])
        self.assertTrue(line["request_id"].startswith("req_"))

    async def test_the_payer_is_named_for_each_kind_of_credential(self):
        for headers, body, payer in (
            (OWN, ASK, "user-key"),
            (LOGIN, ASK, "subscription"),
            (OURS, ASK_ORG, "org"),
        ):
            await self.message(headers=headers, body=body)

            self.assertEqual(self.line()["payer"], payer)

    async def test_a_refusal_has_a_line_with_its_code(self):
        answer = await self.message(headers=OWN[1:])

        line = self.line()
        self.assertEqual((line["status"], line["error"]), (401, "auth.missing-key"))
        self.assertEqual(line["request_id"], answer.value("request-id"))
        self.assertIsNone(line["key"])

    async def test_probes_are_not_worth_a_line(self):
        await self.ask(request("/", method="GET"))

        probes = [each for each in self.logged("access") if each["route"] == "/"]
        self.assertEqual([each["log_level"].name for each in probes], ["debug"])

    async def test_what_a_client_makes_up_is_shortened(self):
        headers = (*OWN, ("x-litellm-user-id", "u" * 1000))
        model = "m" * 1000

        await self.message(
            headers=headers, body=ASK.replace(MODEL.encode(), model.encode())
        )

        self.assertEqual(len(self.line()["user"]), 128)
        self.assertEqual(len(self.line()["model"]), 128)

    async def test_a_name_that_may_be_a_key_is_not_written_down(self):
        for name in ("sk-12345", "Bearer sk-12345", "anna sk-12345"):
            await self.message(headers=(*OWN, ("x-litellm-user-id", name)))

            self.assertEqual(self.line()["user"], "(withheld)")
            self.assertNotIn("sk-12345", formatEvent(self.line()))

    async def test_the_human_line_leaves_out_what_is_not_known(self):
        await self.message(headers=())

        text = formatEvent(self.line())
        self.assertNotIn("None", text)
        self.assertIn("POST /v1/messages 401 error=auth.missing-key", text)

    async def test_what_a_client_says_of_itself_cannot_pass_for_other_fields(self):
        await self.message(headers=(*OWN, ("x-litellm-user-id", "me payer=org")))

        text = formatEvent(self.line())
        self.assertIn(" user='me payer=org' model=", text)
        self.assertEqual(self.line()["user"], "me payer=org")

    async def test_headers_about_the_decision_are_off_unless_asked_for(self):
        answer = await self.message()

        self.assertEqual([n for n in answer.names() if n.startswith("x-byok-")], [])

    async def test_without_debug_nothing_is_explained(self):
        await self.message()

        explained = [
            e for e in self.events if e.get("log_namespace") == "byok.exchange"
        ]
        self.assertEqual(explained, [])


class ExplainingTests(House):
    explain_each = True
    general: ClassVar = {"expose_decision_headers": True}

    async def test_decision_headers_name_payer_and_line(self):
        answer = await self.message()

        self.assertEqual(answer.value("x-byok-payer"), "user-key")
        decision = answer.value("x-byok-decision-id")
        self.assertEqual(decision, self.line()["request_id"])

    async def test_refusals_say_which_configuration_they_are_of(self):
        answered = (await self.message()).value("x-byok-generation")
        unknown = await self.message(body=ASK.replace(MODEL.encode(), b"zebra"))
        keyless = await self.message(headers=())
        nowhere = await self.ask(request("/nowhere"))
        unread = await self.ask(b"GET /\x01 HTTP/1.1\r\n\r\n")

        self.assertRegex(str(answered), "^g1-[0-9a-f]{8}$")
        for refused in (unknown, keyless, nowhere, unread):
            self.assertGreaterEqual(refused.status, 400)
            self.assertEqual(refused.values("x-byok-generation"), [answered])
        decision = unknown.value("x-byok-decision-id")
        self.assertEqual(decision, unknown.value("request-id"))
        self.assertEqual(keyless.values("x-byok-decision-id"), [])

    async def test_the_line_says_which_configuration_answered(self):
        answer = await self.message()

        generation = answer.value("x-byok-generation")
        self.assertIn(f" generation={generation} req_", formatEvent(self.line()))

    async def test_a_provider_cannot_say_who_pays(self):
        forged = (("x-byok-payer", "org"),)
        self.provider.play("/v1/messages", plays.answer(200, b"{}", headers=forged))

        answer = await self.message()

        self.assertEqual(answer.values("x-byok-payer"), ["user-key"])

    async def test_each_request_is_explained_by_class_and_fingerprint(self):
        await self.message()

        lines = [formatEvent(e) for e in self.events if e.get("line")]
        self.assertTrue(
            any("x-api-key" in each and "FORWARD" in each for each in lines)
        )
        self.assertTrue(any("fp=" in each for each in lines))
        text = "\n".join(lines)
        for key in keys.ALL_CANARIES:
            self.assertNotIn(key, text)
