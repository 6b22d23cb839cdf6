"""
What is said to a client can be read there.

The real Claude Code shows "Invalid API key" in place of every message that holds the
name of one header, and whoever reads that goes looking for the wrong key. So no
refusal says it, but for those of /key/*, which Claude Code never asks.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core import carriers
from byok.core.admission import admit_master
from byok.core.body import REPLACED_FIELDS, read_head
from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import Decided, decide
from byok.core.intake import check_head
from byok.core.keys import check
from byok.core.routes import Dialect
from byok.core.secret import Secret
from byok.policy import names
from byok.policy.floor import FLOOR
from byok.policy.rules import Rule, Tier
from byok.web import answers
from tests.core.asking import (
    DEVELOPER,
    GATEWAY_KEY,
    RELAY,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.policy import hostile
from tests.support import keys

HIDDEN = "x-api-key"
TREE = Path(__file__).resolve().parent.parent
NEVER_ASKED = {"admin.py", "admin_guard.py", "admin_input.py", "admin_keys.py"}
NEVER_ASKED |= {"key_requests.py", "key_answers.py", "key_policies.py"}
KEY = keys.ANTHROPIC_API_KEY.encode()
ON = switches(litellm_settings=True)


# Refusals are made of Refusal, and of what the faults of I/O say.
_SPEAKS = re.compile(r"\b(?:Refusal|Provider(?:Unreachable|TimedOut|Broken))\b")


def said(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every text of a module that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    silent = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        )
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.lineno, node.value


@pytest.mark.parametrize("package", ["core", "web", "upstream"])
def test_no_module_that_speaks_to_clients_writes_the_name(package):
    modules = sorted((TREE / "byok" / package).rglob("*.py"))
    speaking = [
        path
        for path in modules
        if path.name not in NEVER_ASKED and _SPEAKS.search(path.read_text("utf-8"))
    ]

    assert speaking
    assert [
        f"{path.name}:{line}"
        for path in speaking
        for line, text in said(path)
        if HIDDEN in text.lower()
    ] == []


def test_no_rule_that_denies_says_it():
    denying = [rule.denial.message for rule in FLOOR if rule.denial is not None]

    assert denying
    assert [message for message in denying if HIDDEN in message.lower()] == []


def readable(refusal: Refusal | None) -> bool:
    """Was something refused, in words that are shown?"""
    return refusal is not None and HIDDEN not in refusal.message.lower()


# The header itself, wherever a message may speak of it.
EDGES = {
    "edge.header-name": ((b"x_api_key", KEY),),
    "edge.header-value": ((b"x-api-key", b"\x01"),),
    "edge.repeated-header": ((b"x-api-key", KEY), (b"x-api-key", KEY)),
    "edge.connection-nomination": ((b"connection", b"X-Api-Key"),),
}


@pytest.mark.parametrize("code", EDGES)
def test_the_edge_speaks_of_the_header_without_its_name(code):
    refusal = check_edge(EDGES[code], b"")

    assert refusal is not None
    assert refusal.code == code
    assert readable(refusal)


def test_a_key_in_the_query_is_refused_without_the_name():
    assert readable(check_head(b"/v1/messages?key=" + KEY, ()))


@pytest.mark.parametrize("field", REPLACED_FIELDS)
def test_a_key_or_a_destination_in_the_body_is_refused_without_the_name(field):
    found = read_head(f'{{"{field}": "x"}}'.encode())

    assert isinstance(found, Refusal)
    assert readable(found)


@pytest.mark.parametrize("configured", [None, "x-api-key", "authorization", "x-own"])
@pytest.mark.parametrize("name", sorted(names.AMBIGUOUS_CREDENTIALS))
def test_who_is_not_let_in_is_told_without_the_name(configured, name):
    headers = ((name, b"Basic " + KEY),)
    order = carriers.carriers(configured)

    for found in (
        carriers.find_key((), order),
        carriers.find_key(headers, order),
        carriers.refuse_key(headers, name.decode()),
        check(None, 0.0, headers=headers, carrier=name.decode()),
        admit_master(headers, name.decode(), Secret("sk-1"), on_data_routes=False),
    ):
        assert not isinstance(found, Refusal) or readable(found)


@pytest.mark.parametrize(
    "value",
    [
        *(keys.ANTHROPIC_API_KEY, keys.ANTHROPIC_ADMIN, keys.OPENAI_API_KEY),
        *("sk-ant-other-kind-of-key", "opaque", f'"{keys.ANTHROPIC_API_KEY}"'),
    ],
)
@pytest.mark.parametrize("switched", [ON, switches(general_settings=False), None])
@pytest.mark.parametrize("origin", [None, RELAY])
def test_a_credential_that_does_not_leave_is_told_without_the_name(
    value, switched, origin
):
    at = gateway(deployment(origin=origin), auth=switched)
    headers = (GATEWAY_KEY, (b"x-api-key", value.encode()))

    found = decide(facts(*headers), DEVELOPER, at)

    assert isinstance(found, Decided)
    leaves = switched is ON and origin is None and value == keys.ANTHROPIC_API_KEY
    assert (found.refusal is None) is leaves
    assert leaves or readable(found.refusal)


def denying(deny: dict[str, object], **rule: object) -> tuple[Rule, ...]:
    """Make a policy that refuses everything."""
    return rules_at(Tier.PACK, {"id": "own", "action": {"deny": deny}, **rule})


@pytest.mark.parametrize(
    "rules",
    [
        denying({}, why="Nobody sends X-Api-Key here."),
        denying({"message": "Take x-api-key off, and X-API-KEY too."}),
    ],
)
def test_what_an_operator_writes_is_said_without_the_name(rules):
    found = decide(facts(GATEWAY_KEY), DEVELOPER, gateway(deployment(), rules=rules))

    assert isinstance(found, Decided)
    assert readable(found.refusal)
    assert found.refusal is not None
    assert "the API key header" in found.refusal.message


def test_no_answer_to_claude_code_holds_the_name_whoever_wrote_it():
    refusal = Refusal(
        status=400, kind="api_error", code="some.code", message="Send X-Api-Key."
    )

    for dialect, hides in ((Dialect.ANTHROPIC, True), (Dialect.OPENAI, False)):
        body = answers.encode(refusal, dialect=dialect, request_id="req_1")
        assert (HIDDEN not in body.decode().lower()) is hides


@given(hostile.headers(hostile.GATEWAY_KEY), st.sampled_from([None, "x-api-key"]))
def test_whatever_comes_is_refused_without_the_name(headers, configured):
    for found in (
        check_edge(headers, b""),
        carriers.find_key(headers, carriers.carriers(configured)),
        decide(facts(*headers), DEVELOPER, gateway()),
    ):
        refusal = found.refusal if isinstance(found, Decided) else found
        assert not isinstance(refusal, Refusal) or readable(refusal)
