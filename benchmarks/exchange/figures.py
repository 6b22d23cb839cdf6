"""The rows of the table, and what each figure should reach."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.exchange.samples import Samples

DIRECT, HAPROXY, BYOK, LITELLM = "direct", "haproxy", "byok", "litellm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure in words; *compares* where a ratio to haproxy's says something."""

    figure: str
    label: str
    unit: str
    compares: bool = False


ROWS = (
    Row(
        figure="request_cpu_us_32",
        label="CPU a request, 32 connections",
        unit="µs",
        compares=True,
    ),
    Row(
        figure="request_cpu_us_1",
        label="CPU a request, 1 connection",
        unit="µs",
        compares=True,
    ),
    Row(
        figure="request_kernel_us_32",
        label="of it in the kernel, 32 connections",
        unit="µs",
        compares=True,
    ),
    Row(figure="p50_ms_1", label="p50, 1 connection", unit="ms", compares=True),
    Row(figure="p99_ms_1", label="p99, 1 connection", unit="ms", compares=True),
    Row(figure="p50_ms_32", label="p50, 32 connections", unit="ms", compares=True),
    Row(figure="p99_ms_32", label="p99, 32 connections", unit="ms", compares=True),
    Row(
        figure="requests_per_s_32",
        label="requests a second, 32 connections",
        unit="/s",
        compares=True,
    ),
    Row(
        figure="event_cpu_us",
        label="CPU an SSE event, each by itself",
        unit="µs",
        compares=True,
    ),
    Row(
        figure="event_kernel_us", label="of it in the kernel", unit="µs", compares=True
    ),
    Row(
        figure="burst_event_cpu_us",
        label="CPU an SSE event, as fast as they come",
        unit="µs",
        compares=True,
    ),
    Row(figure="idle_kb", label="memory of an idle stream", unit="kB"),
    Row(figure="stalled_mb", label="held for a client that stops reading", unit="MB"),
    Row(figure="upload_mb", label="held for a body of 20 MB", unit="MB"),
    Row(figure="rss_mb", label="resident memory, warmed up", unit="MB"),
    Row(figure="soak_mb", label="resident memory after the soak", unit="MB"),
    Row(figure="soak_growth_percent", label="growth within the soak", unit="%"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    A figure to reach: *first*, and *then*.

    *measured* is None for what this rig does not measure, and gives None where it
    was not measured this time. *at_least* turns the comparison around.
    """

    label: str
    unit: str
    first: float
    then: float
    measured: Callable[[Samples], float | None] | None
    at_least: bool = False
    elsewhere: str = ""

    def verdict(self, samples: Samples) -> str:
        """Say whether it is reached."""
        if self.measured is None:
            return self.elsewhere
        value = self.measured(samples)
        if value is None:
            return "not measured in this run"
        if self._reaches(value, self.then):
            return "reached" if self.first == self.then else "reached, the second too"
        return "reached" if self._reaches(value, self.first) else "**missed**"

    def shown(self, samples: Samples) -> str:
        """Return the measured value in the target's unit."""
        value = None if self.measured is None else self.measured(samples)
        return "" if value is None else f"{rounded(value)} {self.unit}".strip()

    def goal(self, value: float) -> str:
        """Return *value* as a goal in words."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {value:g} {self.unit}".strip()

    def _reaches(self, value: float, goal: float) -> bool:
        return value >= goal if self.at_least else value <= goal


TARGETS = (
    Target(
        label="CPU a request, over haproxy's",
        unit="x",
        first=8,
        then=4,
        measured=lambda it: it.ratio(BYOK, HAPROXY, "request_cpu_us_32"),
    ),
    Target(
        label="CPU an SSE event by itself, over haproxy's",
        unit="x",
        first=1.6,
        then=1.3,
        measured=lambda it: it.ratio(BYOK, HAPROXY, "event_cpu_us"),
    ),
    Target(
        label="CPU an SSE event of many, over haproxy's",
        unit="x",
        first=1.6,
        then=1.3,
        measured=lambda it: it.ratio(BYOK, HAPROXY, "burst_event_cpu_us"),
    ),
    Target(
        label="CPU a request, LiteLLM's over byok's",
        unit="x",
        first=90,
        then=180,
        at_least=True,
        measured=lambda it: it.ratio(LITELLM, BYOK, "request_cpu_us_32"),
    ),
    Target(
        label="CPU an SSE event by itself, LiteLLM's over byok's",
        unit="x",
        first=15,
        then=18,
        at_least=True,
        measured=lambda it: it.ratio(LITELLM, BYOK, "event_cpu_us"),
    ),
    Target(
        label="CPU an SSE event of many, LiteLLM's over byok's",
        unit="x",
        first=15,
        then=18,
        at_least=True,
        measured=lambda it: it.ratio(LITELLM, BYOK, "burst_event_cpu_us"),
    ),
    Target(
        label="added latency, p50 at one client",
        unit="ms",
        first=1.0,
        then=0.3,
        measured=lambda it: it.difference(BYOK, DIRECT, "p50_ms_1"),
    ),
    Target(
        label="a compiled plan applied to 21 headers",
        unit="µs",
        first=5,
        then=3,
        measured=None,
        elsewhere="see `python -m benchmarks.policy_plan`",
    ),
    Target(
        label="an idle stream",
        unit="kB",
        first=30,
        then=15,
        measured=lambda it: it.median(BYOK, "idle_kb"),
    ),
    Target(
        label="a client that stops reading 100 MB",
        unit="MB",
        first=1,
        then=1,
        measured=lambda it: it.median(BYOK, "stalled_mb"),
    ),
    Target(
        label="a body of 20 MB, in copies of it",
        unit="copies",
        first=1.1,
        then=1.1,
        measured=lambda it: it.median(BYOK, "upload_copies"),
    ),
    Target(
        label="two workers on two cores, over one",
        unit="x",
        first=1.8,
        then=1.8,
        at_least=True,
        measured=None,
        elsewhere="not measured by this",
    ),
    Target(
        label="growth within the soak",
        unit="%",
        first=3,
        then=3,
        measured=lambda it: it.median(BYOK, "soak_growth_percent"),
    ),
    Target(
        label="resident memory after the soak",
        unit="MB",
        first=80,
        then=80,
        measured=lambda it: it.median(BYOK, "soak_mb"),
    ),
)


def rounded(value: float) -> str:
    """Return *value* with three digits that count."""
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004
