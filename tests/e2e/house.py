"""A whole gateway in this process, between a raw client and a scripted provider."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import yaml
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import LogEvent, LogLevel
from twisted.trial.unittest import TestCase

from byok.config import load
from byok.logs.live import LiveSecrets
from byok.service import GatewayService
from tests.e2e.raw import Answer, Pairs, RawClient, connect, request
from tests.e2e.watching import Events
from tests.support import keys
from tests.support.provider import Provider

MODEL = "claude-sonnet-5-5"
ENVIRONMENT = {
    "BYOK_TEST_MASTER_KEY": keys.MASTER_KEY,
    "BYOK_TEST_DEPLOYMENT_KEY": keys.DEPLOYMENT_KEY,
    "BYOK_TEST_DEPLOYMENT_KEY_2": keys.DEPLOYMENT_KEY_2,
    "BYOK_TEST_OPENAI_KEY": keys.OPENAI_DEPLOYMENT_KEY,
    "BYOK_TEST_STORE_PASSWORD": keys.STORE_PASSWORD,
    "BYOK_TEST_PEPPER": keys.KEY_PEPPER,
}
OURS: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY),)
OWN: Pairs = (*OURS, ("x-api-key", keys.ANTHROPIC_API_KEY))
LOGIN: Pairs = (
    *OURS,
    ("authorization", f"Bearer {keys.ANTHROPIC_OAUTH}"),
    ("anthropic-beta", "claude-code-20250219,oauth-2025-04-20"),
)
ASK = json.dumps({"model": MODEL, "max_tokens": 9, "messages": []}).encode()
ASK_STREAM = ASK[:-1] + b', "stream": true}'
ASK_ORG = ASK.replace(MODEL.encode(), b"company-model")


def configuration(provider: str, **general: object) -> dict[str, object]:
    """One model to bring keys for, one that the company pays, one not supported."""
    return {
        "model_list": [
            {"model_name": MODEL, "litellm_params": {"model": f"anthropic/{MODEL}"}},
            {
                "model_name": "company-model",
                "litellm_params": {
                    "model": "anthropic/claude-opus-5-5",
                    "api_key": "os.environ/BYOK_TEST_DEPLOYMENT_KEY",
                },
            },
            {"model_name": "titan", "litellm_params": {"model": "bedrock/titan"}},
        ],
        "litellm_settings": {"forward_llm_provider_auth_headers": True},
        "general_settings": {
            "master_key": "os.environ/BYOK_TEST_MASTER_KEY",
            "allow_plaintext_loopback": True,
            **general,
        },
        "providers": {"anthropic": {"api_base": provider}},
        "limits": {"drain_s": 0},
    }


class House(TestCase):
    """Starts a provider and a gateway with one virtual key, and stops them again."""

    timeout = 30
    general: ClassVar[Mapping[str, object]] = {}
    files: ClassVar[Mapping[str, str]] = {}
    explain_each = False

    async def setUp(self):
        watched = Events()
        watched.watch(self)
        self.events = watched.all
        self.provider = Provider(reactor)
        await self.provider.start()
        self.addCleanup(self._stop_provider)
        self.service = self._made()
        self.service.startService()
        self.addCleanup(self.service.stopService)
        assert self.service.starting is not None
        await self.service.starting
        self.assertNotEqual(self.service.listening, ())
        self.port = self.service.listening[0].port or 0
        await self.make_key(keys.VIRTUAL_KEY, key_alias="anna")

    def _made(self) -> GatewayService:
        directory = Path(self.mktemp())
        directory.mkdir()
        path = directory / "config.yaml"
        path.write_text(yaml.safe_dump(self.configuration()))
        for name, text in self.files.items():
            (directory / name).write_text(text)
        self.announced: list[Sequence[str]] = []
        self.failures: list[str] = []
        return GatewayService(
            load(path, environ=ENVIRONMENT, listen=["tcp:0:interface=127.0.0.1"]),
            reactor=reactor,
            live=LiveSecrets(),
            announce=self.announced.append,
            fail=lambda: self.failures.append("failed"),
            explain_each=self.explain_each,
        )

    def configuration(self) -> dict[str, object]:
        return configuration(self.provider.url, **self.general)

    async def _stop_provider(self) -> None:
        await self.provider.stop()
        self.assertEqual(self.provider.faults, [])

    async def make_key(self, key: str, **fields: object) -> None:
        body = json.dumps({"key": key, **fields}).encode()
        answer = await self.ask(
            request(
                "/key/generate",
                headers=(
                    ("authorization", f"Bearer {keys.MASTER_KEY}"),
                    ("content-type", "application/json"),
                ),
                body=body,
            )
        )
        self.assertEqual(answer.status, 200, answer.body)

    async def begin(self, raw: bytes) -> RawClient:
        """Send *raw* on a connection of its own."""
        client = await connect(self.port)
        self.addCleanup(self._hang_up, client)
        client.transport.write(raw)
        return client

    async def ask(self, raw: bytes) -> Answer:
        """Send *raw*, which asks for the connection to be closed; read the answer."""
        return await (await self.begin(raw)).end()

    async def message(
        self, *, headers: Pairs = OWN, body: bytes = ASK, **options
    ) -> Answer:
        return await self.ask(request(headers=headers, body=body, **options))

    async def _hang_up(self, client: RawClient) -> None:
        if not client.closed.happened:
            client.transport.abortConnection()
            await client.closed.wait()

    def logged(self, event: str) -> list[LogEvent]:
        return [each for each in self.events if each.get("event") == event]

    def line(self) -> LogEvent:
        """The access line of the last exchange with a model in it."""
        return [each for each in self.logged("access") if each["route"][:4] == "/v1/"][
            -1
        ]

    def assert_no_alarm(self) -> None:
        bad = (LogLevel.error, LogLevel.critical)
        self.assertEqual([e for e in self.events if e.get("log_level") in bad], [])


def until(condition, *, every_s: float = 0.01) -> Deferred[None]:
    """Wait for *condition* to be true, asked again and again."""
    done: Deferred[None] = Deferred(lambda _: waiting[0].cancel())
    clock = IReactorTime(reactor)

    def look() -> None:
        if condition():
            done.callback(None)
        else:
            waiting[0] = clock.callLater(every_s, look)

    waiting = [clock.callLater(0, look)]
    return done
