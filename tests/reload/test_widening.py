"""What may leave by a new configuration and could not before."""

from pathlib import Path

import pytest

from byok.core.carriers import carriers
from byok.core.walk import Subject
from byok.reload.widening import widenings
from tests.reload.reviewing import Json, config, loaded, model, reviewed, rule

DEEP = {"api_key": "os.environ/DEPLOYMENT_KEY"}
ELSEWHERE = {"api_base": "https://relay.example.com"}
DENIAL: Json = {
    "id": "none",
    "action": {"deny": {"status": 403}},
    "match": {"header": {"name": "x-foo", "present": True}},
    "why": "none of that",
}


def kinds(directory: Path, old: Json, new: Json) -> list[str]:
    return [each.kind for each in reviewed(directory, old, new).widenings]


def test_nothing_new_is_no_widening(tmp_path: Path):
    found = reviewed(tmp_path, config(), config(), both_ways=True)

    assert (found.widenings, found.narrowings, found.differences) == ((), (), ())


def test_a_header_that_is_newly_forwarded_is_shown_by_a_request(tmp_path: Path):
    found = reviewed(tmp_path, config(), config(rule("more", "forward")))

    (one,) = found.widenings
    assert one.kind == "leaves"
    assert "x-foo" in one.text
    assert one.rule == "general_settings.more"
    assert one.where.line > 0
    assert one.shown_by.startswith("byok explain-request -c ")


def test_a_header_of_an_answer_that_newly_goes_back_widens(tmp_path: Path):
    back = rule("back", "strip", "x-account", direction="response")
    paid = [model("sonnet", **DEEP)]
    old, new = config(back, model_list=paid), config(model_list=paid)

    (one,) = reviewed(tmp_path, old, new).widenings

    assert one.text == "x-account of an answer goes back and stayed here"
    assert one.kind == "leaves"
    assert one.shown_by.endswith("--answer-header 'x-account: 1'")
    assert kinds(tmp_path, new, old) == []
    # The answer to a key of one's own is one's own.
    assert kinds(tmp_path, config(back), config()) == []


def test_the_other_way_round_it_is_a_narrowing(tmp_path: Path):
    found = reviewed(
        tmp_path, config(rule("more", "forward")), config(), both_ways=True
    )

    assert found.widenings == ()
    assert [each.rule for each in found.narrowings] == ["general_settings.more"]


def test_a_lock_that_is_gone_widens_even_if_nothing_leaves_today(tmp_path: Path):
    lock = rule("never", "strip", lock=True)

    assert kinds(tmp_path, config(lock), config()) == ["lock"]
    assert kinds(tmp_path, config(), config(lock)) == []


def test_a_lock_by_another_name_and_in_another_place_is_the_same(tmp_path: Path):
    old = config(rule("never", "strip", lock=True, why="because"))
    new = config(rule("a", "redact"), rule("ever", "strip", lock=True))

    assert kinds(tmp_path, old, new) == []


def test_a_lock_in_the_shadow_is_gone(tmp_path: Path):
    lock = rule("never", "strip", lock=True)

    assert kinds(tmp_path, config(lock), config(lock | {"mode": "shadow"})) == ["lock"]
    assert kinds(tmp_path, config(lock | {"mode": "shadow"}), config()) == []


def test_a_refusal_that_is_gone_widens(tmp_path: Path):
    old = config(DENIAL)

    found = reviewed(tmp_path, old, config()).widenings

    assert [each.kind for each in found][:1] == ["refusal"]
    assert any(each.kind == "leaves" and "refused" in each.text for each in found)


def test_another_message_of_a_refusal_does_not(tmp_path: Path):
    old = config(DENIAL)
    new = config(DENIAL | {"why": "none of this"})

    assert kinds(tmp_path, old, new) == []


def test_an_origin_that_may_receive_a_credential_it_could_not(tmp_path: Path):
    old = config(model_list=[model("relay", **ELSEWHERE)])
    trusting: Json = {**ELSEWHERE, "trust_client_credentials": ["anthropic.oauth"]}
    new = config(model_list=[model("relay", **trusting)])

    (one,) = [
        each for each in reviewed(tmp_path, old, new).widenings if each.kind == "origin"
    ]

    assert "https://relay.example.com" in one.text
    assert "credential.provider.anthropic.oauth" in one.text


def test_a_shared_key_that_goes_to_another_origin(tmp_path: Path):
    old = config(model_list=[model("sonnet", **DEEP)])
    new = config(model_list=[model("sonnet", **DEEP, **ELSEWHERE)])

    found = reviewed(tmp_path, old, new).widenings

    assert any("api_key" in each.text and each.kind == "origin" for each in found)


def test_a_model_more_is_no_widening_where_requests_went_before(tmp_path: Path):
    old = config(rule("some", "forward", "x-a"))
    new = config(
        rule("some", "forward", "x-a"),
        model_list=[model("sonnet"), model("opus")],
    )

    found = reviewed(tmp_path, old, new)

    assert found.widenings == ()
    assert [each.name for each in found.differences] == ["opus"]


def test_a_model_more_widens_where_the_rules_let_more_leave_for_it(tmp_path: Path):
    params: Json = {"policies": [rule("more", "forward")]}
    new = config(model_list=[model("sonnet"), model("opus", **params)])

    assert kinds(tmp_path, config(), new) == ["leaves"]


def test_a_model_more_widens_where_it_goes_to_somebody_new(tmp_path: Path):
    new = config(model_list=[model("sonnet"), model("opus", **DEEP, **ELSEWHERE)])

    assert "leaves" in kinds(tmp_path, config(), new)


def test_a_model_that_goes_elsewhere_than_before_widens(tmp_path: Path):
    there = {**DEEP, **ELSEWHERE}
    old = config(model_list=[model("sonnet"), model("relay", **there)])
    new = config(model_list=[model("sonnet", **there), model("relay", **there)])

    assert "leaves" in kinds(tmp_path, old, new)


@pytest.mark.parametrize(
    ("was", "is_now", "widens"),
    [(False, True, 1), (True, False, 0), (True, True, 0)],
)
@pytest.mark.parametrize("name", ["master_key_on_data_routes", "reload"])
def test_what_somebody_may_do_from_now_on(
    tmp_path: Path, name: str, was: bool, is_now: bool, widens: int
):
    def general(value: bool) -> Json:
        return {name: {"allow_widening": value} if name == "reload" else value}

    old, new = config(general=general(was)), config(general=general(is_now))

    assert kinds(tmp_path, old, new) == ["setting"] * widens


@pytest.mark.parametrize(
    ("was", "is_now", "widens"),
    [(False, True, 1), (True, False, 0), (True, True, 0), (None, True, 1)],
)
def test_a_deployment_that_may_be_at_a_private_address_from_now_on(
    tmp_path: Path, was: bool | None, is_now: bool, widens: int
):
    before = [] if was is None else [model("relay", **DEEP, allow_private=was)]
    old = config(model_list=[model("sonnet"), *before])
    new = config(
        model_list=[model("sonnet"), model("relay", **DEEP, allow_private=is_now)]
    )

    assert kinds(tmp_path, old, new).count("setting") == widens


@pytest.mark.parametrize(
    ("was", "is_now", "widens"), [(True, False, 1), (False, True, 0)]
)
def test_metrics_that_everybody_may_read_from_now_on(
    tmp_path: Path, was: bool, is_now: bool, widens: int
):
    def told(asks: bool) -> Json:
        settings = {
            "callbacks": ["prometheus"],
            "require_auth_for_metrics_endpoint": asks,
        }
        return config(litellm_settings=settings)

    assert kinds(tmp_path, told(was), told(is_now)) == ["setting"] * widens


STRICT: Json = {
    "allow_orgs": ["one", "two"],
    "on_unknown_org": "refuse",
    "bind_keys": "refuse",
}


@pytest.mark.parametrize(
    ("change", "widens"),
    [
        ({}, 0),
        ({"allow_orgs": ["one"]}, 0),
        ({"allow_orgs": ["one", "three"]}, 1),
        ({"allow_orgs": []}, 1),
        ({"on_unknown_org": "report"}, 1),
        ({"bind_keys": "report"}, 1),
    ],
)
def test_a_key_that_was_refused_and_may_be_used(
    tmp_path: Path, change: Json, widens: int
):
    old = config(general={"byok": STRICT})
    new = config(general={"byok": STRICT | change})

    assert kinds(tmp_path, old, new) == ["setting"] * widens
    assert kinds(tmp_path, config(), old) == []


def test_what_cannot_be_settled_counts_as_a_widening(tmp_path: Path):
    old, new = (
        Subject(gateway=loaded(tmp_path, each).gateway, carriers=carriers(None))
        for each in (config(), config(rule("less", "strip")))
    )

    (one,) = widenings(old, new, limit=1)

    assert one.kind == "unsettled"
    assert widenings(old, new) == ()
