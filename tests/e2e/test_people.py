"""Teams and users: made over HTTP, and in force for every key of theirs."""

import json
from typing import Any

from tests.e2e.house import ASK, ASK_ORG, MODEL, House
from tests.e2e.raw import Pairs, request
from tests.support import keys

MASTER: Pairs = (
    ("authorization", f"Bearer {keys.MASTER_KEY}"),
    ("content-type", "application/json"),
)
OWN_KEY: Pairs = (("x-api-key", keys.ANTHROPIC_API_KEY),)
ANNA: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY), *OWN_KEY)
BERTA: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY_2), *OWN_KEY)
# Those who bring no key of their own: the organisation pays.
ANNA_PAID, BERTA_PAID = ANNA[:1], BERTA[:1]


class PeopleCase(House):
    """A gateway, and somebody who administers it."""

    async def admin(self, path: str, status: int = 200, **body: object) -> Any:
        """Post *body* as the holder of the master key; return the answer's document."""
        answer = await self.ask(
            request(path, headers=MASTER, body=json.dumps(body).encode())
        )
        self.assertEqual(answer.status, status, answer.body)
        return json.loads(answer.body)

    async def look(self, path: str, status: int = 200) -> Any:
        """Get *path* as the holder of the master key."""
        answer = await self.ask(request(path, method="GET", headers=MASTER))
        self.assertEqual(answer.status, status, answer.body)
        return json.loads(answer.body)

    async def statuses(self, *headers: Pairs, body: bytes = ASK) -> list[int]:
        """Send a message for each of *headers*, one after the other."""
        return [
            (await self.message(headers=each, body=body)).status for each in headers
        ]


class InForceTests(PeopleCase):
    """What a team may not, none of its keys may."""

    async def setUp(self):
        await super().setUp()
        await self.admin("/team/new", team_id="red")
        await self.admin("/team/new", team_id="blue")
        await self.admin("/key/update", key="anna", team_id="red")
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="berta", team_id="red")

    async def test_two_keys_share_the_rate_of_their_team(self):
        await self.admin("/team/update", team_id="red", rpm_limit=3)

        found = await self.statuses(ANNA, BERTA, ANNA, BERTA, ANNA)
        self.assertEqual(found, [200, 200, 200, 429, 429])

        await self.admin("/key/update", key="berta", team_id="blue")
        self.assertEqual(await self.statuses(ANNA, BERTA), [429, 200])
        await self.admin("/team/update", team_id="red", rpm_limit=None)
        self.assertEqual(await self.statuses(ANNA), [200])

    async def test_two_keys_share_the_budget_of_their_team(self):
        await self.admin("/team/update", team_id="red", max_budget=0)

        refused = await self.message(headers=ANNA_PAID, body=ASK_ORG)
        self.assertEqual(refused.status, 429, refused.body)
        error = json.loads(refused.body)["error"]
        self.assertEqual(error["type"], "billing_error")
        self.assertEqual(await self.statuses(BERTA_PAID, body=ASK_ORG), [429])
        # What they pay themselves is nothing of the team's.
        self.assertEqual(await self.statuses(ANNA, BERTA), [200, 200])

    async def test_what_keys_spent_is_shown_with_their_team(self):
        self.assertEqual(await self.statuses(ANNA_PAID, body=ASK_ORG), [200])

        spent: dict[str, float] = {}
        while not any(spent.values()):
            told = await self.look("/team/info?team_id=red")
            spent = {each["key_alias"]: each["spend"] for each in told["keys"]}
        self.assertGreater(spent["anna"], 0)
        self.assertEqual(spent["berta"], 0)

    async def test_a_budget_of_a_team_is_spent_by_all_of_its_keys(self):
        await self.admin("/team/update", team_id="red", max_budget=0.002)
        spent = 0
        while (await self.statuses(ANNA_PAID, body=ASK_ORG)) == [200]:
            spent += 1

        self.assertGreater(spent, 0)
        self.assertLess(spent, 100)
        self.assertEqual(await self.statuses(BERTA_PAID, body=ASK_ORG), [429])
        await self.admin("/key/update", key="berta", team_id="blue")
        self.assertEqual(await self.statuses(BERTA_PAID, body=ASK_ORG), [200])

    async def test_keys_of_a_blocked_team_are_refused_like_unknown_ones(self):
        await self.admin("/team/block", team_id="red")

        refused = await self.message(headers=ANNA)
        other = await self.message(
            headers=(("x-litellm-api-key", "sk-nobodys-key-at-all"), *OWN_KEY)
        )
        self.assertEqual((refused.status, other.status), (401, 401))
        without_id = [
            {**json.loads(each.body), "request_id": ""} for each in (refused, other)
        ]
        self.assertEqual(without_id[0], without_id[1])
        self.assertEqual(await self.statuses(BERTA), [401])
        whoami = await self.ask(request("/byok/whoami", method="GET", headers=ANNA))
        self.assertEqual(whoami.status, 401)

        await self.admin("/team/unblock", team_id="red")
        self.assertEqual(await self.statuses(ANNA, BERTA), [200, 200])

    async def test_keys_of_a_blocked_user_are_refused(self):
        made = await self.admin("/user/new", user_id="anna", auto_create_key=False)
        self.assertIsNone(made.get("key"))
        await self.admin("/key/update", key="anna", user_id="anna")
        self.assertEqual(await self.statuses(ANNA), [200])

        await self.admin("/user/update", user_id="anna", blocked=True)
        self.assertEqual(await self.statuses(ANNA, BERTA), [401, 200])

    async def test_models_of_the_team_and_the_user_restrict_the_key(self):
        await self.admin("/team/update", team_id="red", models=["company-*"])

        refused = await self.message(headers=ANNA)
        self.assertEqual(
            (refused.status, refused.value("x-byok-error")),
            (403, "auth.model-not-allowed"),
        )
        self.assertEqual(await self.statuses(ANNA_PAID, body=ASK_ORG), [200])
        self.assertEqual(await self.models(ANNA), ["company-model"])

        await self.admin(
            "/user/new", user_id="anna", models=[MODEL], auto_create_key=False
        )
        await self.admin("/key/update", key="anna", user_id="anna")
        self.assertEqual(await self.statuses(ANNA_PAID, body=ASK_ORG), [403])
        self.assertEqual(await self.models(ANNA), [])

    async def models(self, headers: Pairs) -> list[str]:
        answer = await self.ask(request("/v1/models", method="GET", headers=headers))
        listed = [each["id"] for each in json.loads(answer.body)["data"]]
        whoami = await self.ask(request("/byok/whoami", method="GET", headers=headers))
        told = [each["id"] for each in json.loads(whoami.body)["models"]]
        self.assertEqual([each for each in told if each != "titan"], listed)
        return listed

    async def test_a_team_that_is_deleted_takes_its_keys_along(self):
        self.assertEqual(await self.statuses(ANNA, BERTA), [200, 200])

        await self.admin("/team/delete", team_ids=["red"])

        self.assertEqual(await self.statuses(ANNA, BERTA), [401, 401])
        listed = await self.look("/key/list")
        self.assertEqual(listed["total_count"], 0)

    async def test_names_that_nobody_made_a_user_or_team_of_are_told(self):
        told = await self.admin(
            "/key/generate", team_id="red", user_id="nobody", models=["all-team-models"]
        )
        self.assertEqual(
            told["warnings"],
            [
                (
                    "user_id: there is no such user, so it is a word for the log and"
                    " for policies, and limits nothing."
                )
            ],
        )
        told = await self.admin("/key/update", key="anna", team_id="nowhere")
        self.assertIn("team_id: there is no such team", told["warnings"][0])


class TeamRouteTests(PeopleCase):
    """The routes of teams, in LiteLLM's shapes."""

    async def test_a_team_is_made_shown_changed_and_deleted(self):
        made = await self.admin(
            "/team/new",
            team_alias="Röd",
            models=["claude-*"],
            rpm_limit=5,
            max_budget=10,
            budget_duration="30d",
            organization_id="o",
            members_with_roles=[
                {"role": "admin", "user_id": "anne"},
                {"role": "user", "user_email": "bob@example.com"},
            ],
        )
        team_id = made["team_id"]
        bob = made["members_with_roles"][1]["user_id"]
        self.assertEqual(
            made["members_with_roles"][0], {"user_id": "anne", "role": "admin"}
        )
        self.assertEqual((made["team_alias"], made["max_budget"]), ("Röd", 10.0))
        self.assertIn("organization_id", made["warnings"][0])

        changed = await self.admin(
            "/team/update", team_id=team_id, rpm_limit=None, metadata={"a": 1}
        )
        self.assertEqual(changed["team_id"], team_id)
        self.assertIsNone(changed["data"]["rpm_limit"])
        self.assertEqual(changed["data"]["budget_duration"], "30d")

        await self.admin("/key/generate", team_id=team_id, key_alias="of-red")
        shown = await self.look(f"/team/info?team_id={team_id}")
        self.assertEqual(shown["team_info"]["metadata"], {"a": 1})
        self.assertEqual([each["key_alias"] for each in shown["keys"]], ["of-red"])
        self.assertEqual(len(shown["team_memberships"]), 2)

        listed = await self.look("/team/list")
        self.assertEqual([each["team_id"] for each in listed], [team_id])
        self.assertEqual(await self.look("/team/list?user_id=nobody"), [])
        self.assertEqual(len(await self.look(f"/team/list?user_id={bob}")), 1)

        gone = await self.admin("/team/delete", team_ids=[team_id, team_id])
        self.assertEqual(gone, {"deleted_teams": [team_id]})
        await self.look(f"/team/info?team_id={team_id}", 404)
        self.assert_no_alarm()

    async def test_members_come_go_and_change(self):
        await self.admin("/team/new", team_id="red")
        await self.admin("/user/new", user_id="anne", user_email="anne@example.com")

        added = await self.admin(
            "/team/member_add",
            team_id="red",
            member={"role": "user", "user_email": "anne@example.com"},
            max_budget_in_team=5,
        )
        self.assertEqual(
            added["updated_team_memberships"],
            [{"user_id": "anne", "role": "user", "team_id": "red"}],
        )
        self.assertIn("max_budget_in_team", added["warnings"][0])
        await self.admin(
            "/team/member_add",
            team_id="red",
            member=[{"user_id": "bob", "role": "admin"}, {"user_id": "eve"}],
        )
        changed = await self.admin(
            "/team/member_update", team_id="red", user_id="eve", role="viewer"
        )
        self.assertEqual((changed["user_id"], changed["role"]), ("eve", "viewer"))
        same = await self.admin("/team/member_update", team_id="red", user_id="eve")
        self.assertEqual(same["role"], "viewer")
        left = await self.admin(
            "/team/member_delete", team_id="red", user_email="anne@example.com"
        )
        self.assertEqual(
            left["members_with_roles"],
            [
                {"user_id": "bob", "role": "admin"},
                {"user_id": "eve", "role": "viewer"},
            ],
        )
        bob = await self.look("/user/info?user_id=bob")
        self.assertEqual(bob["teams"], ["red"])
        for path, body in (
            ("/team/member_delete", {"user_id": "anne"}),
            ("/team/member_delete", {"user_email": "nobody@example.com"}),
            ("/team/member_update", {"user_id": "anne"}),
        ):
            await self.admin(path, 404, team_id="red", **body)

    async def test_what_cannot_be_is_refused_and_changes_nothing(self):
        await self.admin("/team/new", team_id="red", team_alias="crimson")
        bad: tuple[tuple[str, int, dict[str, object]], ...] = (
            ("/team/new", 409, {"team_id": "red"}),
            ("/team/new", 409, {"team_alias": "crimson"}),
            ("/team/new", 400, {"team_id": keys.VIRTUAL_KEY}),
            ("/team/new", 400, {"team_id": 7}),
            ("/team/new", 400, {"rpm_limitt": 7}),
            ("/team/new", 400, {"rpm_limit": -7}),
            ("/team/new", 400, {"members": "anne"}),
            ("/team/new", 400, {"members_with_roles": {"user_id": "anne"}}),
            ("/team/new", 400, {"members_with_roles": ["anne"]}),
            ("/team/new", 400, {"members_with_roles": [{"role": "user"}]}),
            ("/team/new", 400, {"members_with_roles": [{"user_id": "a", "role": "x"}]}),
            (
                "/team/new",
                400,
                {"members_with_roles": [{"user_id": "a", "rolle": "x"}]},
            ),
            ("/team/new", 400, {"members_with_roles": [{"user_id": " a"}]}),
            ("/team/new", 400, {"members_with_roles": [{"user_email": " a"}]}),
            ("/team/update", 404, {"team_id": "blue"}),
            ("/team/update", 404, {"team_id": "crimson"}),
            ("/team/update", 400, {}),
            ("/team/update", 400, {"team_id": "red", "members": ["anne"]}),
            ("/team/update", 400, {"team_id": "red", "models": "claude"}),
            ("/team/delete", 404, {"team_ids": ["red", "blue"]}),
            ("/team/delete", 400, {"team_ids": []}),
            ("/team/delete", 400, {"team_ids": [" "]}),
            ("/team/delete", 400, {"team_id": "red"}),
            ("/team/block", 404, {"team_id": "blue"}),
            ("/team/block", 400, {"team_id": "red", "reason": "x"}),
            ("/team/member_add", 404, {"team_id": "blue"}),
            ("/team/member_add", 400, {"team_id": "red"}),
            ("/team/member_add", 400, {"team_id": "red", "members": []}),
            ("/team/member_delete", 404, {"team_id": "blue"}),
            ("/team/member_delete", 400, {"team_id": "red"}),
            ("/team/member_delete", 400, {"team_id": "red", "user": "anne"}),
            ("/team/member_delete", 400, {"team_id": "red", "user_id": ""}),
            ("/team/member_update", 404, {"team_id": "blue"}),
            ("/team/member_update", 400, {"team_id": "red"}),
            ("/team/member_update", 400, {"team_id": "red", "rolle": "x"}),
        )
        for path, status, body in bad:
            with self.subTest(path=path, body=body):
                told = await self.admin(path, status, **body)
                self.assertNotIn("CANARY", json.dumps(told))
        await self.admin("/team/new", team_id="blue")
        await self.admin("/team/update", 409, team_id="blue", team_alias="crimson")
        red, _ = (await self.look("/team/list"))[::-1]
        self.assertEqual((red["team_id"], red["models"]), ("red", []))
        self.assertEqual(red["members_with_roles"], [])
        self.assertEqual((await self.look("/user/list"))["total"], 0)

    async def test_keys_are_no_names_in_a_url(self):
        for path in (
            f"/team/info?team_id={keys.VIRTUAL_KEY}",
            f"/team/list?user_id={keys.VIRTUAL_KEY}",
            f"/user/info?user_id={keys.VIRTUAL_KEY}",
            f"/user/list?team={keys.VIRTUAL_KEY}",
        ):
            told = await self.look(path, 400)
            self.assertEqual(told["error"]["code"], "keys.key-in-url")
        for path in ("/team/info", "/user/info"):
            await self.look(path, 400)

    async def test_only_the_master_key_opens_them(self):
        for path in ("/team/new", "/user/new", "/team/member_add", "/user/delete"):
            refused = await self.ask(
                request(path, headers=(*ANNA, MASTER[1]), body=b"{}")
            )
            self.assertEqual(refused.status, 401, path)
        refused = await self.ask(request("/user/list", method="GET", headers=ANNA))
        self.assertEqual(refused.status, 401)


class UserRouteTests(PeopleCase):
    """The routes of users, in LiteLLM's shapes."""

    async def test_a_user_is_made_with_a_key_that_works(self):
        await self.admin("/team/new", team_id="red")
        made = await self.admin(
            "/user/new",
            user_id="anne",
            user_email="anne@example.com",
            user_role="proxy_admin_viewer",
            teams=["red"],
            key_alias="annes",
            duration="30d",
            rpm_limit=1,
        )
        self.assertEqual(
            (made["user_role"], made["teams"]), ("proxy_admin_viewer", ["red"])
        )
        headers: Pairs = (("x-litellm-api-key", made["key"]), *OWN_KEY)
        self.assertEqual(await self.statuses(headers, headers), [200, 429])

        shown = await self.look("/user/info?user_id=anne")
        self.assertEqual([each["key_alias"] for each in shown["keys"]], ["annes"])
        self.assertEqual(shown["user_info"]["rpm_limit"], 1)
        self.assertNotIn(made["key"], json.dumps(shown))

        changed = await self.admin(
            "/user/update", user_id="anne", user_role=None, rpm_limit=None
        )
        self.assertEqual(changed["data"]["user_role"], "internal_user")
        self.assertEqual(await self.statuses(headers), [200])

        await self.admin("/user/delete", user_ids=["anne"])
        self.assertEqual(await self.statuses(headers), [401])
        red = await self.look("/team/info?team_id=red")
        self.assertEqual(red["team_memberships"], [])

    async def test_users_are_listed_by_page_role_address_and_team(self):
        await self.admin("/team/new", team_id="red")
        for number in range(3):
            await self.admin(
                "/user/new",
                user_id=f"u{number}",
                user_email=f"u{number}@example.com",
                user_role="admin" if number else "member",
                teams=[{"team_id": "red", "user_role": "admin"}] if number else [],
                auto_create_key=False,
            )
        for query, names in (
            ("", {"u0", "u1", "u2"}),
            ("?role=proxy_admin", {"u1", "u2"}),
            ("?user_email=u1@example.com", {"u1"}),
            ("?team=red", {"u1", "u2"}),
            ("?user_ids=u0,u2,u9", {"u0", "u2"}),
        ):
            listed = await self.look(f"/user/list{query}")
            self.assertEqual({each["user_id"] for each in listed["users"]}, names)
            self.assertEqual(listed["total"], len(names))
        page = await self.look("/user/list?page=2&page_size=2")
        self.assertEqual((len(page["users"]), page["total_pages"]), (1, 2))
        for query in ("?role=king", "?page=0", "?page_size=101", "?page=x"):
            await self.look(f"/user/list{query}", 400)

    async def test_what_cannot_be_is_refused_and_makes_nobody(self):
        await self.admin("/key/generate", key_alias="taken")
        bad: tuple[tuple[str, int, dict[str, object]], ...] = (
            ("/user/new", 409, {"user_id": "new", "key_alias": "taken"}),
            ("/user/new", 400, {"user_id": keys.VIRTUAL_KEY}),
            ("/user/new", 400, {"user_role": "king"}),
            ("/user/new", 400, {"user_role": 7}),
            ("/user/new", 400, {"auto_create_key": "no"}),
            ("/user/new", 400, {"auto_create_key": False, "duration": "1d"}),
            ("/user/new", 400, {"teams": "red"}),
            ("/user/new", 400, {"teams": [{"team": "red"}]}),
            ("/user/new", 400, {"teams": [{"team_id": "red", "role": "x"}]}),
            ("/user/new", 400, {"teams": [7]}),
            ("/user/new", 404, {"teams": ["red"]}),
            ("/user/new", 400, {"user_email": "sk-ant-api03-" + "x" * 80}),
            ("/user/update", 404, {"user_id": "new"}),
            ("/user/update", 400, {"user_id": ""}),
            ("/user/delete", 404, {"user_ids": ["new"]}),
            ("/user/delete", 400, {"user_ids": "new"}),
        )
        for path, status, body in bad:
            with self.subTest(path=path, body=body):
                await self.admin(path, status, **body)
        self.assertEqual((await self.look("/user/list"))["total"], 0)
        await self.admin("/user/new", user_id="new")
        await self.admin("/user/new", 409, user_id="new")
        await self.admin("/user/update", 400, user_id="new", models="claude")
