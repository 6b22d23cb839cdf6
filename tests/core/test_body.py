import json
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from byok.core.body import (
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_MODEL_CHARACTERS,
    REPLACED_FIELDS,
    BodyHead,
    read_head,
    splice_model,
)
from byok.core.errors import Refusal
from tests.support.keys import GOOGLE, MARKERS, PROMPT

READ = ("model", "stream", "max_tokens")


def head_of(body: bytes) -> BodyHead:
    read = read_head(body)
    assert isinstance(read, BodyHead), read
    return read


def refusal_of(body):
    read = read_head(body)
    assert isinstance(read, Refusal), read
    assert (read.status, read.kind) == (400, "invalid_request_error")
    return read


def code_of(body):
    return refusal_of(body).code.removeprefix("body.")


# -- What is read ----------------------------------------------------------------


def test_the_head_of_an_ordinary_request_is_read():
    body = (
        b'{"model":"claude-sonnet-4-5","max_tokens":32000,"messages":[{"role":"user",'
        b'"content":"hello \\"you\\"} ]"}],"stream":true}'
    )

    head = read_head(body)

    assert head == BodyHead(
        model="claude-sonnet-4-5", stream=True, model_span=(9, 28), max_tokens=32000
    )
    assert body[9:28] == b'"claude-sonnet-4-5"'


@pytest.mark.parametrize(
    "body", [b"{}", b" {\n}\t", b'{"messages":[]}', b'{"": {"model": "inner"}}']
)
def test_what_is_not_there_is_none_or_false(body):
    assert read_head(body) == BodyHead(
        model=None, stream=False, model_span=None, max_tokens=None
    )


@pytest.mark.parametrize(
    ("value", "model"),
    [
        (b'"claude"', "claude"),
        (b'"cl\\u0061ude"', "claude"),
        (b'"a\\"b"', 'a"b'),
        (b'"a\\\\"', "a\\"),
        (b'"' + b"\\\\" * 20 + b'"', "\\" * 20),
        ('"modèle 😀"'.encode(), "modèle 😀"),
        (b'"\\ud83d\\ude00"', "😀"),
    ],
)
def test_the_model_is_read_as_a_json_parser_reads_it(value, model):
    for body in (b'{"model":' + value + b"}", b'{ "model" : ' + value + b' ,"a":1}'):
        head = head_of(body)

        assert head.model == model
        assert head.model_span is not None
        start, end = head.model_span
        assert body[start:end] == value


def test_a_name_written_with_escapes_is_the_same_name():
    assert head_of(b'{"mod\\u0065l":"claude"}').model == "claude"


@pytest.mark.parametrize(
    ("value", "stream"), [(b"true", True), (b"false", False), (b"null", False)]
)
def test_stream_is_a_boolean_or_null(value, stream):
    assert head_of(b'{"stream":' + value + b"}").stream is stream


@pytest.mark.parametrize(
    ("value", "max_tokens"),
    [(b"1", 1), (b"0", 0), (b"64000", 64000)]
    + [(b, None) for b in (b"-1", b"1.5", b"1e3", b"null", b'"1"', b"[]", b"9" * 5000)],
)
def test_a_token_limit_that_is_no_count_is_left_to_the_provider(value, max_tokens):
    assert head_of(b'{"max_tokens":' + value + b"}").max_tokens == max_tokens


# -- What is refused -------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"[]", "not-an-object"),
        (b'"model"', "not-an-object"),
        (b"null", "not-an-object"),
        (b'{"a":"\xff"}', "not-utf8"),
        (b'{"\xff":1}', "not-utf8"),
        (b'{"a":"\xed\xa0\x80"}', "not-utf8"),
        (b'{"a":"\xc0\x80"}', "not-utf8"),
        (b'{"a":"\xf4\x90\x80\x80"}', "not-utf8"),
        (b'{"a":"' + b"e" * 300_000 + b"\xc3", "not-utf8"),
        (b'\xef\xbb\xbf{"a":1}', "malformed"),
        (b'{"a":1', "malformed"),
        (b'{"a":1}}', "malformed"),
        (b'{"a":1} x', "malformed"),
        (b'{"a":1}\x00', "malformed"),
        (b'{"a":1,}', "malformed"),
        (b'{"a":[1,]}', "malformed"),
        (b'{"a" 1}', "malformed"),
        (b"{a:1}", "malformed"),
        (b"{'a':1}", "malformed"),
        (b'{"a":NaN}', "malformed"),
        (b'{"a":Infinity}', "malformed"),
        (b'{"a":[-Infinity]}', "malformed"),
        (b'{"a":01}', "malformed"),
        (b'{"a":1.}', "malformed"),
        (b'{"a":+1}', "malformed"),
        (b'{"a":"\n"}', "malformed"),
        (b'{"a":{"b":"\x00"}}', "malformed"),
        (b'{"a":"\\x41"}', "malformed"),
        (b'{"a":"\\u12g4"}', "malformed"),
        (b'{"a":"\\ud800","b":tru}', "malformed"),
        (b'{"a":1}//', "malformed"),
        (b'{"a":1,"a":2}', "duplicate-field"),
        (b'{"model":"a","model":"a"}', "duplicate-field"),
        (b'{"model":"a","mod\\u0065l":"b"}', "duplicate-field"),
        (b'{"\\u00e9":1,"\xc3\xa9":2}', "duplicate-field"),
        (b'{"model":"a","Model":"b"}', "misspelled-field"),
        (b'{"\xc5\xbftream":true}', "misspelled-field"),
        (b'{"model":null}', "bad-model"),
        (b'{"model":1}', "bad-model"),
        (b'{"model":""}', "bad-model"),
        (b'{"model":"  "}', "bad-model"),
        (b'{"model":["claude"]}', "bad-model"),
        (b'{"model":"\\ud800"}', "bad-model"),
        (b'{"model":"' + b"x" * (MAX_MODEL_CHARACTERS + 1) + b'"}', "bad-model"),
        (b'{"model":"' + b"x" * 1_000_000 + b'"}', "bad-model"),
        (b'{"stream":"true"}', "bad-stream"),
        (b'{"stream":1}', "bad-stream"),
        (b'{"stream":{}}', "bad-stream"),
    ],
)
def test_a_body_we_cannot_be_sure_of_is_refused(body, code):
    assert code_of(body) == code


def test_the_message_says_what_is_wrong_and_where():
    assert refusal_of(b'{"a":1,}').message == (
        "byok cannot use the request body: "
        "it is not valid JSON, byte 7 does not belong there."
    )
    assert refusal_of(b'{"a":1').message.endswith("JSON, it ends too early.")
    assert (
        "`messages` appears twice" in refusal_of(b'{"messages":1,"messages":2}').message
    )


@pytest.mark.parametrize("field", REPLACED_FIELDS)
def test_a_field_that_would_choose_a_destination_is_refused_by_name(field):
    for name in (field, field.upper(), f"\\u{ord(field[0]):04x}{field[1:]}"):
        body = f'{{"model":"claude","{name}":null}}'.encode()

        assert code_of(body) == "forbidden-field"
        message = refusal_of(body).message
        assert f"`{field}` is never taken" in message
        assert REPLACED_FIELDS[field] in message


@pytest.mark.parametrize("field", REPLACED_FIELDS)
def test_the_same_field_further_inside_is_none_of_our_business(field):
    body = f'{{"model":"claude","metadata":{{"{field}":"x"}}}}'.encode()

    assert head_of(body).model == "claude"


@pytest.mark.parametrize("name", [GOOGLE, PROMPT, "a\u001b[31m", "a" * 31, ""])
def test_a_field_name_that_is_no_name_is_not_quoted(name):
    field = json.dumps(name)

    message = refusal_of(f"{{{field}:1,{field}:2}}".encode()).message

    assert "a field appears twice" in message
    assert not any(marker in message for marker in MARKERS.values())


def nested(depth, opening, closing, core=b""):
    return opening * depth + core + closing * depth


@pytest.mark.parametrize(
    ("opening", "closing", "core"),
    [(b"[", b"]", b""), (b"[0,", b"]", b"1"), (b'{"a":', b"}", b"1")],
)
def test_depth_is_bounded(opening, closing, core):
    def body(depth):
        return b'{"a":' + nested(depth - 1, opening, closing, core) + b',"model":"x"}'

    assert head_of(body(MAX_DEPTH)).model == "x"
    for depth in (MAX_DEPTH + 1, MAX_DEPTH + 2, 500, 5000, 200_000):
        assert code_of(body(depth)) == "too-deep"
    assert code_of(b'{"a":' + opening * 200_000) == "too-deep"


def test_brackets_inside_strings_have_no_depth():
    assert head_of(b'{"a":"' + b"[{" * 1000 + b'","model":"x"}').model == "x"


def test_the_number_of_fields_is_bounded():
    def body(count):
        return json.dumps({f"f{number}": 0 for number in range(count)}).encode()

    assert isinstance(read_head(body(MAX_FIELDS)), BodyHead)
    assert code_of(body(MAX_FIELDS + 1)) == "too-many-fields"


# -- Against the standard library's parser ---------------------------------------

texts = st.text(max_size=8) | st.sampled_from(['"', "\\", "\\\\\\", '}]"', "é😀"])
names = st.sampled_from([*READ, "messages", "Model", "api_key", ""]) | texts
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=12,
)
spaces = st.sampled_from(["", "", " ", "\n", " \t\r\n "])


@st.composite
def spelled(draw, value):
    """Write *value* as JSON in one of its many spellings."""
    if isinstance(value, str):
        return draw(spelled_text(value))
    if isinstance(value, list):
        items = [draw(spelled(item)) for item in value]
        return "[" + draw(spaces) + ("," + draw(spaces)).join(items) + "]"
    if isinstance(value, dict):
        return draw(spelled_object(list(value.items())))
    return json.dumps(value)


@st.composite
def spelled_text(draw, value):
    how = draw(st.sampled_from(["plain", "ascii", "escapes", "backslashes"]))
    if how == "plain":
        return json.dumps(value, ensure_ascii=False)
    if how == "escapes":
        utf16 = value.encode("utf-16-be", "surrogatepass").hex()
        units = [utf16[start : start + 4] for start in range(0, len(utf16), 4)]
        return '"' + "".join(f"\\u{unit}" for unit in units) + '"'
    if how == "backslashes":
        value += "\\" * draw(st.integers(0, 9)) + '"' * draw(st.integers(0, 1))
    return json.dumps(value)


@st.composite
def spelled_object(draw, pairs):
    fields = [
        draw(spelled_text(name)) + draw(spaces) + ":" + draw(spaces)
        + draw(spelled(value)) + draw(spaces)
        for name, value in pairs
    ]  # fmt: skip
    return "{" + draw(spaces) + ("," + draw(spaces)).join(fields) + "}"


@st.composite
def bodies(draw):
    pairs = draw(st.lists(st.tuples(names, trees), max_size=5))
    if draw(st.booleans()):
        pairs.insert(0, ("model", draw(texts)))
    whole = draw(spaces) + draw(spelled_object(pairs)) + draw(spaces)
    return whole.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw):
    body = draw(bodies())
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 3)))
    piece = draw(st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b"{", b"]"]))
    return body[:start] + piece + body[end:]


def refuse_constant(text):
    raise ValueError(text)


def parsed(body):
    """The top-level fields as the standard library sees them, or None."""
    try:
        text = body.decode("utf-8")
        pairs = json.loads(
            text,
            object_pairs_hook=tuple,
            parse_constant=refuse_constant,
            parse_int=lambda digits: int(digits[:100]),
        )
    except (ValueError, RecursionError):
        return None
    # An empty list is told from an object by its type.
    return pairs if isinstance(pairs, tuple) else None


def is_acceptable(pairs):
    if pairs is None or len({name for name, _ in pairs}) < len(pairs):
        return False
    fields = dict(pairs)
    folded = [name.casefold() for name in fields]
    model = fields.get("model", "x")
    return (
        not set(folded) & set(REPLACED_FIELDS)
        and all(name in fields or name not in folded for name in READ)
        and all(name not in READ or folded.count(name) == 1 for name in folded)
        and isinstance(model, str)
        and model.strip() != ""
        and not any("\ud800" <= letter <= "\udfff" for letter in model)
        and (fields.get("stream") is None or isinstance(fields["stream"], bool))
    )


def check_against_the_standard_library(body):
    head = read_head(body)

    pairs = parsed(body)
    assert isinstance(head, BodyHead) == is_acceptable(pairs), (head, pairs)
    if isinstance(head, BodyHead):
        fields = dict(pairs)
        assert head.model == fields.get("model")
        assert head.stream == bool(fields.get("stream"))
        if head.max_tokens is not None:
            assert head.max_tokens == fields["max_tokens"]
        if head.model_span is not None:
            start, end = head.model_span
            assert json.loads(body[start:end]) == head.model


@given(bodies())
@example(b'{"a":"\\ud800","model":"x"}')
@example(b'{"a":"\\ud800\\u0041","b":"\\\\ud800","model":"x"}')
@example(b'{"a":"' + b"\\" * 18 + b'\\"","model":"x"}')
@example(b'{"a":"' + b"\\" * 7 + b'"","model":"x"}')
def test_every_spelling_is_read_as_the_standard_library_reads_it(body):
    check_against_the_standard_library(body)


@given(damaged())
def test_damage_is_seen_exactly_where_the_standard_library_sees_it(body):
    check_against_the_standard_library(body)


@given(st.binary() | st.binary().map(lambda tail: b'{"model":"x"' + tail))
@example(b"\x00")
@example(b'{"model":"\\')
def test_no_bytes_at_all_raise(body):
    check_against_the_standard_library(body)


# -- Splicing --------------------------------------------------------------------


@given(bodies(), texts.filter(str.strip))
def test_a_splice_changes_the_model_and_no_other_byte(body, model):
    head = read_head(body)
    if not isinstance(head, BodyHead) or head.model_span is None:
        return
    if any("\ud800" <= letter <= "\udfff" for letter in model):
        return

    spliced = splice_model(body, head, model)

    start, end = head.model_span
    assert spliced.startswith(body[:start])
    assert spliced.endswith(body[end:])
    middle = spliced[start : len(spliced) - (len(body) - end)]
    assert middle == body[start:end] or json.loads(middle) == model
    again = head_of(spliced)
    assert again.model == model
    assert (again.stream, again.max_tokens) == (head.stream, head.max_tokens)


def test_a_splice_of_the_same_model_is_the_same_object():
    body = b'{"model":"cl\\u0061ude"}'

    assert splice_model(body, head_of(body), "claude") is body


def test_a_body_without_a_model_has_nothing_to_splice():
    with pytest.raises(ValueError, match="no model"):
        splice_model(b"{}", head_of(b"{}"), "claude")


# -- Memory ----------------------------------------------------------------------


def test_a_large_body_is_read_without_a_second_copy_of_it():
    text = json.dumps('def f(x):\n\treturn "é😀"\n' * 100_000, ensure_ascii=False)
    body = f'{{"model":"claude","messages":[{text}],"stream":true}}'.encode()

    tracemalloc.start()
    try:
        head = head_of(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert head.model == "claude"
    assert len(body) > 3_000_000
    assert peak < len(body)
