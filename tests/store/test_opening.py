"""Opening a store: the file, its mode, its tables, and stores of another time."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from byok.core.errors import StoreUnavailable
from byok.store.engine import make_engine, reading, writing
from byok.store.faults import StoreHalfMade, StoreTooNew
from byok.store.keystore import Selection
from byok.store.opening import open_keys
from byok.store.schema import HEAD, MIGRATIONS, look, migrate, upgrade
from byok.store.tables import metadata
from tests.store.records import PEPPER, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a place for a store."""
    return tmp_path / "50% of byok.db"


def modes(path: Path) -> dict[str, int]:
    """Return the mode of each file of the store."""
    return {
        file.name.removeprefix(path.name): stat.S_IMODE(file.stat().st_mode)
        for file in path.parent.iterdir()
    }


def test_a_store_and_all_that_goes_with_it_is_for_its_owner_alone(path):
    with open_keys(path) as store:
        store.keys.insert(record())

        assert modes(path) == {
            "": 0o600,
            "-wal": 0o600,
            "-shm": 0o600,
            ".pepper": 0o600,
        }
        assert store.warnings == ()


def test_a_store_that_others_may_read_is_opened_with_a_warning(path):
    path.touch(mode=0o644)
    path.chmod(0o644)

    with open_keys(path, (PEPPER,)) as store:
        (warning,) = store.warnings

    assert "chmod 600" in warning
    assert str(path) in warning


def test_keys_are_there_when_the_store_is_opened_again(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())

    with open_keys(path, (PEPPER,)) as store:
        assert store.keys.page(Selection()).keys == (record(),)


def test_a_store_is_journalled_so_that_readers_do_not_wait(path):
    with open_keys(path, (PEPPER,)):
        connection = sqlite3.connect(path)
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        connection.close()

    assert mode == "wal"


def test_the_newest_revision_is_the_one_the_code_knows():
    scripts = ScriptDirectory(str(MIGRATIONS))

    assert scripts.get_heads() == [HEAD]


def tables_of(engine):
    """Return what the database says of its tables."""
    with engine.connect() as connection:
        seen = sa.inspect(connection)
        return {
            name: (
                [
                    {**each, "type": str(each["type"])}
                    for each in seen.get_columns(name)
                ],
                seen.get_pk_constraint(name),
                sorted(seen.get_unique_constraints(name), key=str),
                sorted(seen.get_indexes(name), key=str),
                sorted(seen.get_foreign_keys(name), key=str),
                connection.execute(
                    sa.select(sa.literal_column("*")).select_from(sa.table(name))
                ).all(),
            )
            for name in seen.get_table_names()
        }


def migrated(path):
    """Make a store by every migration there ever was."""
    engine = make_engine(path, connections=1)
    with writing(engine) as connection:
        migrate(connection)
    return engine


def test_migrations_leave_the_tables_that_the_code_describes(path):
    engine = migrated(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def test_a_new_store_has_the_tables_that_migrations_leave(path):
    with open_keys(path, (PEPPER,)):
        pass
    made, by_steps = make_engine(path, connections=1), migrated(path.with_name("steps"))
    tables, steps = tables_of(made), tables_of(by_steps)
    with reading(made) as one, reading(by_steps) as other:
        assert look(one) == look(other)
    made.dispose()
    by_steps.dispose()

    assert tables == steps


def test_migrations_can_be_taken_back(path):
    migrated(path).dispose()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = make_engine(path, connections=1)

    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_a_store_of_a_later_byok_is_left_alone(path):
    with open_keys(path) as store:
        store.keys.insert(record())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreTooNew) as caught, open_keys(path):
        pass

    assert str(path) in str(caught.value)
    assert "'9999'" in str(caught.value)
    assert f"'{HEAD}'" in str(caught.value)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_store_as_it_was(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (name TEXT)")
    connection.execute("CREATE INDEX ix_virtual_keys_user_id ON other (name)")
    connection.close()
    engine = make_engine(path, connections=1)

    with pytest.raises(StoreUnavailable, match="ix_virtual_keys_user_id"):
        upgrade(engine)

    with engine.connect() as kept:
        assert sa.inspect(kept).get_table_names() == ["other"]
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE alembic_version",
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('0001')",
        "DROP TABLE provider_keys",
    ],
)
def test_a_store_that_lacks_a_table_is_left_alone(path, statement):
    with open_keys(path, (PEPPER,)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    before = path.read_bytes()

    with (
        pytest.raises(StoreHalfMade, match="byok db status") as caught,
        open_keys(path, (PEPPER,)),
    ):
        pass

    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_processes_that_open_a_new_store_at_once_all_find_it_ready(path):
    program = (
        "import sys, pathlib\n"
        "from byok.store.opening import open_keys\n"
        "with open_keys(pathlib.Path(sys.argv[1])) as store:\n"
        "    print(store.peppers.current_id)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]

    said = {process.communicate()[0] for process in processes}

    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(said) == 1
    assert len(said.pop().strip()) == 12


def test_a_place_that_is_not_there_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "missing" / "byok.db"

    with pytest.raises(StoreUnavailable, match="Make the directory") as caught:
        make_engine(path, connections=1)

    assert str(path) in str(caught.value)


def test_a_file_that_may_not_be_used_is_named_with_the_remedy(path):
    # A directory where the file should be cannot be opened by the superuser either.
    path.mkdir()

    with (
        pytest.raises(StoreUnavailable, match="able to write") as caught,
        open_keys(path),
    ):
        pass

    assert str(path) in str(caught.value)


def test_a_file_that_is_no_database_is_named(path):
    path.write_text("model_list: []\n" * 100)

    with (
        pytest.raises(StoreUnavailable, match="not a database") as caught,
        open_keys(path),
    ):
        pass

    assert str(path) in str(caught.value)


def test_opening_a_store_that_is_up_to_date_needs_no_alembic(path):
    with open_keys(path):
        pass

    program = (
        "import sys, pathlib\n"
        "from byok.store.opening import open_keys\n"
        "with open_keys(pathlib.Path(sys.argv[1])): pass\n"
        "print('alembic' in sys.modules, 'twisted.internet.reactor' in sys.modules)\n"
    )
    said = subprocess.check_output([sys.executable, "-c", program, str(path)])

    assert said.split() == [b"False", b"False"]
