"""Counts exchanges as they end, at the cost of a lookup and a few additions."""

from bisect import bisect_left
from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime

from byok.core.metrics import BUCKETS, Tally, add, key_of
from byok.web.access import AccessRecord

Reading = tuple[str, tuple[str, ...], float]
"""A family's name, values of its labels, and a number read somewhere else."""

_NONE = "none"
_SLOTS = len(BUCKETS) + 1


class _Cell:
    """All exchanges that no label tells apart."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "cache_read",
        "cache_write",
        "count",
        "durations",
        "first_bytes",
        "input",
        "output",
        "seconds",
        "seconds_to_first",
    )

    def __init__(self) -> None:
        self.count = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.input = 0
        self.output = 0
        self.cache_read = 0
        self.cache_write = 0
        self.durations = [0] * _SLOTS
        self.seconds = 0.0
        self.first_bytes = [0] * _SLOTS
        self.seconds_to_first = 0.0


_Key = tuple[str, int, str | None, str | None, str, str, str]


class Meters:
    """
    What one process has counted since it began.

    *readings* are asked at a scrape, for what others count by themselves. The number
    of cells has a bound: every part of a key is a word of the configuration or of our
    own code, and of a status its class.
    """

    def __init__(
        self, clock: IReactorTime, *, readings: Callable[[], Iterable[Reading]]
    ) -> None:
        self._seconds = clock.seconds
        self._readings = readings
        self._cells: dict[_Key, _Cell] = {}

    def take(self, record: AccessRecord) -> None:
        """Count the exchange of *record*, which is over."""
        took = self._seconds() - record.started
        status = (record.status or 0) // 100
        planned = record.planned
        key: _Key
        if planned is None:
            key = (record.route, status, record.error, record.ending, "", "", "")
        else:
            where = planned.deployment
            key = (
                *(record.route, status, record.error, record.ending),
                *(planned.payer, where.name, where.model_group),
            )
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
        cell.count += 1
        cell.bytes_in += record.client.received_bytes
        cell.bytes_out += record.bytes_out
        cell.durations[bisect_left(BUCKETS, took)] += 1
        cell.seconds += took
        if record.first_byte is None:
            return
        first = record.first_byte - record.started
        cell.first_bytes[bisect_left(BUCKETS, first)] += 1
        cell.seconds_to_first += first
        usage = record.usage
        cell.input += usage.input_tokens or 0
        cell.output += usage.output_tokens or 0
        cell.cache_read += usage.cache_read_input_tokens or 0
        cell.cache_write += usage.cache_creation_input_tokens or 0

    def tally(self) -> Tally:
        """Return everything that is counted here, as it is now."""
        total: Tally = {}
        for key, cell in self._cells.items():
            add(total, _told(key, cell))
        for name, labels, number in self._readings():
            add(total, {key_of(name, labels): [number]})
        return total


def _told(key: _Key, cell: _Cell) -> Tally:
    route, status, error, ending, payer, deployment, group = key
    deployment, group, payer = deployment or _NONE, group or _NONE, payer or _NONE
    where = (route, deployment, group)
    labels = (route, f"{status}xx" if status else _NONE, payer, deployment, group)
    told: Tally = {
        key_of("byok_exchanges", labels): [cell.count],
        key_of("byok_exchange_duration_seconds", where): [
            *cell.durations,
            cell.seconds,
        ],
        key_of("byok_received_bytes", where[:2]): [cell.bytes_in],
        key_of("byok_sent_bytes", where[:2]): [cell.bytes_out],
    }
    if any(cell.first_bytes):
        told[key_of("byok_exchange_first_byte_seconds", where)] = [
            *cell.first_bytes,
            cell.seconds_to_first,
        ]
    if error is not None:
        told[key_of("byok_refusals", (error, route))] = [cell.count]
    if ending is not None:
        told[key_of("byok_endings", (ending, route))] = [cell.count]
    tokens = {
        "input": cell.input,
        "output": cell.output,
        "cache_read": cell.cache_read,
        "cache_write": cell.cache_write,
    }
    for kind, count in tokens.items():
        if count:
            whose = (kind, deployment, group, payer)
            told[key_of("byok_tokens", whose)] = [count]
    return told
