"""Lines of the log go out by a thread: in order, whole, and held up by nobody."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TextIO

import pytest

import byok.logs.writer
from byok.logs.observers import missing_lines
from byok.logs.writer import LineWriter, _Line

MANY = 3000


def missing(count: int) -> str:
    return f"missing {count}\n"


@contextmanager
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, "r", encoding="utf-8") as reader,
        os.fdopen(writing, "w", encoding="utf-8") as stream,
    ):
        yield reader, stream


class Reader:
    """Reads to the end, in a thread."""

    def __init__(self, file: TextIO) -> None:
        self._lines: list[str] = []
        self._thread = Thread(target=lambda: self._lines.extend(file))
        self._thread.start()

    def all(self, stream: TextIO) -> list[str]:
        stream.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self._lines


def numbered(count: int) -> list[str]:
    # Longer and shorter ones, some of more bytes than a pipe takes at once.
    return [
        f"{at} {'ö' * (at % 70)}{'x' * (at % 31 == 0) * 5000}\n" for at in range(count)
    ]


@pytest.mark.parametrize("blocks", [True, False])
def test_lines_come_in_order_and_whole(blocks):
    lines = numbered(MANY)
    with pipe() as (file, stream):
        os.set_blocking(stream.fileno(), blocks)
        reader = Reader(file)
        writer = LineWriter(stream, missing=missing)
        for each in lines:
            writer.write(each)
        writer.stop()
        read = reader.all(stream)

    assert read == lines
    assert writer.dropped == 0


def test_who_logs_is_not_held_up_and_what_is_dropped_is_told_where_it_is_missing():
    lines = numbered(MANY)
    with pipe() as (file, stream):
        writer = LineWriter(stream, missing=missing, most=20_000)
        for each in lines:
            writer.write(each)
        dropped = writer.dropped
        reader = Reader(file)
        writer.stop()
        writer.write("the last word\n")
        read = reader.all(stream)

    # How often depends on when the thread comes to write.
    told = [int(each.split()[1]) for each in read if each.startswith("missing")]
    written = [each for each in read[:-1] if not each.startswith("missing")]
    assert dropped > 0
    assert sum(told) == dropped
    assert read[-1] == "the last word\n"
    # Small ones got in where a long one did not fit any more.
    assert set(written) < set(lines)
    assert [int(each.split()[0]) for each in written] == sorted(
        int(each.split()[0]) for each in written
    )
    assert len(written) + dropped == MANY


def test_what_is_told_stands_before_what_got_in_later():
    with pipe() as (file, stream):
        writer = LineWriter(stream, missing=missing, most=100)
        writer.write("a" * 99 + "\n")
        writer.write("dropped\n")
        writer.write("dropped too\n")
        writer.stop()
        writer.write("later\n")
        read = Reader(file).all(stream)

    assert read[1:] == ["missing 2\n", "later\n"]


def test_the_end_waits_for_nobody_who_never_reads(monkeypatch):
    monkeypatch.setattr(byok.logs.writer, "LAST_WORDS_S", 0.05)
    with pipe() as (file, stream):
        writer = LineWriter(stream, missing=missing)
        for each in numbered(MANY):
            writer.write(each)
        began = monotonic()
        writer.stop()
        for _ in range(1000):
            writer.write("and this\n")
        took = monotonic() - began
        first = file.readline()

    assert took < 2
    assert first == numbered(1)[0]


def test_a_disk_without_room_reaches_nobody_and_is_counted():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        writer = LineWriter(full, missing=missing)
        for _ in range(10):
            writer.write("lost\n")
        writer.stop()

    assert writer.dropped == 10


def test_the_number_of_lines_that_are_missing_is_not_lost_with_the_line_that_tells():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        writer = LineWriter(full, missing=missing)
        lines = [_Line(b"a line\n", 0), _Line(b"missing 7\n", 7)]
        untold = writer._written(full.fileno(), lines)

    assert untold == 8
    assert writer.dropped == 1


@pytest.mark.parametrize("room", range(1, 24))
def test_a_line_that_was_begun_is_ended_before_the_next_one(room, monkeypatch):
    """A disk that has *room*, then none, then some again."""
    left = [room, 0, 10_000]
    written = bytearray()

    def write(_: int, data: bytes) -> int:
        taken = bytes(data[: left[0]])
        written.extend(taken)
        left[0] -= len(taken)
        if not taken:
            left.pop(0)
            raise OSError("no room")
        return len(taken)

    monkeypatch.setattr(os, "write", write)
    with pipe() as (_, stream):
        writer = LineWriter(stream, missing=missing)
        batches = ["first line\n", "second\n", "third\n"], ["fourth\n"], ["fifth\n"]
        lost = sum(
            writer._written(stream.fileno(), [_Line(e.encode(), 0) for e in batch])
            for batch in batches
        )

    lines = written.decode().splitlines(keepends=True)
    every = ["first line\n", "second\n", "third\n", "fourth\n", "fifth\n"]
    assert lines == [each for each in every if each in lines]
    assert lines[-1] == "fifth\n"
    assert len(lines) + lost == 5


def test_a_stream_that_is_no_file_is_written_to_as_well():
    stream = io.StringIO()
    writer = LineWriter(stream, missing=missing)

    writer.write("one\n")
    writer.flush()
    writer.stop()

    assert stream.getvalue() == "one\n"
    assert not writer.isatty()


def test_a_stream_that_is_closed_is_no_reason_to_stop():
    stream = io.StringIO()
    stream.close()
    writer = LineWriter(stream, missing=missing)

    writer.write("one\n")
    writer.stop()

    assert writer.dropped == 1


def test_what_was_never_used_stops_at_once():
    LineWriter(io.StringIO(), missing=missing).stop()


def test_a_copy_of_the_process_writes_by_itself_and_nothing_twice():
    with pipe() as (file, stream):
        writer = LineWriter(stream, missing=missing)
        writer.write("parent\n")
        writer.stop()
        copy = os.fork()
        if copy == 0:
            writer.write("copy\n")
            writer.stop()
            os._exit(0)
        os.waitpid(copy, 0)
        read = Reader(file).all(stream)

    assert read == ["parent\n", "copy\n"]


def test_the_words_for_missing_lines_are_a_line_of_the_log():
    human = missing_lines(7, as_json=False)
    machine = missing_lines(7, as_json=True)

    assert re.search(r"7 lines of the log are missing", human)
    assert '"event":"log-dropped","dropped":7}' in machine
    assert human.count("\n") == machine.count("\n") == 1
