"""
What is counted, and how the counts of several processes become one.

A tally is numbers by name and labels, as plain as JSON, so that it can go from one
process to another. Labels are words of the configuration and of our own code, never
what a client wrote: the number of series has a bound that no client moves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

_BETWEEN = "\x1f"

Tally = dict[str, list[float]]
"""Numbers by `key_of` what they are of; a histogram's are its counts, and its sum."""


class Kind(Enum):
    """How numbers behave."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Everything that is counted under one name; a counter's name gets a `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


BUCKETS: tuple[float, ...] = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
"""Seconds up to which durations are counted; the last count is of all longer ones."""

_WHERE = ("route", "deployment", "model_group")
_WHOSE = ("deployment", "model_group", "payer")

FAMILIES: tuple[Family, ...] = (
    Family(
        name="byok_exchanges",
        kind=Kind.COUNTER,
        help="Requests that are over.",
        labels=("route", "status", "payer", "deployment", "model_group"),
    ),
    Family(
        name="byok_exchange_duration_seconds",
        kind=Kind.HISTOGRAM,
        help="Time from a request's head to the end of its answer.",
        labels=_WHERE,
    ),
    Family(
        name="byok_exchange_first_byte_seconds",
        kind=Kind.HISTOGRAM,
        help="Time from a request's head to the head of the provider's answer.",
        labels=_WHERE,
    ),
    Family(
        name="byok_received_bytes",
        kind=Kind.COUNTER,
        help="Bytes of requests' bodies.",
        labels=("route", "deployment"),
    ),
    Family(
        name="byok_sent_bytes",
        kind=Kind.COUNTER,
        help="Bytes of answers' bodies.",
        labels=("route", "deployment"),
    ),
    Family(
        name="byok_tokens",
        kind=Kind.COUNTER,
        help="Tokens that answers report.",
        labels=("kind", *_WHOSE),
    ),
    Family(
        name="byok_refusals",
        kind=Kind.COUNTER,
        help="Answers, and ends of answers, that were byok's own, by x-byok-error.",
        labels=("code", "route"),
    ),
    Family(
        name="byok_endings",
        kind=Kind.COUNTER,
        help="How relayed answers ended.",
        labels=("ending", "route"),
    ),
    Family(name="byok_exchanges_open", kind=Kind.GAUGE, help="Requests under way now."),
    Family(
        name="byok_connections_open",
        kind=Kind.GAUGE,
        help="Connections of clients that are open now.",
    ),
    Family(
        name="byok_provider_connections_open",
        kind=Kind.GAUGE,
        help="Connections to providers that are open now, idle ones included.",
    ),
    Family(
        name="byok_guard_trips",
        kind=Kind.COUNTER,
        help="Requests that the egress guard stopped; anything but 0 is a fault.",
    ),
    Family(
        name="byok_decision_records",
        kind=Kind.COUNTER,
        help="Decisions that were written down, or dropped.",
        labels=("result",),
    ),
    Family(
        name="byok_usage_records",
        kind=Kind.COUNTER,
        help="Records of usage that were spooled, stored, put aside, or lost.",
        labels=("result",),
    ),
    Family(
        name="byok_spool_records",
        kind=Kind.GAUGE,
        help="Records of usage that wait for the store, about.",
    ),
    Family(
        name="byok_spool_bytes",
        kind=Kind.GAUGE,
        help="Bytes of records of usage that wait for the store.",
    ),
    Family(
        name="byok_spool_lag_seconds",
        kind=Kind.GAUGE,
        help="How long the oldest record of usage waits; workers are added up.",
    ),
    Family(
        name="byok_leases_open",
        kind=Kind.GAUGE,
        help="Requests under way for which limits hold something.",
    ),
    Family(
        name="byok_policy_shadow_diff",
        kind=Kind.COUNTER,
        help="What rules in shadow would have changed.",
        labels=("rule", "would"),
    ),
    Family(
        name="byok_log_lines_dropped",
        kind=Kind.COUNTER,
        help="Lines of the log that are missing in it.",
    ),
    Family(
        name="byok_reloads",
        kind=Kind.COUNTER,
        help="Reloads that were wished for, in each worker.",
        labels=("result",),
    ),
    Family(
        name="byok_generation_workers",
        kind=Kind.GAUGE,
        help="How many processes serve by a generation of the configuration.",
        labels=("generation", "version"),
    ),
    Family(
        name="byok_workers_lost",
        kind=Kind.COUNTER,
        help="Workers that ended by themselves, and were replaced.",
    ),
)

_GAUGES = tuple(each.name for each in FAMILIES if each.kind is Kind.GAUGE)


def key_of(name: str, labels: Iterable[str] = ()) -> str:
    """Return what numbers under *name* with the values *labels* are kept by."""
    values = (each.replace(_BETWEEN, " ") for each in labels)
    return _BETWEEN.join((name, *values))


def labels_of(key: str) -> tuple[str, tuple[str, ...]]:
    """Return name and labels of a key."""
    name, *values = key.split(_BETWEEN)
    return name, tuple(values)


def add(total: Tally, more: Mapping[str, Sequence[float]]) -> None:
    """Add *more* to *total*."""
    for key, numbers in more.items():
        before = total.get(key)
        if before is None:
            total[key] = list(numbers)
        else:
            for at, number in enumerate(numbers):
                before[at] += number


def without_gauges(tally: Mapping[str, Sequence[float]]) -> Tally:
    """Return what of a process's *tally* still holds when it is gone."""
    return {
        key: list(numbers)
        for key, numbers in tally.items()
        if labels_of(key)[0] not in _GAUGES
    }
