"""The mutants that behave as the original does, each with the reason why."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.mutants.mutations import Mutant

PLACE = Path(__file__).with_name("equivalent.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """A mutation of one line that no test can notice."""

    file: str
    code: str
    mutation: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Is *mutant* the one that is meant, wherever its line stands by now?"""
        return (self.file, self.code, self.mutation) == (
            mutant.file,
            mutant.code,
            mutant.mutation,
        )

    def is_among(self, found: Iterable[Mutant]) -> bool:
        """Is there still such a mutant?"""
        return any(self.covers(each) for each in found)


def read_equivalents(place: Path = PLACE) -> tuple[Equivalent, ...]:
    """Read the list that stands in *place*."""
    return tuple(
        Equivalent(**each) for each in yaml.safe_load(place.read_text("utf-8"))
    )
