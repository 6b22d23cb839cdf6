"""A credential that an operator declared, from the client to the log."""

import io
import json
from typing import ClassVar

from twisted.logger import Logger

from byok.logs.observers import json_observer
from tests.e2e.house import OWN, House
from tests.e2e.raw import request
from tests.support import keys

KEY = "corp_live_0123456789abcdef"
TICKET = "corp_tick_0123456789abcdef"
CLASSES = """\
apiVersion: byok/v1
kind: Classes
metadata: {name: corp}
shapes:
  - {prefix: corp_live_, class: credential.gateway}
  - {prefix: corp_tick_, class: credential.other}
names:
  - {class: tracing, names: ["x-corp-trace-*"]}
  - {class: credential.other, names: [x-corp-badge]}
"""
BADGE = "badge of Ann 8271"
NOTES = {
    "id": "notes",
    "match": {"header": {"name": ["x-notes", "x-ticket"]}},
    "action": "forward",
}
TRACES = {
    "id": "traces",
    "match": {"header": {"class": "tracing"}},
    "action": "forward",
}


class DeclaredTests(House):
    general: ClassVar = {"policies": [NOTES, TRACES]}
    files: ClassVar = {"classes.yaml": CLASSES}

    def configuration(self):
        return {**super().configuration(), "policy_files": ["classes.yaml"]}

    async def test_it_is_stripped_by_the_floor_and_the_record_says_so(self):
        await self.message(headers=(*OWN, ("x-notes", "harmless")))
        await self.message(headers=(*OWN, ("x-notes", f"see {KEY}")))

        sent = [each.values(b"x-notes") for each in self.provider.requests]
        self.assertEqual(sent, [(b"harmless",), ()])
        found = await self.newest()
        (row,) = [each for each in found["headers"] if each["name"] == "x-notes"]
        self.assertEqual(
            (row["class"], row["how"], row["verdict"], row["rule"]),
            ("credential.gateway", "shape", "strip", "floor.gateway-credential"),
        )

    async def test_a_secret_of_others_leaves_where_a_rule_says_so(self):
        await self.message(headers=(*OWN, ("x-ticket", TICKET), ("x-app", TICKET)))

        (sent,) = self.provider.requests
        self.assertEqual(sent.values(b"x-ticket"), (TICKET.encode(),))

    async def test_a_declared_name_is_of_its_class(self):
        await self.message(headers=(*OWN, ("x-corp-trace-id", "7"), ("x-corp-a", "7")))

        (sent,) = self.provider.requests
        self.assertEqual(sent.values(b"x-corp-trace-id"), (b"7",))
        self.assertEqual(sent.values(b"x-corp-a"), ())

    async def test_no_query_holds_one(self):
        answer = await self.message(target=f"/v1/messages?key={KEY}")

        self.assertEqual(answer.status, 400)
        self.assertEqual(self.provider.requests, ())

    async def test_no_line_of_the_log_shows_one(self):
        stream = io.StringIO()
        observer = json_observer(stream, self.service._live)

        Logger(namespace="byok.test", observer=observer).info("a {key}", key=KEY)

        self.assertNotIn(KEY, stream.getvalue())
        self.assertIn("<secret:len=26 ", json.loads(stream.getvalue())["message"])

    async def test_whoami_tells_it_as_what_it_is(self):
        answer = await self.ask(
            request(
                "/byok/whoami",
                method="GET",
                headers=(*OWN, ("x-corp-badge", BADGE), ("x-notes", f"see {TICKET}")),
            )
        )

        seen = json.loads(answer.body)["credentials"]
        found = {
            each["header"]: (each["class"], each["recognised_by"]) for each in seen
        }
        self.assertEqual(found["x-corp-badge"], ("credential.other", "name"))
        self.assertEqual(found["x-notes"], ("credential.other", "shape"))
        self.assertNotIn(BADGE.encode(), answer.body)

    async def newest(self):
        answer = await self.ask(
            request(
                "/byok/decisions?limit=1",
                method="GET",
                headers=(("authorization", f"Bearer {keys.MASTER_KEY}"),),
            )
        )
        return json.loads(answer.body)["decisions"][0]
