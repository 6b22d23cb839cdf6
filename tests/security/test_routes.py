"""
S-06, S-10, S-11: every route there is, for everybody who might ask for it.

The table of who may is written here once more. A route that the gateway has and the
table does not is a failure, so that none is added without somebody saying who may.
"""

import json
from enum import Enum
from typing import Any

from byok.core.carriers import CARRIERS
from byok.core.routes import is_answered_here, relayed_route, split_target
from tests.e2e.house import ASK, ASK_ORG
from tests.e2e.raw import Answer, Pairs, request
from tests.security.estate import COMPANY, Estate, secrets_in
from tests.support import keys


class Who(Enum):
    """To whom a route is open."""

    ANYBODY = "anybody"
    CALLER = "who has a key of this gateway"
    ADMIN = "who has the master key"


DAYS = "start_date=2030-01-01&end_date=2030-01-02"
# Method and path, who may, and a body with which the request would succeed.
ROUTES: dict[tuple[str, str], tuple[Who, bytes]] = {
    ("GET", "/"): (Who.ANYBODY, b""),
    ("HEAD", "/"): (Who.ANYBODY, b""),
    ("GET", "/api/hello"): (Who.ANYBODY, b""),
    ("HEAD", "/api/hello"): (Who.ANYBODY, b""),
    ("GET", "/health/liveliness"): (Who.ANYBODY, b""),
    ("HEAD", "/health/liveliness"): (Who.ANYBODY, b""),
    ("GET", "/health/liveness"): (Who.ANYBODY, b""),
    ("HEAD", "/health/liveness"): (Who.ANYBODY, b""),
    ("GET", "/health/readiness"): (Who.ANYBODY, b""),
    ("HEAD", "/health/readiness"): (Who.ANYBODY, b""),
    ("GET", "/byok/whoami"): (Who.CALLER, b""),
    ("GET", "/v1/models"): (Who.CALLER, b""),
    ("GET", f"/v1/models/{COMPANY}"): (Who.CALLER, b""),
    ("POST", "/v1/messages"): (Who.CALLER, ASK_ORG),
    ("POST", "/v1/messages/count_tokens"): (Who.CALLER, ASK_ORG),
    ("POST", "/v1/chat/completions"): (Who.CALLER, ASK_ORG),
    ("GET", "/byok/decisions"): (Who.ADMIN, b""),
    ("GET", "/byok/shadow"): (Who.ADMIN, b""),
    ("POST", "/byok/reload"): (Who.ADMIN, b'{"dry_run":true}'),
    ("POST", "/key/generate"): (Who.ADMIN, b"{}"),
    ("POST", "/key/update"): (Who.ADMIN, b'{"key":"spare"}'),
    ("POST", "/key/block"): (Who.ADMIN, b'{"key":"spare"}'),
    ("POST", "/key/unblock"): (Who.ADMIN, b'{"key":"spare"}'),
    ("POST", "/key/regenerate"): (Who.ADMIN, b'{"key":"spare"}'),
    ("POST", "/key/spare/regenerate"): (Who.ADMIN, b"{}"),
    ("GET", "/key/info?key=spare"): (Who.ADMIN, b""),
    ("GET", "/key/list"): (Who.ADMIN, b""),
    ("GET", "/byok/leases"): (Who.ADMIN, b""),
    ("GET", "/global/spend"): (Who.ADMIN, b""),
    ("GET", f"/global/spend/report?{DAYS}"): (Who.ADMIN, b""),
    ("GET", "/spend/logs"): (Who.CALLER, b""),
    ("GET", f"/user/daily/activity?{DAYS}"): (Who.CALLER, b""),
    ("POST", "/team/new"): (Who.ADMIN, b'{"team_id":"spare"}'),
    ("POST", "/team/update"): (Who.ADMIN, b'{"team_id":"spare"}'),
    ("POST", "/team/block"): (Who.ADMIN, b'{"team_id":"spare"}'),
    ("POST", "/team/unblock"): (Who.ADMIN, b'{"team_id":"spare"}'),
    ("POST", "/team/member_add"): (
        Who.ADMIN,
        b'{"team_id":"spare","member":{"user_id":"member"}}',
    ),
    ("POST", "/team/member_update"): (
        Who.ADMIN,
        b'{"team_id":"spare","user_id":"member","role":"admin"}',
    ),
    ("POST", "/team/member_delete"): (
        Who.ADMIN,
        b'{"team_id":"spare","user_id":"member"}',
    ),
    ("GET", "/team/info?team_id=spare"): (Who.ADMIN, b""),
    ("GET", "/team/list"): (Who.ADMIN, b""),
    ("POST", "/team/delete"): (Who.ADMIN, b'{"team_ids":["spare"]}'),
    ("POST", "/user/new"): (Who.ADMIN, b'{"user_id":"spare"}'),
    ("POST", "/user/update"): (Who.ADMIN, b'{"user_id":"spare"}'),
    ("GET", "/user/info?user_id=spare"): (Who.ADMIN, b""),
    ("GET", "/user/list"): (Who.ADMIN, b""),
    ("POST", "/user/delete"): (Who.ADMIN, b'{"user_ids":["spare"]}'),
    # The last, for it takes the key away that the others are about.
    ("POST", "/key/delete"): (Who.ADMIN, b'{"key_aliases":["spare"]}'),
}
SAME = {
    f"/v1/models/{COMPANY}": "/v1/models/{id}",
    "/key/spare/regenerate": "/key/{key}/regenerate",
    "/key/info?key=spare": "/key/info",
    f"/global/spend/report?{DAYS}": "/global/spend/report",
    f"/user/daily/activity?{DAYS}": "/user/daily/activity",
    "/team/info?team_id=spare": "/team/info",
    "/user/info?user_id=spare": "/user/info",
}
ONE_DECISION = b"/byok/decisions/req_0"
# Answers each with what is their own: tests/e2e/test_decisions.py.
OF_ONES_OWN = {("GET", "/byok/decisions/{id}")}
SHARED = ("/v1/", "/api/")

FORGED = (
    "sk-ant-oat01-x",
    "sk-ant-api03-x",
    "sk-ant-x",
    "sk-proj-x",
    "AIzax",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
)
"""Made up on the spot, in the shape of something valid elsewhere."""


def bearer(key: str) -> Pairs:
    return (("Authorization", f"Bearer {key}"),)


def asked(method: str, path: str, body: bytes, headers: Pairs) -> bytes:
    if body:
        headers = (("Content-Type", "application/json"), *headers)
    return request(path, method=method, headers=headers, body=body, close=False)


class RouteTests(Estate):
    async def setUp(self):
        await super().setUp()
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="spare")

    async def every_answer(
        self, headers: Pairs, *, prefix: str = ""
    ) -> dict[tuple[str, str], Answer]:
        """Ask for everything with *headers*."""
        answers: dict[tuple[str, str], Answer] = {}

        def prove(line):
            for (method, path), (_, body) in ROUTES.items():
                if prefix and not (path == "/" or path.startswith(SHARED)):
                    continue
                raw = asked(method, prefix + path, body, headers)
                answers[method, path] = line.ask(raw, method=method)

        await self.holds(prove)
        return answers

    def assert_open(self, answers, *who: Who) -> None:
        """Assert that exactly the routes for *who* were answered."""
        opened = {each for each, answer in answers.items() if answer.status == 200}
        self.assertEqual(opened, {each for each in answers if ROUTES[each][0] in who})
        for each in answers.keys() - opened:
            self.assertIn(answers[each].status, (401, 403), each)
            self.assertIn(b'"error"', answers[each].body)

    async def test_the_table_has_every_route_of_the_gateway(self):
        places: Any = self.places
        found = {
            (method.decode(), place.route)
            for table in (
                places._shared,
                places._own,
                *(find.__self__._places for find in places._more),
            )
            for place in table.values()
            for method in place.handlers
        }
        named = (places.find(each) for each in (b"/key/a/regenerate", ONE_DECISION))
        for place in (places._one_model, *named):
            found |= {(method.decode(), place.route) for method in place.handlers}

        self.assertEqual(
            found - OF_ONES_OWN,
            {(method, SAME.get(path, path)) for method, path in ROUTES},
        )

    def test_what_is_not_relayed_is_what_the_gateway_answers(self):
        for _, target in ROUTES:
            path, _ = split_target(target.encode())
            here = relayed_route(path) is None
            self.assertIs(is_answered_here(path), here, path)

    async def test_anonymous(self):
        for prefix in ("", "/anthropic"):
            answers = await self.every_answer((), prefix=prefix)

            self.assert_open(answers, Who.ANYBODY)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_a_provider_key_alone_is_no_key(self):
        """S-06: whatever it looks like, and in whichever header it comes."""
        for forged in (*FORGED, keys.ANTHROPIC_OAUTH, keys.ANTHROPIC_API_KEY):
            for carrier in CARRIERS:
                scheme = "Bearer " if carrier == b"authorization" else ""
                answers = await self.every_answer(
                    ((carrier.decode(), scheme + forged),)
                )

                self.assert_open(answers, Who.ANYBODY)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_a_virtual_key(self):
        for prefix in ("", "/anthropic"):
            answers = await self.every_answer(bearer(keys.VIRTUAL_KEY), prefix=prefix)

            self.assert_open(answers, Who.ANYBODY, Who.CALLER)

    async def test_a_blocked_key(self):
        body = json.dumps({"key": keys.VIRTUAL_KEY}).encode()
        master = bearer(keys.MASTER_KEY)
        await self.ask(asked("POST", "/key/block", body, (*master, CLOSE)))

        answers = await self.every_answer(bearer(keys.VIRTUAL_KEY))

        self.assert_open(answers, Who.ANYBODY)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_the_master_key(self):
        answers = await self.every_answer(bearer(keys.MASTER_KEY))

        # The answer to the one that makes a key is the one that shows it.
        self.assert_open(answers, Who.ANYBODY, Who.CALLER, Who.ADMIN)
        self.assertEqual(len(self.since((0, 0, 0))), 3)
        self.assertNotIn("master key", secrets_in(self.since((0, 0, 0))))

    async def test_a_virtual_key_beside_a_made_up_master_key(self):
        headers = (("x-litellm-api-key", "sk-made-up"), *bearer(keys.VIRTUAL_KEY))

        self.assert_open(await self.every_answer(headers), Who.ANYBODY)


CLOSE = ("Connection", "close")

HOSTS = (
    "a/..?x#",
    "localhost:4000/key/generate?",
    "gateway.test/v1/messages#",
    "evil.example",
    "evil.example:1@gateway.test",
    "api.anthropic.com",
    "..",
    "%00",
    "[::1",
    "a b",
    "\\",
    "",
)
ELSEWHERE = (
    ("X-Original-URL", "/health/liveness"),
    ("X-Rewrite-URL", "/health/liveness"),
    ("X-Forwarded-Prefix", "/health"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Path", "/health/liveness"),
    ("X-Forwarded-Uri", "/health/liveness"),
    ("X-HTTP-Method-Override", "HEAD"),
    ("X-Method-Override", "HEAD"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Real-IP", "127.0.0.1"),
    ("Forwarded", 'for=127.0.0.1;host="evil.example"'),
    ("Referer", "http://127.0.0.1/key/list"),
)


def with_host(raw: bytes, host: str) -> bytes:
    return raw.replace(b"Host: gateway.test", f"Host: {host}".encode())


class HostTests(Estate):
    """S-11: what Host says opens nothing, closes nothing and leads nowhere."""

    async def test_no_host_opens_a_route(self):
        def prove(line):
            for host in HOSTS:
                for (method, path), (who, body) in ROUTES.items():
                    if who is Who.ANYBODY:
                        continue
                    raw = with_host(asked(method, path, body, ()), host)
                    answer = line.ask(raw, method=method)
                    self.assertIn(answer.status, (400, 401), (host, path))

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_no_other_header_stands_in_for_path_method_or_caller(self):
        def prove(line):
            for header in ELSEWHERE:
                for (method, path), (who, body) in ROUTES.items():
                    if who is Who.ANYBODY:
                        continue
                    raw = asked(method, path, body, (header,))
                    answer = line.ask(raw, method=method)
                    self.assertIn(answer.status, (401,), (header, path))

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_no_host_leads_a_request_elsewhere(self):
        answered = []

        def prove(line):
            for host in HOSTS:
                raw = request(
                    headers=(
                        *bearer(keys.VIRTUAL_KEY),
                        ("x-api-key", keys.ANTHROPIC_API_KEY),
                    ),
                    body=ASK,
                    close=False,
                )
                answered.append(line.ask(with_host(raw, host)).status)

        await self.holds(prove)

        self.assertLessEqual(set(answered), {200, 400})
        arrived = self.since((0, 0, 0))
        self.assertEqual(len(arrived), answered.count(200))
        self.assertGreater(len(arrived), 0)
        ours = f"127.0.0.1:{self.provider.port}".encode()
        for sent in arrived:
            self.assertEqual(sent.values(b"host"), (ours,))
            self.assertNotIn(b"evil", sent.raw)

    async def test_a_target_that_names_a_host_leads_nowhere(self):
        def prove(line):
            for target in (
                f"{self.stranger.url}/v1/messages",
                "https://api.anthropic.com/v1/messages",
                "//evil.example/v1/messages",
                "evil.example:443",
                "/v1/messages@evil.example",
                "/\\evil.example/v1/messages",
                "*",
            ):
                for method in ("POST", "CONNECT"):
                    raw = asked(method, target, ASK_ORG, bearer(keys.VIRTUAL_KEY))
                    answer = line.ask(raw, method=method)
                    self.assertIn(answer.status, (400, 404, 405), target)

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))
