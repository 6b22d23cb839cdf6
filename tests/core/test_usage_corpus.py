"""Answers as providers send them, each with the figures that have to come of it."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.usage import Usage, UsageReader

CORPUS = Path(__file__).resolve().parent.parent / "corpus" / "usage"
ANSWERS = sorted(path for path in CORPUS.iterdir() if path.suffix in {".sse", ".json"})


def read(*pieces: bytes) -> Usage:
    reader = UsageReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.usage()


def expected(path: Path) -> dict[str, object]:
    figures = json.loads(path.with_name(path.name + ".expected").read_text("utf-8"))
    assert figures.pop("why")
    return figures


def figures_of(usage: Usage, names: set[str]) -> dict[str, object]:
    """Return what *usage* says that is not said by default, and all of *names*."""
    nothing = Usage()
    return {
        name: getattr(usage, name)
        for name in {*Usage.__dataclass_fields__, *names} - {"raw"}
        if name in names or getattr(usage, name) != getattr(nothing, name)
    }


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_an_answer_comes_to_the_figures_beside_it(path: Path):
    figures = expected(path)

    assert figures_of(read(path.read_bytes()), set(figures)) == figures


def test_each_expectation_has_its_answer():
    beside = {path.name.removesuffix(".expected") for path in CORPUS.glob("*.expected")}

    assert beside == {path.name for path in ANSWERS}


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_each_byte_by_itself_comes_to_the_same(path: Path):
    answer = path.read_bytes()

    assert read(*(answer[at : at + 1] for at in range(len(answer)))) == read(answer)


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_other_line_ends_come_to_the_same(path: Path):
    answer = path.read_bytes()

    assert read(answer.replace(b"\n", b"\r\n")) == read(answer)


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_split_comes_to_the_same(path: Path, cuts: list[int]):
    answer = path.read_bytes()
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    pieces = [answer[a:b] for a, b in itertools.pairwise(places)]

    assert read(*pieces) == read(answer)


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_the_events_as_they_come_from_the_wire_come_to_the_same(path: Path):
    *events, rest = path.read_bytes().split(b"\n\n")

    pieces = [event + b"\n\n" for event in events]
    assert read(*pieces, rest) == read(path.read_bytes())


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.sse")), ids=lambda p: p.name)
def test_a_stream_that_is_cut_is_never_reckoned_at_more_than_it_wrote(path: Path):
    answer = path.read_bytes()
    whole = read(answer)

    for end in range(0, len(answer), 37):
        usage = read(answer[:end])
        written = len(answer[:end]) // 4 + 1
        assert (usage.output_tokens or 0) <= max(whole.output_tokens or 0, written)
        assert usage.estimated or usage.output_tokens is None or usage.raw is not None


def test_the_usage_object_is_kept_as_it_is_at_the_end():
    raw = read((CORPUS / "server-tool.sse").read_bytes()).raw

    assert raw is not None
    assert json.loads(raw) == {
        "input_tokens": 10682,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": 510,
        "service_tier": "standard",
        "inference_geo": "not_available",
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    }


@pytest.mark.parametrize("name", ["count-tokens.json", "models.json", "error.json"])
def test_what_costs_nothing_has_no_usage_object(name: str):
    assert read((CORPUS / name).read_bytes()).raw is None
