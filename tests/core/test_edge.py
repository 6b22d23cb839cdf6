"""What is refused before anybody asks who sent it."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core import edge
from byok.core.edge import (
    check_edge,
    check_names,
    check_query_bytes,
    nominated,
    refuse_query,
)
from byok.policy import names
from tests.policy import hostile
from tests.support import keys

KEY = keys.ANTHROPIC_API_KEY


def code(*headers: tuple[bytes, bytes], query: bytes = b"") -> str | None:
    refusal = check_edge(headers, query)
    if refusal is None:
        return None
    assert refusal.kind == "invalid_request_error"
    assert "CANARY" not in refusal.message
    return refusal.code


USUAL_FIELDS = (
    (b"host", b"a"),
    (b"x-app", b"cli"),
    (b"x-api-key", b"k"),
    (b"x_y", b"1"),
)
TELLING_FIELDS = (
    (b"connection", b"x-api-key"),
    (b"connection", b"close"),
    (b"content-encoding", b"gzip"),
    (b"x_api_key", b"k"),
    (b"authorization", b"Bearer x\x00"),
    (b"authorization", b"Bearer y"),
)


def test_what_claude_code_sends_passes():
    headers = (
        (b"host", b"127.0.0.1:4000"),
        (b"connection", b"keep-alive"),
        (b"accept", b"application/json"),
        (b"user-agent", b"claude-cli/2.1 (external, cli)"),
        (b"anthropic-beta", b"a"),
        (b"anthropic-beta", b"b"),
        (b"x-api-key", KEY.encode()),
        (b"x-litellm-api-key", keys.VIRTUAL_KEY.encode()),
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"gzip, br"),
    )

    assert code(*headers, query=b"beta=true") is None


# Names


@pytest.mark.parametrize(
    "name",
    [b"", b"x a", b"x:a", "x-é".encode(), b"x-\x00", b"X-Upper", b'x-"a"', b"x\na"],
)
def test_a_name_has_to_be_a_token_in_lower_case(name):
    assert code((name, b"1")) == "edge.header-name"
    assert code((b"x-a", b"1"), (name, b"1"), (b"x-b", b"1")) == "edge.header-name"


@pytest.mark.parametrize(
    "name", [b"x-pass-x-pass-x-foo", b"x-pass-x-pass-", b"x-pass-x-pass-x-pass-a"]
)
def test_nobody_asks_by_x_pass_to_ask_by_x_pass(name):
    refusal = check_edge(((b"x-a", b"1"), (name, b"1")), b"")

    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "edge.header-name")
    assert "Write x-pass- once" in refusal.message


@pytest.mark.parametrize(
    "name",
    [
        b"sk-1234567890abcd",
        b"x-sk-1234567890abcd",
        b"x_sk-byok-1234567890",
        b"sk-ant-api03-1234567890",
        b"a.sk-givenkey-1234567890",
    ],
)
def test_a_name_that_looks_like_a_key_is_refused(name):
    refusal = check_edge(((b"x-a", b"1"), (name, b"1")), b"")

    assert refusal is not None
    assert refusal.code == "edge.header-name"
    assert "1234" not in refusal.message


@pytest.mark.parametrize(
    "name", [b"x-task-id", b"x-disk-size", b"sku-1", b"x-risk-", b"x-sk-lang", b"sk-x"]
)
def test_a_name_with_those_letters_in_a_word_is_a_name(name):
    assert code((name, b"1")) is None


def test_a_secret_of_the_gateway_is_no_name_whatever_it_looks_like():
    headers = ((b"x-a", b"1"), (b"opensesame-2b9f0c", b"1"))

    refusal = check_names(headers, (b"OpenSesame-2b9f0c",))

    assert refusal is not None
    assert "2b9f0c" not in refusal.message
    assert check_names(headers, (b"sk-another",)) is None


def test_a_name_may_hold_x_pass_further_on():
    assert code((b"x-a-x-pass-x-pass-b", b"1"), (b"x-pass-x-a", b"1")) is None


@pytest.mark.parametrize("name", sorted(names.INTERPRETED))
def test_a_name_we_interpret_may_not_be_spelt_with_an_underscore(name):
    if b"-" in name:
        assert code((name.replace(b"-", b"_"), b"1")) == "edge.header-name"
        assert code((name.replace(b"-", b"_", 1), b"1")) == "edge.header-name"


def test_the_wrong_spelling_is_named():
    refusal = check_edge(((b"x_api_key", KEY.encode()),), b"")

    assert refusal is not None
    assert refusal.status == 400
    assert "The header x_api_key is written with an underscore" in refusal.message


@pytest.mark.parametrize("name", [b"x_foo", b"x-session_id", b"my_header"])
def test_other_names_with_an_underscore_are_no_reason_to_refuse(name):
    assert code((name, b"1")) is None


# Values


@pytest.mark.parametrize("byte", [0, 1, 0x0A, 0x0D, 0x1B, 0x1F, 0x7F])
def test_a_control_character_in_a_value_is_refused(byte):
    assert code((b"x-a", b"a%cb" % byte)) == "edge.header-value"


def test_a_tab_inside_a_value_is_not_one():
    assert code((b"x-a", b"a\tb")) is None


@pytest.mark.parametrize("name", [b"host", b"content-type", b"anthropic-beta", b"te"])
def test_bytes_outside_ascii_in_what_we_interpret_are_refused(name):
    assert code((name, "é".encode())) == "edge.header-value"


@pytest.mark.parametrize("name", [b"x-api-key", b"x-litellm-api-key", b"user-agent"])
def test_elsewhere_they_are_for_others_to_judge(name):
    assert code((name, "é".encode())) is None


# Repeats


@pytest.mark.parametrize("name", sorted(names.SINGLETONS))
def test_what_may_come_once_is_refused_the_second_time(name):
    assert code((name, b"1"), (name, b"1")) == "edge.repeated-header"
    assert code((name, b"")) is None


@pytest.mark.parametrize("name", [b"anthropic-beta", b"accept", b"x-custom", b"cookie"])
def test_the_rest_may_come_in_several_lines(name):
    assert code((name, b"1"), (name, b"2")) is None


# Connection


@pytest.mark.parametrize(
    "value",
    [
        b"x-api-key",
        b"close, X-Api-Key",
        b"keep-alive,authorization",
        b"x-litellm-api-key",
        b"x-byok-api-key",
        b"proxy-authorization",
        b"api-key",
        b"x-vault-token",
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"cookie",
    ],
)
def test_connection_may_name_no_credential_and_no_framing(value):
    assert code((b"connection", value)) == "edge.connection-nomination"


def test_the_second_line_of_connection_counts_too():
    headers = ((b"connection", b"close"), (b"connection", b"x-api-key"))

    assert code(*headers) == "edge.connection-nomination"


@pytest.mark.parametrize(
    "value",
    [b"close", b"keep-alive", b"TE, Upgrade, HTTP2-Settings", b"x-custom", b"", b", ,"],
)
def test_other_nominations_pass(value):
    assert code((b"connection", value)) is None


def test_what_is_nominated_belongs_to_this_hop():
    headers = (
        (b"connection", b"close, X-A , ,http2-settings"),
        (b"x-b", b"x-c"),
        (b"connection", b"x-d"),
    )

    assert nominated(headers) == {b"x-a", b"http2-settings", b"x-d"}
    assert nominated(((b"connection", b"keep-alive"),)) == frozenset()


# Bodies and queries


@pytest.mark.parametrize("value", [b"gzip", b"GZIP", b"identity, gzip", b"br"])
def test_a_compressed_body_is_refused(value):
    refusal = check_edge(((b"content-encoding", value),), b"")

    assert refusal is not None
    assert (refusal.status, refusal.code) == (415, "edge.content-encoding")


@pytest.mark.parametrize("value", [b"identity", b"Identity", b""])
def test_identity_is_no_compression(value):
    assert code((b"content-encoding", value)) is None


@pytest.mark.parametrize(
    "query",
    [
        f"key={KEY}",
        f"beta=true&api_key={KEY}&x=1",
        f"key={quote(KEY).replace('-', '%2D')}",
        f"key={keys.GOOGLE}",
        f"x={keys.ANTHROPIC_OAUTH}",
        "k=sk-byok-1",
        KEY,
    ],
)
def test_a_credential_in_the_query_is_refused(query):
    assert code(query=query.encode()) == "edge.credential-in-query"


@pytest.mark.parametrize("query", [b"", b"beta=true", b"limit=1000&x=task-1", b"a=%zz"])
def test_other_queries_pass(query):
    assert code(query=query) is None


@pytest.mark.parametrize(
    "query", [b"a b", b"a=\xff", b"a\x00", b"\x7f", b"a=1#b", b"#"]
)
def test_bytes_that_have_to_be_encoded_are_refused_in_a_query(query):
    refusal = check_query_bytes(query)

    assert refusal is not None
    assert refusal.code == "edge.query"


def test_a_query_of_plain_bytes_is_read():
    assert check_query_bytes(b"beta=true&x=%20") is None


def test_the_refusal_of_a_query_says_what_to_do():
    refusal = refuse_query()

    assert refusal.status == 400
    assert "replace the key that was exposed" in refusal.message


field = st.tuples(
    st.one_of(
        st.sampled_from(hostile.HEADER_NAMES),
        st.binary(max_size=6),
        hostile.words.map(bytes.lower),
    ),
    st.one_of(hostile.values(), st.binary(max_size=8)),
)


@given(st.lists(field, max_size=5).map(tuple), st.binary(max_size=12))
def test_any_request_passes_or_is_refused_with_a_code(headers, query):
    found = code(*headers, query=query)

    assert found is None or found.startswith("edge.")


def test_forms_that_were_met_are_forgotten_and_nothing_else_changes(monkeypatch):
    monkeypatch.setattr(edge, "_MOST_FORMS", 1)
    good = ((b"x-a", b"1"), (b"x-b", b"2"))
    other = ((b"x-c", b"1"),)
    bad = ((b"x-c", b"\x01"),)

    for _ in range(2):
        assert check_edge(good, b"") is None
        assert check_edge(other, b"") is None
        assert check_edge(bad, b"") is not None
        assert check_edge(good, b"key=sk-ant-api03-" + b"a" * 24) is not None
    assert len(edge._plain_forms) == 1


@given(st.lists(st.sampled_from([*USUAL_FIELDS, *TELLING_FIELDS]), max_size=4))
def test_a_form_that_was_met_is_judged_as_it_was_the_first_time(fields):
    edge._plain_forms.clear()
    first = check_edge(tuple(fields), b"")

    assert check_edge(tuple(fields), b"") == first
