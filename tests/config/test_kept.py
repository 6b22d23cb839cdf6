"""A configuration read again as it was, whatever became of its files."""

import shutil

import pytest

from byok.config import examine, load
from byok.core.secret import Secret
from tests.config.files import ENVIRON, MODELS, write
from tests.support import keys

MAIN = (
    """\
include: [more.yaml]
policy_files: [policies/rules.yaml]
policy_tests: [policies/tests.yaml]
general_settings:
  master_key: file:secrets/master.key
"""
    + MODELS
)
RULES = """\
apiVersion: byok/v1
kind: Policy
metadata: {name: ours, owner: us}
tier: settings
rules:
  - id: no-lab
    match: {header: {name: [x-lab]}}
    action: strip
"""
TESTS = """\
apiVersion: byok/v1
kind: PolicyTest
tests:
  - name: a lab's header stays here
    given: {model: claude-opus-5-5, headers: {x-lab: one}}
    expect: {header: {x-lab: {verdict: strip}}}
"""


@pytest.fixture
def directory(tmp_path):
    home = tmp_path / "home"
    write(home, MAIN)
    write(home, "general_settings: {user_header_name: x-who}", "more.yaml")
    write(home, RULES, "policies/rules.yaml")
    write(home, TESTS, "policies/tests.yaml")
    write(home, keys.MASTER_KEY + "\n", "secrets/master.key").chmod(0o600)
    return home


def loaded(directory, kept=None):
    return load(directory / "config.yaml", environ=ENVIRON, kept=kept)


def test_what_was_kept_is_the_same_configuration_without_any_file(directory):
    before = loaded(directory)
    shutil.rmtree(directory)

    again = loaded(directory, before.kept)

    assert again == before
    assert again.digest == before.digest
    assert again.kept == before.kept
    assert again.master_key == Secret(keys.MASTER_KEY)
    assert "ours.no-lab" in {each.id for each in again.rules}


def test_what_was_kept_goes_before_what_is_there_now(directory):
    before = loaded(directory)
    write(directory, "nonsense: [")
    write(directory, RULES.replace("no-lab", "other"), "policies/rules.yaml")
    write(directory, keys.VIRTUAL_KEY, "secrets/master.key")

    assert loaded(directory, before.kept) == before
    assert examine(directory / "config.yaml", environ=ENVIRON).config is None


def test_a_key_that_was_made_since_is_found_on_the_disk(directory):
    write(
        directory,
        MAIN.replace("master_key:", "generate_master_key: true\n  master_key:"),
    )
    key = directory / "secrets/master.key"
    key.unlink()
    before = loaded(directory)
    key.write_text(keys.MASTER_KEY)
    key.chmod(0o600)

    after = loaded(directory, before.kept)

    assert (before.master_key, before.general.master_key_file) == (None, key)
    assert after.master_key == Secret(keys.MASTER_KEY)


def test_a_key_that_was_kept_is_not_made_again(directory):
    write(
        directory,
        MAIN.replace("master_key:", "generate_master_key: true\n  master_key:"),
    )
    before = loaded(directory)
    (directory / "secrets/master.key").unlink()

    again = loaded(directory, before.kept)

    assert again.master_key == Secret(keys.MASTER_KEY)
    assert again.general.master_key_file is None


def test_it_shows_nothing_of_what_it_holds(directory):
    kept = loaded(directory).kept

    assert keys.MASTER_KEY not in repr(kept)
    assert "no-lab" not in repr(kept)
