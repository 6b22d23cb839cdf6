"""Directories with a configuration and a ledger."""

import json
from collections.abc import Sequence
from typing import Any

from click.testing import CliRunner, Result

from byok.cli import main
from byok.core.usage_record import UsageRecord
from byok.store.engine import make_engine
from byok.store.location import Place
from byok.store.schema import upgrade
from byok.store.sqlusage import SqlUsage
from tests.cli.test_db import Desk

STORE = "sqlite:///byok.db"


def fill(place: Place, records: Sequence[UsageRecord]) -> None:
    """Put *records* into the ledger at *place*, which is made if need be."""
    engine = make_engine(place, connections=1)
    try:
        upgrade(engine)
        SqlUsage(engine).append(records)
    finally:
        engine.dispose()


def prune(place: Place, before: float) -> None:
    """Let the records from *before* go."""
    engine = make_engine(place, connections=1)
    try:
        SqlUsage(engine).prune(before)
    finally:
        engine.dispose()


class LedgerDesk(Desk):
    """A directory with a configuration, whose store has a ledger."""

    def fill(self, *records: UsageRecord) -> None:
        """Put *records* into the ledger."""
        fill(self.store, records)

    def run(
        self,
        *words: str,
        code: int = 0,
        columns: int = 100,
        said: str | None = None,
    ) -> Result:
        """Run `byok` in a terminal of so many *columns*; expect the exit code."""
        result = CliRunner(env={"COLUMNS": str(columns)}).invoke(
            main, [*words, "-c", str(self.config)], input=said
        )
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def usage(self, *words: str, **options: Any) -> Result:
        """Run `byok usage` on the days of the records."""
        return self.run("usage", "--since", "2027-01-01", *words, **options)

    def json(self, *words: str) -> Any:
        """Return what `byok usage` tells programs."""
        return json.loads(self.usage(*words, "--json").stdout)
