"""Two accounts of the same usage, compared day by day and model by model."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from byok.core.usage_export import COST, COUNTS, Figures, Used


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    What both say of a model on a day, or on all days where *day* is empty.

    *off* names what differs by more than is tolerated.
    """

    day: str
    model: str
    theirs: Used
    ours: Used
    off: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both accounts by day and model, and by model alone."""

    lines: tuple[Line, ...]
    models: tuple[Line, ...]

    @property
    def is_off(self) -> bool:
        """Does anything differ by more than is tolerated?"""
        return any(line.off for line in self.lines)


def compare(
    theirs: Figures, ours: Figures, *, told: Collection[str], tolerance: Fraction
) -> Comparison:
    """
    Compare what is *told* by both; *tolerance* is a share of what they say.

    Each kind of token is compared by itself, since too much of one and too little
    of another would look right together, and cost something else.
    """
    lines = []
    sums: dict[str, tuple[Used, Used]] = {}
    for day, model in sorted(theirs.keys() | ours.keys()):
        pair = theirs.get((day, model), Used()), ours.get((day, model), Used())
        lines.append(_line(day, model, pair, told, tolerance))
        both = sums.setdefault(model, (Used(), Used()))
        for total, part in zip(both, pair, strict=True):
            total.add(part)
    return Comparison(
        lines=tuple(lines),
        models=tuple(
            _line("", model, both, told, tolerance)
            for model, both in sorted(sums.items())
        ),
    )


def drift(theirs: int, ours: int) -> Fraction | None:
    """Return by which share of theirs ours is more; None where they say nothing."""
    if theirs == ours:
        return Fraction(0)
    return Fraction(ours - theirs, abs(theirs)) if theirs else None


def _line(
    day: str,
    model: str,
    both: tuple[Used, Used],
    told: Collection[str],
    tolerance: Fraction,
) -> Line:
    theirs, ours = both
    off = [
        name
        for name in COUNTS
        if name in told
        and _is_off(getattr(theirs, name), getattr(ours, name), tolerance)
    ]
    slack = theirs.slack_nano
    if COST in told and _is_off(theirs.cost_nano, ours.cost_nano, tolerance, slack):
        off.append(COST)
    return Line(day=day, model=model, theirs=theirs, ours=ours, off=tuple(off))


def _is_off(theirs: int, ours: int, tolerance: Fraction, slack: int = 0) -> bool:
    return abs(ours - theirs) > abs(theirs) * tolerance + slack
