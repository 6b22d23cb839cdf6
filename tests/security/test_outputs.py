"""S-18, S-20, S-26, S-56: no output of the gateway shows a secret."""

import gzip
import io
import json

from twisted.logger import LogLevel, globalLogPublisher

from byok.logs.observers import human_observer, json_observer
from byok.web import proxy
from tests.e2e.house import ASK, ASK_ORG, OURS, OWN
from tests.e2e.raw import Answer, Pairs, request
from tests.security.estate import COMPANY, OPENAI_COMPANY, STRANGER_COMPANY, Estate
from tests.security.test_credentials import SECRETS
from tests.security.test_routes import ROUTES, asked
from tests.support import keys, plays
from tests.support.http1 import Request
from tests.support.sweep import allow, leaks_in

KEY_OF = {
    COMPANY: keys.DEPLOYMENT_KEY,
    STRANGER_COMPANY: keys.DEPLOYMENT_KEY_2,
    OPENAI_COMPANY: keys.OPENAI_DEPLOYMENT_KEY,
}


def leaks_of(answer: Answer) -> set[str]:
    """Name the secrets anywhere in *answer*."""
    head = f"{answer.reason} {answer.headers!r}".encode()
    return {leak.what for leak in leaks_in(head + answer.body, "an answer")}


def quoting(status: int, *, cut: int = 0, chunked: bool = False):
    """A reply that quotes every header it got, in its body and in its headers."""

    def reply(asked_: Request) -> plays.Play:
        lines = [(n.decode(), v.decode("latin-1")) for n, v in asked_.lines]
        text = "; ".join(f"{name}: {value}" for name, value in lines)
        body = json.dumps({"type": "error", "error": {"message": text}}).encode()
        echoes = tuple((f"x-echo-{name}", value) for name, value in lines)
        if chunked:
            pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
            return plays.stream(pieces, status=status, headers=echoes)
        whole = plays.answer(status, body, headers=echoes)
        head, rest = whole.steps
        assert isinstance(rest, plays.Send)
        at = body.find(b"sk-") + cut
        steps = (head, plays.Send(data=body[:at]), plays.Send(data=body[at:]))
        return plays.Play(steps=steps)

    return reply


class EchoTests(Estate):
    """S-18: a provider that quotes what it was sent."""

    async def test_no_caller_sees_the_company_s_key_however_it_is_quoted(self):
        replies = [
            quoting(status, cut=cut)
            for status in (400, 401, 403, 404, 413, 429, 500, 503, 529)
            for cut in (0, 1, 20)
        ]
        replies += [quoting(401, cut=size, chunked=True) for size in (1, 7, 50)]

        def prove(line):
            for model, secret in KEY_OF.items():
                is_openai = model == OPENAI_COMPANY
                path = "/v1/chat/completions" if is_openai else "/v1/messages"
                provider = {
                    COMPANY: self.provider,
                    STRANGER_COMPANY: self.stranger,
                    OPENAI_COMPANY: self.openai,
                }[model]
                for reply in replies:
                    provider.play(path, reply)
                    body = json.dumps({"model": model}).encode()
                    raw = request(path, headers=OURS, body=body, close=False)
                    answer = line.ask(raw)
                    self.assertEqual(leaks_of(answer), set())
                    self.assertGreaterEqual(answer.status, 400)
                    # It is the provider's answer all the same, less the key.
                    self.assertIn(b"*" * len(secret), answer.body)
                    echoes = {n for n in answer.names() if n.startswith("x-echo-")}
                    self.assertIn("x-echo-host", echoes)
                    self.assertFalse(
                        {"x-echo-x-api-key", "x-echo-authorization"} & echoes
                    )

        await self.holds(prove)
        self.assert_no_alarm()

    async def test_a_quoting_answer_that_is_no_error_keeps_it_out_of_headers(self):
        self.provider.play("/v1/messages", quoting(200))

        answer = await self.message(headers=OURS, body=ASK_ORG)

        self.assertNotIn("x-echo-x-api-key", answer.names())
        # The body of a success is never touched: what it says is the provider's.
        allow(keys.DEPLOYMENT_KEY)

    async def test_an_error_that_cannot_be_read_is_not_passed_on(self):
        packed = gzip.compress(keys.DEPLOYMENT_KEY.encode())
        for codings in (
            ("gzip",),
            ("GZIP",),
            ("br",),
            ("x-anything",),
            ("identity", "gzip"),
            ("identity, gzip",),
            ("", "gzip"),
        ):
            headers = tuple(("Content-Encoding", each) for each in codings)
            self.provider.play(
                "/v1/messages", plays.answer(401, packed, headers=headers)
            )

            answer = await self.message(headers=OURS, body=ASK_ORG)

            self.assertEqual(answer.status, 401)
            self.assertEqual(
                answer.value("x-byok-error"), "provider.unreadable-error", codings
            )

    async def test_what_one_host_says_of_itself_is_not_said_for_the_gateway(self):
        evil = (
            ("Set-Cookie", f"session={keys.COOKIE}; Domain=gateway.test"),
            ("Set-Cookie2", "a=b"),
            ("Location", "https://evil.example"),
            ("Refresh", "0;url=https://evil.example"),
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Clear-Site-Data", '"*"'),
            ("Strict-Transport-Security", "max-age=1"),
            ("Alt-Svc", 'h2="evil.example:443"'),
            ("x-byok-error", "auth.invalid-key"),
            ("x-byok-payer", "org"),
            ("x-litellm-response-cost", "0"),
            ("Connection", "x-nominated"),
            ("x-nominated", "1"),
            ("Proxy-Authenticate", "Basic"),
            ("Keep-Alive", "timeout=1"),
        )
        for status in (200, 401, 529):
            self.provider.play(
                "/v1/messages", plays.answer(status, b"{}", headers=evil)
            )

            answer = await self.message()

            self.assertEqual(answer.status, status)
            told = answer.names() - {"connection"}
            self.assertEqual({name.lower() for name, _ in evil} & told, set())
            self.assertNotIn("x-nominated", repr(answer.headers))


class AnswerTests(Estate):
    """S-20: every answer of the gateway's own, to a request full of secrets."""

    async def test_no_answer_of_ours_repeats_a_secret_not_even_the_asker_s(self):
        told: list[tuple[str, str, set[str]]] = []

        def full(secret: str) -> list[Pairs]:
            return [
                (("Authorization", f"Bearer {secret}"),),
                (("x-litellm-api-key", secret),),
                (*OURS, ("x-api-key", secret)),
                (*OURS, ("x-custom", secret), ("Cookie", secret)),
                (*OURS, (f"x-{secret.replace('=', '')}", "1")),
                (*OURS, ("Connection", secret)),
                (*OURS, ("x_api_key", secret)),
                (*OURS, ("x-api-key", f"{secret}\x01")),
                (*OURS, ("Content-Type", secret)),
            ]

        def prove(line):
            for secret in SECRETS.values():
                for headers in full(secret):
                    raw = request(headers=headers, body=ASK, close=False)
                    self.note(told, line, "headers", raw)
                for path in (
                    f"/v1/messages?key={secret}",
                    f"/v1/models/{secret}",
                    f"/{secret}",
                    f"/key/{secret}/regenerate",
                    f"/key/info?key={secret}",
                    f"/key/list?user_id={secret}",
                ):
                    method = "POST" if "messages" in path or "regen" in path else "GET"
                    bearer = (("Authorization", f"Bearer {keys.MASTER_KEY}"),)
                    raw = asked(method, path.replace(" ", ""), b"", bearer)
                    self.note(told, line, path.partition(secret)[0], raw)
                for body in (
                    json.dumps({"model": secret}),
                    json.dumps({"model": COMPANY, secret: 1})[:-1]
                    + f', "{secret}":2}}',
                    json.dumps({"model": COMPANY, "api_key": secret}),
                    f'{{"model": {secret}',
                    f'{{"stream": "{secret}"}}',
                ):
                    raw = request(headers=OURS, body=body.encode(), close=False)
                    self.note(told, line, "body", raw)
                for path in ("/key/generate", "/key/update", "/key/delete"):
                    for body in (
                        json.dumps({"key_alias": [secret]}),
                        json.dumps({"duration": secret}),
                        json.dumps({"keys": [secret], "key": secret, "models": secret}),
                        f'{{"a": "{secret}',
                    ):
                        bearer = (("Authorization", f"Bearer {keys.MASTER_KEY}"),)
                        raw = asked("POST", path, body.encode(), bearer)
                        self.note(told, line, path, raw)

        await self.holds(prove)
        self.assertEqual(told, [])
        allow(*SECRETS.values())

    def note(self, told, line, where: str, raw: bytes) -> None:
        answer = line.ask(raw)
        mine = answer.value("x-byok-error") is not None or answer.status == 200
        if mine and leaks_of(answer):
            told.append((where, str(answer.status), leaks_of(answer)))

    async def test_a_new_key_is_shown_by_the_one_answer_that_makes_it(self):
        """S-56"""
        answers: dict[tuple[str, str], Answer] = {}
        master: Pairs = (("Authorization", f"Bearer {keys.MASTER_KEY}"),)
        made = await self.ask(
            request(
                "/key/generate",
                headers=(*master, ("Content-Type", "application/json")),
                body=b'{"key_alias":"spare"}',
            )
        )
        key = json.loads(made.body)["key"]

        def prove(line):
            for (method, path), (_, body) in ROUTES.items():
                answers[method, path] = line.ask(
                    asked(method, path, body, master), method=method
                )

        await self.holds(prove)

        for each, answer in answers.items():
            self.assertEqual(answer.status, 200, each)
            self.assertNotIn(key[8:].encode(), answer.body, each)
            shows_one = b"sk-byok-" in answer.body
            makes_one = ("generate", "regen", "/user/new")
            self.assertEqual(
                shows_one, any(word in each[1] for word in makes_one), each
            )
        info = json.loads(answers["GET", "/key/info?key=spare"].body)["info"]
        self.assertEqual(len(info["key_name"]), len("sk-...") + 4)


class CrashTests(Estate):
    """S-26: what goes wrong is told without what it went wrong with."""

    async def test_a_fault_that_quotes_headers_is_logged_without_them(self):
        human, machine = io.StringIO(), io.StringIO()
        for make, stream in ((human_observer, human), (json_observer, machine)):
            observer = make(stream, self.service._live, minimum=LogLevel.debug)
            globalLogPublisher.addObserver(observer)
            self.addCleanup(globalLogPublisher.removeObserver, observer)
        # The sweep looks at events before they are cleaned; here that is the point.
        allow(*keys.ALL_CANARIES)

        def broken(facts, caller, gateway):
            bare = " and ".join(value.decode() for _, value in facts.headers)
            raise ValueError(f"cannot decide {facts.headers!r} with {bare}", facts)

        self.patch(proxy, "decide", broken)
        headers = (
            *OWN,
            ("Authorization", f"Bearer {keys.JWT}"),
            ("x-auth-token", keys.OPAQUE_TOKEN),
            ("x-goog-api-key", keys.AZURE_KEY),
            ("Cookie", keys.COOKIE),
        )

        answer = await self.message(headers=headers)

        self.assertEqual(
            (answer.status, answer.value("x-byok-error")), (500, "internal")
        )
        self.assertEqual(leaks_of(answer), set())
        self.assertNotIn(b"decide", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        for stream in (human, machine):
            written = stream.getvalue()
            self.assertIn("cannot decide", written)
            self.assertEqual(leaks_in(written.encode(), "the log"), [])

    async def test_a_store_that_breaks_under_a_request_quotes_nothing(self):
        store = self.service._store
        assert store is not None
        store._engine.dispose()
        directory = self.service._config.directory
        for file in directory.glob("byok.db*"):
            if file.is_file() and not file.name.endswith(".pepper"):
                file.write_bytes(b"this is no database " * 500)

        unknown = (("x-litellm-api-key", keys.VIRTUAL_KEY_2),)
        answer = await self.message(headers=unknown)

        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.value("x-byok-error"), "store.unavailable")
        self.assertEqual(leaks_of(answer), set())
        said = " ".join(str(event.get("error")) for event in self.events)
        self.assertNotIn("SELECT", said + answer.body.decode())
