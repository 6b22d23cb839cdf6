"""What one process has counted, whatever its configuration says meanwhile."""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core import usage_record
from byok.core.limits.engine import Limiter
from byok.core.usage_record import UsageRecord
from byok.spool.faults import SpoolUnavailable
from byok.spool.spool import Spool

_log = Logger(namespace="byok.usage")


class Counts:
    """
    What one process has counted: outlives every configuration.

    *clean* takes out of a text what is a secret, as the log does.
    """

    def __init__(
        self,
        spool: Spool | None,
        *,
        clock: IReactorTime,
        wall: Callable[[], float],
        clean: Callable[[str], str],
    ) -> None:
        self.limiter = Limiter()
        self.spool = spool
        self.lost = 0
        self.clock = clock
        self.wall = wall
        self.clean = clean
        self._fails = False

    def keep(self, record: UsageRecord) -> None:
        """Put *record* where it is not lost; where that fails, say so once."""
        if self.spool is None:
            return
        try:
            self.spool.append(usage_record.encode(record))
        except SpoolUnavailable as error:
            self.lost += 1
            if not self._fails:
                self._fails = True
                _log.critical("usage is not recorded: {reason}", reason=str(error))
        else:
            self._fails = False

    def renew(self) -> None:
        """Let what is reserved last, since its exchanges are still under way."""
        now = self.wall()
        for lease in self.limiter.open_ids():
            self.limiter.renew(lease, now)
