"""The guard holds the finished request against the sentences true of any."""

import base64
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from byok.core.errors import EgressViolation
from byok.core.facts import Headers
from byok.core.providers import Origin
from byok.core.secret import Secret
from byok.policy import classes
from byok.policy.declared import ClassTable, DeclaredName, DeclaredShape
from byok.policy.match import Glob
from byok.upstream.guard import IsOurs, Passport, check, check_words
from byok.upstream.outgoing import Outgoing, prepare
from tests.support import keys

ANTHROPIC = Origin(scheme="https", host="api.anthropic.com", port=443)
API_KEY = keys.ANTHROPIC_API_KEY.encode()
OAUTH = b"Bearer " + keys.ANTHROPIC_OAUTH.encode()
OURS = keys.VIRTUAL_KEY.encode()
MASTER = keys.MASTER_KEY.encode()


def judge(
    headers: Headers,
    *,
    origin: Origin = ANTHROPIC,
    trusted=(classes.ANTHROPIC_API_KEY, classes.ANTHROPIC_OAUTH),
    own: str | None = None,
    plaintext_ok: bool = False,
    target: bytes = b"/",
) -> None:
    check(
        shipped(headers, target, origin=origin),
        passport(trusted=trusted, own=own, plaintext_ok=plaintext_ok),
    )


def shipped(headers: Headers, target: bytes, *, origin: Origin = ANTHROPIC) -> Outgoing:
    return prepare(
        origin=origin, method=b"POST", target=target, headers=headers, body=b""
    )


def passport(
    *,
    trusted=(classes.ANTHROPIC_API_KEY, classes.ANTHROPIC_OAUTH),
    own: str | None = None,
    plaintext_ok: bool = False,
    is_ours: IsOurs | None = None,
) -> Passport:
    return Passport(
        deployment="here",
        trusted=frozenset(trusted),
        own=() if own is None else (Secret(own),),
        gateway=(OURS, MASTER),
        plaintext_ok=plaintext_ok,
        is_ours=is_ours,
    )


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"x-api-key", API_KEY),),
        ((b"authorization", OAUTH), (b"anthropic-beta", b"oauth-2025-04-20")),
        ((b"user-agent", b"claude-cli/2.1"), (b"x-api-key", API_KEY)),
        ((b"x-api-key", API_KEY), (b"authorization", b"")),
    ],
)
def test_what_may_go_goes(headers):
    judge(headers)


@pytest.mark.parametrize("secret", [OURS, MASTER])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (b"x-api-key", b"%s"),
        (b"authorization", b"Bearer %s"),
        (b"x-note", b"see %s, please"),
        (b"user-agent", b"curl/%s"),
    ],
)
def test_a_gateway_credential_never_leaves_in_any_header(secret, name, shape):
    with pytest.raises(EgressViolation, match="gateway credential"):
        judge(((name, shape % secret),))


def test_a_gateway_credential_in_basic_does_not_leave():
    value = b"Basic " + base64.b64encode(b"user:" + OURS)

    with pytest.raises(EgressViolation, match="gateway credential"):
        judge(((b"authorization", value),))


def test_a_key_of_our_shape_that_is_not_this_callers_does_not_leave():
    with pytest.raises(EgressViolation, match="gateway credential"):
        judge(((b"x-note", b"a, sk-byok-somebodyelses"),))


@pytest.mark.parametrize(
    "name", [b"cookie", b"x-litellm-api-key", b"x-byok-trace", b"x-pass-x-foo"]
)
def test_what_speaks_to_the_gateway_stays_here(name):
    with pytest.raises(EgressViolation, match="must stay here"):
        judge(((name, b"1"),))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-api-key", API_KEY),
        (b"authorization", OAUTH),
        (b"x-note", b"first, " + API_KEY),
        (b"x-api-key", keys.OPENAI_API_KEY.encode()),
        (b"authorization", b"Bearer " + keys.OPAQUE_TOKEN.encode()),
        (b"api-key", keys.AZURE_KEY.encode()),
        (b"x-goog-api-key", keys.GOOGLE.encode()),
    ],
)
def test_a_credential_does_not_go_where_it_is_not_trusted(name, value):
    with pytest.raises(EgressViolation, match="not trusted"):
        judge(((name, value),), trusted=())


def test_a_second_credential_behind_a_trusted_one_is_seen():
    value = API_KEY + b" " + keys.OPENAI_API_KEY.encode()

    with pytest.raises(EgressViolation, match="openai"):
        judge(((b"x-api-key", value),))


def test_two_credentials_do_not_leave_together():
    with pytest.raises(EgressViolation, match="more than one"):
        judge(((b"x-api-key", API_KEY), (b"authorization", OAUTH)))


@pytest.mark.parametrize(
    "value", [keys.DEPLOYMENT_KEY.encode(), b"Bearer " + keys.DEPLOYMENT_KEY.encode()]
)
def test_the_deployments_own_key_goes_to_the_deployment(value):
    judge(((b"authorization", value),), trusted=(), own=keys.DEPLOYMENT_KEY)


def test_the_deployments_key_does_not_go_beside_a_clients():
    with pytest.raises(EgressViolation, match="more than one"):
        judge(
            (
                (b"authorization", b"Bearer " + keys.DEPLOYMENT_KEY.encode()),
                (b"x-api-key", API_KEY),
            ),
            own=keys.DEPLOYMENT_KEY,
        )


@pytest.mark.parametrize(
    ("host", "leave"),
    [
        ("api.anthropic.com", True),
        ("10.0.0.1", True),
        ("localhost.evil.example", True),
        ("127.0.0.1", False),
        ("localhost", False),
    ],
)
def test_nothing_goes_in_the_clear_but_to_a_permitted_loopback(host, leave):
    origin = Origin(scheme="http", host=host, port=80)

    with pytest.raises(EgressViolation, match="plain http"):
        judge((), origin=origin, plaintext_ok=leave)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_permitted_loopback_may_be_reached_in_the_clear(host):
    judge((), origin=Origin(scheme="http", host=host, port=80), plaintext_ok=True)


@pytest.mark.parametrize("text", [b"%s", b"x=1&key=%s", b"q=%%20%s%%20"])
@pytest.mark.parametrize("key", [OURS, MASTER, b"sk-byok-somebodyelses"])
def test_a_gateway_credential_does_not_leave_in_the_target(text, key):
    target = b"/v1/messages?" + text % key

    with pytest.raises(EgressViolation, match="target"):
        judge((), target=target)


def test_a_percent_encoded_key_does_not_leave_in_the_target():
    with pytest.raises(EgressViolation, match="target"):
        judge((), target=b"/?" + OURS.replace(b"-", b"%2D"))


def test_a_providers_own_path_is_no_reason_to_stop():
    judge((), target=b"/base/v1/messages?beta=true&a=%20")


class Store:
    """Knows one key that nothing shows to be one; `asked` is what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def is_ours(self, word: bytes) -> bool:
        self.asked.append(word)
        return word == b"sk-12345"


def ask_of(store: Store | None, headers: Headers, target: bytes = b"/") -> list[object]:
    found: list[object] = []
    asking = check_words(
        shipped(headers, target),
        passport(is_ours=None if store is None else store.is_ours),
    )
    Deferred.fromCoroutine(asking).addBoth(found.append)
    return found


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        (((b"x-tenant", b"sk-12345"),), b"/"),
        (((b"x-api-key", b"sk-12345"),), b"/"),
        ((), b"/sk-12345/v1/messages"),
    ],
)
def test_a_key_of_the_store_does_not_leave_whoever_put_it_there(headers, target):
    (failure,) = ask_of(Store(), headers, target)

    assert isinstance(failure, Failure)
    assert failure.check(EgressViolation)
    assert "sk-12345" not in str(failure.value)


def test_the_store_is_asked_about_nothing_else():
    store = Store()
    ordinary = ((b"user-agent", b"claude-cli/2.1"), (b"x-api-key", API_KEY))

    assert ask_of(store, ordinary) == [None]
    assert store.asked == []
    assert ask_of(store, ((b"x-note", b"sk-other"),)) == [None]
    assert store.asked == [b"sk-other"]


def test_without_a_store_no_word_is_a_key():
    assert ask_of(None, ((b"x-note", b"sk-12345"),)) == [None]


def test_no_refusal_quotes_a_credential():
    for headers in (
        ((b"x-note", OURS),),
        ((b"x-api-key", keys.OPENAI_API_KEY.encode()),),
        ((b"x-api-key", API_KEY), (b"authorization", OAUTH)),
    ):
        with pytest.raises(EgressViolation) as caught:
            judge(headers)

        assert not [key for key in keys.ALL_CANARIES if key in str(caught.value)]


# What an operator declared


DECLARED = ClassTable(
    [DeclaredName(name=Glob("x-corp-control"), cls=classes.GATEWAY_CONTROL)],
    [
        DeclaredShape(prefix="corp_gate_", cls=classes.GATEWAY),
        DeclaredShape(prefix="corp_open_", cls=classes.OPENAI_API_KEY),
        DeclaredShape(prefix="corp_anth_", cls=classes.ANTHROPIC_API_KEY),
        DeclaredShape(prefix="corp_more_", cls=classes.OTHER_CREDENTIAL),
    ],
)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ((b"x-app", b"a corp_gate_12345678"), "a gateway credential"),
        ((b"x-app", b"corp_open_12345678"), "for which this host is not trusted"),
        ((b"x-corp-control", b"1"), "must stay here"),
        ((b"x-app", b"corp_more_12345678"), None),
    ],
)
def test_what_was_declared_may_not_leave_either(field, words):
    declared = replace(passport(), class_table=DECLARED)
    outgoing = shipped((field,), b"/")
    check(outgoing, passport())
    if words is None:
        check(outgoing, declared)
        return
    with pytest.raises(EgressViolation, match=words):
        check(outgoing, declared)


def test_a_credential_that_was_declared_a_providers_may_leave_for_it():
    outgoing = shipped(((b"x-api-key", b"corp_anth_12345678"),), b"/")
    with pytest.raises(EgressViolation, match="unknown"):
        check(outgoing, passport())

    check(outgoing, replace(passport(), class_table=DECLARED))


def test_a_declared_gateway_key_may_not_stand_in_the_target():
    declared = replace(passport(), class_table=DECLARED)
    for target in (b"/?a=corp_gate_12345678", b"/?a=%63orp_gate_12345678"):
        with pytest.raises(EgressViolation, match="target"):
            check(shipped((), target), declared)
