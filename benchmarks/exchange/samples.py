"""What was measured, by subject, figure and repeat; medians and ratios of it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Values = Mapping[int, float]
"""A figure's value in each repeat."""


@dataclass(slots=True)
class Samples:
    """
    All samples of one run.

    A ratio is of two values of the same repeat, which were taken within seconds of
    each other, and the median is of those ratios: what slowed the machine down slowed
    both of them.
    """

    _values: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)

    def add(self, subject: str, repeat: int, figures: Mapping[str, float]) -> None:
        """Keep the *figures* of *subject* in one *repeat*."""
        of_subject = self._values.setdefault(subject, {})
        for name, value in figures.items():
            of_subject.setdefault(name, {})[repeat] = value

    @property
    def subjects(self) -> Sequence[str]:
        """Who was measured, in the order of the first sample."""
        return tuple(self._values)

    def values(self, subject: str, figure: str) -> Values:
        """Return the samples of one figure, none where it was not measured."""
        return self._values.get(subject, {}).get(figure, {})

    def median(self, subject: str, figure: str) -> float | None:
        """Return the middle one of the samples."""
        values = self.values(subject, figure).values()
        return statistics.median(values) if values else None

    def ratio(self, subject: str, other: str, figure: str) -> float | None:
        """Return how many times *other*'s figure that of *subject* is."""
        ours, theirs = self.values(subject, figure), self.values(other, figure)
        ratios = [
            value / theirs[repeat]
            for repeat, value in ours.items()
            if theirs.get(repeat)
        ]
        return statistics.median(ratios) if ratios else None

    def difference(self, subject: str, other: str, figure: str) -> float | None:
        """Return by how much the figure of *subject* is above that of *other*."""
        ours, theirs = self.values(subject, figure), self.values(other, figure)
        both = [ours[repeat] - theirs[repeat] for repeat in ours if repeat in theirs]
        return statistics.median(both) if both else None

    def as_document(self) -> dict[str, dict[str, list[float]]]:
        """Return everything as it goes into JSON, rounded to what means something."""
        return {
            subject: {
                name: [round(value, 4) for _, value in sorted(values.items())]
                for name, values in figures.items()
            }
            for subject, figures in self._values.items()
        }
