"""From the `store` setting to a file."""

from pathlib import Path

import pytest

from byok.store.faults import BadStoreUrl
from byok.store.location import store_path
from tests.support.keys import STORE_PASSWORD

BASE = Path("/etc/byok")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///byok.db", "/etc/byok/byok.db"),
        ("sqlite:///data/byok.db", "/etc/byok/data/byok.db"),
        ("sqlite:////var/lib/byok.db", "/var/lib/byok.db"),
        ("sqlite:///50%.db", "/etc/byok/50%.db"),
    ],
)
def test_a_path_is_relative_to_the_config_file(url, path):
    assert store_path(url, base=BASE) == Path(path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://byok:{STORE_PASSWORD}@db/byok", "PostgreSQL"),
        (f"postgresql+psycopg://byok:{STORE_PASSWORD}@db/byok", "PostgreSQL"),
        (f"mysql://byok:{STORE_PASSWORD}@db/byok", "not a SQLite URL"),
        (f"sqlite://{STORE_PASSWORD}", "not a SQLite URL"),
        ("byok.db", "not a SQLite URL"),
        ("", "not a SQLite URL"),
        ("sqlite://", "not a SQLite URL"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file::memory:", "names no file"),
        ("sqlite:///data/", "names no file"),
        ("sqlite:///byok.db?mode=ro", "options"),
        ("sqlite:///byok\0.db", "options"),
    ],
)
def test_another_url_is_refused_with_an_example_and_without_a_quote(url, said):
    with pytest.raises(BadStoreUrl, match=said) as caught:
        store_path(url, base=BASE)

    assert "sqlite:///byok.db" in str(caught.value)
    assert STORE_PASSWORD not in str(caught.value)
