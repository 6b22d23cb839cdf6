"""
`limits`: how much, and how long, those on both sides may take.

A section of its own, since nothing in it is LiteLLM's, and since a figure that hurts
is easier to find among its like. Every figure has a default that needs no thought;
one that will hurt is said to, and taken.
"""

import math
import resource
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from byok.config.findings import Findings
from byok.config.nodes import Leaf, Table
from byok.config.schema import config_schema
from byok.core.body import MAX_BODY_BYTES

_SECTION = "limits"
_MIB = 1024 * 1024

FILES_BESIDE = 64
"""Files that are open whoever is connected: the store, the log, the listeners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What one configuration allows; sizes in bytes, times in seconds.

    What each figure means stands in the schema, word for word as operators read it.
    """

    head_s: float = 10
    idle_s: float = 120
    body_grace_s: float = 20
    body_bytes_per_s: int = 500
    stall_s: float = 60
    linger_s: float = 5
    connections: int = 10_000
    connections_per_ip: int = 2_500
    head_bytes: int = 16 * 1024
    target_bytes: int = 8 * 1024
    header_fields: int = 64
    header_value_bytes: int = 8 * 1024
    body_bytes: int = MAX_BODY_BYTES
    first_byte_s: float = 600
    stream_idle_s: float = 600
    drain_s: float = 30

    def unusual(self) -> Iterator[tuple[str, float, float]]:
        """Yield name, value and default of each limit that is not as it is built."""
        built_in = Limits()
        for each in fields(self):
            value, usual = getattr(self, each.name), getattr(built_in, each.name)
            if value != usual:
                yield each.name, value, usual


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """Between what a limit does no harm, and what harm it does beyond."""

    least: float = 0
    most: float = float("inf")
    harm: str


_AT_ONCE = "0 does not switch it off"

_BOUNDS: dict[str, _Bounds] = {
    "head_s": _Bounds(
        least=2,
        harm="a request that takes a moment to arrive is refused with a 408",
    ),
    "idle_s": _Bounds(
        least=5,
        harm="clients connect anew for nearly every request, and lose one now and then"
        " that they send as the connection is closed",
    ),
    "body_grace_s": _Bounds(
        least=5, harm="an upload that begins slowly is refused with a 408"
    ),
    "body_bytes_per_s": _Bounds(
        most=20_000,
        harm="a long session's request has megabytes, and a slow line's is refused"
        " with a 408",
    ),
    "stall_s": _Bounds(
        least=10, harm="a client that does not read for a moment loses its answer"
    ),
    "linger_s": _Bounds(
        least=1,
        harm="a client that still sends does not get to read why it was refused",
    ),
    "connections_per_ip": _Bounds(
        least=16,
        harm="one Claude Code opens several connections, and all who come through one"
        " proxy have one address",
    ),
    "head_bytes": _Bounds(
        least=8192, harm="Claude Code's own headers, and a proxy's, may not fit"
    ),
    "target_bytes": _Bounds(least=512, harm="a path with its query may not fit"),
    "header_fields": _Bounds(
        least=40, harm="Claude Code's own headers, and a proxy's, may not fit"
    ),
    "header_value_bytes": _Bounds(
        least=2048, harm="a login's token or a list of betas may not fit"
    ),
    "body_bytes": _Bounds(
        least=8 * _MIB,
        most=MAX_BODY_BYTES,
        harm="a long session with images has requests up to 32 MiB, and Anthropic's API"
        " takes no larger ones",
    ),
    "first_byte_s": _Bounds(
        least=120,
        harm="an answer that does not stream takes minutes to begin, is paid for, and"
        " would be refused with a 504",
    ),
    "stream_idle_s": _Bounds(
        least=301,
        harm="Claude Code itself gives up after 300 s of silence; a stream cut sooner"
        " is work that is paid for and lost",
    ),
    "drain_s": _Bounds(
        most=80,
        harm="systemd kills a service 90 s after it told it to stop, unless"
        " TimeoutStopSec= says more; containers have 10 or 30 s",
    ),
}


def read_limits(tree: Table, findings: Findings) -> Limits:
    """
    Return what `limits` says, the defaults where it says nothing.

    Values of the wrong form were reported by their shape, and count as not said.
    """
    section = tree.table(_SECTION)
    # Each value has the type of its field, which no mapping can promise.
    said: dict[str, Any] = {
        each.name: value
        for each in fields(Limits)
        if (value := _number(section, each.name, findings)) is not None
    }
    limits = Limits(**said)
    for name in said:
        _check(name, limits, section, findings)
    if "connections" in said:
        _check_files(limits.connections, most_files(), section, findings)
    return limits


def most_files() -> float:
    """Return how many files a process may open here, if it asks for all it may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if hard == resource.RLIM_INFINITY else hard


def files_for(connections: int) -> int:
    """Return how many files that many clients take: each has a provider's beside it."""
    return 2 * connections + FILES_BESIDE


def _number(section: Table, name: str, findings: Findings) -> float | None:
    node = section.get(name)
    value = node.value if isinstance(node, Leaf) else None
    # To Python, a switch is a number.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    shape = config_schema()["$defs"][_SECTION]["properties"][name]
    if math.isnan(value):
        findings.add(
            "E117",
            section.entries[name].node.mark,
            f"{_SECTION}.{name}",
            f"{_SECTION}.{name} is no number",
            remedy="Write one.",
        )
    is_whole = isinstance(value, int) or "integer" not in shape["type"]
    return value if is_whole and shape["minimum"] <= value <= shape["maximum"] else None


def _check(name: str, limits: Limits, section: Table, findings: Findings) -> None:
    bounds = _BOUNDS.get(name)
    value = getattr(limits, name)
    if bounds is None or bounds.least <= value <= bounds.most:
        return
    usual = getattr(Limits(), name)
    off = f" ({_AT_ONCE})" if value == 0 else ""
    findings.add(
        "W122",
        section.entries[name].node.mark,
        f"{_SECTION}.{name}",
        f"{_SECTION}.{name} is {value:.10g}{off}: {bounds.harm}",
        remedy=f"The default is {usual:.10g}.",
    )


def _check_files(
    connections: int, most: float, section: Table, findings: Findings
) -> None:
    wanted = files_for(connections)
    if wanted <= most:
        return
    findings.add(
        "W123",
        section.entries["connections"].node.mark,
        f"{_SECTION}.connections",
        f"{_SECTION}.connections is {connections}, which takes {wanted} open files,"
        f" and a process may open {most:.10g} here",
        remedy="Raise that where byok runs: `ulimit -Hn`, LimitNOFILE= in a systemd"
        " unit, --ulimit nofile= of a container.",
    )
