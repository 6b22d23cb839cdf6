"""The configuration reference in the documents is what the schema says."""

from pathlib import Path

from byok.config.codes import CODES
from byok.config.litellm import Section
from byok.config.reference import reference
from byok.config.schema import section_properties

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_the_page_is_up_to_date():
    """Write it anew with: python -m byok.config.reference > docs/configuration.md"""
    assert PAGE.read_text("utf-8") == reference()


def test_the_page_names_every_key_and_every_code():
    text = reference()

    for section in (Section.PARAMS, Section.GENERAL, Section.LITELLM, Section.INFO):
        for name in section_properties(section):
            assert f"| `{name}` |" in text
    for code in CODES:
        assert f"| {code} |" in text


def test_a_table_has_three_cells_a_row_everywhere():
    _, _, top = reference().partition("## The top level")
    tables, _, _ = top.partition("## LiteLLM's other settings")

    rows = [line for line in tables.splitlines() if line.startswith("|")]
    assert rows
    assert {line.replace("\\|", "").count("|") for line in rows} == {4}
