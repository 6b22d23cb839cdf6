"""
What was spent, in LiteLLM's routes: all of it to the master key, their own to a caller.

It is read from the ledger, where an exchange is a moment after it is over. One answer
is worked out at a time: a large one keeps a thread of the store busy, and whoever
wants to be let in needs the others.
"""

import json
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredLock

from byok.core.decision_queries import PAYERS
from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import MASTER_KEY_ID, Caller
from byok.core.facts import Headers
from byok.core.keys import composed, is_raw_key
from byok.core.routes import Dialect
from byok.core.secret import Secret
from byok.core.usage_periods import WRITTEN, Period, read_period
from byok.store.keystore import KeyStore
from byok.store.usage import By, DaysWanted, Total, UsageStore, UsageWanted, day_of
from byok.web import spend_shapes
from byok.web.admin_guard import check_admin
from byok.web.admin_input import read_query
from byok.web.admin_keys import KEY_IN_URL
from byok.web.identity import Identity
from byok.web.places import Place
from byok.web.visit import Visit

T = TypeVar("T")
R = TypeVar("R")

LOGS = "/spend/logs"
REPORT = "/global/spend/report"
TOTAL = "/global/spend"
ACTIVITY = "/user/daily/activity"
NEXT = b"x-byok-next"
"""The header that says how to ask for the rows after those of an answer."""

USUAL_ROWS = 100
MOST_ROWS = 1000
MOST_DAYS = 400

_WHO = ("api_key", "user_id", "team_id", "model", "payer")
_DATES = ("start_date", "end_date")
_LOGS = (*_WHO, *_DATES, "request_id", "end_user", "session_id", "summarize", "limit")
_REPORT = (*_WHO, *_DATES, "group_by", "internal_user_id", "customer_id")
_ACTIVITY = (*_WHO, *_DATES)
_FIELDS = {
    "api_key": "key_id",
    "user_id": "user",
    "internal_user_id": "user",
    "team_id": "team",
    "model": "model",
    "payer": "payer",
    "end_user": "end_user",
    "customer_id": "end_user",
    "session_id": "session",
}
_GROUPS = ("team", "customer", "api_key")
_SWITCH = {"true": True, "1": True, "false": False, "0": False}

_Query = Mapping[str, str]
_Answer = tuple[object, Headers]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked for: of which time, and where all is *equal*."""

    period: Period
    equal: dict[str, Any]

    def days(self) -> DaysWanted:
        return DaysWanted(
            first=self.period.first_day, last=self.period.last_day, **self.equal
        )

    def records(self) -> UsageWanted:
        return UsageWanted(
            since=self.period.since, until=self.period.until, **self.equal
        )


class Spending:
    """Answers what was spent, by whom and on what."""

    def __init__(
        self,
        usage: UsageStore,
        *,
        keys: KeyStore,
        identity: Identity,
        master_key: Secret | None,
        carriers: Sequence[bytes],
        seconds: Callable[[], float],
    ) -> None:
        self._usage = usage
        self._keys = keys
        self._identity = identity
        self._master_key = master_key
        self._carriers = carriers
        self._seconds = seconds
        self._turn = DeferredLock()
        routes = {
            LOGS: (self._logs, (*_LOGS, "after"), True),
            REPORT: (self._report, _REPORT, False),
            TOTAL: (self._total, (), False),
            ACTIVITY: (self._activity, _ACTIVITY, True),
        }
        self._places = {
            route.encode(): self._place(route, act, known, is_own=is_own)
            for route, (act, known, is_own) in routes.items()
        }

    def find(self, path: bytes) -> Place | None:
        """Return the place that *path* leads to here, if any."""
        return self._places.get(path)

    def _place(
        self,
        route: str,
        act: Callable[[_Query, _Asked], Coroutine[Any, Any, _Answer | Refusal]],
        known: Sequence[str],
        *,
        is_own: bool,
    ) -> Place:
        async def handle(visit: Visit) -> Refusal | None:
            reader = await self._reader(visit, is_own=is_own)
            if isinstance(reader, Refusal):
                return reader
            visit.record.caller = reader
            query = read_query(visit.query, known)
            if isinstance(query, Refusal):
                return query
            asked = await self._asked(query, reader)
            if isinstance(asked, Refusal):
                return asked
            answer = await self._in_turn(act(query, asked))
            if isinstance(answer, Refusal):
                return answer
            document, headers = answer
            body = json.dumps(document, ensure_ascii=False).encode()
            visit.say(200, body, headers=headers)
            return None

        return Place(route=route, handlers={b"GET": handle}, dialect=Dialect.OPENAI)

    async def _in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Do *work* when no other is under way.

        Who hangs up does not end what a thread has begun, so the next waits for that.
        """
        try:
            await self._turn.acquire()
        except CancelledError:
            work.close()
            raise
        working = Deferred.fromCoroutine(work)
        working.addBoth(self._done)
        heard: Deferred[T] = Deferred()
        working.chainDeferred(heard)
        return await heard

    def _done(self, result: R) -> R:
        self._turn.release()
        return result

    async def _reader(self, visit: Visit, *, is_own: bool) -> Caller | Refusal:
        """Return who asks: the master, or a caller where they may see their *own*."""
        client = visit.client
        refused = check_edge(client.headers, visit.query) or check_admin(
            client.headers, master_key=self._master_key, order=self._carriers
        )
        if refused is None:
            return _MASTER
        if not is_own or refused.code not in _NOT_THE_MASTER:
            return refused
        return await self._identity.identify(
            client.headers, peer=client.peer, query=visit.query
        )

    async def _asked(self, query: _Query, reader: Caller) -> _Asked | Refusal:
        period = read_period(
            query.get("start_date"), query.get("end_date"), now=self._seconds()
        )
        if not isinstance(period, Period):
            name = "start_date" if period == "since" else "end_date"
            return _bad(f"{name}: {WRITTEN}.")
        if query.get("payer", PAYERS[0]) not in PAYERS:
            return _bad(f"payer: one of {', '.join(PAYERS)}.")
        equal: dict[str, Any] = {
            _FIELDS[name]: value for name, value in query.items() if name in _FIELDS
        }
        if "key_id" in equal:
            found = await self._key_id(equal["key_id"])
            if isinstance(found, Refusal):
                return found
            equal["key_id"] = found
        if not reader.is_master:
            if equal.get("key_id", reader.key_id) != reader.key_id:
                return _NOT_YOURS
            equal["key_id"] = reader.key_id
        return _Asked(period=period, equal=equal)

    async def _key_id(self, name: str) -> str | Refusal:
        if is_raw_key(name) or (
            self._master_key is not None and Secret(name) == self._master_key
        ):
            return KEY_IN_URL
        found = await self._keys.maybe_by_name(name)
        if found is None and composed(name) != name:
            found = await self._keys.maybe_by_name(composed(name))
        # A key that is deleted still has a past.
        return name if found is None else found.token_id

    async def _logs(self, query: _Query, asked: _Asked) -> _Answer | Refusal:
        summarize = _SWITCH.get(query.get("summarize", "true").lower())
        if summarize is None:
            return _bad("summarize: true or false.")
        limit = query.get("limit", str(USUAL_ROWS))
        if not (limit.isascii() and limit.isdecimal()) or not (
            0 < int(limit[:9]) <= MOST_ROWS
        ):
            return _bad(f"limit: a number from 1 to {MOST_ROWS}.")
        if "request_id" in query:
            return await self._one(query["request_id"], asked)
        # By LiteLLM's rule: days where both ends are said, else single rows.
        if summarize and all(name in query for name in _DATES):
            return await self._by_day(asked)
        after = query.get("after")
        if after is not None and not _MARK.fullmatch(after):
            return _bad("after: what x-byok-next of the answer before said.")
        page = await self._usage.page(asked.records(), limit=int(limit), after=after)
        rows = [spend_shapes.row(each) for each in page.records]
        more: Headers = () if page.next is None else ((NEXT, page.next.encode()),)
        return rows, more

    async def _one(self, request_id: str, asked: _Asked) -> _Answer:
        record = await self._usage.maybe(request_id)
        whose = asked.equal.get("key_id")
        if record is None or (whose is not None and record.key_id != whose):
            return [], ()
        return [spend_shapes.row(record)], ()

    async def _by_day(self, asked: _Asked) -> _Answer | Refusal:
        too_long = _check_length(asked.period)
        if too_long is not None:
            return too_long
        by = (By.DAY, By.KEY, By.USER, By.MODEL, By.PAYER)
        last = min(asked.period.last_day or "9999", day_of(self._seconds()))
        return spend_shapes.by_day(await self._sums(asked, by), last=last), ()

    async def _report(self, query: _Query, asked: _Asked) -> _Answer | Refusal:
        if not all(name in query for name in _DATES):
            return _bad("start_date, end_date: say from when until when.")
        too_long = _check_length(asked.period)
        if too_long is not None:
            return too_long
        group_by = query.get("group_by", "team")
        if group_by not in _GROUPS:
            return _bad(f"group_by: one of {', '.join(_GROUPS)}.")
        if "api_key" in query or group_by == "api_key":
            totals = await self._sums(asked, (By.KEY, By.MODEL))
            return spend_shapes.by_key(totals), ()
        if "internal_user_id" in query:
            totals = await self._sums(asked, (By.USER, By.MODEL))
            return spend_shapes.by_key(totals, name="user"), ()
        who = By.END_USER if group_by == "customer" else By.TEAM
        totals = await self._sums(asked, (By.DAY, who, By.MODEL, By.KEY))
        if who is By.TEAM:
            shape = {"name": "team_name", "names": "teams"}
            nobody = spend_shapes.NO_TEAM
        else:
            shape, nobody = {"name": "customer", "names": "customers"}, ""
        return spend_shapes.by_team_or_customer(totals, nobody=nobody, **shape), ()

    async def _total(self, _: _Query, asked: _Asked) -> _Answer:
        totals = await self._usage.totals(asked.days(), (By.PAYER,))
        return spend_shapes.of_all(totals), ()

    async def _activity(self, query: _Query, asked: _Asked) -> _Answer | Refusal:
        if not all(name in query for name in _DATES):
            return _bad("start_date, end_date: say from when until when.")
        too_long = _check_length(asked.period)
        if too_long is not None:
            return too_long
        totals = await self._sums(asked, (By.DAY, By.MODEL, By.KEY))
        aliases: dict[str, str | None] = {}
        for key_id in {str(each.group[2]) for each in totals}:
            found = await self._keys.maybe_by_name(key_id)
            aliases[key_id] = None if found is None else found.key_alias
        return spend_shapes.activity(totals, alias=aliases.get), ()

    async def _sums(self, asked: _Asked, by: Sequence[By]) -> tuple[Total, ...]:
        """Add up days where they know it all, and single records where not."""
        if (
            asked.period.is_whole_days
            and By.END_USER not in by
            and not asked.equal.keys() & _IN_RECORDS_ONLY
        ):
            return await self._usage.totals(asked.days(), by)
        return await self._usage.sums(asked.records(), by)


_MASTER = Caller(key_id=MASTER_KEY_ID, is_master=True)
_MARK = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}/[0-9]{1,18}", re.ASCII)
_IN_RECORDS_ONLY = {"end_user", "session"}
# With these a request may still be a caller's own; a page of another site may not.
_NOT_THE_MASTER = frozenset(
    {"admin.missing-key", "admin.invalid-key", "admin.no-master-key"}
)


def _check_length(period: Period) -> Refusal | None:
    since, until = period.since or 0.0, period.until or 0.0
    if until - since > MOST_DAYS * 86_400:
        return _bad(f"start_date, end_date: at most {MOST_DAYS} days at once.")
    return None


def _bad(message: str) -> Refusal:
    return replace(_BAD, message=message)


_BAD = Refusal(
    status=400,
    kind="invalid_request_error",
    code="spend.bad-query",
    message="",
)
_NOT_YOURS = Refusal(
    status=403,
    kind="permission_error",
    code="spend.not-yours",
    message=(
        "A virtual key sees what it used itself, and nothing of others; leave api_key"
        " out. The master key sees all."
    ),
)
