"""Where the pepper comes from, and what happens when it is gone or changed."""

import stat
from pathlib import Path

import pytest

from byok.core.errors import StoreUnavailable
from byok.core.keys import Peppers
from byok.core.secret import Secret
from byok.store.faults import PepperLost
from byok.store.opening import open_keys
from byok.store.peppers import open_peppers, pepper_path
from tests.store.records import PEPPER, PEPPERS, record
from tests.support.keys import KEY_PEPPER, VIRTUAL_KEY_2
from tests.support.sweep import exempt

NEW_PEPPER = Secret("a new pepper of good length")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a place for a store."""
    return tmp_path / "byok.db"


def test_without_a_configured_pepper_one_is_made_and_kept(path):
    first, warnings = open_peppers(path, (), counts={})
    again, _ = open_peppers(path, (), counts={first.current_id: 3})

    file = pepper_path(path)
    assert file.name == "byok.db.pepper"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(file.read_text().strip())) == 32
    assert first.ids == again.ids
    assert warnings == ()
    assert [kept.name for kept in path.parent.iterdir()] == [file.name]


def test_a_configured_pepper_makes_no_file(path):
    peppers, _ = open_peppers(path, (PEPPER,), counts={})

    assert peppers.ids == PEPPERS.ids
    assert not pepper_path(path).exists()


def test_a_pepper_file_that_others_may_read_warns(path):
    open_peppers(path, (), counts={})
    pepper_path(path).chmod(0o640)

    _, (warning,) = open_peppers(path, (), counts={})

    assert "chmod 600" in warning


def test_a_lost_pepper_file_is_an_error_and_no_new_one_is_made(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())

    with pytest.raises(PepperLost) as caught, open_keys(path):
        pass

    assert "its one key was not made with this pepper" in str(caught.value)
    assert f"Put {pepper_path(path)} back" in str(caught.value)
    assert not pepper_path(path).exists()


def test_a_new_pepper_without_the_former_one_is_an_error_that_names_the_file(path):
    with open_keys(path) as store:
        made_with = store.peppers.current_id
        store.keys.insert(record(pepper_id=made_with))

    with pytest.raises(PepperLost) as caught, open_keys(path, (NEW_PEPPER,)):
        pass

    assert f"Add file:{pepper_path(path)}" in str(caught.value)
    assert NEW_PEPPER.reveal() not in str(caught.value)


def test_a_new_pepper_before_the_former_one_is_fine(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())

    with open_keys(path, (NEW_PEPPER, PEPPER)) as store:
        assert store.warnings == ()
        assert store.peppers.current_id == Peppers(NEW_PEPPER).current_id


def test_keys_that_no_listed_pepper_made_are_counted(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())
        new = Peppers(NEW_PEPPER)
        store.keys.insert(record(VIRTUAL_KEY_2, 1, pepper_id=new.current_id))

    with open_keys(path, (NEW_PEPPER,)) as store:
        (one,) = store.warnings
        store.keys.insert(record("sk-third-key-of-the-store", 2, key_alias="third"))
    with open_keys(path, (NEW_PEPPER,)) as store:
        (two,) = store.warnings

    assert "1 key was made with a pepper that is no longer listed" in one
    assert "rotate it." in one
    assert "2 keys were made with a pepper that is no longer listed" in two
    assert "rotate them." in two


@pytest.mark.parametrize("pepper", ["", "short"])
def test_a_short_pepper_is_refused_without_being_quoted(path, pepper):
    with pytest.raises(StoreUnavailable, match="at least 16") as caught:
        open_peppers(path, (PEPPER, Secret(pepper)), counts={})

    assert not pepper or pepper not in str(caught.value)


def test_an_empty_pepper_file_is_refused(path):
    pepper_path(path).write_text("\n")

    with pytest.raises(StoreUnavailable, match="holds no pepper"):
        open_peppers(path, (), counts={})


def test_an_unreadable_pepper_file_is_named(path):
    pepper_path(path).mkdir()

    with pytest.raises(StoreUnavailable, match="cannot read the pepper") as caught:
        open_peppers(path, (), counts={})

    assert str(pepper_path(path)) in str(caught.value)


def test_an_unreadable_pepper_file_does_not_hide_a_lost_pepper(path):
    pepper_path(path).mkdir()

    with pytest.raises(PepperLost, match="back as it was"):
        open_peppers(path, (NEW_PEPPER,), counts={PEPPERS.current_id: 1})


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot make the pepper file"):
        open_peppers(tmp_path / "missing" / "byok.db", (), counts={})


def test_no_message_holds_a_pepper(path):
    exempt(pepper_path(path)).write_text(KEY_PEPPER)

    with pytest.raises(PepperLost) as caught:
        open_peppers(path, (), counts={"another": 1})

    assert KEY_PEPPER not in str(caught.value)
