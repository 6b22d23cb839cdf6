"""Everything else the gateway answers."""

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime

from tests.e2e.house import ASK, MODEL, OURS, OWN, House
from tests.e2e.raw import Answer, request
from tests.support import keys


class RouteTests(House):
    async def get(self, path: str, *, method: str = "GET", headers=()) -> Answer:
        client = await self.begin(request(path, method=method, headers=headers))
        await client.closed.wait()
        return client.answer(method)

    async def test_probes_need_no_key(self):
        for path in (
            "/",
            "/api/hello",
            "/health/liveliness",
            "/health/liveness",
            "/health/readiness",
            "/anthropic",
            "/anthropic/api/hello",
        ):
            for method in ("HEAD", "GET"):
                answer = await self.get(path, method=method)

                self.assertEqual(answer.status, 200, path)
                self.assertEqual(answer.body == b"", method == "HEAD")

    async def test_the_front_page_is_one_line(self):
        answer = await self.get("/")

        self.assertTrue(answer.body.startswith(b"byok "))
        self.assertEqual(answer.body.count(b"\n"), 1)

    async def test_readiness_says_that_keys_can_be_read(self):
        answer = await self.get("/health/readiness")

        document = json.loads(answer.body)
        self.assertEqual(document["status"], "healthy")
        self.assertEqual(document["db"], "connected")
        self.assertEqual(document["config"], "in use")

    async def test_readiness_says_when_keys_cannot_be_read(self):
        store, self.service._store = self.service._store, None
        assert store is not None
        await store.close()

        answer = await self.get("/health/readiness")

        self.assertEqual(answer.status, 503)
        self.assertEqual(json.loads(answer.body)["db"], "unavailable")

    async def test_models_are_listed_in_anthropics_shape_and_quickly(self):
        clock = IReactorTime(reactor)
        began_at = clock.seconds()

        answer = await self.get("/v1/models?limit=1000", headers=OURS)

        self.assertLess(clock.seconds() - began_at, 0.1)
        document = json.loads(answer.body)
        self.assertEqual([m["id"] for m in document["data"]], [MODEL, "company-model"])
        self.assertEqual(document["first_id"], MODEL)
        self.assertEqual(document["last_id"], "company-model")
        self.assertIs(document["has_more"], False)
        for model in document["data"]:
            self.assertEqual(model["type"], "model")
            self.assertTrue(model["display_name"])
            self.assertTrue(model["created_at"].endswith("Z"))
        self.assertEqual(self.provider.received, b"")

    async def test_models_are_only_those_that_the_key_opens(self):
        await self.make_key(keys.VIRTUAL_KEY_2, models=["company-*"])
        headers = (("x-api-key", keys.VIRTUAL_KEY_2),)

        listed = await self.get("/anthropic/v1/models", headers=headers)
        open_ = await self.get("/v1/models/company-model", headers=headers)
        closed = await self.get(f"/v1/models/{MODEL}", headers=headers)

        names = [model["id"] for model in json.loads(listed.body)["data"]]
        self.assertEqual(names, ["company-model"])
        self.assertEqual(json.loads(open_.body)["id"], "company-model")
        self.assertEqual(closed.status, 404)

    async def test_a_model_of_an_unsupported_provider_is_not_offered(self):
        answer = await self.get("/v1/models", headers=OURS)

        self.assertNotIn(b"titan", answer.body)
        asked = await self.ask(
            request(headers=OWN, body=ASK.replace(MODEL.encode(), b"titan"))
        )
        self.assertEqual(asked.value("x-byok-error"), "route.unsupported-provider")

    async def test_models_need_a_key(self):
        answer = await self.get("/v1/models")

        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.value("x-byok-error"), "auth.missing-key")

    async def test_whoami_says_what_is_seen_and_who_pays_but_no_value(self):
        answer = await self.get("/byok/whoami", headers=OWN)

        document = json.loads(answer.body)
        self.assertEqual(document["key"], "anna")
        self.assertEqual(document["carrier"], "x-litellm-api-key")
        seen = {each["header"]: each["class"] for each in document["credentials"]}
        self.assertEqual(
            seen,
            {
                "x-litellm-api-key": "credential.gateway",
                "x-api-key": "credential.provider.anthropic.api_key",
            },
        )
        payers = {each["id"]: each.get("payer") for each in document["models"]}
        self.assertEqual(
            payers, {MODEL: "user-key", "company-model": "user-key", "titan": None}
        )
        for key in keys.ALL_CANARIES:
            self.assertNotIn(key.encode(), answer.body)

    async def test_whoami_says_why_a_model_would_be_refused(self):
        answer = await self.get("/byok/whoami", headers=OURS)

        models = {each["id"]: each for each in json.loads(answer.body)["models"]}
        self.assertEqual(models[MODEL]["refused"], "credential.missing")
        self.assertIsNone(models[MODEL]["payer"])
        self.assertEqual(models["company-model"]["payer"], "org")

    async def test_a_doubled_v1_gets_the_hint(self):
        for path in ("/v1/v1/messages", "/anthropic/v1/v1/messages?beta=true"):
            answer = await self.ask(request(path, headers=OWN, body=ASK))

            self.assertEqual(answer.status, 404)
            self.assertIn(b"ANTHROPIC_BASE_URL", answer.body)

    async def test_what_is_not_there_is_a_404_in_the_dialect_of_the_path(self):
        for path, is_openai in (
            ("/v1/message", False),
            ("/v1/messages/", False),
            ("/v1/models/", False),
            ("/nothing", False),
            ("/v1/chat/nothing", True),
            ("/key/nothing", True),
            ("/anthropic/key/generate", True),
        ):
            answer = await self.ask(request(path, headers=OWN, body=ASK))

            self.assertEqual(answer.status, 404, path)
            self.assertEqual("type" not in json.loads(answer.body), is_openai, path)

    async def test_a_wrong_method_is_a_405_that_names_the_right_one(self):
        for path, method, allowed in (
            ("/v1/messages", "GET", "POST"),
            ("/v1/messages", "OPTIONS", "POST"),
            ("/v1/models", "POST", "GET"),
            ("/", "POST", "GET, HEAD"),
            ("/v1/messages", "post", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ):
            answer = await self.get(path, method=method, headers=OWN)

            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.value("allow"), allowed)

    async def test_count_tokens_is_relayed(self):
        answer = await self.ask(
            request("/v1/messages/count_tokens?beta=true", headers=OWN, body=ASK)
        )

        self.assertEqual(json.loads(answer.body), {"input_tokens": 42})

    async def test_no_answer_of_ours_names_the_server_or_opens_a_page_to_it(self):
        for path in ("/", "/v1/models", "/nothing"):
            answer = await self.get(path)

            self.assertIsNone(answer.value("server"))
            self.assertIsNone(answer.value("access-control-allow-origin"))
            self.assertIsNone(answer.value("set-cookie"))


class FamilyTests(House):
    """A gateway that serves a family of models, whatever they are called."""

    def configuration(self) -> dict[str, object]:
        configuration = super().configuration()
        models: Any = configuration["model_list"]
        family = {"model": "anthropic/family-*"}
        models.append({"model_name": "family-*", "litellm_params": family})
        return configuration

    async def test_models_behind_a_wildcard_are_listed_where_the_key_names_them(self):
        named = ["family-a", "all-team-models", "family-b", "nobodys"]
        await self.make_key(keys.VIRTUAL_KEY_2, models=named)
        headers = (("x-api-key", keys.VIRTUAL_KEY_2),)

        listed = await self.ask(request("/v1/models", method="GET", headers=headers))

        names = [model["id"] for model in json.loads(listed.body)["data"]]
        self.assertEqual(names, ["family-a", "family-b"])
