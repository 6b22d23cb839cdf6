"""A usage record survives the spool, an upgrade, and whatever names it is given."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from byok.core.usage_record import (
    UnreadableRecordError,
    UsageRecord,
    decode,
    encode,
)
from byok.resources import schema_file

SCHEMA = json.loads(schema_file("usage-v1.schema.json").read_text("utf-8"))
FITS = Draft202012Validator(SCHEMA)
LEAST = UsageRecord(
    id="req_1",
    at=1_764_000_000.25,
    key_id="key_1",
    key="dev-laptop",
    method="POST",
    route="/v1/messages",
    duration_ms=1200.5,
    generation="g1",
)
WHOLE = UsageRecord(
    id="req_2",
    at=1_764_000_001.0,
    key_id="key_1",
    key="dev-laptop",
    user="ada",
    team="growth",
    end_user="customer-7",
    session="0d3e1f0e-5c0b-4b0e-9c0a-3f6d2a9b7c11",
    agent="a1",
    method="POST",
    route="/v1/messages",
    model="claude-*",
    upstream_model="claude-opus-5-5",
    deployment="claude-*",
    provider="anthropic",
    payer="user-key",
    credential="anthropic.api-key",
    status=200,
    ending="complete",
    error="upstream.cut",
    stop_reason="end_turn",
    attempts=2,
    input_tokens=10,
    output_tokens=42,
    cache_read_tokens=2000,
    cache_write_5m_tokens=100,
    cache_write_1h_tokens=200,
    thinking_tokens=30,
    web_searches=1,
    service_tier="standard",
    speed="fast",
    inference_geo="us",
    estimated=True,
    raw_usage='{"input_tokens":10}',
    price_version="2026-11-01",
    cost_nano=-0,
    notional_nano=12_345_000,
    duration_ms=1200.5,
    first_byte_ms=300.0,
    generation="g1",
)
names = st.text(st.characters(codec=None), max_size=20)
records = st.builds(
    UsageRecord,
    id=names,
    at=st.floats(0, 4e9),
    key_id=names,
    key=names,
    method=names,
    route=names,
    duration_ms=st.floats(0, 1e9),
    generation=names,
    user=st.none() | names,
    input_tokens=st.none() | st.integers(0, 10**12),
    cost_nano=st.integers(0, 2**63 - 1),
    estimated=st.booleans(),
)


@pytest.mark.parametrize("record", [LEAST, WHOLE], ids=["least", "whole"])
def test_a_record_comes_back_as_it_was(record: UsageRecord):
    line = encode(record)

    assert decode(line) == record
    assert b"\n" not in line


@pytest.mark.parametrize("record", [LEAST, WHOLE], ids=["least", "whole"])
def test_a_record_fits_its_schema(record: UsageRecord):
    assert list(FITS.iter_errors(json.loads(encode(record)))) == []


def test_the_schema_names_every_field_and_only_those():
    fields = msgspec.structs.fields(UsageRecord)

    assert list(SCHEMA["properties"]) == [each.name for each in fields]
    assert SCHEMA["required"] == [each.name for each in fields if each.required]


def test_the_schema_has_the_defaults_of_the_record():
    for each in msgspec.structs.fields(UsageRecord):
        if not each.required:
            assert SCHEMA["properties"][each.name]["default"] == each.default


@given(records)
def test_any_record_is_one_line_that_is_read_again(record: UsageRecord):
    line = encode(record)
    again = decode(line)

    assert b"\n" not in line
    assert encode(again) == line
    assert (again.cost_nano, again.input_tokens) == (
        record.cost_nano,
        record.input_tokens,
    )


def test_half_a_surrogate_pair_becomes_a_question_mark():
    odd = msgspec.structs.replace(LEAST, model="a\ud800b")

    assert decode(encode(odd)).model == "a?b"


def test_a_line_of_a_later_version_is_read_without_what_is_new():
    line = encode(LEAST)[:-1] + b',"carbon_grams":7}'

    assert decode(line) == LEAST


def test_a_line_of_an_earlier_version_has_defaults_for_what_it_lacks():
    document = json.loads(encode(WHOLE))
    del document["service_tier"]

    assert decode(json.dumps(document).encode()) == msgspec.structs.replace(
        WHOLE, service_tier=None
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"id":"\xff"}',
        b"[" * 100_000,
        encode(LEAST)[:-1],
        encode(LEAST) + b"x",
        encode(LEAST).replace(b"1200.5", b'"long"'),
    ],
)
def test_what_is_no_record_is_refused_in_one_way(line: bytes):
    with pytest.raises(UnreadableRecordError, match="not a usage record"):
        decode(line)


def test_a_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        LEAST.cost_nano = 1  # type: ignore[misc]
