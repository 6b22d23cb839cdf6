"""The key API over HTTP: LiteLLM's shapes, one look at each key, and its refusals."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from treq.client import HTTPClient
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from byok.core.errors import Refusal
from byok.core.keys import Peppers, VirtualKey, is_token_id, is_well_formed
from byok.core.secret import Secret
from byok.logs.live import LiveSecrets
from byok.store.lookup import KeyLookup
from byok.store.memory import MemoryKeyStore
from byok.store.opening import open_store
from byok.web.access import AccessLog
from byok.web.admin import Admin
from byok.web.admin_guard import admin_carriers
from byok.web.admin_keys import KeyAdmin
from byok.web.front import Front
from byok.web.generation import Current, Generation
from byok.web.places import Place
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ServerLimits
from byok.wire.server import HTTPServer
from byok.wire.serving import Serving
from tests.support.keys import (
    ANTHROPIC_API_KEY,
    KEY_PEPPER,
    MASTER_KEY,
    VIRTUAL_KEY,
    VIRTUAL_KEY_2,
)

Headers = dict[bytes | str, bytes | str]
NOW = 1_800_000_000.0
PEPPERS = Peppers(Secret(KEY_PEPPER))
REACTOR: Any = reactor
BEARER: Headers = {"Authorization": f"Bearer {MASTER_KEY}"}
JSON: Headers = {"Content-Type": "application/json"}
NOWHERE = Place(route="unknown", handlers={})


class Paths:
    """Leads to administration alone."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def find(self, path: bytes) -> Place:
        """Find a place."""
        return self._admin.find(path) or NOWHERE


class AdminCase(TestCase):
    """A gateway's administration on a port of loopback, over a SQLite store."""

    timeout = 30

    async def setUp(self):
        self.now = NOW
        self.store = await open_store(
            REACTOR,
            Path(self.mktemp()),
            (Secret(KEY_PEPPER),),
            clock=REACTOR,
            poll_s=3600.0,
        )
        self.closed = False
        self.addCleanup(lambda: Deferred.fromCoroutine(self.close()))
        self.lookup = KeyLookup(
            self.store.keys, self.store.peppers, seconds=lambda: self.now
        )
        self.listen()

    async def close(self):
        """Close the store, once."""
        if not self.closed:
            self.closed = True
            await self.store.close()

    def listen(self, *, max_body_bytes=1_000_000, **options):
        """Serve, with *options* of KeyAdmin."""
        master_key = Secret(MASTER_KEY)
        keys = KeyAdmin(
            self.store.keys,
            self.store.peppers,
            seconds=lambda: self.now,
            master_key=master_key,
            usage=self.store.usage,
            **options,
        )
        admin = Admin(keys, master_key=master_key, carriers=admin_carriers(None))
        paths: Any = Paths(admin)
        generation = Generation(places=paths, access=AccessLog(clock=REACTOR))
        front = Front(Current(generation), live=LiveSecrets())
        port = REACTOR.listenTCP(
            0,
            HTTPServer(
                Serving(
                    handler=front.take,
                    refuse=front.refuse,
                    limits=ServerLimits(body_bytes=max_body_bytes),
                    deadlines=Deadlines(REACTOR),
                )
            ),
            interface="127.0.0.1",
        )
        self.addCleanup(port.stopListening)
        self.url = f"http://127.0.0.1:{port.getHost().port}"
        pool = HTTPConnectionPool(REACTOR, persistent=False)
        self.client = HTTPClient(Agent(REACTOR, pool=pool))

    async def ask(self, method, path, body=None, *, headers=BEARER):
        """Ask, and return status and document; keep the answer."""
        data = None if body is None else json.dumps(body).encode()
        self.answer = await self.client.request(
            method, self.url + path, data=data, headers={**JSON, **headers}
        )
        self.text = (await self.answer.content()).decode()
        return self.answer.code, json.loads(self.text)

    async def post(self, path, body=None):
        """POST, and return the document of a 200."""
        status, document = await self.ask("POST", path, body)
        self.assertEqual(status, 200, self.text)
        return document

    async def get(self, path):
        """GET, and return the document of a 200."""
        status, document = await self.ask("GET", path)
        self.assertEqual(status, 200, self.text)
        return document

    async def refused(self, method, path, body=None, *, headers=BEARER):
        """Ask, and return status, code and message of a refusal in OpenAI's shape."""
        status, document = await self.ask(method, path, body, headers=headers)
        self.assertEqual(list(document), ["error"])
        self.assertEqual(set(document["error"]), {"message", "type", "param", "code"})
        error = document["error"]
        (header,) = self.answer.headers.getRawHeaders("x-byok-error")
        self.assertEqual(header, error["code"])
        return status, error["code"], error["message"]

    async def opens(self, key):
        """Does *key* open anything at all?"""
        found = await self.lookup.maybe(key.encode(), peer="192.0.2.1")
        return isinstance(found, VirtualKey)


class GenerateTests(AdminCase):
    """POST /key/generate."""

    async def test_the_request_of_the_documentation_makes_a_key(self):
        self.answer = await self.client.post(
            f"{self.url}/key/generate",
            headers={**BEARER, **JSON},
            data=b'{"key_alias": "claude-code-byok", "models": ["claude-sonnet-4-5"]}',
        )
        document = json.loads(await self.answer.content())

        assert self.answer.code == 200
        assert is_well_formed(document["key"].encode())
        assert document["key"].startswith("sk-byok-")
        assert document["key_name"] == "sk-..." + document["key"][-4:]
        assert document["key_alias"] == "claude-code-byok"
        assert document["models"] == ["claude-sonnet-4-5"]
        assert is_token_id(document["token"])
        assert document["token_id"] == document["token"]
        assert document["expires"] is None
        assert document["warnings"] == []
        assert await self.opens(document["key"])

    async def test_answers_are_kept_by_nobody(self):
        await self.post("/key/generate?&", {})

        assert self.answer.headers.getRawHeaders("cache-control") == ["no-store"]
        assert self.answer.headers.getRawHeaders("content-type") == ["application/json"]
        assert len(self.answer.headers.getRawHeaders("request-id")) == 1
        assert not self.answer.headers.hasHeader("access-control-allow-origin")

    async def test_every_field_comes_back(self):
        asked = {
            "key_alias": "anne's laptop ☂",
            "metadata": {"a": [1, None]},
            "tags": ["red"],
            "user_id": "anne",
            "team_id": "research",
            "max_budget": 10.5,
            "budget_duration": "30d",
            "rpm_limit": 60,
            "tpm_limit": 1000,
            "max_parallel_requests": 3,
            "blocked": False,
            "permissions": {"x": True},
            "guardrails": ["g"],
        }

        document = await self.post("/key/generate", {**asked, "duration": "30d"})

        del asked["guardrails"]
        assert {name: document[name] for name in asked} == asked
        assert document["expires"] == "2027-02-14T08:00:00Z"
        assert document["created_at"] == "2027-01-15T08:00:00Z"
        warned = [warning.partition(":")[0] for warning in document["warnings"]]
        assert warned == ["permissions", "guardrails"]

    async def test_a_key_is_shown_by_the_answer_that_makes_it_and_by_no_other(self):
        key = (await self.post("/key/generate", {"key_alias": "anne"}))["key"]

        for path in (
            "/key/info?key=anne",
            "/key/list?return_full_object=true",
            "/key/list",
        ):
            await self.get(path)
            assert key not in self.text
            assert key[8:20] not in self.text
        await self.post("/key/block", {"key": key})
        assert key not in self.text

    async def test_a_key_of_the_admins_choice_works_and_a_weak_one_warns(self):
        strong = await self.post("/key/generate", {"key": VIRTUAL_KEY})
        weak = await self.post("/key/generate", {"key": "sk-1234"})

        assert strong["key"] == VIRTUAL_KEY
        assert strong["warnings"] == []
        assert "shorter than 24" in weak["warnings"][0]
        assert weak["key_name"] == "sk-..."
        assert await self.opens("sk-1234")

    async def test_the_warning_of_weak_keys_can_be_silenced(self):
        self.listen(warn_weak_keys=False)

        assert (await self.post("/key/generate", {"key": "sk-1234"}))["warnings"] == []

    async def test_a_key_that_is_taken_is_409(self):
        await self.post("/key/generate", {"key": VIRTUAL_KEY})

        status, code, message = await self.refused(
            "POST", "/key/generate", {"key": VIRTUAL_KEY}
        )

        assert (status, code) == (409, "keys.taken")
        assert VIRTUAL_KEY not in message

    async def test_an_alias_that_is_taken_is_409(self):
        await self.post("/key/generate", {"key_alias": "anne"})

        status, code, message = await self.refused(
            "POST", "/key/generate", {"key_alias": "anne"}
        )

        assert (status, code) == (409, "keys.taken")
        assert "another key has this alias" in message

    async def test_a_key_that_cannot_be_one_of_ours_is_400(self):
        for key in (ANTHROPIC_API_KEY, MASTER_KEY, "sk-byok-mine", "secret", 7, ""):
            status, code, message = await self.refused(
                "POST", "/key/generate", {"key": key}
            )

            assert (status, code) == (400, "keys.bad-field")
            assert not isinstance(key, str) or not key or key not in message

    async def test_fields_are_read_strictly(self):
        for body, said in (
            ({"rpm_limits": 5}, "rpm_limits (did you mean rpm_limit?)"),
            ({"rpm_limit": "5"}, "rpm_limit: a whole number from 0 on"),
            ({"duration": "soon"}, "duration"),
            ({"metadata": {"key": ANTHROPIC_API_KEY}}, "holds a credential"),
        ):
            status, code, message = await self.refused("POST", "/key/generate", body)

            assert (status, code) == (400, "keys.bad-field")
            assert said in message
        assert (await self.get("/key/list"))["total_count"] == 0

    async def test_a_body_that_is_no_json_is_400_and_no_content_type_is_415(self):
        for data, content_type, expected in (
            (b"{", "application/json", 400),
            (b"[]", "application/json", 400),
            (b"{}", "text/plain", 415),
            (b"{}" + b" " * 300_000, "application/json", 413),
        ):
            answer = await self.client.post(
                f"{self.url}/key/generate",
                headers={**BEARER, "Content-Type": content_type},
                data=data,
            )
            assert answer.code == expected
            assert "error" in json.loads(await answer.content())

    async def test_a_body_too_large_to_be_kept_is_413(self):
        self.listen(max_body_bytes=100)

        status, _, _ = await self.refused(
            "POST", "/key/generate", {"key_alias": "a" * 200}
        )

        assert status == 413


class ShowTests(AdminCase):
    """GET /key/info and /key/list."""

    async def test_a_key_is_shown_by_token_id_and_by_alias(self):
        made = await self.post("/key/generate", {"key_alias": "anne's laptop ☂"})
        del made["key"], made["warnings"]

        for name in (made["token"], "anne%27s%20laptop+%E2%98%82"):
            assert await self.get(f"/key/info?key={name}") == {
                "key": made["token"],
                "info": made,
            }

    async def test_a_key_in_the_url_is_400_with_the_hint(self):
        await self.post("/key/generate", {"key": VIRTUAL_KEY})

        for method, path in (
            ("GET", f"/key/info?key={VIRTUAL_KEY}"),
            ("GET", f"/key/info?key=%73k-{VIRTUAL_KEY[3:]}"),
            ("GET", f"/key/info?key={MASTER_KEY}"),
            ("GET", f"/key/list?key_hash={VIRTUAL_KEY}"),
            ("GET", f"/key/list?key_alias={VIRTUAL_KEY}"),
            ("POST", f"/key/{VIRTUAL_KEY}/regenerate"),
            ("POST", f"/key/{ANTHROPIC_API_KEY}/regenerate"),
        ):
            status, code, message = await self.refused(method, path)

            assert (status, code) == (400, "keys.key-in-url")
            assert "token id or alias" in message

    async def test_an_unknown_key_is_404_and_no_key_at_all_400(self):
        assert (await self.refused("GET", "/key/info?key=bob"))[0] == 404
        assert (await self.refused("GET", "/key/info"))[0] == 400
        assert (await self.refused("GET", "/key/info?kye=bob"))[0] == 400

    async def test_a_list_comes_in_pages_the_newest_first(self):
        made = []
        for number in range(5):
            self.now = NOW + number
            answer = await self.post("/key/generate", {"user_id": f"u{number % 2}"})
            made.append(answer["token"])

        first = await self.get("/key/list?size=2")
        last = await self.get("/key/list?size=2&page=3")
        full = await self.get("/key/list?return_full_object=true&user_id=u1")

        assert first == {
            "keys": [made[4], made[3]],
            "total_count": 5,
            "current_page": 1,
            "total_pages": 3,
        }
        assert last["keys"] == [made[0]]
        assert [key["token"] for key in full["keys"]] == [made[3], made[1]]
        assert (await self.get("/key/list"))["total_pages"] == 1

    async def test_a_list_takes_sensible_parameters_only(self):
        for query in (
            "page=0",
            "page=x",
            "page=-1",
            "page=%D9%A3",
            "page=99999999999",
            "size=0",
            "size=101",
            "sort=1",
            "return_full_object=yes",
            "page=1&page=2",
        ):
            assert (await self.refused("GET", f"/key/list?{query}"))[0] == 400


class ChangeTests(AdminCase):
    """POST /key/update, block, unblock, delete."""

    async def test_a_key_is_changed_by_itself_its_token_id_or_its_alias(self):
        made = await self.post("/key/generate", {"key_alias": "anne"})

        for number, name in enumerate((made["key"], made["token"], "anne")):
            after = await self.post(
                "/key/update", {"key": name, "rpm_limit": number, "blocked": None}
            )

            assert after["key"] == made["token"]
            assert after["rpm_limit"] == number
            assert after["key_alias"] == "anne"
            assert after["warnings"] == []

    async def test_a_change_is_in_force_as_soon_as_it_is_answered(self):
        made = await self.post("/key/generate", {})
        assert await self.opens(made["key"])

        await self.post("/key/block", {"key": made["key"]})
        assert not await self.opens(made["key"])
        await self.post("/key/unblock", {"key": made["token"]})
        assert await self.opens(made["key"])
        await self.post("/key/update", {"key": made["token"], "duration": "1h"})
        self.now += 3600
        assert not await self.opens(made["key"])
        await self.post("/key/update", {"key": made["token"], "duration": None})
        assert await self.opens(made["key"])
        await self.post("/key/delete", {"keys": [made["token"]]})
        assert not await self.opens(made["key"])

    async def test_block_and_unblock_answer_with_the_key_as_it_is(self):
        made = await self.post("/key/generate", {})

        assert (await self.post("/key/block", {"key": made["token"]}))[
            "blocked"
        ] is True
        after = await self.post("/key/unblock", {"key": made["token"]})
        assert after["blocked"] is False
        assert after["updated_by"] == "master-key"

    async def test_keys_are_deleted_by_key_id_and_alias_together(self):
        one, two, three = [
            await self.post("/key/generate", {"key_alias": alias})
            for alias in ("one", "two", "three")
        ]

        answer = await self.post(
            "/key/delete",
            {"keys": [one["key"], two["token"]], "key_aliases": ["three"]},
        )

        assert answer == {"deleted_keys": [one["token"], two["token"], three["token"]]}
        assert (await self.get("/key/list"))["total_count"] == 0

    async def test_a_key_that_is_named_twice_is_deleted_once(self):
        made = await self.post("/key/generate", {"key_alias": "one"})

        answer = await self.post(
            "/key/delete",
            {"keys": [made["key"], made["token"], made["key"]], "key_aliases": ["one"]},
        )

        assert answer == {"deleted_keys": [made["token"]]}

    async def test_an_alias_is_found_however_it_is_composed(self):
        apart, together = "Zo\u0065\u0308", "Zo\u00eb"
        made = await self.post("/key/generate", {"key_alias": apart})

        found = await self.post("/key/block", {"key": apart})
        listed = await self.get(f"/key/list?key_alias={quote(apart)}")
        again = await self.post("/key/unblock", {"key": together})

        assert made["key_alias"] == together
        assert found["token"] == again["token"] == made["token"]
        assert listed["total_count"] == 1

    async def test_one_that_is_not_there_keeps_all_from_being_deleted(self):
        made = await self.post("/key/generate", {})

        status, code, message = await self.refused(
            "POST", "/key/delete", {"keys": [made["key"], VIRTUAL_KEY_2]}
        )

        assert (status, code) == (404, "keys.not-found")
        assert message.startswith("Nothing was deleted. Entry 2:")
        assert await self.opens(made["key"])

    async def test_an_alias_of_another_key_cannot_be_taken(self):
        await self.post("/key/generate", {"key_alias": "anne"})
        made = await self.post("/key/generate", {})

        status, code, _ = await self.refused(
            "POST", "/key/update", {"key": made["token"], "key_alias": "anne"}
        )

        assert (status, code) == (409, "keys.taken")

    async def test_what_makes_no_sense_is_refused(self):
        made = await self.post("/key/generate", {"key_alias": "anne"})

        for path, body, expected in (
            ("/key/update", {}, 400),
            ("/key/update", {"key": 7}, 400),
            ("/key/update", {"key": ""}, 400),
            ("/key/update", {"key": "bob", "rpm_limit": 1}, 404),
            ("/key/update", {"key": VIRTUAL_KEY_2}, 404),
            ("/key/update", {"key": made["key"][:-1] + "!"}, 404),
            ("/key/update", {"key": "anne", "spent": 1}, 400),
            ("/key/block", {"key": "bob"}, 404),
            ("/key/block", {"key": "anne", "reason": "x"}, 400),
            ("/key/block", {}, 400),
            ("/key/delete", {}, 400),
            ("/key/delete", {"keys": "anne"}, 400),
            ("/key/delete", {"key_aliases": {}}, 400),
            ("/key/delete", {"keys": [], "key_aliases": None}, 400),
            ("/key/delete", {"keys": [None]}, 400),
            ("/key/delete", {"key": "anne"}, 400),
            ("/key/delete?keys=anne", {"keys": ["anne"]}, 400),
            ("/key/regenerate", {}, 400),
            ("/key/regenerate", {"key": "bob"}, 404),
            ("/key/anne/regenerate", {"key": "anne"}, 400),
            ("/key/anne/regenerate", {"grace_period": 5}, 400),
            ("/key/anne/regenerate", {"grace_period": "long"}, 400),
            ("/key/anne/regenerate", {"rpm_limits": 5}, 400),
            ("/key/anne/regenerate", {"new_key": "short"}, 400),
            ("/key/anne/regenerate?grace_period=24h", {}, 400),
            ("/key/bob/regenerate", {}, 404),
        ):
            status, _, message = await self.refused("POST", path, body)

            self.assertEqual(status, expected, (path, body, message))
        assert await self.opens(made["key"])


class RegenerateTests(AdminCase):
    """POST /key/{token}/regenerate."""

    async def test_the_new_key_is_shown_once_and_the_old_one_ends(self):
        made = await self.post("/key/generate", {"key_alias": "anne", "user_id": "u"})

        after = await self.post(f"/key/{made['token']}/regenerate")

        assert after["key"] != made["key"]
        assert after["key_name"] == "sk-..." + after["key"][-4:]
        assert (after["token"], after["user_id"]) == (made["token"], "u")
        assert await self.opens(after["key"])
        assert not await self.opens(made["key"])

    async def test_both_keys_work_until_the_grace_period_ends(self):
        made = await self.post("/key/generate", {"key_alias": "anne"})

        after = await self.post("/key/anne/regenerate", {"grace_period": "24h"})

        assert after["previous_key_expires"] == "2027-01-16T08:00:00Z"
        assert await self.opens(made["key"])
        assert await self.opens(after["key"])
        self.now += 86_400
        assert not await self.opens(made["key"])
        assert await self.opens(after["key"])

    async def test_the_key_itself_may_stand_in_the_body(self):
        made = await self.post("/key/generate", {})

        after = await self.post(
            "/key/regenerate",
            {"key": made["key"], "new_key": VIRTUAL_KEY, "rpm_limit": 5},
        )

        assert after["key"] == VIRTUAL_KEY
        assert after["rpm_limit"] == 5
        assert await self.opens(VIRTUAL_KEY)
        assert not await self.opens(made["key"])

    async def test_a_new_key_that_is_taken_is_409(self):
        made = await self.post("/key/generate", {"key": VIRTUAL_KEY})

        status, _, _ = await self.refused(
            "POST", f"/key/{made['token']}/regenerate", {"new_key": VIRTUAL_KEY}
        )

        assert status == 409


class GuardTests(AdminCase):
    """Who gets in at all."""

    async def test_every_route_takes_the_master_key_alone(self):
        made = await self.post("/key/generate", {"key_alias": "anne"})

        for method, path in (
            ("POST", "/key/generate"),
            ("POST", "/key/update"),
            ("POST", "/key/delete"),
            ("POST", "/key/block"),
            ("POST", "/key/unblock"),
            ("POST", "/key/regenerate"),
            ("POST", "/key/anne/regenerate"),
            ("GET", "/key/info?key=anne"),
            ("GET", "/key/list"),
        ):
            for headers in (
                {},
                {"Authorization": f"Bearer {made['key']}"},
                {"Authorization": "Bearer schlüssel".encode()},
                {"x-litellm-api-key": "sk-wrong", **BEARER},
            ):
                status, _, _ = await self.refused(method, path, headers=headers)
                assert status == 401
                (again,) = self.answer.headers.getRawHeaders("x-should-retry")
                assert again == "false"
        assert await self.opens(made["key"])

    async def test_the_two_other_carriers_are_accepted(self):
        for carrier in ("x-litellm-api-key", "x-byok-api-key"):
            status, _ = await self.ask(
                "GET", "/key/list", headers={carrier: MASTER_KEY}
            )
            assert status == 200

    async def test_a_page_of_another_site_is_refused(self):
        for header in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            status, code, _ = await self.refused(
                "POST", "/key/generate", {}, headers={**BEARER, **header}
            )
            assert (status, code) == (403, "admin.cross-site")
        assert (await self.get("/key/list"))["total_count"] == 0

    async def test_another_method_is_405_and_names_the_right_one(self):
        for method, path, allowed in (
            ("GET", "/key/generate", "POST"),
            ("PUT", "/key/update", "POST"),
            ("OPTIONS", "/key/generate", "POST"),
            ("DELETE", "/key/info", "GET"),
            ("GET", "/key/anne/regenerate", "POST"),
        ):
            status, _, _ = await self.refused(method, path)
            assert status == 405
            assert self.answer.headers.getRawHeaders("allow") == [allowed]

    async def test_a_store_that_is_away_is_503(self):
        await self.close()

        status, code, _ = await self.refused("GET", "/key/list")

        assert (status, code) == (503, "store.unavailable")


class VanishingStore(MemoryKeyStore):
    """A store where somebody else always deletes first."""

    async def update(self, token_id, change):
        """Find nothing to change."""
        return

    async def delete(self, token_ids, *, by=None):
        """Find nothing to delete."""
        return False


class RaceTests(TestCase):
    """Two administrators at once."""

    async def test_a_key_that_goes_in_between_is_not_found(self):
        keys = KeyAdmin(VanishingStore(), PEPPERS, seconds=lambda: NOW, master_key=None)
        assert isinstance(await keys.generate({"key_alias": "anne"}), dict)

        for refused in (
            await keys.update({"key": "anne"}),
            await keys.block({"key": "anne"}),
            await keys.regenerate({}, name="anne"),
            await keys.delete({"keys": ["anne"]}),
        ):
            assert isinstance(refused, Refusal)
            assert refused.status == 404


class LogTests(AdminCase):
    """Each change leaves a line, without any key."""

    async def test_each_change_is_logged_with_alias_and_id(self):
        with capturedLogs() as events:
            made = await self.post(
                "/key/generate", {"key_alias": "anne", "key": VIRTUAL_KEY}
            )
            await self.post("/key/update", {"key": VIRTUAL_KEY, "rpm_limit": 1})
            await self.post("/key/block", {"key": VIRTUAL_KEY})
            await self.post("/key/unblock", {"key": VIRTUAL_KEY})
            again = await self.post("/key/anne/regenerate")
            await self.post("/key/delete", {"keys": [again["key"]]})
            await self.ask("GET", f"/key/info?key={VIRTUAL_KEY}")
            await self.ask("POST", f"/key/{VIRTUAL_KEY}/regenerate")

        lines = [
            formatEvent(event) for event in events if event.get("event") == "key-change"
        ]
        assert lines == [
            f"key {action}: anne ({made['token']})"
            for action in (
                "made",
                "changed",
                "blocked",
                "unblocked",
                "regenerated",
                "deleted",
            )
        ]
        said = "\n".join(repr(event) + formatEvent(event) for event in events)
        for key in (VIRTUAL_KEY, again["key"], MASTER_KEY):
            assert key not in said
            assert key[8:24] not in said
        assert re.search(r"/key/\{key\}/regenerate", said)
