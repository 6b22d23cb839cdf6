"""S-13, S-15, S-71: what is nearly a route, or means something elsewhere."""

import json
from random import Random
from urllib.parse import quote

from tests.e2e.house import ASK, OWN
from tests.e2e.raw import Pairs, request
from tests.security.estate import Estate
from tests.support import keys

ROUTE = "/key/generate"
SPELLINGS = 200
JSON: Pairs = (("Content-Type", "application/json"),)
ADMIN: Pairs = (("Authorization", f"Bearer {keys.MASTER_KEY}"), *JSON)
USER: Pairs = (("Authorization", f"Bearer {keys.VIRTUAL_KEY}"), *JSON)
FORGED: Pairs = (
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Real-IP", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9"),
    ("CF-Connecting-IP", "203.0.113.9"),
    ("X-Envoy-External-Address", "203.0.113.9"),
    ("True-Client-IP", "203.0.113.9"),
)


def spellings(seed: int = 15) -> list[str]:
    """Different spellings of one route, all of which some server takes for it."""
    chance, found = Random(seed), set[str]()  # noqa: S311
    while len(found) < SPELLINGS:
        path = ROUTE
        for _ in range(chance.randint(1, 3)):
            path = chance.choice(MANGLINGS)(path, chance)
        if path != ROUTE:
            found.add(path)
    return sorted(found)


def percent(path: str, chance: Random) -> str:
    at = chance.randrange(1, len(path))
    written = f"%{ord(path[at]):02{chance.choice('xX')}}"
    return path[:at] + written + path[at + 1 :]


def percent_twice(path: str, chance: Random) -> str:
    return percent(path, chance).replace("%", "%25", 1)


def behind(path: str, chance: Random) -> str:
    ends = ["/", "//", "/.", ";", ";a=b", "%00", "%20", "%2f", "\\", "/..", ".json"]
    return path + chance.choice([*ends, "/%2e", "/x/..", "..;/", "%0d%0a", "?", "#x"])


def within(path: str, chance: Random) -> str:
    at = path.find("/", chance.randrange(1, 5))
    between = ["/", "/.", "/x/..", "/%2e", "/;", "\\", "%2f", "/%2e%2e/key"]
    return path[: max(at, 0)] + chance.choice(between) + path[max(at, 0) :]


def before(path: str, chance: Random) -> str:
    fronts = ["/v1", "/anthropic", "/.", "/v1/..", "/x/%2e%2e", "/", "\\", "/v1/%2e%2e"]
    return chance.choice(fronts) + path


def cased(path: str, chance: Random) -> str:
    at = chance.randrange(1, len(path))
    return path[:at] + path[at].upper() + path[at + 1 :]


MANGLINGS = (percent, percent_twice, behind, within, before, cased)


class SpellingTests(Estate):
    async def test_a_spelling_is_the_route_itself_or_nothing(self):
        """Nothing is decoded or repaired, so there is one way to write a route."""
        every = spellings()
        nearly = [each for each in every if each.partition("?")[0] != ROUTE]
        answers: dict[str, tuple[int, int]] = {}

        def prove(line):
            for path in every:
                answers[path] = tuple(
                    line.ask(
                        request(path, headers=headers, body=b"{}", close=False)
                    ).status
                    for headers in (USER, ADMIN)
                )

        await self.holds(prove)

        self.assertEqual(len(answers), SPELLINGS)
        self.assertGreater(len(nearly), SPELLINGS - 5)
        for path in nearly:
            self.assertLessEqual(set(answers[path]), {400, 404}, path)
        for path in set(every) - set(nearly):
            self.assertEqual(answers[path], (401, 200), path)
        made = [e for e in self.logged("key-change") if e["action"] == "made"]
        self.assertEqual(len(made), 1 + len(every) - len(nearly))
        # What is percent-encoded, or has segments to resolve, is not even looked up.
        odd = [path for path in nearly if "%" in path or "/." in path or "//" in path]
        self.assertEqual({answers[path] for path in odd}, {(400, 400)})

    async def test_an_address_that_a_client_claims_is_nowhere_believed(self):
        """S-71: there is nothing that would be believed, so no list of who may."""
        answer = await self.message(headers=(*OWN, *FORGED))

        self.assertEqual(answer.status, 200)
        self.assertEqual(self.line()["client"], "127.0.0.1")
        sent = await self.provider.request(0)
        self.assertNotIn(b"203.0.113.9", sent.raw)

    async def test_what_a_template_would_evaluate_is_a_text(self):
        """S-13, S-58: in names of keys, and in all that a client says of itself."""
        texts = ["{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "<img src=x onerror=1>"]
        for number, text in enumerate(texts):
            body = {"key_alias": f"{text}{number}", "user_id": text}
            made = await self.ask(
                request(ROUTE, headers=ADMIN, body=json.dumps(body).encode())
            )
            answer = await self.message(headers=(*OWN, ("User-Agent", text)), body=ASK)
            refused = await self.ask(
                request(f"/key/info?key={quote(text, safe='')}", headers=USER)
            )

            self.assertEqual(json.loads(made.body)["key_alias"], f"{text}{number}")
            self.assertEqual(answer.status, 200)
            for each in (made, refused):
                self.assertEqual(each.value("content-type"), "application/json")
        sent = self.provider.requests
        agents = [each.values(b"user-agent") for each in sent]
        self.assertEqual(agents, [(text.encode(),) for text in texts])
