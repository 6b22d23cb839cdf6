"""Every recipe of the documentation does what it says, by its own tests and proofs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from byok.cli import main
from tests.support import keys
from tests.support.pages import Page
from tests.support.processes import ROOT

RECIPES = sorted((ROOT / "examples" / "recipes").iterdir())
PAGES = ROOT / "docs" / "recipes"
MODELINE = "# yaml-language-server: $schema=../../../schemas/"
PROVED = ("P1", "P2", "P3", "P7")
ENVIRON = {
    "BYOK_MASTER_KEY": keys.MASTER_KEY,
    "ANTHROPIC_API_KEY": keys.DEPLOYMENT_KEY,
    "OPENAI_API_KEY": keys.DEPLOYMENT_KEY,
    "RELAY_KEY": keys.DEPLOYMENT_KEY,
    # No provider's: what has the shape of one would be taken for one, and stopped.
    "RELAY_TOKEN": "relay-token-0123456789abcdef",
}

recipes = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)


def printed(*words: str) -> str:
    """Return what `byok WORDS` prints; it has to succeed."""
    result = CliRunner(env=ENVIRON).invoke(main, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_there_are_a_dozen() -> None:
    assert len(RECIPES) >= 12


@recipes
def test_a_recipe_is_valid_passes_its_tests_and_is_proved(recipe: Path) -> None:
    config = str(recipe / "config.yaml")

    printed("validate", "--strict", config)
    tested = printed("policy", "test", str(recipe / "policy_test.yaml"), "--coverage")
    wanted = [word for each in PROVED for word in ("--property", each)]
    proved = printed("policy", "prove", "-c", config, *wanted)

    assert "FAIL" not in tested
    assert [line.split()[:2] for line in proved.splitlines()] == [
        ["PASS", each] for each in PROVED
    ]


@recipes
def test_the_files_of_a_recipe_help_editors(recipe: Path) -> None:
    for path in sorted(recipe.glob("*.yaml")):
        assert path.read_text("utf-8").startswith(MODELINE), path


@recipes
def test_the_page_of_a_recipe_shows_its_files_as_they_are(recipe: Path) -> None:
    page = Page(PAGES / f"{recipe.name}.md")
    # The line for editors stands aside for the name of the file.
    shown = {block.name: block.lines[1:] for block in page.blocks("yaml")}

    for path in sorted(recipe.glob("*.yaml")):
        name = path.relative_to(ROOT).as_posix()
        assert shown[name] == tuple(path.read_text("utf-8").splitlines()[1:]), name


@recipes
def test_the_index_leads_to_a_recipe(recipe: Path) -> None:
    targets = {link.target for link in Page(PAGES / "index.md").links()}

    assert f"{recipe.name}.md" in targets
