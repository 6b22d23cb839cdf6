"""Where the store is, and the password of a database."""

import pytest

from byok.config import examine
from tests.config.files import SMALLEST, config_of, found
from tests.support.keys import STORE_PASSWORD

PEPPER = "  key_pepper: os.environ/PEPPER\n"
URL = "postgresql://byok@db:5433/ledger?sslmode=require"


def database(lines: str, pepper: str = PEPPER) -> str:
    """Return a configuration with these *lines* about its store."""
    return f"{SMALLEST}{pepper}store: {lines}\n"


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("postgresql://me@db/byok", []),
        ("postgres://db/byok", []),
        ("postgresql+psycopg://me@db/byok", []),
        ("postgresql:///byok?host=/run/postgresql", []),
        ("postgresql:///byok", ["E161:8"]),
        ("postgresql+asyncpg://me@db/byok", ["E161:8"]),
        ("postgresql://me@db", ["E161:8"]),
        ("postgresql://me@db/a/b", ["E161:8"]),
        ("postgresql://me@db:x/byok", ["E161:8"]),
        ("postgresql://me@db/byok?schema=public", ["E161:8"]),
        ("postgresql://me@db/byok?sslmode=", ["E161:8"]),
        ("postgresql://me:hunter2@db/byok", ["W302:8"]),
        ("{url: 'postgresql://me@db/byok'}", []),
        ("{url: 'sqlite:///byok.db'}", []),
        ("{url: 'mysql://db/byok'}", ["E161:8"]),
        ("{url: 'sqlite:///byok.db', password: os.environ/PEPPER}", ["E161:8"]),
        ("{url: 'postgresql://me@db/byok', password: os.environ/NO}", ["E131:8"]),
    ],
)
def test_a_store_can_be_a_database(tmp_path, url, codes):
    assert found(tmp_path, database(url)) == codes


def test_the_password_stands_in_one_place(tmp_path):
    lines = "{url: 'postgresql://me:hunter2@db/byok', password: os.environ/PEPPER}"

    assert found(tmp_path, database(lines)) == ["E161:8"]


def test_a_password_by_reference_is_part_of_the_address_and_a_secret(
    tmp_path, secret_file
):
    name = secret_file(f"{STORE_PASSWORD}/?@").name
    config = config_of(tmp_path, database(f"{{url: '{URL}', password: file:{name}}}"))

    assert config.findings == ()
    assert (
        config.store_url
        == f"postgresql://byok:{STORE_PASSWORD}%2F%3F%40@db:5433/ledger?sslmode=require"
    )
    assert config.store_password in config.secrets
    assert STORE_PASSWORD not in repr(config)


def test_a_whole_address_by_reference_holds_its_password(tmp_path, secret_file):
    name = secret_file(f"postgresql://byok:{STORE_PASSWORD}%40@db/byok").name
    config = config_of(tmp_path, database(f"file:{name}"))

    assert config.findings == ()
    assert config.store_password is not None
    assert len(config.store_password) == len(STORE_PASSWORD) + 1


def test_a_database_needs_a_pepper_since_none_can_be_kept_beside_it(tmp_path):
    text = database("postgresql://byok@db/byok", pepper="")
    path = tmp_path / "config.yaml"

    assert found(tmp_path, text) == ["E161:7"]
    path.write_text(text)
    (finding,) = [each for each in examine(path).findings if each.code == "E161"]
    assert "openssl rand" in (finding.remedy or "")
