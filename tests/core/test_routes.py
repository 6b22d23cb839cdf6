"""Paths are compared as raw bytes; what could be read in two ways is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.routes import (
    CHAT_COMPLETIONS,
    COUNT_TOKENS,
    MESSAGES,
    RELAYED,
    Dialect,
    check_path,
    is_answered_here,
    relayed_route,
    split_target,
    without_prefix,
)


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/v1/messages",
        b"/v1/messages/",
        b"/v1/models/claude-sonnet-4-5",
        b"/v1/models/a.b:c@d_e~f",
        b"/key/generate",
        b"/anthropic/v1/messages",
        b"/...",
        b"/.well-known/x",
        b"/a..b",
        b"/a./b",
    ],
)
def test_plain_paths_are_read(path):
    assert check_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"v1/messages",
        b"*",
        b"http://host/v1/messages",
        b"host:443",
        b"//v1/messages",
        b"/v1//messages",
        b"/v1/messages//",
        b"/v1/./messages",
        b"/v1/../key",
        b"/v1/messages/..",
        b"/v1/messages/.",
        b"/..",
        b"/v1/%6dessages",
        b"/v1%2fmessages",
        b"/v1/messages%00",
        b"/v1/messages%",
        b"/v1/messages;a=b",
        b"/v1\\messages",
        b"/v1/messages#x",
        b"/v1/mess ages",
        b"/v1/messages\x00",
        b"/v1/messages\x7f",
        b"/v1/messages\xc3\xa9",
        b"/v1/messages\r\n",
        b"/v1/messages\n",
    ],
)
def test_what_two_servers_could_read_differently_is_refused(path):
    refusal = check_path(path)

    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "edge.path")


@st.composite
def spellings(draw):
    """Draw a spelling of /key/generate that a lenient server would take for it."""
    segments = [b"key", b"generate"]
    kind = draw(st.integers(0, 6))
    at = draw(st.integers(0, 1))
    word = segments[at]
    if kind == 0:
        segments[at] = word.swapcase()
    elif kind == 1:
        place = draw(st.integers(0, len(word) - 1))
        segments[at] = word[:place] + b"%%%02x" % word[place] + word[place + 1 :]
    elif kind == 2:
        segments.insert(at, draw(st.sampled_from([b"", b".", b"..", b"x/.."])))
    elif kind == 3:
        segments[at] = word + draw(st.sampled_from([b";x", b"%20", b"%00", b" ", b"#"]))
    elif kind == 4:
        segments.append(draw(st.sampled_from([b"", b".", b"/"])))
    elif kind == 5:
        return b"\\".join([b"", *segments])
    return b"/" + b"/".join(segments)


@given(spellings())
def test_a_spelling_of_an_admin_route_is_that_route_or_nothing(path):
    """What passes differs in letters' case or by a final slash: another path."""
    if check_path(path) is None:
        assert path.lower().removesuffix(b"/") == b"/key/generate"
        assert relayed_route(without_prefix(path)) is None


@given(st.binary(max_size=40))
def test_a_path_that_passes_is_printable_and_has_no_empty_or_dot_segment(path):
    if check_path(path) is None:
        assert all(0x21 <= each <= 0x7E for each in path)
        assert not {b".", b".."} & set(path.split(b"/"))
        assert not set(b"%\\;#") & set(path)
        assert b"" not in path.split(b"/")[1:-1]


def test_a_target_is_split_at_its_first_question_mark():
    assert split_target(b"/v1/messages?beta=true") == (b"/v1/messages", b"beta=true")
    assert split_target(b"/a?b?c") == (b"/a", b"b?c")
    assert split_target(b"/a") == (b"/a", b"")


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (b"/anthropic/v1/messages", b"/v1/messages"),
        (b"/anthropic", b"/"),
        (b"/anthropic/", b"/"),
        (b"/anthropics/v1", b"/anthropics/v1"),
        (b"/v1/messages", b"/v1/messages"),
        (b"/anthropic/anthropic/v1", b"/anthropic/v1"),
    ],
)
def test_the_prefix_is_a_second_spelling_once(path, left):
    assert without_prefix(path) == left


@pytest.mark.parametrize(
    ("path", "here"),
    [
        (b"/v1/models", True),
        (b"/anthropic/v1/models/claude-x", True),
        (b"/", True),
        (b"/anthropic", True),
        (b"/key/generate", True),
        (b"/health/readiness", True),
        (b"/byok/whoami", True),
        (b"/metrics", True),
        (b"/metrics/more", False),
        (b"/v1/messages", False),
        (b"/anthropic/v1/messages", False),
        (b"/anthropic/key/generate", False),
        (b"/v1/v1/messages", False),
        (b"/nothing", False),
    ],
)
def test_the_gateway_knows_what_it_answers_itself(path, here):
    assert is_answered_here(path) is here


def test_the_relayed_routes_are_these():
    assert {route.id: route.dialect for route in RELAYED} == {
        "/v1/messages": Dialect.ANTHROPIC,
        "/v1/messages/count_tokens": Dialect.ANTHROPIC,
        "/v1/chat/completions": Dialect.OPENAI,
    }
    assert relayed_route(b"/v1/messages") is MESSAGES
    assert relayed_route(b"/v1/messages/count_tokens") is COUNT_TOKENS
    assert relayed_route(b"/v1/chat/completions") is CHAT_COMPLETIONS
    for other in (b"/v1/messages/", b"/V1/messages", b"/v1/models", b"/"):
        assert relayed_route(other) is None
