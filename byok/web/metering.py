"""
What exchanges use: let in by their limits, settled as they end, and recorded.

A request reserves what it may use before it leaves, of all its limits at once, and
gives back what it did not use when it is over, however it ended. What it did use is
one record, which is in the spool by the time the exchange is closed.
"""

from byok.core.cost import Tally, cost_of, real_nano, tally_of
from byok.core.errors import Refusal, StoreUnavailable
from byok.core.exchange import Planned
from byok.core.facts import Headers, RequestFacts, present
from byok.core.limits.demand import Actual, Demand, Denied, estimate_tokens
from byok.core.limits.refusals import BUDGET_STATUS, refusal_of
from byok.core.price import Price
from byok.core.prices import PriceTable
from byok.core.usage import Usage
from byok.core.usage_record import UsageRecord
from byok.policy.lookalikes import lookalikes
from byok.web.access import AccessRecord
from byok.web.allowances import Allowances
from byok.web.budgets import Budgets
from byok.web.counts import Counts

SESSION_HEADER = b"x-claude-code-session-id"
AGENT_HEADER = b"x-claude-code-agent-id"
COUNT_TOKENS = "/v1/messages/count_tokens"

_MAX_TEXT = 128
_SOME_OUTPUT = 1024


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

        The ledger is asked about budgets that nobody here has used before, and about
        nothing else.
        """
        caller = record.caller
        if caller is None:
            return None
        session = self._word(facts.headers, SESSION_HEADER)
        agent = self._word(facts.headers, AGENT_HEADER)
        price = self._price(planned)
        limits = self._allowances.of(
            caller, deployment=planned.deployment.name, session=session, agent=agent
        )
        if limits:
            unread = self._budgets.unread(limits)
            if unread:
                try:
                    await self._budgets.read(unread)
                except StoreUnavailable:
                    if not self._fails_open:
                        raise
            head = facts.head
            max_tokens = None if head is None else head.max_tokens
            tokens = estimate_tokens(len(facts.body), max_tokens)
            now = self._counts.wall()
            found = self._limiter.reserve(
                now,
                Demand(
                    id=record.request_id,
                    limits=limits,
                    tokens=tokens,
                    cost_nano=_estimate(price, tokens, max_tokens),
                    payer=planned.payer,
                    counting=facts.route.id == COUNT_TOKENS,
                    owner=caller.name,
                ),
            )
            if isinstance(found, Denied):
                return refusal_of(found, budget_status=self._budget_status)
        record.reserved = limits
        record.session, record.agent = session, agent
        return None

    def close(self, record: AccessRecord) -> None:
        """Settle what was reserved for the exchange of *record*, and record its use."""
        facts, planned, caller = record.facts, record.planned, record.caller
        if facts is None or planned is None or caller is None:
            self._limiter.abandon(record.request_id, self._counts.wall())
            return
        # What is counted there is what a request would use.
        usage = Usage() if facts.route.id == COUNT_TOKENS else record.usage
        tally = tally_of(usage)
        price = self._price(planned)
        cost = None if price is None else cost_of(tally, price)
        notional = 0 if cost is None else cost.nano
        if record.reserved:
            self._settle(record, tally, notional)
        now = self._counts.clock.seconds()
        head = facts.head
        self._counts.keep(
            UsageRecord(
                id=record.request_id,
                at=round(record.began_at, 3),
                key_id=caller.key_id,
                key=caller.name,
                user=caller.user or None,
                team=caller.team or None,
                end_user=record.user and self._counts.clean(record.user),
                session=record.session,
                agent=record.agent,
                method=facts.method,
                route=facts.route.id,
                model=None if head is None else (head.model or "")[:_MAX_TEXT] or None,
                upstream_model=planned.upstream_model[:_MAX_TEXT] or None,
                deployment=planned.deployment.name,
                provider=planned.deployment.provider,
                payer=planned.payer,
                credential=planned.credential.cls or planned.credential.source,
                status=record.status,
                ending=record.ending,
                error=record.error,
                generation=record.generation,
                duration_ms=round((now - record.started) * 1000, 1),
                first_byte_ms=None
                if record.first_byte is None
                else round((record.first_byte - record.started) * 1000, 1),
                cost_nano=real_nano(cost, planned.payer),
                notional_nano=notional,
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
        )

    def _settle(self, record: AccessRecord, tally: Tally, notional: int) -> None:
        now = self._counts.wall()
        if record.first_byte is None:
            # Nothing came of it, or nothing that anybody heard of.
            self._limiter.abandon(record.request_id, now)
            return
        # Reading from a cache is what providers do not count on such limits either.
        tokens = (
            tally.input + tally.cache_write_5m + tally.cache_write_1h + tally.output
        )
        self._limiter.settle(
            record.request_id, Actual(tokens=tokens, cost_nano=notional), now
        )

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


def _estimate(price: Price | None, tokens: int, max_tokens: int | None) -> int:
    if price is None:
        return 0
    output = min(_SOME_OUTPUT if max_tokens is None else max_tokens, tokens)
    return cost_of(Tally(input=tokens - output, output=output), price).nano
