"""What an admin may ask of a key, and how keys are shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.errors import Refusal
from byok.core.key_answers import Spent, moment, shown
from byok.core.key_forms import KeyFields
from byok.core.key_requests import (
    WITHOUT_EFFECT,
    KeyChange,
    changed,
    grace_end,
    new_record,
    read_change,
    read_given_key,
    refuse_unknown,
    strangers,
    weak_key_warning,
)
from byok.core.keys import Peppers, VirtualKey, new_key, new_token_id
from byok.core.secret import Secret
from tests.support.keys import (
    ANTHROPIC_API_KEY,
    ANTHROPIC_OAUTH,
    GOOGLE,
    KEY_PEPPER,
    MASTER_KEY,
    OPENAI_API_KEY,
    VIRTUAL_KEY,
)

NOW = 1_800_000_000.0
PEPPERS = Peppers(Secret(KEY_PEPPER))


def understood(**body) -> KeyChange:
    """Read *body*, which has to be fine."""
    change = read_change(body, now=NOW)
    assert isinstance(change, KeyChange)
    return change


def refused(**body) -> str:
    """Read *body*, which has to be refused, and return the message."""
    refusal = read_change(body, now=NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    return refusal.message


def made(**body) -> VirtualKey:
    """Make the record that *body* asks for."""
    return new_record(
        understood(**body),
        new_key(bytes(32)),
        PEPPERS,
        token_id=new_token_id(bytes(16)),
        now=NOW,
        by="admin",
    )


EVERYTHING = {
    "key_alias": "anne's laptop",
    "models": ["claude-*"],
    "duration": "30d",
    "metadata": {"cost centre": 7},
    "tags": ["red"],
    "user_id": "anne",
    "team_id": "research",
    "spend": 1,
    "max_budget": 10,
    "soft_budget": 8.5,
    "budget_duration": "1mo",
    "rpm_limit": 60,
    "tpm_limit": 100_000,
    "max_parallel_requests": 4,
    "permissions": {"a": True},
    "blocked": True,
}


def test_every_field_ends_in_the_record():
    record = made(**EVERYTHING)

    answer = shown(record)
    assert answer["expires"] == "2027-02-14T08:00:00Z"
    for name, value in EVERYTHING.items():
        if name not in {"duration", "spend"}:
            assert answer[name] == value
    assert record.spend == 1


def test_what_is_shown_as_spent_is_what_the_ledger_has():
    change = read_change({"spend": 1}, now=NOW)
    answer = shown(made(spend=1), Spent(real_nano=5 * 10**8, notional_nano=10**9))

    assert (answer["spend"], answer["notional_spend"]) == (0.5, 1.0)
    assert shown(made(spend=1))["spend"] == 0.0
    assert isinstance(change, KeyChange)
    assert change.warnings == (
        "spend: stored and not counted; the ledger says what was spent.",
    )


def test_what_is_shown_is_json_and_holds_neither_key_nor_digest():
    record = made(**EVERYTHING)

    text = json.dumps(shown(record))
    assert new_key(bytes(32)).reveal() not in text
    assert record.digest.hex() not in text


def test_a_moment_is_written_in_utc():
    assert moment(NOW) == "2027-01-15T08:00:00Z"
    assert moment(None) is None


def test_a_moment_that_no_calendar_has_is_shown_as_the_last_one():
    assert moment(1e15) == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize(
    "expires", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
)
def test_a_moment_outside_of_the_calendar_in_utc_is_refused(expires):
    assert refused(expires=expires).startswith("expires: a date and time")


def test_aliases_that_look_the_same_are_the_same():
    assert made(key_alias="Zoe\u0308").key_alias == "Zo\u00eb"


@pytest.mark.parametrize("alias", ["master", "Single-User"])
def test_no_key_is_called_what_the_gateway_calls_its_own_callers(alias):
    assert refused(key_alias=alias).startswith("key_alias: ")


def test_an_empty_request_makes_a_key_for_everything_without_an_end():
    record = made()

    assert record.models == ()
    assert record.expires_at is None
    assert not record.blocked
    assert record.created_by == "admin"


@pytest.mark.parametrize("name", KeyFields.__struct_fields__)
def test_a_field_of_another_type_is_told_its_form_in_plain_words(name):
    said = refused(**{name: ["", []]})

    assert said.startswith(f"{name}: ")
    assert not {"Expected", "`", "$", "str", "int"} & set(said.split())
    assert "`" not in said


def test_what_a_change_does_not_name_stays():
    record = made(**EVERYTHING)

    again = changed(record, understood(rpm_limit=5), now=NOW + 1, by="other")

    assert again.rpm_limit == 5
    assert again.tpm_limit == record.tpm_limit
    assert again.key_alias == record.key_alias
    assert again.expires_at == record.expires_at
    assert (again.updated_at, again.updated_by) == (NOW + 1, "other")


def test_null_empties_a_field():
    nothing = dict.fromkeys(EVERYTHING)

    record = changed(made(**EVERYTHING), understood(**nothing), now=NOW, by="admin")

    blank = shown(made())
    assert {**shown(record), "updated_at": 0, "updated_by": 0} == {
        **blank,
        "updated_at": 0,
        "updated_by": 0,
    }


@pytest.mark.parametrize("body", [{"duration": "-1"}, {"expires": None}])
def test_an_expiry_can_be_taken_away(body):
    record = changed(made(duration="1h"), understood(**body), now=NOW, by="admin")

    assert record.expires_at is None


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2027-01-15T08:00:01Z", NOW + 1),
        ("2027-01-15T09:00:01+01:00", NOW + 1),
        ("2027-01-15T08:00:01", NOW + 1),
        ("2027-01-16", NOW + 16 * 3600),
    ],
)
def test_an_expiry_can_be_a_moment(written, at):
    assert made(expires=written).expires_at == at


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"rpm_limit": "5"}, "rpm_limit: a whole number from 0 on, or null."),
        ({"rpm_limit": True}, "rpm_limit: "),
        ({"rpm_limit": -1}, "rpm_limit: "),
        ({"rpm_limit": 1.5}, "rpm_limit: "),
        ({"max_budget": -0.1}, "max_budget: "),
        ({"max_budget": float("nan")}, "max_budget: "),
        ({"max_budget": float("inf")}, "max_budget: "),
        ({"models": "claude"}, "models: "),
        ({"models": ["a", ""]}, "or null (number 2 is none)."),
        ({"models": ["m"] * 1001}, "models: "),
        ({"models": ["a\nb"]}, "models:"),
        ({"blocked": "false"}, "blocked: true or false, or null."),
        ({"metadata": []}, "metadata: "),
        ({"metadata": {"a": float("nan")}}, "metadata:"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata: at most"),
        ({"metadata": {"a": ANTHROPIC_API_KEY}}, "metadata: holds a credential"),
        ({"permissions": {"a": VIRTUAL_KEY * 400}}, "permissions:"),
        ({"key_alias": ""}, "key_alias: a text of 1 to 255 characters, or null."),
        ({"key_alias": "a" * 256}, "key_alias: "),
        ({"key_alias": " a"}, "key_alias:"),
        ({"key_alias": "a\x1b[31m"}, "key_alias:"),
        ({"key_alias": "\ud800"}, "key_alias:"),
        ({"key_alias": VIRTUAL_KEY}, "key_alias: looks like a key"),
        ({"key_alias": new_token_id(bytes(16))}, "key_alias: looks like a key"),
        ({"user_id": ANTHROPIC_OAUTH}, "user_id: holds a credential"),
        ({"tags": ["fine", GOOGLE]}, "tags: holds a credential"),
        ({"duration": "soon"}, "duration: write"),
        ({"duration": 30}, "duration: "),
        ({"budget_duration": "monthly"}, "budget_duration: write"),
        ({"expires": "2027-01-15T08:00:00Z"}, "expires: this moment has passed"),
        ({"expires": "tomorrow"}, "expires: a date"),
        ({"expires": "0001-01-01T00:00:00+14:00"}, "expires:"),
        ({"expires": "2030-01-01", "duration": "1d"}, "give one of them"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_its_value_is_not_quoted(body, said):
    message = refused(**body)

    assert said in message
    for value in body.values():
        assert not isinstance(value, str) or len(value) < 8 or value not in message


def test_a_misspelt_field_is_refused_with_the_one_that_was_meant():
    message = refused(rpm_limits=5, modles=["a"], qqq=1)

    assert "rpm_limits (did you mean rpm_limit?)" in message
    assert "modles (did you mean models?)" in message
    assert "qqq" in message


@pytest.mark.parametrize("name", [VIRTUAL_KEY, "a b", "x" * 65, "\ud800", "sk-1"])
def test_a_name_that_could_be_a_key_is_not_quoted(name):
    refusal = refuse_unknown([name], ["models"])

    assert refusal is not None
    assert name not in refusal.message


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_the_other_fields_of_litellm_are_accepted_with_a_warning(name):
    assert understood(**{name: "x"}).warnings == (
        f"{name}: accepted for LiteLLM's sake, without effect here.",
    )
    assert understood(**{name: None}).warnings == ()


def test_our_fields_and_those_without_effect_are_not_the_same():
    assert not WITHOUT_EFFECT & set(KeyFields.__struct_fields__)


def test_permissions_warn_that_nothing_enforces_them_but_the_one_that_is():
    assert understood(rpm_limit=0, permissions={"explain": True}).warnings == ()
    warnings = understood(rpm_limit=0, permissions={"more": True}).warnings

    assert warnings == ("permissions: stored, not enforced yet.",)


def test_all_team_models_opens_nothing_without_a_team():
    (warning,) = understood(models=["all-team-models"]).warnings

    assert "opens nothing" in warning
    assert understood(models=["all-team-models"], team_id="red").warnings == ()


def test_names_of_nobody_are_told():
    asked = understood(user_id="anne", team_id="red")

    (said,) = strangers(asked, is_user=True, is_team=False)
    assert said.startswith("team_id: there is no such team")
    (said,) = strangers(asked, is_user=False, is_team=True)
    assert said.startswith("user_id: there is no such user")
    assert strangers(understood(user_id=None), is_user=False, is_team=False) == ()


@given(
    st.dictionaries(
        st.sampled_from([*KeyFields.__struct_fields__, *sorted(WITHOUT_EFFECT)])
        | st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_any_json_object_is_understood_or_refused(body):
    answer = read_change(body, now=NOW)

    assert isinstance(answer, KeyChange | Refusal)
    if isinstance(answer, KeyChange):
        json.dumps(shown(changed(made(), answer, now=NOW, by="admin")))


# Keys that the admin brings


@pytest.mark.parametrize("key", ["sk-1234", "sk-12345", VIRTUAL_KEY])
def test_a_key_of_the_admins_choice_is_accepted(key):
    assert read_given_key(key, master_key=Secret(MASTER_KEY)) == Secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "1234",
        "sk-ä",
        "sk-\ud800",
        "sk-a b",
        "sk-a\n",
        "sk-" + "a" * 300,
        "sk-byok-made-up-by-me",
        ANTHROPIC_API_KEY,
        ANTHROPIC_OAUTH,
        OPENAI_API_KEY,
        GOOGLE,
        MASTER_KEY,
    ],
)
def test_what_cannot_be_one_of_our_keys_is_refused_without_quoting_it(key):
    refusal = read_given_key(key, master_key=Secret(MASTER_KEY))

    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert not key or key not in refusal.message


def test_a_generated_key_can_be_given_again():
    key = new_key(bytes(32))

    assert read_given_key(key.reveal(), master_key=None) == key


@pytest.mark.parametrize(("length", "weak"), [(7, True), (23, True), (24, False)])
def test_a_key_that_can_be_guessed_warns(length, weak):
    key = Secret("sk-".ljust(length, "x"))

    assert (weak_key_warning(key) is not None) is weak


@pytest.mark.parametrize(
    ("text", "end"), [("24h", NOW + 86_400), ("0s", None), ("", None), ("0", None)]
)
def test_a_grace_period_is_a_duration_or_nothing(text, end):
    assert grace_end(text, NOW) == end


def test_another_grace_period_is_refused():
    assert isinstance(grace_end("a while", NOW), Refusal)


def test_rules_of_a_key_that_cannot_be_read_are_refused_with_their_place():
    said = refused(metadata={"policies": [{"id": "a"}]})

    assert said == "metadata.policies[0]: a rule needs an action."
