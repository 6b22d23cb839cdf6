"""
What exchanges use: let in by their limits, settled as they end, and recorded.

A request reserves what it may use before it leaves, of all its limits at once, and
gives back what it did not use when it is over, however it ended. What it did use is
one record, which is in the spool by the time the exchange is closed.
"""

from collections.abc import Sequence

from twisted.logger import Logger

from byok.core.cost import (
    Cost,
    Tally,
    cost_of,
    estimate_nano,
    real_nano,
    tally_of,
)
from byok.core.errors import Refusal
from byok.core.exchange import Caller, Planned
from byok.core.facts import Headers, RequestFacts, present
from byok.core.limits.demand import Actual, Demand, Denied, estimate_output
from byok.core.limits.limit import COST_INDEX, Limit
from byok.core.limits.refusals import BUDGET_STATUS, refusal_of
from byok.core.limits.standing import PREFIX, standing
from byok.core.price import Price
from byok.core.prices import PriceTable
from byok.core.usage import Usage, floor_tokens
from byok.core.usage_floor import at_least
from byok.core.usage_record import UsageRecord
from byok.policy.lookalikes import lookalikes
from byok.web.access import AccessRecord
from byok.web.allowances import Allowances
from byok.web.budgets import Budgets
from byok.web.counts import Counts
from byok.web.relay import Ending

SESSION_HEADER = b"x-claude-code-session-id"
AGENT_HEADER = b"x-claude-code-agent-id"
MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_MAX_TEXT = 128
_FIRST_ERROR = 400
_UNIFIED = PREFIX.encode()
_NOTHING = Usage()
_UNKNOWN = Refusal(
    status=503,
    kind="api_error",
    code="limit.unknown",
    message=(
        "The gateway cannot tell at the moment what is left of a budget, and is"
        " configured to let nobody spend then."
    ),
    headers=(("retry-after", "5"),),
)

_log = Logger(namespace="byok.usage")


class Meter:
    """
    Lets requests in and records what they used, by one configuration.

    Where the store is away and a budget's past is not known, a request is let in by
    what is counted here, unless *fails_open* is false.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        prices: PriceTable,
        allowances: Allowances,
        budgets: Budgets,
        fails_open: bool = True,
        budget_status: int = BUDGET_STATUS,
    ) -> None:
        self._counts = counts
        self._budgets = budgets
        self._fails_open = fails_open
        self._limiter = counts.limiter
        self._prices = prices
        self._allowances = allowances
        self._budget_status = budget_status

    async def admit(
        self, record: AccessRecord, facts: RequestFacts, planned: Planned
    ) -> Refusal | None:
        """
        Reserve what the request may use, or say which limit is in its way.

        The ledger is asked about budgets that nobody here has used before, and the
        server of counters where several gateways share one; nothing else waits. Who
        leaves meanwhile gives back what was reserved when the exchange is closed.
        """
        caller = record.caller
        if caller is None:
            return None
        session = self._word(facts.headers, SESSION_HEADER)
        agent = self._word(facts.headers, AGENT_HEADER)
        limits = self._allowances.of(
            caller, deployment=planned.deployment.name, session=session, agent=agent
        )
        if limits:
            counting = facts.route.id == COUNT_TOKENS
            budgets = () if counting else _budgets(limits, planned.payer)
            if budgets and not await self._are_known(budgets):
                return _UNKNOWN
            head = facts.head
            max_tokens = None if head is None else head.max_tokens
            asked = floor_tokens(len(facts.body))
            answer = estimate_output(max_tokens)
            price = self._price(planned) if budgets else None
            cost = (
                0
                if price is None
                else estimate_nano(price, prompt=asked, answer=answer)
            )
            demand = Demand(
                id=record.request_id,
                limits=limits,
                tokens=asked + answer,
                cost_nano=cost,
                payer=planned.payer,
                counting=counting,
                owner=caller.name,
            )
            counts = self._counts
            if counts.shared is None:
                found = self._limiter.reserve(counts.wall(), demand)
            else:
                found = await counts.reserve(
                    counts.shared, demand, fails_open=self._fails_open
                )
            if isinstance(found, Denied):
                return refusal_of(found, budget_status=self._budget_status)
            record.reserved = limits
            record.budgets = budgets
        record.session, record.agent = session, agent
        return None

    def standing(self, record: AccessRecord, answer: Headers) -> Headers:
        """
        Return what is added to the head of *answer*, for a caller with a budget.

        Where the provider tells the caller of a limit of the caller's own, that stands.
        """
        facts, planned = record.facts, record.planned
        if not record.budgets or facts is None or planned is None:
            return ()
        if facts.route.id != MESSAGES or (record.status or 0) >= _FIRST_ERROR:
            return ()
        if any(name.startswith(_UNIFIED) for name, _ in answer):
            return ()
        told = standing(self._counts.fullness(record.budgets, planned.payer))
        return tuple((name.encode(), value.encode()) for name, value in told)

    def close(self, record: AccessRecord) -> None:
        """
        Settle what was reserved for the exchange of *record*, and record its use.

        Whatever goes wrong here is said in the log: an exchange is over, and others
        that take note of that have to come to it.
        """
        facts, planned, caller = record.facts, record.planned, record.caller
        if facts is None or planned is None or caller is None:
            self._counts.abandon(record.request_id)
            return
        try:
            usage = _usage_of(record, facts)
            tally = tally_of(usage)
            price = self._price(planned)
            cost = None if price is None else cost_of(tally, price)
            if record.reserved:
                self._settle(record, usage, tally, cost)
            written = self._written(
                record, facts, planned, caller=caller, usage=usage, cost=cost
            )
            self._counts.keep(written)
        except Exception:  # noqa: BLE001 - the line and the decision are still to come
            _log.failure(
                "the use of {request_id} is lost", request_id=record.request_id
            )
            self._counts.lost += 1
            # It is not known what was used: then what was reserved is taken for it.
            self._counts.settle(record.request_id, Actual())

    def _written(
        self,
        record: AccessRecord,
        facts: RequestFacts,
        planned: Planned,
        *,
        caller: Caller,
        usage: Usage,
        cost: Cost | None,
    ) -> UsageRecord:
        now = self._counts.clock.seconds()
        head, clean, first = facts.head, self._counts.clean, record.first_byte
        # A model of any name may be behind a wildcard, and a key may be in a name.
        model = None if head is None or not head.model else head.model[:_MAX_TEXT]
        upstream = planned.upstream_model[:_MAX_TEXT]
        return UsageRecord(
            id=record.request_id,
            at=round(record.began_at, 3),
            key_id=caller.key_id,
            key=caller.name,
            user=caller.user or None,
            team=caller.team or None,
            end_user=clean(record.user) if record.user else None,
            session=record.session,
            agent=record.agent,
            method=facts.method,
            route=facts.route.id,
            model=clean(model) if model else None,
            upstream_model=clean(upstream) if upstream else None,
            deployment=planned.deployment.name,
            provider=planned.deployment.provider,
            payer=planned.payer,
            credential=planned.credential.cls or planned.credential.source,
            status=record.status,
            ending=record.ending,
            error=record.error,
            generation=record.generation,
            duration_ms=round((now - record.started) * 1000, 1),
            first_byte_ms=(
                None if first is None else round((first - record.started) * 1000, 1)
            ),
            cost_nano=real_nano(cost, planned.payer),
            notional_nano=None if cost is None else cost.nano,
            price_version=self._prices.version,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_input_tokens,
            cache_write_5m_tokens=usage.cache_write_5m_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            thinking_tokens=usage.thinking_tokens,
            web_searches=usage.web_search_requests,
            service_tier=usage.service_tier,
            speed=usage.speed,
            inference_geo=usage.inference_geo,
            stop_reason=usage.stop_reason,
            estimated=usage.estimated,
            raw_usage=usage.raw,
        )

    def _settle(
        self, record: AccessRecord, usage: Usage, tally: Tally, cost: Cost | None
    ) -> None:
        if record.first_byte is None and usage is _NOTHING:
            # Nothing came of it, or nothing that anybody heard of.
            self._counts.abandon(record.request_id)
            return
        # Reading from a cache is what providers do not count on such limits either.
        tokens = (
            tally.input + tally.cache_write_5m + tally.cache_write_1h + tally.output
        )
        nano = 0 if cost is None else cost.nano
        self._counts.settle(record.request_id, Actual(tokens=tokens, cost_nano=nano))

    async def _are_known(self, budgets: Sequence[Limit]) -> bool:
        """Is what was spent of *budgets* known, or is it to be let be?"""
        unread = self._budgets.unread(budgets)
        return not unread or await self._budgets.learn(unread) or self._fails_open

    def _word(self, headers: Headers, name: bytes) -> str | None:
        """Return an id that a client made up, without what may be a key in it."""
        value = present(headers, name)
        if not value or lookalikes(((name, value),)):
            return None
        return self._counts.clean(value.decode("utf-8", "replace")[:_MAX_TEXT])

    def _price(self, planned: Planned) -> Price | None:
        where = planned.deployment
        return self._prices.find(
            where.provider,
            planned.upstream_model,
            deployment=where.name,
            at=self._counts.wall(),
        )


def _budgets(limits: Sequence[Limit], payer: str) -> tuple[Limit, ...]:
    """Return those of *limits* that say how much *payer* may pay."""
    found: tuple[Limit, ...] = ()
    for limit in limits:
        if limit.index == COST_INDEX and payer in limit.payers:
            found = (*found, limit)
    return found


def _usage_of(record: AccessRecord, facts: RequestFacts) -> Usage:
    """Return what the exchange of *record* used, at the least."""
    if facts.route.id == COUNT_TOKENS:
        # What is counted there is what a request would use.
        return _NOTHING
    usage = record.usage
    if record.first_byte is None:
        # Who leaves before there is an answer leaves the provider at work on it.
        if not record.was_left:
            return _NOTHING
    elif (record.status or 0) >= _FIRST_ERROR:
        return usage
    elif record.ending == Ending.COMPLETE.value and not _says_something(usage):
        # A page of some proxy, for instance.
        return usage
    elif not (record.bytes_out or record.was_left):
        return usage
    return at_least(usage, asked_bytes=len(facts.body), answered_bytes=record.bytes_out)


def _says_something(usage: Usage) -> bool:
    return bool(usage.model or usage.stop_reason or usage.estimated)
