"""
The limiter of `byok.core.limits` with its counts in a server.

Each question is one script, of which the server runs one at a time; its clock is the
one that counts. *now* is for tests alone.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import reduce
from math import inf
from typing import Any

import msgspec

from byok.core.limits.demand import (
    Actual,
    Demand,
    Denied,
    Fullness,
    Reservation,
    Saved,
    ended,
)
from byok.core.limits.denials import denial, final
from byok.core.limits.limit import COST_INDEX, Limit, Metric
from byok.counters.scripts import CLOSE, LOOK, MEET, RENEW, RESERVE, RESTORE, Script

LEASE_S = 30.0
"""How long a reservation lasts of which its gateway says no more."""

Run = Callable[[Script, Sequence[bytes]], Awaitable[list[bytes]]]
"""Runs a script with its arguments; raises CountersUnavailable."""

_packed = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder().decode


class Taken(msgspec.Struct, frozen=True):
    """A request was let in: the *record* is what it holds, as the server keeps it."""

    reservation: Reservation
    record: bytes
    budgets: tuple[Saved, ...]


class Held(msgspec.Struct, frozen=True):
    """One request under way, at any gateway: amounts by the keys of its limits."""

    id: str
    owner: str
    since: float
    expires_at: float
    amounts: Mapping[str, int]


class SharedLimiter:
    """Asks the server; keeps nothing itself."""

    __slots__ = ("_lease_s", "_run")

    def __init__(self, run: Run, *, lease_s: float = LEASE_S) -> None:
        self._run = run
        self._lease_s = lease_s

    async def reserve(
        self,
        demand: Demand,
        seeds: Mapping[str, Saved] | None = None,
        *,
        now: float | None = None,
    ) -> Taken | Denied:
        """
        Take what *demand* asks of all its limits, or nothing of any.

        *seeds* are what is known here of budgets, for a server that knows nothing.
        """
        asked, wants = _asked(demand)
        packed = _packed(
            (
                now or False,
                self._lease_s,
                demand.id,
                demand.owner,
                [
                    _of_limit(limit, want, seeds or {})
                    for limit, want in zip(asked, wants, strict=True)
                ],
            )
        )
        answer, *beside = await self._run(RESERVE, (packed,))
        match _read(answer):
            case [1, _, soft, budgets]:
                return Taken(
                    Reservation(
                        id=demand.id, past_soft=tuple(asked[at] for at in soft)
                    ),
                    beside[0],
                    _saved(budgets),
                )
            case [0, at_server, refusing]:
                return reduce(
                    final,
                    (
                        denial(
                            asked[at],
                            inf if wait_s < 0 else wait_s,
                            at_server,
                            is_held=is_held,
                        )
                        for at, wait_s, is_held in refusing
                    ),
                )
        raise ValueError("this reservation is open already")

    async def close(
        self,
        reservation_id: str,
        actual: Actual | None,
        *,
        late: bool = True,
        now: float | None = None,
    ) -> tuple[Saved, ...] | None:
        """
        Put what was used in the place of what was held; for None, give all back.

        Returns what its budgets are then, None if nothing was held. A *late* one
        sets right what was taken as used when it ran out.
        """
        used: tuple[int | None, ...] = (0, 0, 0, 0)
        if actual is not None:
            used = (None, actual.tokens, None, actual.cost_nano)
        known = [False if each is None else each for each in used]
        packed = _packed((now or False, reservation_id, known, late))
        answer = await self._run(CLOSE, (packed,))
        budgets = _read(answer[0])
        return None if budgets is False else _saved(budgets)

    async def renew(
        self,
        records: Mapping[str, bytes],
        *,
        revives: bool = False,
        now: float | None = None,
    ) -> tuple[bool, ...]:
        """
        Let reservations last, and tell which of them were open.

        One that *revives* opens again those that ran out, and takes again those
        that the server does not know: by their *records*.
        """
        packed = _packed((now or False, self._lease_s, revives, list(records)))
        answer = await self._run(RENEW, (packed, *records.values()))
        return tuple(_read(answer[0]))

    async def restore(
        self,
        saved: Iterable[Saved],
        *,
        now: float | None = None,
    ) -> None:
        """Go on from what the ledger, or a gateway, knows was spent."""
        budgets = [(each.key, each.start, each.end, each.spent_nano) for each in saved]
        if budgets:
            packed = _packed((now or False, budgets))
            await self._run(RESTORE, (packed,))

    async def meet(self, name: str) -> str:
        """Return the first *name* that was given to what the server remembers."""
        answer = await self._run(MEET, (_packed((name,)),))
        return answer[0].decode()

    async def leases(self) -> tuple[Held, ...]:
        """Return what is under way at every gateway, the longest first."""
        answer, *records = await self._run(LOOK, (_packed(((),)),))
        found = []
        for (open_id, expires_at), record in zip(
            _read(answer)[0], records, strict=True
        ):
            since, owner, took = _read(record)
            amounts = {
                key: grant
                for key, metric, grant, *_ in took
                if metric in {_PARALLEL, COST_INDEX}
            }
            found.append(Held(open_id, owner, since, expires_at, amounts))
        return tuple(sorted(found, key=lambda held: held.since))

    async def fullness(
        self, limits: Iterable[Limit], payer: str, now: float
    ) -> tuple[Fullness, ...]:
        """Return how full those budgets of *limits* are that count this *payer*."""
        asked = counting(limits, payer)
        keys = [limit.key for limit in asked]
        answer, *_ = await self._run(LOOK, (_packed((keys,)),))
        found = []
        for limit, budget in zip(asked, _read(answer)[1], strict=True):
            start, end, spent, held = budget or (0, 0, 0, 0)
            known = Saved(key=limit.key, start=start, end=ended(end), spent_nano=spent)
            found.append(fullness_of(limit, known, held, now))
        return tuple(found)


_PARALLEL = list(Metric).index(Metric.PARALLEL)


def _asked(demand: Demand) -> tuple[list[Limit], list[int]]:
    """Return the limits that have a say in it, and what is wanted of each."""
    wants = demand.wants()
    limits, wanted = [], []
    for limit in demand.limits:
        want = wants[limit.index]
        if want is None or (
            limit.index == COST_INDEX and demand.payer not in limit.payers
        ):
            continue
        limits.append(limit)
        wanted.append(want)
    return limits, wanted


def _of_limit(limit: Limit, want: int, seeds: Mapping[str, Saved]) -> tuple[Any, ...]:
    if limit.index != COST_INDEX:
        return limit.key, limit.index, want, limit.units, limit.window_s
    period, seed = limit.period, seeds.get(limit.key)
    return (
        limit.key,
        limit.index,
        want,
        limit.units,
        limit.hard,
        False if limit.soft is None else limit.soft,
        period.kind.value,
        period.length,
        period.anchor,
        False if seed is None else (seed.start, seed.end, seed.spent_nano),
    )


def _saved(budgets: Iterable[tuple[str, float, float, int]]) -> tuple[Saved, ...]:
    return tuple(
        Saved(key=key, start=start, end=ended(end), spent_nano=spent)
        for key, start, end, spent in budgets
    )


def counting(limits: Iterable[Limit], payer: str) -> tuple[Limit, ...]:
    """Return those of *limits* that are budgets and count this *payer*."""
    return tuple(
        limit
        for limit in limits
        if limit.metric is Metric.COST and payer in limit.payers
    )


def fullness_of(limit: Limit, known: Saved | None, held: int, now: float) -> Fullness:
    """Return how full a budget is of which so much is *known*, and *held*."""
    spent, end = 0, limit.period.span(now).end
    if known is not None and (known.end is None or now < known.end):
        spent, end = known.spent_nano, inf if known.end is None else known.end
    else:
        held = 0
    used = spent + held
    return Fullness(
        limit=limit,
        spent_nano=spent,
        used_nano=used,
        fraction=used / limit.units if limit.units else 1.0,
        reset_at=ended(end),
        past_soft=limit.soft is not None and used >= limit.soft,
    )
