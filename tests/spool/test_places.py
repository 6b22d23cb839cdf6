"""Who holds a writer's files is known by locks that end with their process."""

import os

import pytest

from byok.spool import places

WRITER = "0123456789abcdef"


def test_a_lock_is_one_s_until_it_is_closed(tmp_path):
    path = places.drain_lock(tmp_path, WRITER)
    held = places.lock(path)
    assert held is not None

    assert places.lock(path) is None
    assert places.is_locked(path)
    os.close(held)

    assert not places.is_locked(path)
    assert not places.is_locked(tmp_path / "nothing")


def test_a_lock_on_a_file_that_was_removed_is_none(tmp_path):
    path = places.drain_lock(tmp_path, WRITER)
    held = places.lock(path)
    assert held is not None
    path.unlink()

    assert not places.is_at(held, path)
    again = places.lock(path)

    assert again is not None
    assert not places.is_at(held, path)
    assert places.is_at(again, path)
    os.close(held)
    os.close(again)


def test_files_of_others_are_strangers(tmp_path):
    places.segment(tmp_path, WRITER, 1).write_bytes(b"12345")
    places.writer_lock(tmp_path, WRITER).touch()
    (tmp_path / places.REJECTED).write_bytes(b"123")
    (tmp_path / "notes.txt").write_text("not ours")
    (tmp_path / f"{WRITER}-1.frames").write_text("not ours either")
    places.segment(tmp_path, WRITER, 2).symlink_to(tmp_path / "notes.txt")
    places.segment(tmp_path, WRITER, 3).mkdir()

    found = places.held(tmp_path)

    assert found.segments == {WRITER: (1,)}
    assert found.writers == {WRITER}
    assert found.bytes == 8
    assert found.strangers == (
        f"{WRITER}-00000002.frames",
        f"{WRITER}-00000003.frames",
        f"{WRITER}-1.frames",
        "notes.txt",
    )


def test_a_directory_that_is_not_there_holds_nothing(tmp_path):
    found = places.held(tmp_path / "gone")

    assert (found.segments, found.bytes, found.strangers) == ({}, 0, ())


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    path = places.drain_lock(tmp_path, WRITER)
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic link"):
        places.lock(path)
    assert not (tmp_path / "elsewhere").exists()
