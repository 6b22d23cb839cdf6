"""The address of a database, its password, and what is shown of it."""

import pytest

from byok.core.databases import (
    database_problem,
    is_database,
    password_in,
    with_password,
    without_password,
)
from byok.core.secret import Secret
from tests.support.keys import STORE_PASSWORD


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("postgresql://db/byok", True),
        ("POSTGRES://db/byok", True),
        ("postgresql+psycopg://db/byok", True),
        ("postgresql", False),
        ("postgresql:db", False),
        ("sqlite:///byok.db", False),
    ],
)
def test_a_database_is_told_by_its_scheme(url, is_one):
    assert is_database(url) is is_one


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://byok@db/byok", ""),
        ("postgresql://byok@[::1]:5433/byok?sslmode=verify-full", ""),
        ("postgresql:///byok?host=/run/postgresql", ""),
        ("postgresql://db:port/byok", "cannot be read"),
        ("postgresql://[db/byok", "cannot be read"),
        ("postgresql+psycopg2://db/byok", "driver"),
        ("postgresql://db/byok?schema=x", "an option that byok does not know"),
        ("postgresql://db/byok?sslmode=", "without a value"),
        ("postgresql://db/byok?sslmode=a&sslmode=b", "twice"),
        ("postgresql://db/", "name of one database"),
        ("postgresql://db/a/b", "name of one database"),
        ("postgresql://db/a#b", "name of one database"),
        ("postgresql:///byok", "names no host"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url, said):
    problem = database_problem(url)

    assert said in problem
    assert bool(problem) is bool(said)


def test_a_password_is_put_in_and_read_back_whatever_is_in_it():
    password = Secret(f"{STORE_PASSWORD}:/@?#%")

    url = with_password("postgresql://byok@db:5432/ledger?sslmode=require", password)

    assert password_in(url) == password
    assert database_problem(url) == ""
    assert without_password(url) == "postgresql://byok@db:5432/ledger"


def test_an_address_without_user_or_password_is_shown_as_it_is():
    assert password_in("postgresql://db/byok") is None
    assert without_password("postgresql+psycopg://db/byok") == "postgresql://db/byok"
    assert with_password("postgresql:///byok?host=/run", Secret("x")) == (
        "postgresql://:x@/byok?host=/run"
    )
