"""What an admin sends is read strictly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.errors import Refusal
from byok.web.admin_input import MAX_BODY_BYTES, read_object, read_query
from tests.support.keys import VIRTUAL_KEY

JSON = ((b"content-type", b"application/json"),)


@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"Application/JSON", b"application/json; charset=utf-8"],
)
def test_a_json_object_is_read(content_type):
    headers = ((b"content-type", content_type),)

    assert read_object(headers, b'{"models": ["\xe2\x98\x82"]}') == {"models": ["☂"]}


def test_no_body_is_an_empty_object():
    assert read_object((), b"") == {}


@pytest.mark.parametrize(
    "content_type",
    [None, b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/x"],
)
def test_another_content_type_is_415(content_type):
    headers = () if content_type is None else ((b"content-type", content_type),)

    refusal = read_object(headers, b"{}")

    assert isinstance(refusal, Refusal)
    assert refusal.status == 415
    assert "application/json" in refusal.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b" ", "not JSON"),
        (b'{"a": NaN}', "no number"),
        (b'{"a": -Infinity}', "no number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no number"),
        (b"[" * 100_000, "too deep"),
        (b'{"a":' * 40_000, "too deep"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\\ud800"}', "UTF-8"),
        (b'{"\\ud800": 1}', "UTF-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"m": {"a": 1, "a": 2}}', "twice"),
        (b"[]", "no object"),
        (b'"text"', "no object"),
        (b"null", "no object"),
    ],
)
def test_anything_but_one_plain_object_is_400(body, said):
    refusal = read_object(JSON, body)

    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert said in refusal.message


def test_what_is_wrong_in_a_body_is_not_quoted():
    refusal = read_object(JSON, f'{{"key": {VIRTUAL_KEY}}}'.encode())

    assert isinstance(refusal, Refusal)
    assert VIRTUAL_KEY[:12] not in refusal.message


def test_a_large_body_is_413():
    refusal = read_object(JSON, b" " * (MAX_BODY_BYTES + 1))

    assert isinstance(refusal, Refusal)
    assert refusal.status == 413


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_an_object_or_refused(body):
    answer = read_object(JSON, body)

    assert isinstance(answer, Refusal) or json.dumps(answer)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", {}),
        (b"key=anne", {"key": "anne"}),
        (b"key=anne%27s+laptop%20%E2%98%82", {"key": "anne's laptop ☂"}),
        (b"key=&page=2", {"page": "2"}),
    ],
)
def test_a_query_is_read(query, values):
    assert read_query(query, ("key", "page")) == values


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (b"kye=a", "did you mean key?"),
        (b"key=a&key=b", "twice"),
        (b"key=%ff", "UTF-8"),
        (b"key=\xff", "UTF-8"),
        (b"&".join([b"key=a"] * 60), "cannot be read"),
    ],
)
def test_another_query_is_400(query, said):
    refusal = read_query(query, ("key", "page"))

    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert said in refusal.message


@given(st.binary())
def test_any_query_is_read_or_refused(query):
    assert isinstance(read_query(query, ("key",)), dict | Refusal)
