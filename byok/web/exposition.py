"""
Counts as Prometheus's text format. It needs prometheus_client, an extra of byok.

Nothing imports this module before metrics are switched on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from byok.core.metrics import BUCKETS, FAMILIES, Family, Kind, labels_of


def written(tally: Mapping[str, Sequence[float]]) -> tuple[bytes, bytes]:
    """Return *tally* in Prometheus's format, and the type of that."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(tally))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4.encode("ascii")


class _Told:
    """A tally, as prometheus_client asks for it."""

    def __init__(self, tally: Mapping[str, Sequence[float]]) -> None:
        self._tally = tally

    def describe(self) -> Iterator[Any]:
        """Say nothing before it is asked for."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        """Yield each family with its series."""
        series: dict[str, list[tuple[tuple[str, ...], Sequence[float]]]] = {}
        for key in sorted(self._tally):
            name, labels = labels_of(key)
            series.setdefault(name, []).append((labels, self._tally[key]))
        for family in FAMILIES:
            yield _family(family, series.get(family.name, []))


def _family(
    family: Family, series: Sequence[tuple[tuple[str, ...], Sequence[float]]]
) -> Any:
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(
            family.name, family.help, labels=family.labels
        )
        for labels, (*counts, total) in series:
            histogram.add_metric(labels, _cumulative(counts), total)
        return histogram
    make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    made = make(family.name, family.help, labels=family.labels)
    if not family.labels and not series:
        series = [((), [0.0])]
    for labels, (number,) in series:
        made.add_metric(labels, number)
    return made


def _cumulative(counts: Sequence[float]) -> list[tuple[str, float]]:
    total, out = 0.0, []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        total += count
        out.append((bound, total))
    return out
