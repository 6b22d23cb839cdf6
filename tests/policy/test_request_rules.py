"""Rules about presence, and about what a record may show."""

import pytest

from byok.policy.classes import classify
from byok.policy.plan import Plan
from byok.policy.rules import LogLevel, Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets
from tests.support.keys import ANTHROPIC_API_KEY

SESSION = (b"x-claude-code-session-id", b"1")


def plan(*items):
    found = [rule for item in items for rule in rulesets.read(Tier.SETTINGS, item)]
    return Plan(rulesets.PLAIN, found, CredentialPolicy())


def deny(*, present, **match):
    header = {"name": "x-claude-code-session-id", "present": present}
    return {"id": "no", "match": {"header": header, **match}, "action": {"deny": {}}}


@pytest.mark.parametrize(
    ("present", "headers", "denied"),
    [
        (True, (SESSION,), True),
        (True, (), False),
        (True, ((SESSION[0], b""),), False),
        (False, (SESSION,), False),
        (False, (), True),
    ],
)
def test_a_denial_can_ask_whether_a_field_came(present, headers, denied):
    outcome = plan(deny(present=present)).apply(headers)

    assert (outcome.denied is not None) is denied


def test_asking_for_presence_still_asks_for_the_rest():
    outcome = plan(deny(present=False, team="others")).apply(())

    assert outcome.denied is None


KEY = (b"x-api-key", ANTHROPIC_API_KEY.encode())
FOO = (b"x-foo", b"1")


@pytest.mark.parametrize(
    ("field", "level", "shown"),
    [
        (FOO, None, LogLevel.CLASS),
        (FOO, "full", LogLevel.FULL),
        (FOO, "hash", LogLevel.HASH),
        (FOO, "drop", LogLevel.DROP),
        (KEY, None, LogLevel.HASH),
        (KEY, "full", LogLevel.HASH),
        (KEY, "class", LogLevel.CLASS),
    ],
)
def test_a_record_shows_what_rules_let_it(field, level, shown):
    made = plan() if level is None else plan({"id": "log", "action": {"log": level}})

    assert made.log_level(field[0], classify(*field), "none") is shown


def test_of_two_levels_the_less_telling_holds():
    made = plan(
        {"id": "a", "action": {"log": "full"}}, {"id": "b", "action": {"log": "class"}}
    )

    assert made.log_level(b"x-foo", classify(*FOO), "none") is LogLevel.CLASS
