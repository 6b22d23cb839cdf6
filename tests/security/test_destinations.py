"""S-01, S-02: nothing that a client or a provider says chooses where to go."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.house import ASK, MODEL, OURS, OWN
from tests.e2e.raw import Pairs, request
from tests.security.dialling import DialLog
from tests.security.estate import COMPANY, Estate, secrets_in
from tests.support import plays

REFUSED = ("api_key", "api_base", "base_url", "user_config")
"""What LiteLLM lets a body say, and byok refuses by name."""

CHOOSING = (
    *REFUSED,
    "api_version",
    "custom_llm_provider",
    "endpoint",
    "extra_headers",
    "headers",
    "host",
    "litellm_params",
    "metadata",
    "mock_response",
    "organization",
    "proxy",
    "timeout",
    "url",
)


def bodies(url: str) -> dict[str, dict[str, object]]:
    """Every place in a body where a destination has been hidden before."""
    plain: dict[str, object] = {"model": COMPANY, "messages": []}
    choice = {"api_base": url, "base_url": url, "api_key": "sk-x", "host": url}
    return {
        **{name: {**plain, name: url} for name in CHOOSING},
        "metadata": {**plain, "metadata": {**choice, "user_api_key": "sk-x"}},
        "nested metadata": {**plain, "metadata": {"model_info": choice}},
        "litellm_params": {**plain, "litellm_params": choice},
        "litellm_metadata": {**plain, "litellm_metadata": choice},
        "extra_body": {**plain, "extra_body": choice},
        "embedding_config": {**plain, "embedding_config": choice},
        "a tool": {**plain, "tools": [{"name": "x", "input_schema": {}, **choice}]},
        "an mcp server": {**plain, "mcp_servers": [{"type": "url", "url": url}]},
        "an image": {
            **plain,
            "messages": [{"content": {"source": {"type": "url", "url": url}}}],
        },
        "fallbacks": {**plain, "fallbacks": [{"model": COMPANY, **choice}]},
        "model_list": {**plain, "model_list": [{"litellm_params": choice}]},
        "the model": {**plain, "model": url},
        "the model's provider": {**plain, "model": f"openai/{url}"},
        "router_settings": {**plain, "router_settings_override": choice},
    }


def asking(body: bytes, *, path: str = "/v1/messages", headers: Pairs = OURS) -> bytes:
    return request(path, headers=headers, body=body, close=False)


class BodyTests(Estate):
    def assert_only_configured(self, log: DialLog) -> None:
        """Assert that nobody was dialled but the gateway and its one provider."""
        self.assertLessEqual(log.names, {"127.0.0.1"})
        self.assertLessEqual(log.ports, {self.port, self.provider.port})
        self.assertEqual(self.stranger.connections, [])
        self.assertEqual(self.openai.connections, [])

    async def test_a_body_chooses_no_destination_and_no_key(self):
        """S-01"""
        answered: dict[str, int] = {}

        def prove(line):
            # A server that listens, and a name that would have to be resolved.
            for url in (f"{self.stranger.url}/v1", "https://canary.invalid/v1"):
                for name, body in bodies(url).items():
                    raw = json.dumps(body).encode()
                    mark = self.mark()
                    answer = line.ask(asking(raw))
                    answered[name] = answer.status
                    for sent in self.since(mark):
                        self.assertEqual(secrets_in([sent]), {"deployment key"})
                        self.assertEqual(sent.head.raw.count(b"canary"), 0)
                        self.assertEqual(
                            json.loads(sent.body),
                            {**body, "model": "claude-opus-5-5"},
                        )

        with DialLog() as log:
            await self.holds(prove)

        self.assert_only_configured(log)
        self.assertEqual(
            {name for name, status in answered.items() if status == 400}, set(REFUSED)
        )
        self.assertEqual(
            {name for name, status in answered.items() if status == 404},
            {"the model", "the model's provider"},
        )
        self.assertEqual(set(answered.values()), {200, 400, 404})

    async def test_a_destination_at_any_depth_is_bytes_to_us(self):
        """S-02"""
        hidden = st.sampled_from(CHOOSING).flatmap(
            lambda name: st.sampled_from(
                [self.stranger.url, "https://canary.invalid/v1", "canary.invalid"]
            ).map(lambda url: {name: url})
        )
        values = st.recursive(
            hidden | st.text("abc:/.", max_size=5) | st.integers() | st.none(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(CHOOSING) | st.text("ab", max_size=2),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=12,
        )
        documents = st.dictionaries(
            st.sampled_from(CHOOSING[len(REFUSED) :]) | st.text("ab", max_size=2),
            values,
            max_size=4,
        )
        outcomes: list[int] = []

        def prove(line):
            @given(documents, st.sampled_from([MODEL, COMPANY]))
            @settings(max_examples=80, deadline=None)
            def held(document, model):
                raw = json.dumps({**document, "model": model}).encode()
                mark = self.mark()
                status = line.ask(asking(raw, headers=OWN)).status
                outcomes.append(status)
                (sent,) = self.since(mark)
                self.assertEqual(secrets_in([sent]), {"anthropic api key"})
                self.assertNotIn(b"canary", sent.head.raw)

            held()

        with DialLog() as log:
            await self.holds(prove)

        self.assert_only_configured(log)
        self.assertEqual(set(outcomes), {200})

    async def test_a_header_or_query_chooses_no_destination_either(self):
        url = self.stranger.url
        headers = [
            (name, url)
            for name in (
                "x-api-base",
                "api-base",
                "base-url",
                "x-base-url",
                "x-litellm-api-base",
                "x-byok-api-base",
                "x-pass-host",
                "x-upstream",
                "x-target-url",
                "x-forwarded-host",
                "helicone-target-url",
                "x-litellm-timeout",
                "x-litellm-model-id",
            )
        ]
        targets = [
            f"/v1/messages?{name}={url}" for name in ("api_base", "base_url", "model")
        ]

        def prove(line):
            for header in headers:
                line.ask(asking(ASK, headers=(*OWN, header)))
            for target in targets:
                line.ask(asking(ASK, path=target, headers=OWN))

        with DialLog() as log:
            await self.holds(prove)

        self.assert_only_configured(log)
        self.assertEqual(len(self.provider.requests), len(headers) + len(targets))

    async def test_an_answer_leads_nowhere(self):
        """A redirect, an Alt-Svc, a link: none of it is followed."""
        url = f"{self.stranger.url}/v1/messages"
        names = ("Location", "Refresh", "Alt-Svc", "Content-Location", "Link")
        for status in (301, 302, 303, 307, 308, 200):
            headers = tuple((name, url) for name in names)
            play = plays.answer(status, b"{}", headers=headers)
            self.provider.play("/v1/messages", play)

        with DialLog() as log:
            answers = [await self.message() for _ in range(6)]

        self.assert_only_configured(log)
        self.assertEqual([each.status for each in answers], [502] * 5 + [200])
        self.assertEqual(len(self.provider.requests), 6)
        for answer in answers[:5]:
            self.assertNotIn(url, repr(answer))
        self.assertIsNone(answers[5].value("location"))
