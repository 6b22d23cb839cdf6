"""`usage.keep_days`: how long single records of the ledger stay."""

import pytest

from byok.config import examine, load
from tests.config.files import ENVIRON, SMALLEST


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "config.yaml"
        path.write_text(f"{SMALLEST}{text}")
        return path

    return write


def test_records_stay_for_good_unless_it_is_said_otherwise(written):
    assert load(written(""), environ=ENVIRON).governance.keep_days is None
    kept = load(written("usage: {keep_days: 90}\n"), environ=ENVIRON)
    assert kept.governance.keep_days == 90


@pytest.mark.parametrize("value", ["2", "-1", "many", "1.5", "40000"])
def test_what_is_no_sensible_number_of_days_is_an_error(written, value):
    found = examine(written(f"usage: {{keep_days: {value}}}\n"), environ=ENVIRON)

    assert {each.level for each in found.findings} == {"error"}
    assert "keep_days" in str(found.findings[0])
