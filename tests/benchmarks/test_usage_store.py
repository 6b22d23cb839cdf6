"""The measure of the ledger measures, and its books balance."""

from benchmarks.usage_store import measure


def test_it_gives_figures_for_a_small_ledger(tmp_path):
    figures = measure(tmp_path / "byok.db", 700)

    assert figures["rows"] == 700
    assert isinstance(figures["rows_per_second"], int)
    assert figures["rows_per_second"] > 0
