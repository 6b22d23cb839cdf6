"""One number: what is enforced, recorded, reported and told is the same."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from click.testing import CliRunner
from twisted.internet.threads import deferToThread

from byok.cli import main
from tests.e2e.house import ASK, ASK_ORG, House
from tests.e2e.raw import Pairs, request
from tests.support import keys

MASTER: Pairs = (("authorization", f"Bearer {keys.MASTER_KEY}"),)
CAPPED: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY_2),)
CAPPED_OWN: Pairs = (*CAPPED, ("x-api-key", keys.ANTHROPIC_API_KEY))
ORG_STREAM = ASK_ORG[:-1] + b', "stream": true}'
NANO = 10**9


def nano(dollars: float) -> int:
    """Return what a number of dollars is in nanodollars."""
    return round(dollars * NANO)


class FiguresTests(House):
    """A key with a budget spends it, with others beside it."""

    async def get(self, path: str) -> Any:
        answer = await self.ask(request(path, method="GET", headers=MASTER, body=b""))
        self.assertEqual(answer.status, 200, answer.body)
        return json.loads(answer.body)

    async def rows(self, count: int) -> list[dict[str, Any]]:
        """Return the rows of the ledger, once there are *count*."""
        while True:
            rows: list[dict[str, Any]] = await self.get("/spend/logs?limit=1000")
            if len(rows) >= count:
                return rows

    async def spend_the_budget(self) -> int:
        """Ask until the budget is used up; return how many requests were let in."""
        asked = 0
        while True:
            body = ORG_STREAM if asked % 2 else ASK_ORG
            answer = await self.message(headers=CAPPED, body=body)
            if answer.status == 429:
                self.assertIn(b"budget", answer.body)
                return asked
            self.assertEqual(answer.status, 200)
            asked += 1

    async def test_all_figures_agree_to_the_nanodollar(self):
        budget = 0.02
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="capped", max_budget=budget)
        allowed = await self.spend_the_budget()
        self.assertGreater(allowed, 2)
        # Neither counts for the budget: one is somebody else's, one is paid by them.
        await self.message(headers=CAPPED_OWN, body=ASK)
        await self.message(body=ASK)

        rows = await self.rows(allowed + 2)
        info = (await self.get("/key/info?key=capped"))["info"]
        token, today = info["token_id"], rows[0]["startTime"][:10]
        mine = [each for each in rows if each["api_key"] == token]
        dates = f"start_date={rows[-1]['startTime'][:10]}&end_date={today}"
        days = await self.get(f"/spend/logs?{dates}")
        keys_of = await self.get(f"/global/spend/report?{dates}&group_by=api_key")
        teams = await self.get(f"/global/spend/report?{dates}&group_by=team")
        activity = await self.get(f"/user/daily/activity?{dates}&api_key=capped")
        listed = await self.get("/key/list?return_full_object=true&key_alias=capped")
        cli, sessions = await deferToThread(self.told_by_the_terminal)

        ledger: Any = self.service._ledger
        (saved,) = ledger.counts.limiter.snapshot(ledger.counts.wall())
        enforced = saved.spent_nano
        # The last one that was let in may have said more than it was held for.
        last = max(each["spend_nano"] for each in mine)
        self.assertLess(nano(budget) - last, enforced)
        self.assertLess(enforced, nano(budget) + last)
        raw = self.raw(token)
        of_day = sum(nano(each.get(token, 0.0)) for each in days)
        of_report = [nano(each["total_cost"]) for each in keys_of]
        of_details = [
            nano(detail["spend"])
            for day in teams
            for team in day["teams"]
            for detail in team["metadata"]
            if detail["api_key"] == token
        ]
        self.assertEqual(
            {
                "raw rows": raw,
                "/spend/logs": sum(nano(each["spend"]) for each in mine),
                "/spend/logs, in nanodollars": sum(each["spend_nano"] for each in mine),
                "/spend/logs by day": of_day,
                "/global/spend": nano((await self.get("/global/spend"))["spend"]),
                "/global/spend/report": sum(of_report),
                "/global/spend/report by team": sum(of_details),
                "/user/daily/activity": nano(activity["metadata"]["total_spend"]),
                "/key/info": nano(info["spend"]),
                "/key/list": nano(listed["keys"][0]["spend"]),
                "byok usage": cli["capped"],
                "byok usage --by session": sessions,
            },
            dict.fromkeys(
                (
                    "raw rows",
                    "/spend/logs",
                    "/spend/logs, in nanodollars",
                    "/spend/logs by day",
                    "/global/spend",
                    "/global/spend/report",
                    "/global/spend/report by team",
                    "/user/daily/activity",
                    "/key/info",
                    "/key/list",
                    "byok usage",
                    "byok usage --by session",
                ),
                enforced,
            ),
        )
        # What the key's owner paid is beside it, and in no budget.
        notional = sum(each["notional_nano"] for each in mine)
        self.assertGreater(notional, enforced)
        self.assertEqual(nano(info["notional_spend"]), notional)
        self.assertEqual(
            notional - enforced,
            sum(nano(day["payers"]["user-key"]) for day in days) // 2,
        )

    def told_by_the_terminal(self) -> tuple[dict[str, int], int]:
        """Ask `byok usage`, by key from the days and by session from the records."""
        by_key = self.usage("--by", "key")
        by_session = self.usage("--by", "session")
        costs = {each["key_alias"]: each["cost_nano"] for each in by_key["groups"]}
        return costs, by_session["total"]["cost_nano"]

    def usage(self, *words: str) -> Any:
        config = str(self.service._config.path)
        result = CliRunner().invoke(main, ["usage", "-c", config, *words, "--json"])
        self.assertEqual(result.exit_code, 0, result.output)
        return json.loads(result.stdout)

    def raw(self, token: str) -> int:
        """Add up the rows themselves."""
        directory = self.service._config.path.parent
        with sqlite3.connect(directory / "byok.db") as database:
            rows: Iterable[tuple[int]] = database.execute(
                "SELECT cost_nano FROM usage WHERE key_id = ?", (token,)
            ).fetchall()
        database.close()
        return sum(cost for (cost,) in rows)
