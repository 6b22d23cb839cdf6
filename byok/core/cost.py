"""
What an exchange costs, with the working.

Each kind of token is a step: so many, at so much, is so much, exactly. The steps add
up exactly, and the sum is rounded once, half to even, to whole nanodollars.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from byok.core.price import Charge, Kind, Price
from byok.core.usage import Usage
from byok.core.usage_record import UsageRecord

NANO = 10**9
"""Nanodollars in a dollar, and attodollars in a nanodollar."""

ORG = "org"
"""The payer whose costs are real: the organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """
    How much of each kind was used, and in which way.

    *input* leaves out what the cache gave or took in; *thinking* is part of *output*.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    thinking: int = 0
    web_search: int = 0
    speed: str | None = None
    service_tier: str | None = None
    region: str | None = None

    @property
    def prompt(self) -> int:
        """How long the prompt was, whatever of it came from a cache."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


class Step(NamedTuple):
    """
    *number* of a kind at *each* is *atto*, in attodollars.

    *note* says why it is that much, where it is not simply the rate of the kind.
    """

    kind: Kind
    number: int
    each: int
    atto: int
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one exchange costs: *nano* is *atto* times *multiplier*, rounded once."""

    nano: int
    atto: int
    multiplier: Fraction
    steps: tuple[Step, ...]


def tally_of(usage: Usage) -> Tally:
    """Return what an answer's *usage* comes to; what it does not say is nothing."""
    return Tally(
        input=usage.input_tokens or 0,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write_5m=usage.cache_write_5m_tokens or 0,
        cache_write_1h=usage.cache_write_1h_tokens or 0,
        output=usage.output_tokens or 0,
        thinking=usage.thinking_tokens or 0,
        web_search=usage.web_search_requests or 0,
        speed=usage.speed,
        service_tier=usage.service_tier,
        region=usage.inference_geo,
    )


def recorded_tally(record: UsageRecord) -> Tally:
    """Return what was recorded, the same as it came to then."""
    return Tally(
        input=record.input_tokens or 0,
        cache_read=record.cache_read_tokens or 0,
        cache_write_5m=record.cache_write_5m_tokens or 0,
        cache_write_1h=record.cache_write_1h_tokens or 0,
        output=record.output_tokens or 0,
        thinking=record.thinking_tokens or 0,
        web_search=record.web_searches or 0,
        speed=record.speed,
        service_tier=record.service_tier,
        region=record.inference_geo,
    )


def cost_of(tally: Tally, price: Price) -> Cost:
    """Return what *tally* costs at *price*, and how that comes about."""
    charges = price.charges(
        speed=tally.speed, service_tier=tally.service_tier, region=tally.region
    )
    prompt = tally.prompt
    steps: list[Step] = []
    whole = 0
    for charge, number in zip(charges, _counts(tally, charges), strict=True):
        if not number:
            continue
        kind, rate, note = charge.kind, charge.rate, charge.note
        if rate is None:
            steps.append(Step(kind, number, 0, 0, note))
            continue
        each = rate.each
        if rate.tiers:
            each, start = rate.at(prompt)
            if start:
                above = f"prompt above {start} tokens"
                note = f"{note}, {above}" if note else above
        atto = number * each
        whole += atto
        steps.append(Step(kind, number, each, atto, note, rate.source))
    top, bottom = price.multiplier.as_integer_ratio()
    return Cost(
        nano=rounded(whole * top, bottom * NANO),
        atto=whole,
        multiplier=price.multiplier,
        steps=tuple(steps),
    )


def estimate_nano(price: Price, *, prompt: int, answer: int) -> int:
    """Return what *prompt* and *answer* tokens cost, of which nothing was cached."""
    whole = 0
    for charge in price.charges(speed=None, service_tier=None, region=None):
        kind, rate = charge.kind, charge.rate
        number = prompt if kind is Kind.INPUT else answer if kind is Kind.OUTPUT else 0
        if number and rate is not None:
            whole += number * (rate.at(prompt)[0] if rate.tiers else rate.each)
    top, bottom = price.multiplier.as_integer_ratio()
    return rounded(whole * top, bottom * NANO)


def real_nano(cost: Cost | None, payer: str | None) -> int:
    """Return what of *cost* the organisation pays."""
    return cost.nano if cost is not None and payer == ORG else 0


def rounded(top: int, bottom: int) -> int:
    """Return *top* divided by *bottom*, to the nearest, and of two to the even one."""
    whole, rest = divmod(top, bottom)
    return whole + (2 * rest > bottom or (2 * rest == bottom and whole % 2 == 1))


# Where thinking stands among the kinds.
_THINKING = tuple(Kind).index(Kind.THINKING)


def _counts(tally: Tally, charges: tuple[Charge, ...]) -> tuple[int, ...]:
    """Return how much there was of each kind, in the kinds' order."""
    # Thinking is part of the output, and counted apart only where it is priced apart.
    apart = 0
    if charges[_THINKING].rate is not None:
        apart = min(tally.thinking, tally.output)
    return (
        tally.input,
        tally.cache_read,
        tally.cache_write_5m,
        tally.cache_write_1h,
        tally.output - apart,
        apart,
        tally.web_search,
    )
