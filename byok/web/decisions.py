"""Records of decisions: taken as exchanges end, and told to whom they concern."""

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core import shadows
from byok.core.decision_access import may_read
from byok.core.decision_queries import PARAMETERS, read_wanted
from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import MASTER_KEY_ID, Caller, Decided
from byok.core.record_text import explanation_of
from byok.core.record_writer import RecordWriter
from byok.core.records import Deciding, End
from byok.core.secret import Secret
from byok.core.shadows import ShadowCounts
from byok.store.behind import WriteBehind
from byok.store.decisions import DecisionStore, Entry, read
from byok.web.access import AccessRecord
from byok.web.admin_guard import check_admin
from byok.web.admin_input import read_query
from byok.web.identity import Identity
from byok.web.places import Place
from byok.web.visit import Visit

_LIST = b"/byok/decisions"
_ONE = b"/byok/decisions/"
_SHADOW = b"/byok/shadow"

_log = Logger(namespace="byok.decisions")


class DecisionLog:
    """
    Takes note of every exchange that reached a decision.

    Differences that shadow rules would make are counted in any case; records are
    made where there is somewhere to write them to.
    """

    def __init__(self, behind: WriteBehind | None) -> None:
        self.behind = behind
        self.shadows = ShadowCounts()
        self._writer = RecordWriter()

    @property
    def is_recording(self) -> bool:
        """Are decisions recorded, so that they can be read later?"""
        return self.behind is not None

    async def stop(self) -> None:
        """Write what was not written yet; call it when no exchange is left."""
        if self.behind is not None:
            await self.behind.stop()

    def take(self, record: AccessRecord) -> None:
        """Note what was decided about the exchange of *record*, which is over."""
        result, facts, caller = record.decided, record.facts, record.caller
        if result is None or facts is None or caller is None:
            return
        if isinstance(result, Decided):
            self.shadows.add((*result.outcome.shadow, *record.answer_shadow))
        if self.behind is None:
            return
        deciding = Deciding(
            id=record.request_id,
            at=record.began_at,
            facts=facts,
            caller=caller,
            result=result,
            sent=record.planned.headers if record.planned else (),
            answer_shadow=record.answer_shadow,
            config_digest=record.config_digest,
            generation=record.generation,
            end=End(status=record.status, error=record.error, ending=record.ending),
        )
        try:
            self.behind.put(Entry.of(deciding, self._writer.write(deciding)))
        except Exception:  # noqa: BLE001 - an exchange is worth more than its record
            _log.failure("a decision could not be recorded")


def decision_log(
    store: DecisionStore, *, keep: int, clock: IReactorTime
) -> DecisionLog:
    """Begin to record decisions, unless none is to be kept."""
    if not keep:
        return DecisionLog(None)
    behind = WriteBehind(store, keep=keep, clock=clock)
    behind.start()
    return DecisionLog(behind)


class Decisions:
    """
    Answers what was decided: all of it to the master key, their own to a caller.

    What does not exist and what is somebody else's look the same.
    """

    def __init__(
        self,
        log: DecisionLog,
        *,
        identity: Identity,
        master_key: Secret | None,
        carriers: Sequence[bytes],
        seconds: Callable[[], float],
    ) -> None:
        self._log = log
        self._identity = identity
        self._master_key = master_key
        self._carriers = carriers
        self._seconds = seconds
        self._places = {
            _LIST: Place(route=_LIST.decode(), handlers={b"GET": self._list}),
            _SHADOW: Place(route=_SHADOW.decode(), handlers={b"GET": self._count}),
        }
        self._one = Place(route="/byok/decisions/{id}", handlers={b"GET": self._show})

    def find(self, path: bytes) -> Place | None:
        """Return the place that *path* leads to here, if any."""
        if path.startswith(_ONE) and b"/" not in path.removeprefix(_ONE):
            return self._one
        return self._places.get(path)

    async def _list(self, visit: Visit) -> Refusal | None:
        query = self._admitted(visit) or read_query(visit.query, PARAMETERS)
        if isinstance(query, Refusal):
            return query
        wanted = read_wanted(query, now=self._seconds())
        if isinstance(wanted, Refusal):
            return wanted
        behind = self._log.behind
        if behind is None:
            return _OFF
        found = [read(text) for text in await behind.newest(wanted)]
        counts = {"written": behind.written, "dropped": behind.dropped}
        visit.say_json(200, {"decisions": found, "log": counts})
        return None

    async def _count(self, visit: Visit) -> Refusal | None:
        query = self._admitted(visit) or read_query(visit.query, ())
        if isinstance(query, Refusal):
            return query
        counts = [
            {"rule": each.rule, "would": each.would, "count": each.count}
            for each in self._log.shadows.counts
        ]
        visit.say_json(200, {"metric": shadows.METRIC, "counts": counts})
        return None

    async def _show(self, visit: Visit) -> Refusal | None:
        """Tell one decision to its own caller, or to the master key."""
        reader = await self._reader(visit)
        if isinstance(reader, Refusal):
            return reader
        visit.record.caller = reader
        behind = self._log.behind
        name = visit.path.removeprefix(_ONE).decode("ascii")
        text = None if behind is None else await behind.maybe(name)
        record = None if text is None else read(text)
        if record is None or not may_read(reader, record):
            return _NOT_FOUND
        explanation = explanation_of(record)
        visit.say_json(200, {"decision": record, "explanation": explanation})
        return None

    async def _reader(self, visit: Visit) -> Caller | Refusal:
        refused = self._admitted(visit)
        if refused is None:
            return _MASTER
        if refused.code not in _NOT_THE_MASTER:
            return refused
        client = visit.client
        return await self._identity.identify(client.headers, peer=client.peer)

    def _admitted(self, visit: Visit) -> Refusal | None:
        headers = visit.client.headers
        return check_edge(headers, visit.query) or check_admin(
            headers, master_key=self._master_key, order=self._carriers
        )


_MASTER = Caller(key_id=MASTER_KEY_ID, is_master=True)
# With these a request may still be a caller's own; a page of another site may not.
_NOT_THE_MASTER = frozenset(
    {"admin.missing-key", "admin.invalid-key", "admin.no-master-key"}
)
_NOT_FOUND = Refusal(
    status=404,
    kind="not_found_error",
    code="decisions.not-found",
    message=(
        "There is no such decision, or it is not yours, or this key has no right to"
        ' see it (permissions: {"explain": true}). A decision is there once its'
        " exchange is over, until newer ones take its place."
    ),
)
_OFF = Refusal(
    status=404,
    kind="not_found_error",
    code="decisions.off",
    message=(
        "This gateway records no decisions (general_settings.decision_log: false)."
    ),
)
