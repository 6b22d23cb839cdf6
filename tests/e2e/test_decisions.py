"""What was decided is recorded, and told to whom it concerns."""

import json
from pathlib import Path
from typing import Any, ClassVar

from jsonschema import Draft202012Validator

from byok.core.decision_queries import Wanted
from byok.resources import schema_file
from byok.store.decisions import read
from byok.store.peek import peek_decisions
from tests.e2e.house import ASK, ASK_ORG, ASK_STREAM, MODEL, OURS, OWN, House
from tests.e2e.raw import Answer, Pairs, request
from tests.support import keys

MASTER: Pairs = (("authorization", f"Bearer {keys.MASTER_KEY}"),)
ASKING: Pairs = (("x-byok-explain", "1"),)
ANNAS: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY_2),)
BYOK: Pairs = (("x-api-key", keys.ANTHROPIC_API_KEY),)
DECISION = Draft202012Validator(
    json.loads(schema_file("decision-v1.schema.json").read_text("utf-8"))
)
EXPLANATION = Draft202012Validator(
    json.loads(schema_file("explain-v1.schema.json").read_text("utf-8"))
)


class DecisionCase(House):
    async def get(self, path: str, headers: Pairs = MASTER) -> Answer:
        return await self.ask(request(path, method="GET", headers=headers, body=b""))

    async def decisions(self, query: str = "") -> list[dict[str, Any]]:
        answer = await self.get(f"/byok/decisions{query}")
        self.assertEqual(answer.status, 200, answer.body)
        found = json.loads(answer.body)["decisions"]
        for each in found:
            DECISION.validate(each)
        return found


class RecordTests(DecisionCase):
    async def test_a_relayed_exchange_leaves_a_record(self):
        answer = await self.message(body=ASK_STREAM)
        self.assertEqual(answer.status, 200)

        (record,) = await self.decisions()

        self.assertEqual(record["id"], self.line()["request_id"])
        self.assertEqual(record["caller"]["key"], "anna")
        self.assertEqual(record["request"]["model"], MODEL)
        self.assertEqual(record["request"]["stream"], True)
        self.assertEqual(record["verdict"], "allow")
        self.assertEqual(record["credential"]["payer"], "user-key")
        self.assertIn("x-api-key", record["sends"])
        self.assertEqual(
            record["outcome"], {"status": 200, "error": None, "ending": "complete"}
        )
        self.assertEqual(record["config_digest"][:7], "sha256:")
        self.assertIn(record["config_digest"][7:15], record["generation"])
        self.assertNotIn("CANARY", json.dumps(record))

    async def test_a_refusal_by_policy_leaves_a_record(self):
        answer = await self.message(headers=OURS)
        self.assertEqual(answer.status, 401)

        (record,) = await self.decisions("?verdict=deny")

        self.assertEqual(record["refusal"]["code"], "credential.missing")
        self.assertEqual(record["outcome"]["status"], 401)
        self.assertEqual(record["outcome"]["error"], "credential.missing")

    async def test_a_model_that_is_not_served_leaves_a_record(self):
        await self.message(body=ASK.replace(MODEL.encode(), b"gpt-9"))

        (record,) = await self.decisions()

        self.assertEqual(record["refusal"]["code"], "route.unknown-model")
        self.assertEqual(record["headers"], [])

    async def test_nobody_known_and_nothing_decided_leave_none(self):
        await self.message(headers=OWN[1:])
        await self.get("/v1/models", OURS)
        await self.get("/byok/decisions")

        self.assertEqual(await self.decisions(), [])

    async def test_decisions_are_listed_by_what_they_are_about(self):
        await self.message()
        await self.message(body=ASK_ORG, headers=OURS)

        self.assertEqual(len(await self.decisions()), 2)
        (org,) = await self.decisions("?payer=org")
        self.assertEqual(org["request"]["deployment"], "company-model")
        self.assertEqual(len(await self.decisions("?limit=1&key=anna")), 1)
        self.assertEqual(await self.decisions("?since=2030-01-01"), [])

    async def test_a_query_that_means_nothing_is_refused(self):
        for query in ("?limit=0", "?verdikt=deny", "?since=x"):
            answer = await self.get(f"/byok/decisions{query}")
            self.assertEqual(answer.status, 400, query)

    async def test_only_the_master_key_lists_decisions(self):
        for headers in ((), OURS, OWN, (*MASTER, ("origin", "http://evil.example"))):
            for path in ("/byok/decisions", "/byok/shadow"):
                answer = await self.get(path, headers)
                self.assertIn(answer.status, (401, 403), path)


class ShutdownTests(DecisionCase):
    async def setUp(self):
        # What is registered first is done last, when the gateway has stopped.
        self.addCleanup(self.look)
        await super().setUp()

    async def test_what_waits_at_the_end_is_written(self):
        await self.message()
        self.path = Path(self.service._config.directory) / "byok.db"

    def look(self):
        with peek_decisions(self.path) as found:
            (text,) = found.newest(Wanted())
        self.assertEqual(read(text)["id"], self.line()["request_id"])
        for file in filter(Path.is_file, self.path.parent.glob("byok.db*")):
            self.assertNotIn(b"CANARY", file.read_bytes(), file)


class ExplainTests(DecisionCase):
    async def setUp(self):
        await super().setUp()
        await self.make_key(
            keys.VIRTUAL_KEY_2, key_alias="curious", permissions={"explain": True}
        )

    async def test_a_key_with_the_right_has_its_request_explained(self):
        answer = await self.message(headers=(*ANNAS, *BYOK, *ASKING))
        name = answer.value("x-byok-decision-id")

        told = await self.get(f"/byok/decisions/{name}", ANNAS)

        self.assertEqual(told.status, 200)
        document = json.loads(told.body)
        DECISION.validate(document["decision"])
        EXPLANATION.validate(document["explanation"])
        self.assertEqual(document["explanation"]["decision_id"], name)
        self.assertNotIn(b"CANARY", told.body)
        self.assertNotIn(b"x-byok", self.provider.received.lower())

    async def test_a_refusal_is_explained_as_well(self):
        answer = await self.message(headers=(*ANNAS, *ASKING))
        self.assertEqual(answer.status, 401)
        name = answer.value("x-byok-decision-id")

        told = await self.get(f"/byok/decisions/{name}", MASTER)

        self.assertEqual(json.loads(told.body)["explanation"]["verdict"], "deny")

    async def test_a_key_without_the_right_is_told_nothing(self):
        answer = await self.message(headers=(*OWN, *ASKING))
        self.assertIsNone(answer.value("x-byok-decision-id"))
        name = self.line()["request_id"]

        told = await self.get(f"/byok/decisions/{name}", OURS)

        self.assertEqual(told.status, 404)
        self.assertEqual(told.value("x-byok-error"), "decisions.not-found")

    async def test_somebody_elses_decision_looks_like_none(self):
        await self.message()
        name = self.line()["request_id"]

        others = await self.get(f"/byok/decisions/{name}", ANNAS)
        none = await self.get("/byok/decisions/req_000000000000000000000000", ANNAS)
        masters = await self.get("/byok/decisions/req_0", MASTER)

        self.assertEqual((others.status, none.status, masters.status), (404,) * 3)
        self.assertEqual(
            json.loads(others.body)["error"], json.loads(none.body)["error"]
        )

    async def test_who_does_not_ask_is_not_answered(self):
        answer = await self.message(headers=(*ANNAS, *BYOK))

        self.assertIsNone(answer.value("x-byok-decision-id"))

    async def test_nobody_without_a_key_reads_a_decision(self):
        await self.message()
        name = self.line()["request_id"]

        stranger = await self.get(f"/byok/decisions/{name}", ())
        page = await self.get(
            f"/byok/decisions/{name}", (*MASTER, ("origin", "http://evil.example"))
        )
        keyed = await self.get(
            f"/byok/decisions/{name}?key=sk-ant-api03-{'x' * 20}", MASTER
        )

        self.assertEqual((stranger.status, page.status, keyed.status), (401, 403, 400))


class SingleUserTests(DecisionCase):
    """A gateway without a master key has one user, who may read all."""

    general: ClassVar = {"dangerously_permit_weak_or_unset_master_key": True}

    def configuration(self):
        found: dict[str, Any] = super().configuration()
        del found["general_settings"]["master_key"]
        return found

    async def make_key(self, key, **fields):
        """There is nobody to make keys."""

    async def test_the_only_user_reads_their_decisions(self):
        answer = await self.message(headers=(*BYOK, *ASKING))
        name = answer.value("x-byok-decision-id")

        told = await self.get(f"/byok/decisions/{name}", ())
        page = await self.get(
            f"/byok/decisions/{name}", (("origin", "http://evil.example"),)
        )

        self.assertEqual((told.status, page.status), (200, 403))


class ShadowTests(DecisionCase):
    general: ClassVar = {
        "policies": [
            {
                "id": "later",
                "mode": "shadow",
                "match": {"header": {"name": "x-api-key"}},
                "action": "strip",
            },
        ]
    }

    async def test_what_shadow_rules_would_do_is_counted_and_recorded(self):
        await self.message()
        await self.message()
        await self.message(body=ASK_ORG, headers=OURS)

        answer = await self.get("/byok/shadow")

        told = json.loads(answer.body)
        self.assertEqual(told["metric"], "byok_policy_shadow_diff_total")
        counts = {
            (each["rule"], each["would"]): each["count"] for each in told["counts"]
        }
        name = next(rule for rule, _ in counts if rule.endswith("later"))
        self.assertEqual(counts[name, "strip"], 2)
        found = await self.decisions("?shadow=true")
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0]["shadow"][0]["rule"], name)
        self.assertEqual(len(await self.decisions(f"?rule={name}")), 2)


class ShadowOnAnswerTests(DecisionCase):
    general: ClassVar = {
        "policies": [
            {
                "id": "back",
                "mode": "shadow",
                "direction": "response",
                "match": {"header": {"name": "content-type"}},
                "action": "redact",
            },
        ]
    }

    async def test_what_shadow_rules_would_do_to_answers_is_counted_and_recorded(self):
        first, second = await self.message(), await self.message(body=ASK_ORG)

        answer = await self.get("/byok/shadow")

        self.assertEqual((first.status, second.status), (200, 200))
        self.assertEqual(first.value("content-type"), "application/json")
        counts = {each["rule"]: each for each in json.loads(answer.body)["counts"]}
        name = next(rule for rule in counts if rule.endswith("back"))
        self.assertEqual((counts[name]["would"], counts[name]["count"]), ("redact", 2))
        for found in await self.decisions(f"?rule={name}"):
            slots = [each["slot"] for each in found["shadow"]]
            self.assertIn("answer:content-type", slots)


class SilentTests(DecisionCase):
    general: ClassVar = {"decision_log": False}

    async def test_a_gateway_may_record_nothing(self):
        answer = await self.message(headers=(*MASTER, *BYOK, *ASKING))

        self.assertEqual(answer.status, 200)
        self.assertIsNone(answer.value("x-byok-decision-id"))
        listed = await self.get("/byok/decisions")
        one = await self.get(f"/byok/decisions/{self.line()['request_id']}")
        self.assertEqual(listed.value("x-byok-error"), "decisions.off")
        self.assertEqual(one.status, 404)
        self.assertEqual(
            json.loads((await self.get("/byok/shadow")).body)["counts"], []
        )
