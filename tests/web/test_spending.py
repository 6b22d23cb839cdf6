"""What was spent, over HTTP: LiteLLM's shapes, and nobody sees what others used."""

import json
from typing import Any
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from byok.core.secret import Secret
from byok.core.usage_record import UsageRecord
from byok.logs.live import LiveSecrets
from byok.store.memory_usage import MemoryUsageStore
from byok.store.usage import UsagePage, UsageWanted
from byok.web.access import AccessLog
from byok.web.admin_guard import admin_carriers
from byok.web.front import Front
from byok.web.generation import Current, Generation
from byok.web.identity import Identity
from byok.web.spending import NEXT, Spending
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ServerLimits
from byok.wire.server import HTTPServer
from byok.wire.serving import Serving
from tests.store.test_usage import DAY_S, FULL, NOON, usage_record
from tests.support.keys import MASTER_KEY, VIRTUAL_KEY, VIRTUAL_KEY_2
from tests.web.test_admin import BEARER, AdminCase, Paths

REACTOR: Any = reactor
MINE = {"Authorization": f"Bearer {VIRTUAL_KEY}"}
DATES = "start_date=2027-01-15&end_date=2027-01-17"
DOLLAR = 10**9


def paid(number: int, dollars: float, **more: Any) -> UsageRecord:
    nano = round(dollars * DOLLAR)
    return usage_record(
        number, **(FULL | {"cost_nano": nano, "notional_nano": nano} | more)
    )


def own(number: int, dollars: float, **more: Any) -> UsageRecord:
    return paid(number, dollars, payer="user-key", cost_nano=0, **more)


class SpendingCase(AdminCase):
    """The routes of spending on a port of loopback, over a SQLite store."""

    async def setUp(self):
        await super().setUp()
        self.now = NOON + 2 * DAY_S
        made = await self.post(
            "/key/generate", {"key": VIRTUAL_KEY, "key_alias": "anne"}
        )
        self.anne = made["token"]
        await self.post("/key/generate", {"key": VIRTUAL_KEY_2, "key_alias": "bob"})
        self.serve_spending()

    def serve_spending(self, master_key=MASTER_KEY):
        """Serve what is asked here instead of administration."""
        secret = None if master_key is None else Secret(master_key)
        spending: Any = Spending(
            self.store.usage,
            keys=self.store.keys,
            identity=Identity(lookup=self.lookup, master_key=secret),
            master_key=secret,
            carriers=admin_carriers(None),
            seconds=lambda: self.now,
        )
        generation = Generation(places=Paths(spending), access=AccessLog(clock=REACTOR))
        front = Front(Current(generation), live=LiveSecrets())
        port = REACTOR.listenTCP(
            0,
            HTTPServer(
                Serving(
                    handler=front.take,
                    refuse=front.refuse,
                    limits=ServerLimits(),
                    deadlines=Deadlines(REACTOR),
                )
            ),
            interface="127.0.0.1",
        )
        self.addCleanup(port.stopListening)
        self.url = f"http://127.0.0.1:{port.getHost().port}"

    async def fill(self, *records: UsageRecord) -> None:
        """Put *records* into the ledger."""
        await self.store.usage.append(records)

    async def ids(self, query: str, *, headers=BEARER) -> list[str]:
        """Return the ids of the rows that are listed."""
        status, rows = await self.ask("GET", f"/spend/logs?{query}", headers=headers)
        self.assertEqual(status, 200, self.text)
        return [each["request_id"] for each in rows]


class LogsTests(SpendingCase):
    """GET /spend/logs."""

    async def test_a_row_has_litellms_fields_and_ours(self):
        await self.fill(usage_record(1, **FULL))

        (row,) = await self.get("/spend/logs?request_id=req_0001")

        self.assertEqual(row["call_type"], "anthropic_messages")
        self.assertEqual(row["api_key"], "key_1")
        self.assertEqual((row["spend"], row["spend_nano"]), (0.123456789, 123_456_789))
        self.assertEqual(
            (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]),
            (130, 20, 150),
        )
        self.assertEqual(row["startTime"], "2027-01-15T12:00:01.000Z")
        self.assertEqual(row["endTime"], "2027-01-15T12:00:01.012Z")
        self.assertEqual(
            (row["model"], row["model_group"], row["custom_llm_provider"]),
            ("claude-opus-5-5-20260101", "claude-opus-5-5", "anthropic"),
        )
        self.assertEqual((row["payer"], row["status"]), ("org", "success"))
        self.assertEqual((row["end_user"], row["session_id"]), ("ü☂", "s-1"))
        self.assertEqual(
            row["metadata"]["additional_usage_values"],
            {"cache_read_input_tokens": 30, "cache_creation_input_tokens": 90},
        )

    async def test_a_row_of_which_little_is_known_has_all_fields_too(self):
        await self.fill(usage_record(1, **FULL), usage_record(2, status=429))

        (full,) = await self.get("/spend/logs?request_id=req_0001")
        (bare,) = await self.get("/spend/logs?request_id=req_0002")

        self.assertEqual(full.keys(), bare.keys())
        self.assertEqual((bare["spend"], bare["total_tokens"]), (0.0, 0))
        self.assertEqual(
            (bare["status"], bare["completionStartTime"]), ("failure", None)
        )

    async def test_rows_are_found_by_what_they_are_about(self):
        await self.fill(
            paid(1, 1),
            paid(2, 2, user="bob", team="red", key_id=self.anne),
            own(3, 3, model="m", end_user="x", session="s-2", at=NOON + DAY_S),
        )

        self.assertEqual(await self.ids(""), ["req_0003", "req_0002", "req_0001"])
        for query, found in (
            ("user_id=bob", "2"),
            ("team_id=red", "2"),
            ("api_key=anne", "2"),
            (f"api_key={self.anne}", "2"),
            ("model=m", "3"),
            ("payer=user-key", "3"),
            ("end_user=x", "3"),
            ("session_id=s-2", "3"),
            ("start_date=2027-01-16", "3"),
            ("end_date=2027-01-15T12:00:02Z", "1"),
            ("request_id=req_0003", "3"),
        ):
            self.assertEqual(await self.ids(query), [f"req_000{found}"], query)
        self.assertEqual(await self.ids("request_id=req_none"), [])
        self.assertEqual(await self.ids("api_key=key_gone"), [])

    async def test_rows_go_on_where_an_answer_ended(self):
        await self.fill(*(paid(each, 1) for each in range(5)))

        seen, after = [], ""
        while True:
            seen += await self.ids(f"limit=2{after}")
            more = self.answer.headers.getRawHeaders(NEXT)
            if more is None:
                break
            after = f"&after={quote(more[0], safe='')}"

        self.assertEqual(seen, [f"req_000{each}" for each in (4, 3, 2, 1, 0)])

    async def test_days_are_summed_up_by_key_user_model_and_payer(self):
        await self.fill(
            paid(1, 0.1, model="m", key_id=self.anne),
            paid(2, 0.2, model="m", user="bob"),
            own(3, 4, model="n", user=None),
        )

        days = await self.get(f"/spend/logs?{DATES}")

        self.assertEqual(
            days[0],
            {
                "key_1": 0.2,
                self.anne: 0.1,
                "startTime": "2027-01-15",
                "spend": 0.3,
                "notional_spend": 4.3,
                "users": {"": 0.0, "anne": 0.1, "bob": 0.2},
                "models": {"m": 0.3, "n": 0.0},
                "payers": {"org": 0.3, "user-key": 4.0},
            },
        )
        self.assertEqual(
            [each["startTime"] for each in days[1:]], ["2027-01-16", "2027-01-17"]
        )
        self.assertEqual(days[2]["spend"], 0.0)
        rows = await self.get(f"/spend/logs?{DATES}&summarize=false")
        self.assertEqual(len(rows), 3)
        self.assertEqual(
            await self.get("/spend/logs?start_date=2026-01-01&end_date=2026-01-02"), []
        )

    async def test_sums_of_a_session_come_from_its_records(self):
        await self.fill(paid(1, 1), paid(2, 2, session="s-2"))

        days = await self.get(f"/spend/logs?{DATES}&session_id=s-2")
        part = await self.get(
            "/spend/logs?start_date=2027-01-15&end_date=2027-01-15T12:00:02Z"
        )

        self.assertEqual((days[0]["spend"], part[0]["spend"]), (2.0, 1.0))

    async def test_a_caller_sees_its_own_rows_and_no_others(self):
        await self.fill(paid(1, 1, key_id=self.anne), paid(2, 2))

        self.assertEqual(await self.ids("", headers=MINE), ["req_0001"])
        self.assertEqual(await self.ids("api_key=anne", headers=MINE), ["req_0001"])
        self.assertEqual(
            await self.ids("request_id=req_0001", headers=MINE), ["req_0001"]
        )
        self.assertEqual(await self.ids("request_id=req_0002", headers=MINE), [])
        self.assertEqual(await self.ids("user_id=bob", headers=MINE), [])
        status, days = await self.ask("GET", f"/spend/logs?{DATES}", headers=MINE)
        self.assertEqual((status, days[0]["spend"]), (200, 1.0))
        for name in ("bob", "key_1"):
            refused = await self.refused(
                "GET", f"/spend/logs?api_key={name}", headers=MINE
            )
            self.assertEqual(refused[:2], (403, "spend.not-yours"))

    async def test_whoever_has_no_key_sees_nothing(self):
        for headers in ({}, {"Authorization": "Bearer sk-byok-nobodys"}):
            status, _, _ = await self.refused("GET", "/spend/logs", headers=headers)
            self.assertEqual(status, 401)
        cross = {**BEARER, "Origin": "https://elsewhere.example"}
        status, code, _ = await self.refused("GET", "/spend/logs", headers=cross)
        self.assertEqual((status, code), (403, "admin.cross-site"))

    async def test_a_key_in_a_url_is_refused(self):
        for headers in (BEARER, MINE):
            status, code, _ = await self.refused(
                "GET", f"/spend/logs?api_key={VIRTUAL_KEY_2}", headers=headers
            )
            self.assertEqual((status, code), (400, "keys.key-in-url"))

    async def test_what_cannot_be_read_is_named(self):
        for query, said in (
            ("start_date=soon", "start_date: a span"),
            ("end_date=soon", "end_date: a span"),
            ("payer=rich-uncle", "payer: one of org"),
            ("summarize=maybe", "summarize: true or false"),
            ("limit=0", "limit: a number from 1 to 1000"),
            ("limit=1001", "limit: a number from 1 to 1000"),
            ("limit=x", "limit: a number from 1 to 1000"),
            ("after=x", "after: what x-byok-next"),
            ("start_date=2020-01-01&end_date=2027-01-01", "at most 400 days"),
        ):
            status, code, message = await self.refused("GET", f"/spend/logs?{query}")
            self.assertEqual((status, code), (400, "spend.bad-query"), query)
            self.assertIn(said, message)
        status, _, message = await self.refused("GET", "/spend/logs?user=x")
        self.assertEqual(status, 400)
        self.assertIn("did you mean", message)

    async def test_a_gateway_of_one_user_shows_them_what_they_used(self):
        await self.fill(paid(1, 1, key_id="single-user"), paid(2, 2))
        self.serve_spending(master_key=None)

        self.assertEqual(await self.ids("", headers={}), ["req_0001"])
        status, _, _ = await self.refused("GET", "/global/spend", headers={})
        self.assertEqual(status, 403)


class Held(MemoryUsageStore):
    """Answers when it is let, and counts who is being answered."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Deferred[None]] = []

    async def page(self, *given: Any, **more: Any) -> UsagePage:
        """Wait to be let, and list nothing."""
        held: Deferred[None] = Deferred(lambda _: None)
        self.waiting.append(held)
        await held
        return await super().page(*given, **more)


class TurnTests(TestCase):
    """One answer at a time, so that the store has threads left for others."""

    def setUp(self):
        self.store = Held()
        nobody: Any = None
        self.spending = Spending(
            self.store,
            keys=nobody,
            identity=nobody,
            master_key=None,
            carriers=(),
            seconds=lambda: NOON,
        )

    def begin(self) -> Deferred[Any]:
        work = self.store.page(UsageWanted())
        return Deferred.fromCoroutine(self.spending._in_turn(work))

    def test_the_next_begins_when_the_one_before_is_done(self):
        first, second = self.begin(), self.begin()
        self.assertEqual(len(self.store.waiting), 1)

        self.store.waiting[0].callback(None)
        self.assertEqual(len(self.store.waiting), 2)
        self.store.waiting[1].callback(None)

        for each in (first, second):
            self.assertEqual(self.successResultOf(each).records, ())

    def test_who_hangs_up_does_not_let_the_next_begin(self):
        first, second = self.begin(), self.begin()

        first.cancel()

        self.failureResultOf(first, CancelledError)
        self.assertEqual(len(self.store.waiting), 1)
        self.store.waiting[0].callback(None)
        self.assertEqual(len(self.store.waiting), 2)
        self.store.waiting[1].callback(None)
        self.successResultOf(second)

    def test_who_hangs_up_in_the_queue_is_out_of_it(self):
        first, second, third = self.begin(), self.begin(), self.begin()

        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.store.waiting[0].callback(None)

        self.successResultOf(first)
        self.assertEqual(len(self.store.waiting), 2)
        self.store.waiting[1].errback(ZeroDivisionError())
        self.failureResultOf(third, ZeroDivisionError)
        last = self.begin()
        self.assertEqual(len(self.store.waiting), 3)
        self.store.waiting[2].callback(None)
        self.successResultOf(last)


class GlobalTests(SpendingCase):
    """GET /global/spend and /global/spend/report, and /user/daily/activity."""

    async def setUp(self):
        await super().setUp()
        await self.fill(
            paid(1, 1, model="m", key_id=self.anne),
            own(2, 2, model="n", key_id=self.anne, team=None, end_user=None),
            paid(3, 4, model="m", user="bob", at=NOON + DAY_S, status=529),
        )

    async def test_the_total_is_told_by_payer(self):
        self.assertEqual(
            await self.get("/global/spend"),
            {
                "spend": 5.0,
                "max_budget": None,
                "notional_spend": 7.0,
                "payers": {"org": 5.0, "user-key": 2.0},
            },
        )

    async def test_teams_are_reported_by_day(self):
        days = await self.get(f"/global/spend/report?{DATES}")

        self.assertEqual(
            days[0],
            {
                "group_by_day": "2027-01-15T00:00:00+00:00",
                "teams": [
                    {
                        "team_name": "Unassigned Team",
                        "total_spend": 0.0,
                        "total_notional_spend": 2.0,
                        "metadata": [
                            {
                                "model": "n",
                                "api_key": self.anne,
                                "spend": 0.0,
                                "notional_spend": 2.0,
                                "total_tokens": 150,
                            }
                        ],
                    },
                    {
                        "team_name": "growth",
                        "total_spend": 1.0,
                        "total_notional_spend": 1.0,
                        "metadata": [
                            {
                                "model": "m",
                                "api_key": self.anne,
                                "spend": 1.0,
                                "notional_spend": 1.0,
                                "total_tokens": 150,
                            }
                        ],
                    },
                ],
            },
        )
        self.assertEqual(len(days), 2)

    async def test_customers_are_reported_from_records(self):
        days = await self.get(f"/global/spend/report?{DATES}&group_by=customer")
        one = await self.get(
            f"/global/spend/report?{DATES}&group_by=customer&customer_id=nobody"
        )

        self.assertEqual(
            [
                [(each["customer"], each["total_spend"]) for each in day["customers"]]
                for day in days
            ],
            [[("", 0.0), ("ü☂", 1.0)], [("ü☂", 4.0)]],
        )
        self.assertEqual(one, [])

    async def test_keys_and_users_are_reported_by_model(self):
        keys = await self.get(f"/global/spend/report?{DATES}&group_by=api_key")
        anne = await self.get(f"/global/spend/report?{DATES}&api_key=anne")
        user = await self.get(f"/global/spend/report?{DATES}&internal_user_id=bob")

        self.assertEqual(
            [(each["api_key"], each["total_cost"]) for each in keys],
            [("key_1", 4.0), (self.anne, 1.0)],
        )
        self.assertEqual(anne, keys[1:])
        self.assertEqual(
            anne[0]["model_details"],
            [
                {
                    "model": name,
                    "total_cost": real,
                    "total_notional_cost": notional,
                    "total_input_tokens": 130,
                    "total_output_tokens": 20,
                }
                for name, real, notional in (("m", 1.0, 1.0), ("n", 0.0, 2.0))
            ],
        )
        self.assertEqual(
            [(each["user"], each["total_cost"]) for each in user], [("bob", 4.0)]
        )

    async def test_activity_is_told_by_day_model_and_key(self):
        found = await self.get(f"/user/daily/activity?{DATES}")
        status, mine = await self.ask(
            "GET", f"/user/daily/activity?{DATES}", headers=MINE
        )

        self.assertEqual(
            [each["date"] for each in found["results"]], ["2027-01-16", "2027-01-15"]
        )
        day = found["results"][1]
        self.assertEqual(
            (day["metrics"]["spend"], day["metrics"]["notional_spend"]), (1.0, 3.0)
        )
        self.assertEqual(day["metrics"]["cache_creation_input_tokens"], 180)
        self.assertEqual(list(day["breakdown"]["models"]), ["m", "n"])
        self.assertEqual(
            day["breakdown"]["api_keys"][self.anne]["metadata"], {"key_alias": "anne"}
        )
        total = found["metadata"]
        self.assertEqual(
            (total["total_spend"], total["total_failed_requests"]), (5.0, 1)
        )
        self.assertEqual((status, mine["metadata"]["total_spend"]), (200, 1.0))

    async def test_what_is_of_everybody_is_for_the_master_key(self):
        for path in ("/global/spend", f"/global/spend/report?{DATES}"):
            status, code, _ = await self.refused("GET", path, headers=MINE)
            self.assertEqual((status, code), (401, "admin.invalid-key"))

    async def test_a_report_says_what_it_needs(self):
        for path in ("/global/spend/report", "/user/daily/activity"):
            _, code, message = await self.refused("GET", f"{path}?start_date=1d")
            self.assertEqual(code, "spend.bad-query")
            self.assertIn("from when until when", message)
            _, _, message = await self.refused(
                "GET", f"{path}?start_date=2020-01-01&end_date=2027-01-01"
            )
            self.assertIn("at most 400 days", message)
        _, _, message = await self.refused(
            "GET", f"/global/spend/report?{DATES}&group_by=colour"
        )
        self.assertIn("group_by: one of team", message)

    async def test_answers_are_json(self):
        await self.get("/global/spend")

        kind = self.answer.headers.getRawHeaders("content-type")
        self.assertEqual(kind, ["application/json"])
        self.assertEqual(json.loads(self.text)["spend"], 5.0)
