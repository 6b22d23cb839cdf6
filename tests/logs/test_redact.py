import dataclasses
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from byok.core.secret import Secret, fingerprint
from byok.logs import redact
from byok.logs.live import LiveSecrets
from byok.logs.redact import Redactor
from byok.policy.classes import GATEWAY
from byok.policy.declared import ClassTable, DeclaredShape
from tests.support import keys

SHAPED = (
    keys.ANTHROPIC_API_KEY,
    keys.ANTHROPIC_OAUTH,
    keys.ANTHROPIC_ADMIN,
    keys.OPENAI_API_KEY,
    keys.OPENROUTER,
    keys.GOOGLE,
    keys.MASTER_KEY,
    keys.VIRTUAL_KEY,
    keys.JWT,
)
OPAQUE = (keys.OPAQUE_TOKEN, keys.AZURE_KEY, keys.STORE_PASSWORD)


@pytest.fixture
def redactor():
    return Redactor(LiveSecrets())


def name_of(secret):
    return f"<secret:len={len(secret)} fp={fingerprint(secret.encode())}>"


def is_clean(shown):
    return not any(marker in str(shown) for marker in keys.MARKERS.values())


@pytest.mark.parametrize("key", SHAPED)
@pytest.mark.parametrize(
    "around",
    ["{}", "no {} today", "'{}'", "\\n{}", "a=%20{}", "x-custom: foo,{}", "[b'{}']"],
)
def test_a_key_is_known_by_its_shape(redactor, key, around):
    assert redactor.text(around.format(key)) == around.format(name_of(key))


@pytest.mark.parametrize("secret", OPAQUE)
@pytest.mark.parametrize(
    "around",
    [
        "Bearer {}",
        "basic {}",
        "authorization: Bearer {}",
        "Authorization: {}",
        "x-api-key: {}",
        "{{'x-api-key': '{}'}}",
        "{{b'X-Goog-Api-Key': [b'{}']}}",
        "(b'x-byok-key', b'{}')",
        "GET /v1beta/models?alt=sse&key={}&x=1",
        "GET /callback?access_token={}",
        "postgresql://byok:{}@127.0.0.1/keys",
    ],
)
def test_an_opaque_secret_is_known_by_where_it_stands(redactor, secret, around):
    assert redactor.text(around.format(secret)) == around.format(name_of(secret))


@pytest.mark.parametrize("around", ["cookie: {}; b=2", "(b'set-cookie', b'{}; b=2')"])
def test_cookies_are_replaced_whole(redactor, around):
    shown = redactor.text(around.format(f"a=1; {keys.COOKIE}"))

    assert shown == around.replace("{}; b=2", name_of(f"a=1; {keys.COOKIE}; b=2"))


def test_a_live_secret_is_known_anywhere():
    live = LiveSecrets()
    live.add(Secret("hunter2"))

    shown = Redactor(live).text("tried hunter2, then hunter22 and xhunter2")

    assert "hunter2" not in shown
    assert shown.count("<secret:len=7 ") == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no gateway key: send x-litellm-api-key, or Authorization: Bearer with yours",
        "the Bearer scheme is required, Basic authentication is not",
        "x-api-key, authorization",
        "STRIP x-api-key  credential.provider.anthropic.api_key (shape)  [len=53]",
        "x-api-key: credential.provider.anthropic.api_key",
        "listening on http://127.0.0.1:4000/v1/messages?beta=true",
        "key anne (tok_5f2e) asked for claude-sonnet-5-5, task-or-evaluation",
        "sk-ant-... and sk-byok-",
        "token limit 8000; input_tokens=12 output-tokens: 7",
    ],
)
def test_what_is_no_secret_stays_as_it_is(redactor, text):
    assert redactor.text(text) == text


@dataclasses.dataclass
class Holder:
    value: str


class Broken:
    def __repr__(self):
        raise RuntimeError(keys.ANTHROPIC_API_KEY)


class BrokenError(Exception):
    def __str__(self):
        raise RuntimeError(keys.ANTHROPIC_API_KEY)


def test_values_are_cleaned_to_what_json_can_hold(redactor):
    key = keys.ANTHROPIC_API_KEY
    name = name_of(key)

    assert redactor.value(None) is None
    assert redactor.value(True) is True
    assert redactor.value(7) == 7
    assert redactor.value(1.5) == 1.5
    assert redactor.value(float("inf")) == "inf"
    assert redactor.value(b"\xff" + key.encode()) == "\\xff" + name
    assert redactor.value(bytearray(key.encode())) == name
    assert redactor.value(memoryview(key.encode())) == name
    assert redactor.value((key, [key])) == [name, [name]]
    assert redactor.value(frozenset([key])) == [name]
    assert redactor.value({key: {"a": key}}) == {name: {"a": name}}
    assert redactor.value(ValueError(key)) == f"ValueError: {name}"
    assert redactor.value(Holder(key)) == f"Holder(value='{name}')"
    assert redactor.value(Secret(key)) == name


@pytest.mark.parametrize("value", [Broken(), BrokenError(), [Broken()]])
def test_what_cannot_be_shown_says_only_what_it_is(redactor, value):
    assert "<unprintable Broken" in str(redactor.value(value))


def test_a_failure_is_its_traceback(redactor):
    with pytest.raises(ValueError, match="CANARY") as caught:
        int(keys.ANTHROPIC_OAUTH)

    shown = redactor.value(Failure(caught.value))

    assert "'<secret:len=108" in shown
    assert is_clean(shown)


@pytest.mark.parametrize(
    "value",
    [
        {"x-api-key": "hunter2"},
        {"Authorization": ["Basic aHVudGVyMg=="], "cookie": ("hunter2",)},
        {b"x-goog-api-key": {"raw": b"hunter2"}},
        [("x-api-key", "hunter2xyz")],
        (("x-vault-token", "s.hunter2"), ("accept", "*/*")),
    ],
)
def test_under_the_name_of_a_credential_everything_is_one(redactor, value):
    shown = str(redactor.value(value))

    assert "hunter2" not in shown
    assert "aHVudGVy" not in shown
    assert "<secret:len=" in shown


@pytest.mark.parametrize(
    "value",
    [
        {"x-api-key": "credential.provider.anthropic.api_key", "authorization": ""},
        {"x-api-key": None, "x-custom-token": 3},
        ["x-api-key", "authorization"],
        ["x-api-key", "credential.provider.anthropic.api_key"],
        ["x-api-key", 1],
    ],
)
def test_names_and_classes_of_credentials_are_no_secrets(redactor, value):
    assert redactor.value(value) == value


def test_a_secret_under_such_a_name_keeps_its_own_name(redactor):
    shown = redactor.value({"x-api-key": Secret(keys.AZURE_KEY)})

    assert shown == {"x-api-key": name_of(keys.AZURE_KEY)}


def test_the_headers_of_twisted_are_cleaned(redactor):
    headers = Headers({b"x-api-key": [keys.OPAQUE_TOKEN.encode()]})

    assert is_clean(redactor.value(headers))
    assert is_clean(redactor.value(list(headers.getAllRawHeaders())))


def test_nesting_ends_somewhere(redactor):
    loop: list[object] = [keys.ANTHROPIC_API_KEY]
    loop.append(loop)

    shown = str(redactor.value(loop))

    assert "<list nested too deeply>" in shown
    assert is_clean(shown)


secrets = st.sampled_from(keys.ALL_CANARIES)
around = st.text(max_size=10) | st.sampled_from(
    ["?key=", "://a:", "@", "Bearer ", "x-api-key: ", "sk-", "eyJ", "=", "&", "'", '"']
)


@st.composite
def texts_with_secrets(draw):
    secret = draw(secrets)
    dress = draw(st.sampled_from([str, repr, urllib.parse.quote]))
    return draw(around) + draw(around) + dress(secret) + draw(around)


values = st.recursive(
    texts_with_secrets() | texts_with_secrets().map(str.encode),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts_with_secrets(), inner, max_size=2)
        | inner.map(ValueError)
        | inner.map(lambda value: {"headers": (("authorization", value),)})
        | inner.map(repr)
    ),
    max_leaves=4,
)


def everything_live():
    live = LiveSecrets()
    for secret in keys.ALL_CANARIES:
        live.add(Secret(secret))
    return live


EVERYTHING = everything_live()


@given(values)
def test_no_live_secret_is_left_in_any_value(value):
    assert is_clean(Redactor(EVERYTHING).value(value))


@given(st.sampled_from(SHAPED), around, around)
def test_no_shaped_key_is_left_in_any_text(key, before, after):
    if key.startswith(("sk-CANARY", "eyJ")):
        # Without a provider's prefix a secret has to begin a word.
        before += " "

    assert is_clean(Redactor(LiveSecrets()).text(before + key + after))


# What an operator declared


def test_a_declared_shape_is_replaced_and_never_forgotten(redactor):
    secret = "corp_live_0123456789"
    assert redactor.text(f"a {secret}") == f"a {secret}"
    live = redactor._live

    live.declare(ClassTable((), [DeclaredShape(prefix="corp_live_", cls=GATEWAY)]))
    # A configuration that follows declares another one, or nothing.
    live.declare(ClassTable((), [DeclaredShape(prefix="corp_", cls=GATEWAY)]))
    live.declare(ClassTable())

    for text in ("{}", "a {} b", "x={},y", "\\n{}", '{{"a": "{}"}}'):
        shown = redactor.text(text.format(secret))
        assert shown == text.format(name_of(secret))
    assert redactor.value({"a": [secret.encode()]}) == {"a": [name_of(secret)]}
    other = "corp_other_12"
    assert redactor.text(other) == name_of(other)


# What is looked at as one


def everything_replaced(text):
    """Try every pattern at every character."""
    for _, pattern in redact._PATTERNS:
        text = pattern.sub(redact._renamed, text)
    return text


@given(st.lists(around | texts_with_secrets(), max_size=4).map("".join))
def test_a_pattern_that_is_not_tried_would_not_match(text):
    assert redact._without_shapes(text) == everything_replaced(text)


fields = st.dictionaries(
    st.sampled_from(["model", "user", "status", "x-api-key", "ms", "cookie"]),
    st.none() | st.integers() | st.floats() | st.booleans() | around
    | texts_with_secrets() | st.lists(around, max_size=1),
)  # fmt: skip


@given(fields, st.sampled_from([LiveSecrets(), EVERYTHING]))
def test_what_is_called_plain_is_what_looking_at_each_field_leaves(named, live):
    plain = Redactor(live).plain(named)

    if plain is not None:
        assert plain == named == Redactor(live).fields(named)


def test_the_line_of_an_exchange_is_plain(redactor):
    named = {
        "request_id": "req_0123456789abcdef01234567",
        "model": "claude-opus-5-5",
        "credential": "credential.anthropic-api-key",
        "status": 200,
        "user": None,
        "first_byte_ms": 1.5,
    }

    assert redactor.plain(named) == named
    assert redactor.plain({**named, "user": keys.ANTHROPIC_API_KEY}) is None
    assert redactor.plain({**named, "user": ["list"]}) is None
    assert redactor.plain({**named, "first_byte_ms": float("inf")}) is None
