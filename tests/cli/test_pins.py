"""`byok pins`, as an admin meets it whose developer was refused."""

import json

import pytest
from click.testing import CliRunner, Result

from byok.cli import main
from byok.core.keys import VirtualKey
from byok.core.pinning import KnownKey, pin_name
from byok.store.opening import open_keys, open_pins
from tests.cli.recorded import BEFORE, NOW, Desk
from tests.store.records import PEPPER
from tests.support import keys

ANNES, NOBODYS, LAPTOPS = (bytes([number]) * 32 for number in (1, 2, 3))
LAPTOP = "key_" + "A" * 22


class PinDesk(Desk):
    """A directory with a store in which provider keys are known."""

    def pins(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["pins", *words, "-c", str(self.config)])


@pytest.fixture
def desk(tmp_path):
    desk = PinDesk(tmp_path, BEFORE)
    with open_keys(tmp_path / "byok.db", (PEPPER,)) as store:
        store.keys.insert(
            VirtualKey(
                token_id=LAPTOP,
                digest=b"d" * 32,
                pepper_id="p",
                key_name="sk-...",
                key_alias="dev-laptop",
                created_at=NOW,
                updated_at=NOW,
            )
        )
    with open_pins(tmp_path / "byok.db") as pins:
        known = KnownKey(organization="ours", owner="user:anne")
        pins.learn(ANNES, known, now=NOW)
        pins.learn(NOBODYS, KnownKey(organization="theirs"), now=NOW + 1)
        pins.learn(LAPTOPS, KnownKey(owner=f"key:{LAPTOP}"), now=NOW + 2)
    return desk


def test_pins_are_listed_with_their_owners(desk):
    result = desk.pins("list")

    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["PIN", "OWNER", "ORGANIZATION", "LEARNED"],
        [
            pin_name(LAPTOPS),
            f"key:{LAPTOP}",
            "(dev-laptop)",
            "-",
            "2027-01-15T08:00:02Z",
        ],
        [pin_name(NOBODYS), "-", "theirs", "2027-01-15T08:00:01Z"],
        [pin_name(ANNES), "user:anne", "ours", "2027-01-15T08:00:00Z"],
    ]


def test_the_pins_of_one_owner_are_listed(desk):
    found = json.loads(desk.pins("list", "--owner", "user:anne", "--json").stdout)

    assert found == {
        "pins": [
            {
                "pin": pin_name(ANNES),
                "owner": "user:anne",
                "organization": "ours",
                "learned_at": "2027-01-15T08:00:00Z",
                "released_by": None,
                "released_at": None,
            }
        ]
    }
    none = desk.pins("list", "--owner", "user:bob")
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "No provider key of user:bob is known.\n"


def test_a_key_is_released_and_shows_by_whom(desk):
    result = desk.pins("release", pin_name(ANNES))

    assert result.exit_code == 0
    assert result.stdout == (
        f"released {pin_name(ANNES)}, which was bound to user:anne\n"
    )
    shown = desk.pins("show", pin_name(ANNES))
    assert "(released by cli:" in shown.stdout
    found = json.loads(desk.pins("show", pin_name(ANNES), "--json").stdout)
    assert (found["owner"], found["organization"]) == (None, "ours")
    assert found["released_by"].startswith("cli:")
    assert found["released_at"]
    again = desk.pins("release", pin_name(ANNES))
    assert again.exit_code == 1
    assert "Nobody owns" in again.stderr


def test_what_was_released_is_said_as_json(desk):
    result = desk.pins("release", pin_name(ANNES), pin_name(LAPTOPS), "--json")

    found = json.loads(result.stdout)
    assert found["released"] == [
        {"pin": pin_name(ANNES), "was_owned_by": "user:anne"},
        {"pin": pin_name(LAPTOPS), "was_owned_by": f"key:{LAPTOP}"},
    ]


def test_where_one_cannot_be_released_none_is(desk):
    unknown = desk.pins("release", pin_name(ANNES), pin_name(b"9" * 32))
    nobodys = desk.pins("release", pin_name(ANNES), pin_name(NOBODYS))

    assert (unknown.exit_code, nobodys.exit_code) == (1, 1)
    assert unknown.stderr.startswith("There is no pin_3939")
    found = json.loads(desk.pins("show", pin_name(ANNES), "--json").stdout)
    assert found["owner"] == "user:anne"


def test_a_pin_that_is_not_there_cannot_be_shown(desk):
    result = desk.pins("show", pin_name(b"9" * 32))

    assert result.exit_code == 1
    assert "`byok pins list` shows all" in result.stderr


def test_a_key_is_no_pin_and_is_not_repeated(desk):
    result = desk.pins("release", keys.ANTHROPIC_API_KEY)

    assert result.exit_code == 2
    assert "CANARY" not in result.output
    assert "That is a key, and no pin." in result.stderr
    assert desk.pins("show", "pin_1").exit_code == 2


def test_without_a_store_nothing_was_learned(tmp_path):
    result = PinDesk(tmp_path).pins("list")

    assert result.exit_code == 2
    assert "there is no store here" in result.stderr
    assert not (tmp_path / "byok.db").exists()


def test_an_empty_store_says_what_learns_keys(tmp_path):
    with open_keys(tmp_path / "byok.db", (PEPPER,)):
        pass

    result = PinDesk(tmp_path).pins("list")

    assert result.exit_code == 0
    assert "bind_keys" in result.stderr
