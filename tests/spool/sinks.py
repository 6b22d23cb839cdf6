"""Sinks that keep what they are given, fail when they are told to, and take time."""

from twisted.internet.defer import Deferred

from byok.core.errors import StoreUnavailable


class Sink:
    """Keeps payloads in order; `poison` are those that it cannot take."""

    def __init__(self, *poison):
        self.kept: list[bytes] = []
        self.positions: list[object] = []
        self.asked = 0
        self.sizes: list[int] = []
        self.is_away = False
        self.slow: Deferred[None] | None = None
        self.poison = set(poison)

    async def __call__(self, batch):
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("byok.db: disk is full")
        if self.slow is not None:
            await self.slow
        if self.poison & {each.payload for each in batch}:
            raise ValueError("no record")
        self.sizes.append(len(batch))
        self.kept += [each.payload for each in batch]
        self.positions += [each.position for each in batch]
