"""
A gateway with several providers behind it, some of which nobody vouches for.

Every provider is a real server that keeps what it receives, so a test can say
of each secret where it arrived.
"""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from byok.web.places import Places
from tests.e2e.house import MODEL, House
from tests.security.line import Line
from tests.support.http1 import Request
from tests.support.provider import Provider
from tests.support.sweep import leaks_in

OWN = MODEL
COMPANY = "company-model"
STRANGER = "stranger-model"
STRANGER_COMPANY = "stranger-company-model"
VOUCHED = "vouched-model"
OPAQUE = "opaque-model"
OPENAI = "openai-model"
OPENAI_COMPANY = "openai-company-model"

FORWARDING: dict[str, object] = {
    "forward_llm_provider_auth_headers": True,
    "forward_client_headers_to_llm_api": True,
}
"""Both switches: everything is forwarded that can be."""

Mark = tuple[int, ...]


class Estate(House):
    """
    Anthropic and OpenAI as the operator vouches for them, and a stranger.

    The stranger speaks Anthropic's API and is trusted by two deployments, by
    each with something else.
    """

    async def setUp(self):
        self.openai, self.stranger = Provider(reactor), Provider(reactor)
        for each in (self.openai, self.stranger):
            await each.start()
            self.addCleanup(self._stop_other, each)
        await super().setUp()
        self.providers = (self.provider, self.openai, self.stranger)

    async def _stop_other(self, provider: Provider) -> None:
        await provider.stop()
        self.assertEqual(provider.faults, [])

    def configuration(self) -> dict[str, object]:
        configuration = super().configuration()
        configuration["litellm_settings"] = FORWARDING
        configuration["providers"] = {
            "anthropic": {"api_base": self.provider.url},
            "openai": {"api_base": self.openai.url},
        }
        models: Any = configuration["model_list"]
        for name, params in self.deployments().items():
            models.append({"model_name": name, "litellm_params": params})
        return configuration

    def deployments(self) -> dict[str, dict[str, object]]:
        """The deployments beside the two of every house."""
        claude: dict[str, object] = {
            "model": "anthropic/claude-opus-5-5",
            "api_base": self.stranger.url,
        }
        gpt: dict[str, object] = {"model": "openai/gpt-5"}
        ours, openais = "BYOK_TEST_DEPLOYMENT_KEY_2", "BYOK_TEST_OPENAI_KEY"
        return {
            STRANGER: claude,
            STRANGER_COMPANY: {**claude, "api_key": f"os.environ/{ours}"},
            VOUCHED: {**claude, "trust_client_credentials": ["anthropic.api_key"]},
            OPAQUE: {**claude, "accepts_client_credential": "opaque"},
            OPENAI: gpt,
            OPENAI_COMPANY: {**gpt, "api_key": f"os.environ/{openais}"},
        }

    # What arrived

    def mark(self) -> Mark:
        """Remember how much has arrived, for `since`."""
        return tuple(len(each.exchanges.entries) for each in self.providers)

    def since(self, mark: Mark) -> list[Request]:
        """Every request that came to any provider after *mark*."""
        return [
            entry.request
            for each, count in zip(self.providers, mark, strict=True)
            for entry in each.exchanges.entries[count:]
            if entry.request is not None
        ]

    @property
    def guard_trips(self) -> int:
        """How often the last look before the wire had to stop something."""
        return self.service._guard.trips

    # What may be asked

    @property
    def places(self) -> Places:
        """The table of everything that this gateway answers."""
        port: Any = self.service._ports[0]
        places: Places = (
            port.factory.serving.handler.__self__._current.generation.places
        )
        return places

    async def holds(self, prove: Callable[[Line], None]) -> None:
        """Let *prove* ask and wait, in a thread; the gateway goes on in this one."""
        line = Line(self.port)
        try:
            await deferToThread(prove, line)
        finally:
            line.close()


def secrets_in(requests: Iterable[Request]) -> set[str]:
    """Name the planted secrets in all bytes of *requests*, in whatever form."""
    raw = b"\n".join(request.raw for request in requests)
    return {leak.what for leak in leaks_in(raw, "what arrived")}
