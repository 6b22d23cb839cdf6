"""From the `store` setting to a file."""

from pathlib import Path

import pytest

from byok.store.faults import BadStoreUrl
from byok.store.location import Server, store_place
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
    assert store_place(url, base=BASE) == Path(path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://byok:{STORE_PASSWORD}@db/byok", "not the URL"),
        (f"sqlite://{STORE_PASSWORD}", "not the URL"),
        ("byok.db", "not the URL"),
        ("", "not the URL"),
        ("sqlite://", "not the URL"),
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
        store_place(url, base=BASE)

    assert "sqlite:///byok.db" in str(caught.value)
    assert STORE_PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg", "POSTGRESQL"]
)
def test_a_database_is_shown_without_its_password(scheme):
    url = f"{scheme}://byok:{STORE_PASSWORD}@db:5433/ledger?sslmode=require"

    place = store_place(url, base=BASE)

    assert isinstance(place, Server)
    assert place.url == url
    assert str(place) == f"{scheme.partition('+')[0].lower()}://byok@db:5433/ledger"
    assert STORE_PASSWORD not in repr(place)


@pytest.mark.parametrize(
    "rest", ["db", "db/", "db/one/two", ":5432/byok", "db/byok?password=x", "db:x/byok"]
)
def test_an_address_that_is_no_databases_is_refused_without_a_quote(rest):
    with pytest.raises(BadStoreUrl, match=r"postgresql://byok@db\.internal") as caught:
        store_place(f"postgresql://byok:{STORE_PASSWORD}@{rest}", base=BASE)

    assert STORE_PASSWORD not in str(caught.value)
