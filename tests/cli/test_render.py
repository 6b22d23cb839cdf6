"""The one place that writes to a terminal."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byok.cli.render import Renderer, Style, Styled, clean


def written(write, *, colour=False):
    stream = io.StringIO()
    write(Renderer(stream, colour=colour))
    return stream.getvalue()


def test_colour_is_for_terminals():
    def write(screen):
        screen.line("a ", Styled("b", Style.BAD), Styled(" c"))

    assert written(write) == "a b c\n"
    assert written(write, colour=True) == "a \x1b[31mb\x1b[0m c\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_may_ask_for_no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Renderer(stream).line(Styled("b", Style.GOOD))

    assert stream.getvalue() == "b\n"


@pytest.mark.parametrize(
    ("terminal", "text"), [(True, "\x1b[32mb\x1b[0m\n"), (False, "b\n")]
)
def test_a_stream_knows_whether_it_is_a_terminal(terminal, text):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    stream = Stream()
    Renderer(stream).line(Styled("b", Style.GOOD))

    assert stream.getvalue() == text


def test_columns_are_as_wide_as_their_widest_cell():
    def write(screen):
        screen.table(
            [["a", Styled("bbb", Style.INFO), "c"], ["aaaa", "", "c"], ["a"]],
            heads=("x", "y", "z"),
        )

    assert written(write) == ("x     y    z\na     bbb  c\naaaa       c\na\n")
    assert written(lambda screen: screen.table([])) == ""


def test_json_is_json_and_free_of_controls():
    value = {"a": ["\x9b31m\u202e\x7f\x1b\n", 1, None]}

    text = written(lambda screen: screen.json(value))

    assert json.loads(text) == value
    assert not any(char in text for char in "\x9b\u202e\x7f\x1b")


def test_what_is_to_be_saved_stays_as_it_is():
    assert written(lambda screen: screen.raw("a\n\tb\n")) == "a\n\tb\n"


@settings(deadline=None)
@given(st.text())
def test_no_text_moves_the_cursor(text):
    shown = clean(text)

    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
