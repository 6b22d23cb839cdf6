"""One caller beside another, and any request at any deployment."""

import json
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.house import LOGIN, MODEL, OURS, OWN
from tests.e2e.raw import Pairs, request
from tests.security.estate import OPAQUE, Estate, secrets_in
from tests.security.test_attacks import BYOK_SHAPED, HEADERS, WRITTEN
from tests.security.test_credentials import ORIGINS, SECRETS
from tests.support import keys, plays
from tests.support.arrivals import credentials


class StrangerTests(Estate):
    """Two callers, one gateway: what is one's never becomes the other's."""

    async def test_requests_behind_one_another_are_each_their_own_caller_s(self):
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="bert")
        anna = (*OURS, ("x-api-key", keys.ANTHROPIC_API_KEY))
        bert = (
            ("x-litellm-api-key", keys.VIRTUAL_KEY_2),
            ("x-api-key", keys.ANTHROPIC_API_KEY_2),
        )
        whose = [anna, bert, OURS, bert, anna, (), anna]
        raw = b"".join(
            request(
                headers=headers,
                body=json.dumps({"model": MODEL, "n": number}).encode(),
                close=headers is whose[-1] and number == len(whose) - 1,
            )
            for number, headers in enumerate(whose)
        )

        client = await self.begin(raw)
        await client.closed.wait()

        sent = {json.loads(each.body)["n"]: each for each in self.since((0, 0, 0))}
        self.assertEqual(sorted(sent), [0, 1, 3, 4, 6])
        for number, request_ in sent.items():
            (value,) = request_.values(b"x-api-key")
            self.assertEqual(value, dict(whose[number])["x-api-key"].encode())
        statuses = [
            int(part[:3]) for part in bytes(client.received).split(b"HTTP/1.1 ")[1:]
        ]
        self.assertEqual(statuses, [200, 200, 401, 200, 200, 401, 200])

    async def test_a_cookie_of_a_provider_comes_back_with_nobody_s_request(self):
        cookie = (("Set-Cookie", f"{keys.COOKIE}; Path=/"),)
        self.provider.always("/v1/messages", plays.answer(200, b"{}", headers=cookie))

        for headers in (OWN, LOGIN, OWN):
            answer = await self.message(headers=headers)
            self.assertEqual(answer.value("set-cookie"), None)

        for sent in self.since((0, 0, 0)):
            self.assertEqual(sent.values(b"cookie"), ())

    async def test_bytes_behind_an_answer_are_nobody_s_answer(self):
        """S-41: neither in the same segment nor as the next caller's answer."""
        whole = plays.answer(200, b'{"who":"anna"}')
        evil = plays.answer(200, b'{"who":"evil"}').sent()
        self.provider.play(
            "/v1/messages",
            plays.Play(steps=(plays.Send(data=whole.sent() + evil),)),
            plays.answer(200, b'{"who":"bert"}'),
        )

        first = await self.message()
        second = await self.message()

        self.assertEqual(first.body, b'{"who":"anna"}')
        self.assertIn(second.body, (b'{"who":"bert"}', b""))
        self.assertNotIn(b"evil", first.body + second.body)


values_of = st.sampled_from([*SECRETS.values(), keys.VIRTUAL_KEY_2, BYOK_SHAPED])
# Every other one is a credential where it belongs, so that some requests have two.
likely = st.sampled_from(
    [
        ("x-api-key", keys.ANTHROPIC_API_KEY),
        ("Authorization", f"Bearer {keys.ANTHROPIC_OAUTH}"),
        ("Authorization", f"Bearer {keys.ANTHROPIC_API_KEY}"),
        ("Authorization", f"Bearer {keys.OPENAI_API_KEY}"),
    ]
)
fields_of = likely | st.tuples(
    st.sampled_from(HEADERS),
    st.tuples(st.sampled_from(WRITTEN), values_of).map(
        lambda pair: pair[0].format(pair[1], pair[1])
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=8),
)


class AnyRequestTests(Estate):
    async def test_of_two_credentials_one_leaves(self):
        api_key = ("x-api-key", keys.ANTHROPIC_API_KEY)
        login = ("Authorization", f"Bearer {keys.ANTHROPIC_OAUTH}")
        openai = ("Authorization", f"Bearer {keys.OPENAI_API_KEY}")
        azure = ("api-key", keys.AZURE_KEY)
        pairs = ((api_key, login), (api_key, openai), (login, azure), (openai, azure))

        def prove(line):
            for model, pair in product(ORIGINS, pairs):
                for headers in (pair, pair[::-1]):
                    is_openai = ORIGINS[model] == "openai"
                    path = "/v1/chat/completions" if is_openai else "/v1/messages"
                    body = json.dumps({"model": model}).encode()
                    lines = (*OURS, *headers)
                    mark = self.mark()
                    raw = request(path, headers=lines, body=body, close=False)
                    self.assertIn(line.ask(raw).status, (200, 401, 403), headers)
                    for sent in self.since(mark):
                        self.assertEqual(len(credentials(sent)), 1)
                        self.assertEqual(len(secrets_in([sent])), 1)

        await self.holds(prove)
        self.assertEqual(self.guard_trips, 0)
        self.assertGreater(len(self.since((0, 0, 0))), 20)

    async def test_whatever_comes_one_credential_leaves_and_goes_where_it_may(self):
        """Any headers at any deployment: no alarm, no fault, nothing astray."""
        statuses: list[int] = []
        trusted = {
            "anthropic": {
                "anthropic api key",
                "anthropic oauth token",
                "deployment key",
            },
            "stranger": {"anthropic api key", "second deployment key"},
            "openai": {"openai api key", "openai deployment key"},
        }
        shaped = {
            "anthropic api key",
            "anthropic oauth token",
            "anthropic admin key",
            "openai api key",
            "openrouter key",
            "google key",
        }

        def prove(line):
            @given(
                st.lists(fields_of, max_size=6),
                st.sampled_from([each for each in ORIGINS if each != OPAQUE]),
                st.booleans(),
            )
            @settings(max_examples=300, deadline=None)
            def held(fields: list[tuple[str, str]], model: str, first: bool) -> None:
                ours = OURS if first else ()
                headers: Pairs = (*ours, *fields, *(() if first else OURS))
                is_openai = ORIGINS[model] == "openai"
                path = "/v1/chat/completions" if is_openai else "/v1/messages"
                body = json.dumps({"model": model}).encode()
                mark = self.mark()
                raw = request(path, headers=headers, body=body, close=False)
                answer = line.ask(raw)
                came = self.since(mark)
                self.assertIn(answer.status, (200, 400, 401, 403, 415))
                self.assertEqual(len(came), answer.status == 200)
                for sent in came:
                    self.assertEqual(len(credentials(sent)), 1, credentials(sent))
                    arrived = secrets_in([sent])
                    self.assertFalse(arrived & {"virtual key", "master key"}, arrived)
                    self.assertLessEqual(
                        arrived & shaped, trusted[ORIGINS[model]], arrived
                    )
                    self.assertNotIn(BYOK_SHAPED.encode(), sent.raw)
                statuses.append(answer.status)

            held()

        await self.holds(prove)
        self.assertEqual(self.guard_trips, 0)
        self.assert_no_alarm()
        # Not a property of refusals alone.
        self.assertGreater(statuses.count(200), 20)
