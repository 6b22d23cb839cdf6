"""S-17, S-40, S-59: the body leaves as it came, the framing is ours alone."""

import json
from hashlib import sha256
from http.client import HTTPException

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.house import ASK, MODEL, OURS, OWN
from tests.e2e.raw import Pairs, request
from tests.security.estate import COMPANY, Estate
from tests.support import keys, plays
from tests.support.http1 import Request

UPSTREAM = "claude-opus-5-5"
"""What the company's model is called by its provider."""

# -- Bodies ----------------------------------------------------------------------

spaces = st.text(" \t\n\r", max_size=3)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def strings(draw):
    """A JSON string, each letter written in one of the ways JSON has for it."""
    letters = []
    for letter in draw(texts):
        plain = json.dumps(letter, ensure_ascii=False)[1:-1]
        code = letter.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))
        upper = escaped.upper().replace("\\U", "\\u")
        ways = [plain, plain, escaped, upper]
        letters.append(draw(st.sampled_from([*ways, "\\/"] if letter == "/" else ways)))
    return f'"{"".join(letters)}"'


numbers = st.sampled_from(
    ["0", "-0", "1.50", "1E+2", "1e-07", "12345678901234567890", "0.1000", "-0.0e0"]
)
scalars = strings() | numbers | st.sampled_from(["true", "false", "null"])


@st.composite
def arrays(draw, items):
    parts = [draw(spaces) + draw(items) + draw(spaces) for _ in range(draw(few))]
    return f"[{','.join(parts) or draw(spaces)}]"


@st.composite
def objects(draw, values):
    parts = [
        f"{draw(spaces)}{name}{draw(spaces)}:{draw(spaces)}{draw(values)}"
        for name in draw(st.lists(strings(), max_size=3, unique_by=json.loads))
    ]
    return f"{{{','.join(parts) or draw(spaces)}}}"


few = st.integers(0, 3)
values = st.recursive(scalars, lambda inner: arrays(inner) | objects(inner))
# Names that no reader could take for the few that byok reads.
other_names = st.sampled_from(
    ["messages", "system", "metadata", "xmodel", "models", "a.b", "\\u0061", "é", ""]
)


@st.composite
def bodies(draw, model):
    """A body around the JSON string *model*: what is before it, and what behind."""
    names = draw(st.lists(other_names, max_size=4, unique_by=str))
    fields = [
        f"{draw(spaces)}{json.dumps(name, ensure_ascii=False)}{draw(spaces)}"
        f":{draw(spaces)}{draw(values)}{draw(spaces)}"
        for name in names
    ]
    at = draw(st.integers(0, len(fields)))
    named = draw(st.sampled_from(['"model"', '"m\\u006fdel"', '"\\u006Dodel"']))
    before = "".join(f"{field}," for field in fields[:at])
    after = "".join(f",{field}" for field in fields[at:])
    head = f"{draw(spaces)}{{{before}{draw(spaces)}{named}{draw(spaces)}:{draw(spaces)}"
    tail = f"{draw(spaces)}{after}}}{draw(spaces)}"
    return head.encode(), model.encode(), tail.encode()


class BodyTests(Estate):
    """S-17: whatever the spelling, the same bytes leave."""

    async def test_a_body_leaves_with_the_digest_it_came_with(self):
        spellings = st.sampled_from(
            [f'"{MODEL}"', '"' + MODEL.replace("-", "\\u002d") + '"']
        )

        def prove(line):
            @given(spellings.flatmap(bodies))
            @settings(max_examples=80, deadline=None)
            def held(parts):
                body = b"".join(parts)
                sent = self.relayed(line, body, OWN)
                self.assertEqual(sent.body_sha256, sha256(body).hexdigest())

            held()

        await self.holds(prove)

    async def test_an_alias_changes_one_string_and_no_other_byte(self):
        spellings = st.sampled_from([f'"{COMPANY}"', '"\\u0063ompany-model"'])

        def prove(line):
            @given(spellings.flatmap(bodies))
            @settings(max_examples=80, deadline=None)
            def held(parts):
                before, _, after = parts
                expected = before + f'"{UPSTREAM}"'.encode() + after
                sent = self.relayed(line, b"".join(parts), OURS)
                self.assertEqual(sent.body, expected)

            held()

        await self.holds(prove)

    def relayed(self, line, body: bytes, headers: Pairs) -> Request:
        mark = self.mark()
        answer = line.ask(request(headers=headers, body=body, close=False))
        self.assertEqual(answer.status, 200, (body, answer.body))
        (sent,) = self.since(mark)
        return sent

    async def test_what_two_readers_read_differently_reaches_no_provider(self):
        """S-59: on every route alike."""
        model = f'"{MODEL}"'.encode()
        deep = b"[" * 65 + b"]" * 65
        strange = (
            b'{"model":"a","model":%b}' % model,
            b'{"model":%b,"mod\\u0065l":"a"}' % model,
            b'{"model":%b,"Model":"a"}' % model,
            b'{"model":%b,"x":1,"x":2}' % model,
            b'{"model":%b,"x":NaN}' % model,
            b'{"model":%b,"x":Infinity}' % model,
            b'{"model":%b,"x":-Infinity}' % model,
            b'{"model":%b,"x":"\xff"}' % model,
            b'{"model":%b,"x":"\xed\xa0\x80"}' % model,
            b'{"model":%b,"x":"\xc0\xaf"}' % model,
            b'{"model":%b,"x":%b}' % (model, deep),
            b'{"model":%b} {"model":"a"}' % model,
            b'{"model":%b,}' % model,
            b'{"model":%b,"x":01}' % model,
            b'{"model":%b/**/}' % model,
            b"{'model':%b}" % model,
            b"\xef\xbb\xbf" + ASK,
            ASK.decode().encode("utf-16"),
            b'{"model":["%b"]}' % MODEL.encode(),
            b'{"model":null}',
            b'{"model":"\\ud800"}',
            b"[%b]" % ASK,
        )

        def prove(line):
            for path in (
                "/v1/messages",
                "/v1/messages/count_tokens",
                "/v1/chat/completions",
                "/anthropic/v1/messages",
            ):
                for body in strange:
                    raw = request(path, headers=OWN, body=body, close=False)
                    self.assertEqual(line.ask(raw).status, 400, body)

        await self.holds(prove)
        self.assertEqual(self.mark(), (0, 0, 0))


# -- Framing ---------------------------------------------------------------------

SMUGGLED: tuple[Pairs, ...] = (
    (("x-pass-content-length", "3"),),
    (("x-pass-transfer-encoding", "chunked"),),
    (("x-pass-host", "evil.example"),),
    (("x-pass-connection", "x-api-key"),),
    (("x-pass-x-api-key", keys.ANTHROPIC_API_KEY_2),),
    (("x-litellm-content-length", "3"),),
    (("Expect", "100-continue"),),
    (("Keep-Alive", "timeout=1"),),
    (("Connection", "keep-alive, x-custom"), ("x-custom", "1")),
    (("Connection", "keep-alive"), ("Connection", "x-custom"), ("x-custom", "1")),
    (("Connection", "te"), ("TE", "trailers")),
    (
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAM"),
    ),
    (("Upgrade", "websocket"),),
    (("Trailer", "x-api-key"),),
    (("Proxy-Connection", "keep-alive"),),
    (("Accept-Encoding", "gzip, br, zstd"),),
    (("x_custom", "1"),),
    (("Transfer-Encoding ", "chunked"),),
    (("Transfer_Encoding", "chunked"),),
    (("Content_Length", "3"),),
    (("Content-Encoding", "gzip"),),
    (("Content-Encoding", "identity"),),
    (("Transfer-Encoding", "chunked"),),
    (("Transfer-Encoding", "gzip, chunked"),),
    (("Content-Length", "3"),),
    (("Content-Length", "+3"),),
    (("Host", "evil.example"),),
    (("x-custom", "a\tb"),),
    (("x-custom", "a\r\nContent-Length: 3"),),
    (("x-custom", "a\r\n Content-Length: 3"),),
    (("x-custom", "a\nContent-Length: 3"),),
    (("x-custom", "a\x0bContent-Length: 3"),),
    (("x-custom", "a\x00b"),),
    (("x-custom: 1\r\nTransfer-Encoding", "chunked"),),
)
OF_ONE_HOP = {
    b"connection",
    b"expect",
    b"http2-settings",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"x-custom",
    b"content-encoding",
}


class FramingTests(Estate):
    """S-40: what the provider's connection says of itself is written by byok."""

    def assert_canonical(self, sent: Request) -> None:
        names = sent.names()
        for name in (b"host", b"content-length", b"accept-encoding"):
            self.assertEqual(names.count(name), 1, names)
        ours = f"127.0.0.1:{self.provider.port}".encode()
        self.assertEqual(sent.values(b"host"), (ours,))
        self.assertEqual(sent.values(b"content-length"), (b"%d" % len(sent.body),))
        self.assertEqual(sent.values(b"accept-encoding"), (b"identity",))
        self.assertEqual(sent.body, ASK)
        self.assertEqual(sent.head.version, b"HTTP/1.1")
        self.assertEqual([n for n in names if n.startswith((b"x-pass", b"x-lite"))], [])
        self.assertNotIn(b"\n", sent.head.raw.replace(b"\r\n", b""))

    async def test_no_line_of_a_client_becomes_framing(self):
        outcomes: dict[Pairs, int] = {}

        def prove(line):
            for lines in SMUGGLED:
                mark = self.mark()
                raw = request(headers=(*OWN, *lines), body=ASK, close=False)
                try:
                    outcomes[lines] = line.ask(raw).status
                except (HTTPException, OSError):
                    # Hung up on, as a request that cannot be framed may be.
                    outcomes[lines] = 0
                line.close()
                came = self.since(mark)
                self.assertEqual(len(came), outcomes[lines] == 200, lines)
                for sent in came:
                    self.assert_canonical(sent)
                    left = OF_ONE_HOP & set(sent.names())
                    kept = {b"x-custom"} if lines[0][0] == "x-custom" else set()
                    self.assertEqual(left, kept, lines)

        await self.holds(prove)

        # Most are harmless once they are dropped: a client that sends them lives.
        self.assertGreater(list(outcomes.values()).count(200), 12)
        self.assertGreater(list(outcomes.values()).count(400), 5)
        self.assertLessEqual(set(outcomes.values()), {0, 200, 400, 415})
        self.assertEqual(self.guard_trips, 0)

    async def test_a_trailer_is_no_header(self):
        head = request(
            headers=(*OURS, ("Transfer-Encoding", "chunked"), ("Trailer", "x-api-key"))
        ).replace(b"Content-Length: 0\r\n", b"")
        trailers = f"x-api-key: {keys.ANTHROPIC_API_KEY}\r\nx-note: 1\r\n\r\n"
        chunks = plays.chunk(ASK) + b"0\r\n" + trailers.encode()

        answer = await self.ask(head + chunks)

        # Without the trailer there is no provider key in it.
        self.assertEqual(answer.status, 401)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_a_body_with_a_request_in_it_is_one_request(self):
        inner = request(headers=OWN, body=ASK)
        body = json.dumps({"model": MODEL, "x": inner.decode()}).encode()
        chunked = request(headers=(*OWN, ("Transfer-Encoding", "chunked"))).replace(
            b"Content-Length: 0\r\n", b""
        )
        pieces = b"".join(
            plays.chunk(body[at : at + 11]) for at in range(0, len(body), 11)
        )
        for raw in (
            request(headers=OWN, body=body),
            chunked + pieces + plays.chunk(b""),
        ):
            before = len(self.provider.requests)

            answer = await self.ask(raw)

            self.assertEqual(answer.status, 200)
            (sent,) = self.provider.requests[before:]
            self.assertEqual(sent.body, body)

    async def test_bodies_where_none_belongs_go_nowhere(self):
        for method, path in (
            ("GET", "/v1/models"),
            ("GET", "/byok/whoami"),
            ("HEAD", "/"),
            ("GET", "/health/readiness"),
        ):
            client = await self.begin(
                request(path, method=method, headers=OURS, body=ASK)
            )
            await client.closed.wait()
            self.assertEqual(client.answer(method).status, 200)
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            client = await self.begin(request(method=method, headers=OWN, body=ASK))
            await client.closed.wait()
            self.assertEqual(client.answer(method).status, 405)
            self.assertNotIn(keys.VIRTUAL_KEY.encode(), bytes(client.received))
        self.assertEqual(self.mark(), (0, 0, 0))
