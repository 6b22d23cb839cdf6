"""What somebody would try who knows how gateways have been robbed before."""

import base64
import json
from itertools import product
from typing import Any, ClassVar
from urllib.parse import quote

from byok.policy import names
from tests.e2e.house import ASK, ASK_ORG, OURS, OWN
from tests.e2e.raw import Pairs, request
from tests.security.estate import (
    OPAQUE,
    Estate,
    secrets_in,
)
from tests.security.test_credentials import ORIGINS
from tests.support import keys
from tests.support.arrivals import credentials

GATEWAYS = ("virtual key", "second virtual key", "master key")
BYOK_SHAPED = "sk-byok-" + "0" * 43 + "abcdef"

# Ways in which a key is written into a header by those who build one.
WRITTEN = (
    "{}",
    "Bearer {}",
    "bearer {}",
    "BEARER\t{}",
    "Token {}",
    "key {}",
    '"{}"',
    "'{}'",
    "<{}>",
    "api_key={}",
    "key={};v=1",
    "a, {}, b",
    "a,{}",
    "{}, {}",
    '{{"authorization":"Bearer {}"}}',
    "https://gateway.test/?key={}",
    "https://user:{}@gateway.test/",
    "Bearer Bearer {}",
    "Bearer%20{}",
    "authorization%3D{}",
    "a\\n{}\\n",
    "{}x",
)
# A long key of the gateway is known by itself, wherever it begins and ends.
INSIDE = ("x{}", "x{}x", "-{}-")
HEADERS = (
    "Authorization",
    "X-Api-Key",
    "api-key",
    "x-goog-api-key",
    "Proxy-Authorization",
    "x-custom",
    "x-auth-token",
    "x-claude-code-session-id",
    "x-stainless-lang",
    "anthropic-beta",
    "anthropic-version",
    "anthropic-auth-token",
    "openai-beta",
    "User-Agent",
    "Accept",
    "Referer",
    "Origin",
    "traceparent",
    "baggage",
    "x-request-id",
    "X-Forwarded-For",
    "Cookie",
    "x-pass-authorization",
    "x-pass-x-api-key",
    "x_custom",
)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


class HiddenKeyTests(Estate):
    """A gateway key in a place where nobody looks for one."""

    async def test_a_gateway_key_leaves_in_no_header_in_no_dress(self):
        attempts: list[Pairs] = []
        for key in (keys.VIRTUAL_KEY, keys.MASTER_KEY, BYOK_SHAPED):
            dresses = [how.format(key, key) for how in WRITTEN]
            if key != BYOK_SHAPED:
                dresses += [how.format(key) for how in INSIDE]
                dresses += [
                    basic(f"{a}:{key}{z}") for a in ("", "me") for z in ("", ":x")
                ]
            for header in HEADERS:
                lines = tuple((header, each) for each in dresses)
                # One line at a time where a second one would be refused.
                once = header.lower().encode() in names.SINGLETONS
                attempts += [(each,) for each in lines] if once else [lines]

        def prove(line):
            for lines in attempts:
                mark = self.mark()
                raw = request(headers=(*OURS, *lines), body=ASK_ORG, close=False)
                status = line.ask(raw).status
                refused = (400,) if lines[0][0] == "x_api_key" else (200, 401, 403)
                self.assertIn(status, refused, lines)
                came = self.since(mark)
                self.assertFalse(secrets_in(came) & set(GATEWAYS), lines)
                self.assertNotIn(b"0" * 43, b"".join(sent.raw for sent in came))

        await self.holds(prove)
        self.assertEqual(self.guard_trips, 0)
        self.assertGreater(len(self.provider.requests), len(attempts) // 2)

    async def test_a_key_in_a_query_is_refused_however_it_is_spelt(self):
        targets = []
        for key in (
            keys.VIRTUAL_KEY,
            keys.MASTER_KEY,
            keys.ANTHROPIC_API_KEY,
            keys.ANTHROPIC_OAUTH,
            keys.GOOGLE,
            BYOK_SHAPED,
        ):
            percent = "".join(f"%{ord(letter):02x}" for letter in key)
            targets += [
                f"/v1/messages?key={key}",
                f"/v1/messages?{key}",
                f"/v1/messages?a=b&x-api-key={key}&c",
                f"/v1/messages?key={percent}",
                f"/v1/messages?key={percent.upper()}",
                f"/v1/messages?key={key.replace('-', '%2D')}",
                f"/v1/messages?key=%22{key}%22",
                f"/v1/messages?url={quote('https://a/?key=' + key, safe='')}",
            ]

        def prove(line):
            for target in targets:
                raw = request(target, headers=OWN, body=ASK, close=False)
                self.assertEqual(line.ask(raw).status, 400, target)

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_another_key_of_the_gateway_is_no_provider_s_key(self):
        """Not even where a key of no known shape may go: it is known by itself."""
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="other")
        headers = ("X-Api-Key", "Authorization", "Proxy-Authorization", "api-key")

        def prove(line):
            for key in (keys.VIRTUAL_KEY_2, BYOK_SHAPED):
                for header, model in product(headers, ORIGINS):
                    scheme = "Bearer " if header.endswith("uthorization") else ""
                    is_openai = ORIGINS[model] == "openai"
                    path = "/v1/chat/completions" if is_openai else "/v1/messages"
                    raw = request(
                        path,
                        headers=(*OURS, (header, scheme + key)),
                        body=json.dumps({"model": model}).encode(),
                        close=False,
                    )
                    mark = self.mark()
                    line.ask(raw)
                    for sent in self.since(mark):
                        self.assertNotIn(key.encode(), sent.raw, (header, model))

        await self.holds(prove)
        self.assertEqual(self.guard_trips, 0)

    async def test_a_second_key_of_no_shape_leaves_nowhere(self):
        """The admin gave these two: nothing but the store tells them from words."""
        given = (keys.VIRTUAL_KEY_2, "sk-12345")
        for key in given:
            await self.make_key(key, key_alias=f"given-{len(key)}")
        written = [each for each in WRITTEN if each != "{}x"]
        written.append("Basic " + base64.b64encode(b"anna:{}").decode())

        def prove(line):
            for key, header in product(given, HEADERS):
                for how in written:
                    value = how.replace("{}", key).replace("{{", "{").replace("}}", "}")
                    if how.startswith("Basic"):
                        value = (
                            "Basic " + base64.b64encode(f"a:{key}".encode()).decode()
                        )
                    mark = self.mark()
                    raw = request(
                        headers=(*OWN, (header, value)), body=ASK, close=False
                    )
                    line.ask(raw)
                    for sent in self.since(mark):
                        self.assertNotIn(value.encode(), sent.raw, header)
                        self.assertNotIn(key.encode(), sent.raw, header)
                for target in (
                    f"/v1/messages?beta=true&key={key}",
                    f"/v1/messages?a={quote(key.replace('-', '%2D'), safe='%')}",
                    f"/v1/messages?q=Bearer%20{key}",
                ):
                    mark = self.mark()
                    raw = request(target, headers=OWN, body=ASK, close=False)
                    # Whoever sends so many strange words may have to wait.
                    self.assertIn(line.ask(raw).status, (400, 429), target)
                    self.assertEqual(self.since(mark), [])

        await self.holds(prove)
        self.assertEqual(self.guard_trips, 0)

    async def test_keys_cannot_be_tried_by_sending_them_beside_ones_own(self):
        await self.make_key("sk-12345", key_alias="given")
        asked = []
        for number, word in enumerate(("nothing", "sk-12345", "sk-123456")):
            tried = " ".join(f"sk-{number}-{guess}" for guess in range(40))
            raw = request(
                f"/v1/messages?q={word}",
                headers=(*OWN, ("x-custom", tried)),
                body=ASK,
            )
            asked.append(await self.ask(raw))

        # The right guess is refused as the wrong one is, and the owner goes on.
        self.assertEqual([each.status for each in asked], [429] * 3)
        codes = {each.value("x-byok-error") for each in asked}
        self.assertEqual(codes, {"auth.too-many-words"})
        self.assertEqual((await self.message()).status, 200)

    async def test_what_only_looks_like_a_key_goes_on_as_it_came(self):
        value = "disk-1 sk-of-nobody task-12345"

        answer = await self.message(headers=(*OWN, ("x-custom", value)))

        self.assertEqual(answer.status, 200)
        (sent,) = self.since((0, 0, 0))
        self.assertIn(value.encode(), sent.raw)


class ConfiguredKeyTests(Estate):
    """What an operator adds to every request may be a key of ours, too."""

    def deployments(self) -> dict[str, dict[str, object]]:
        found = super().deployments()
        found["tenant-model"] = {**found[OPAQUE], "extra_headers": {"x-t": "sk-12345"}}
        return found

    async def test_a_key_that_the_configuration_adds_is_stopped(self):
        body = ASK.replace(b"claude-sonnet-5-5", b"tenant-model")
        before = await self.message(body=body, headers=(*OURS, ("x-api-key", "opaque")))
        mark = self.mark()
        await self.make_key("sk-12345", key_alias="given")

        after = await self.message(body=body, headers=(*OURS, ("x-api-key", "opaque")))

        self.assertEqual((before.status, after.status), (200, 502))
        self.assertEqual(after.value("x-byok-error"), "egress.stopped")
        self.assertEqual(self.since(mark), [])
        self.assertEqual(self.guard_trips, 1)


class RepeatedHeaderTests(Estate):
    """Two readers, of whom one takes the first of two lines and one the last."""

    async def test_a_credential_that_comes_twice_is_refused(self):
        def prove(line):
            for name in (
                "x-api-key",
                "Authorization",
                "x-litellm-api-key",
                "x-byok-api-key",
                "api-key",
                "x-goog-api-key",
                "Proxy-Authorization",
                "Content-Type",
                "Host",
            ):
                for value in ("", "sk-other", f"Bearer {keys.ANTHROPIC_OAUTH_2}"):
                    twice = ((name, value or "x"), (name.upper(), value))
                    raw = request(headers=(*OWN[:1], *twice), body=ASK, close=False)
                    self.assertEqual(line.ask(raw).status, 400, name)

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_no_line_of_connection_takes_a_credential_off_a_request(self):
        """Whoever could would choose that the company pays."""
        nominations = (
            (("Connection", "x-api-key"),),
            (("Connection", "keep-alive"), ("Connection", "X-Api-Key")),
            (("Connection", "keep-alive,,\t x-api-key ,"),),
            (("Connection", "a"), ("Connection", "b"), ("Connection", "authorization")),
            (("Connection", "x-litellm-api-key"),),
            (("Connection", "x-auth-token"),),
            (("Connection", "cookie"),),
            (("Connection", "host"),),
            (("Connection", "content-length"),),
            (("Connection", "transfer-encoding"),),
            (("Connection", "accept-encoding"),),
            (("Connection", "close, x-goog-api-key"),),
        )

        def prove(line):
            for lines in nominations:
                for body in (ASK, ASK_ORG):
                    raw = request(headers=(*OWN, *lines), body=body, close=False)
                    answer = line.ask(raw)
                    line.close()
                    self.assertEqual(answer.status, 400, lines)
                    self.assertEqual(
                        answer.value("x-byok-error"), "edge.connection-nomination"
                    )

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_what_any_line_of_connection_names_stays_here(self):
        headers = (
            *OWN,
            ("Connection", "x-one"),
            ("Connection", "keep-alive, X-Two"),
            ("Connection", "\t x-three ,user-agent"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("X-THREE", "3"),
            ("x-four", "4"),
            ("User-Agent", "claude-cli/2"),
        )

        def prove(line):
            line.ask(request(headers=headers, body=ASK, close=False))

        await self.holds(prove)

        (sent,) = self.since((0, 0, 0))
        gone = {b"x-one", b"x-two", b"x-three", b"user-agent", b"connection"}
        self.assertEqual(gone & set(sent.names()), set())
        self.assertIn(b"x-four", sent.names())


class OddNameTests(Estate):
    async def test_a_key_that_stands_for_a_header_s_name_leaves_nothing(self):
        given = (keys.MASTER_KEY, keys.VIRTUAL_KEY, keys.ANTHROPIC_API_KEY)

        def prove(line):
            for key in given:
                for name in (key, f"x-{key}", f"x-pass-{key}"):
                    mark = self.mark()
                    headers = (*OWN, (name, "1"))
                    answer = line.ask(request(headers=headers, body=ASK, close=False))
                    self.assertEqual(answer.status, 400, name)
                    self.assertNotIn(key.lower(), answer.body.decode().lower())
                    self.assertEqual(self.since(mark), [])

        await self.holds(prove)

    async def test_a_name_that_is_nearly_a_credential_s_carries_none(self):
        nearly = (
            "x_api_key",
            "X_API_KEY",
            "x-api_key",
            "x_litellm_api_key",
            "HTTP_AUTHORIZATION",
            "http-authorization",
            "x-api-key.",
            "x.api.key",
            "x~api~key",
            "xapikey",
            "x-api-key-",
            "x-api-keys",
            "x--api-key",
            "authorization-",
            "x-authorization",
            "x-original-authorization",
            "x-forwarded-authorization",
            "x-amz-security-token",
            "anthropic-api-key",
            "x-anthropic-api-key",
            "x-api-key\t",
            "x-api-key ",
            " x-api-key",
            "x-api-key\x00",
            "x-api-k\xe9y",
            "x-api-\u212aey".encode().decode("latin-1"),
        )
        provider_keys = (keys.ANTHROPIC_API_KEY, keys.ANTHROPIC_OAUTH)

        def prove(line):
            for name in nearly:
                for value in provider_keys:
                    mark = self.mark()
                    headers = (*OURS, (name, value))
                    raw = request(headers=headers, body=ASK_ORG, close=False)
                    self.assertIn(line.ask(raw).status, (200, 400), name)
                    arrived = secrets_in(self.since(mark))
                    self.assertLessEqual(arrived, {"deployment key"}, name)

        await self.holds(prove)

    async def test_a_model_s_name_is_a_name_wherever_it_ends_up(self):
        wanted = [
            "a/../../key/generate",
            "..",
            "%2e%2e%2fkey",
            "a?b#c",
            "a\r\nX-Evil: 1",
            "a\x00b",
            "{{7*7}}",
            "${7*7}",
            "%s%n",
            "' OR 1=1 --",
            "*",
            "claude-*",
            "\u202eedualc",
            "\U0001f600" * 200,
            "x" * 1000,
            "https://evil.example/v1",
            "openai/gpt-5",
            "anthropic/claude",
            "anthropic/../openai/gpt-5",
            'a\\u0022,"api_base":"x',
            " claude",
            "CLAUDE",
        ]
        answers = {}

        def prove(line):
            for name in wanted:
                body = json.dumps({"model": f"wild-{name}"}).encode()
                raw = request(headers=OWN, body=body, close=False)
                answers[name] = line.ask(raw).status

        await self.holds(prove)

        self.assertEqual(set(answers.values()), {200})
        arrived = self.provider.requests
        for name, sent in zip(wanted, arrived, strict=True):
            self.assertEqual(sent.target, b"/v1/messages?beta=true")
            self.assertEqual(json.loads(sent.body), {"model": f"claude-{name}"})
            self.assertNotIn(b"evil", sent.head.raw.lower())
        self.assertEqual(self.openai.connections, [])
        lines = [each for each in self.logged("access") if each.get("model")]
        self.assertEqual(len(lines), len(wanted))

    def deployments(self) -> dict[str, dict[str, object]]:
        wild: dict[str, object] = {"model": "anthropic/claude-*"}
        return {**super().deployments(), "wild-*": wild}


class GrantedTests(Estate):
    """Requests may ask for headers by `x-pass-`; all is granted that can be."""

    GRANTED: ClassVar = [
        "unclassified",
        "tracing",
        "protocol",
        "client-identity",
        "client-network",
        "telemetry.sdk",
    ]

    def configuration(self):
        configuration = super().configuration()
        grant = {"id": "pass", "action": {"allow_request": self.GRANTED}}
        settings_of: Any = configuration["litellm_settings"]
        configuration["litellm_settings"] = {**settings_of, "policies": [grant]}
        return configuration

    async def test_nothing_can_be_asked_for_that_may_not_leave(self):
        asked = (
            *HEADERS,
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "TE",
            "Expect",
            "Set-Cookie",
            "x-litellm-api-key",
            "x-byok-api-key",
            "x-pass-x-note",
            "x-amz-security-token",
            "",
            ":authority",
            "x-api-key ",
        )
        values = (
            keys.VIRTUAL_KEY,
            f"Bearer {keys.MASTER_KEY}",
            BYOK_SHAPED,
            keys.ANTHROPIC_API_KEY,
            f"Bearer {keys.ANTHROPIC_OAUTH}",
            keys.COOKIE,
            "chunked",
            "3",
        )
        ours = f"127.0.0.1:{self.provider.port}".encode()

        def prove(line):
            for name, value in product(asked, values):
                mark = self.mark()
                lines = (*OURS, (f"x-pass-{name}", value))
                status = line.ask(
                    request(headers=lines, body=ASK_ORG, close=False)
                ).status
                self.assertIn(status, (200, 400, 401, 403), (name, value))
                for sent in self.since(mark):
                    arrived = secrets_in([sent])
                    self.assertFalse(arrived & set(GATEWAYS), name)
                    self.assertFalse(
                        arrived & {"anthropic api key", "anthropic oauth token"}, name
                    )
                    self.assertNotIn(BYOK_SHAPED.encode(), sent.raw, name)
                    self.assertEqual(len(credentials(sent)), 1, name)
                    self.assertEqual(sent.values(b"host"), (ours,))
                    length = b"%d" % len(sent.body)
                    self.assertEqual(sent.values(b"content-length"), (length,))
                    framing = {b"transfer-encoding", b"connection", b"te", b"expect"}
                    self.assertFalse(framing & set(sent.names()), name)

        await self.holds(prove)
        self.assertEqual(self.guard_trips, 0)

    async def test_what_is_granted_is_sent(self):
        headers = (*OURS, ("x-pass-x-note", "hello"))

        await self.message(headers=headers, body=ASK_ORG)

        (sent,) = self.since((0, 0, 0))
        self.assertEqual(sent.values(b"x-note"), (b"hello",))
