"""What machines ask of the gateway itself: no key is needed for any of it."""

from collections.abc import Awaitable, Callable

from byok import __version__
from byok.core.errors import Refusal, StoreUnavailable
from byok.web.visit import Visit

StoreCheck = Callable[[], Awaitable[None]]


class Health:
    """
    Says what this is, that it lives, and whether it is ready.

    *check_store* raises StoreUnavailable where keys cannot be read;
    *config_changed* says whether the file differs from what is running, which is
    the *generation*; *is_leaving* says whether the gateway is about to end, and
    *usage_trouble* what keeps usage from the ledger, *limits* by whom limits are
    counted.
    """

    def __init__(
        self,
        *,
        check_store: StoreCheck,
        config_changed: Callable[[], bool],
        generation: str = "",
        is_leaving: Callable[[], bool] = lambda: False,
        usage_trouble: Callable[[], str | None] = lambda: None,
        limits: Callable[[], str] = lambda: "local",
    ) -> None:
        self._limits = limits
        self._usage_trouble = usage_trouble
        self._check_store = check_store
        self._config_changed = config_changed
        self._generation = generation
        self._is_leaving = is_leaving

    async def introduce(self, visit: Visit) -> Refusal | None:
        """Say in one line what answers here."""
        line = (
            f"byok {__version__}: a gateway to Anthropic where every developer brings"
            " their own key. Set ANTHROPIC_BASE_URL to this address; the rest is in its"
            " README and docs.\n"
        )
        visit.say(200, line.encode(), content_type=b"text/plain; charset=utf-8")
        return None

    async def hello(self, visit: Visit) -> Refusal | None:
        """Answer the probe that Claude Code sends when it starts."""
        visit.say_json(200, {"message": "hello"})
        return None

    async def alive(self, visit: Visit) -> Refusal | None:
        """Say that the process answers; LiteLLM's probes expect this very text."""
        visit.say(200, b'"I\'m alive!"')
        return None

    async def ready(self, visit: Visit) -> Refusal | None:
        """Say whether exchanges would succeed, and what stands in their way."""
        try:
            await self._check_store()
        except StoreUnavailable:
            store = "unavailable"
        else:
            store = "connected"
        changed = self._config_changed()
        status = "healthy" if store == "connected" else "unhealthy"
        if self._is_leaving():
            status = "draining"
        visit.say_json(
            200 if status == "healthy" else 503,
            {
                "status": status,
                "db": store,
                "usage": "degraded" if self._usage_trouble() else "recorded",
                "limits": self._limits(),
                "config": "changed on disk, reload to use it" if changed else "in use",
                "generation": self._generation,
                "version": __version__,
            },
        )
        return None
