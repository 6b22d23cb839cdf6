"""A cost with its working, as people read it: each step, and who says what it costs."""

from fractions import Fraction

from byok.core.cost import ORG, Cost, Step, cost_of, recorded_tally
from byok.core.price import ATTO, MILLION, Kind, Price
from byok.core.prices import PriceTable
from byok.core.usage_record import UsageRecord

_NAMES = {
    Kind.INPUT: "input tokens",
    Kind.CACHE_READ: "cache read",
    Kind.CACHE_WRITE_5M: "cache write, 5 min",
    Kind.CACHE_WRITE_1H: "cache write, 1 hour",
    Kind.OUTPUT: "output tokens",
    Kind.THINKING: "thinking tokens",
    Kind.WEB_SEARCH: "web searches",
}
_NANO_DIGITS = 9
_ATTO_DIGITS = 18


def render(record: UsageRecord, table: PriceTable) -> str:
    """
    Return how what *record* cost comes about, by *table*; no final newline.

    What was recorded stands beside what comes out now, where the two differ: prices
    change, and a record keeps what was true of its time.
    """
    lines = [_line("request", record.id), _line("model", _model(record))]
    if record.payer is not None:
        lines.append(_line("payer", record.payer))
    price = price_of(record, table)
    if price is None:
        lines.append(_line("price", "none is known, so it counts nothing"))
        return "\n".join([*lines, *_recorded(record, None, table)])
    said = f"{price.provider}/{price.model} in {table.version}"
    if price.is_fallback:
        said += f", as nothing is known of this model (fallback: {table.said.fallback})"
    lines.append(_line("price", said))
    if record.estimated:
        lines.append(_line("note", "the answer broke off: what it lacked is estimated"))
    cost = cost_of(recorded_tally(record), price)
    lines += ["", *_working(cost), ""]
    return "\n".join([*lines, *_recorded(record, cost, table)])


def price_of(record: UsageRecord, table: PriceTable) -> Price | None:
    """Return what the model of *record* costs by *table*, on the day of the record."""
    if record.provider is None or record.upstream_model is None:
        return None
    return table.find(
        record.provider,
        record.upstream_model,
        deployment=record.deployment or "",
        at=record.at,
    )


def dollars(nano: int) -> str:
    """Return an amount of nanodollars as people write it, exactly."""
    return _decimal(nano, _NANO_DIGITS)


def _model(record: UsageRecord) -> str:
    upstream = "/".join(filter(None, (record.provider, record.upstream_model)))
    if record.model and upstream and record.model != record.upstream_model:
        return f"{record.model}, served as {upstream}"
    return upstream or record.model or "none"


def _working(cost: Cost) -> list[str]:
    rows = [_row(each) for each in cost.steps]
    if len(rows) != 1:
        rows.append(("sum", "", "", _decimal(cost.atto, _ATTO_DIGITS), ""))
    if cost.multiplier != 1:
        # Exact, unless the multiplier has more digits than money has here.
        amount = round(cost.atto * cost.multiplier)
        times = f"x {_fraction(cost.multiplier)}"
        rows.append((times, "", "", _decimal(amount, _ATTO_DIGITS), ""))
    rows.append(("rounded", "", "", dollars(cost.nano), "to nanodollars, half to even"))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    return [_aligned(row, widths) for row in rows]


def _aligned(row: tuple[str, str, str, str, str], widths: list[int]) -> str:
    what, number, each, amount, note = row
    # Amounts are lined up by their points, which all stand as far from the left.
    line = (
        f"  {what:<{widths[0]}}  {number:>{widths[1]}}  {each:<{widths[2]}}"
        f"  {amount:<{widths[3]}}  {note}"
    )
    return line.rstrip()


def _row(step: Step) -> tuple[str, str, str, str, str]:
    note = ", ".join(filter(None, (step.note, step.source)))
    if step.kind is Kind.WEB_SEARCH:
        each = f"x {_decimal(step.each, _ATTO_DIGITS)} each"
    else:
        each = f"x {_decimal(step.each * MILLION, _ATTO_DIGITS)} a million"
    return (
        _NAMES[step.kind],
        str(step.number),
        each,
        _decimal(step.atto, _ATTO_DIGITS),
        note,
    )


def _recorded(record: UsageRecord, cost: Cost | None, table: PriceTable) -> list[str]:
    lines = [_line("real", f"{dollars(record.cost_nano)} {_who(record)}")]
    if record.notional_nano is None:
        lines.append(_line("notional", "nothing was recorded"))
    else:
        lines.append(
            _line("notional", f"{dollars(record.notional_nano)} by the prices")
        )
    now = None if cost is None else cost.nano
    then = record.price_version or "none"
    if record.notional_nano != now:
        shown = "nothing" if now is None else dollars(now)
        lines.append(
            _line(
                "differs",
                f"recorded by the prices of {then}; by {table.version} it is {shown}",
            )
        )
    elif cost is not None and record.price_version not in {None, table.version}:
        lines.append(
            _line(
                "prices",
                f"recorded by those of {then}, which come to the same as"
                f" {table.version}",
            )
        )
    return lines


def _who(record: UsageRecord) -> str:
    if record.payer == ORG:
        return "is what the organisation pays"
    if record.payer is None:
        return "since nobody paid"
    return f"since the payer is {record.payer}"


def _line(name: str, text: str) -> str:
    # A model's name is what a client said.
    printable = "".join(each if each.isprintable() else "?" for each in text)
    return f"{name:<10}{printable}"


def _decimal(amount: int, digits: int) -> str:
    """Return *amount* of the units of which a dollar has ten to the *digits*."""
    whole, rest = divmod(amount, 10**digits)
    places = f"{rest:0{digits}d}".rstrip("0")
    return f"${whole}.{places:0<2}"


def _fraction(value: Fraction) -> str:
    """Return a multiplier as it was written: a decimal number."""
    return _decimal(int(value * ATTO), _ATTO_DIGITS)[1:].rstrip("0").rstrip(".")
