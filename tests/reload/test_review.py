"""What speaks against a configuration, and what it changes."""

from pathlib import Path

import pytest

from byok.reload.differences import Change
from byok.reload.document import document, lines
from byok.reload.review import Review, unusable
from tests.config.files import write
from tests.reload.reviewing import Json, config, model, read, reviewed, rule

LOCK = rule("never", "strip", lock=True)
TESTS = """\
apiVersion: byok/v1
kind: PolicyTest
tests:
  - name: x-foo leaves
    given: {model: sonnet, headers: {x-foo: "1", x-api-key: <anthropic.api_key>}}
    expect: {sends: [x-foo]}
"""


def code(found: Review, *, may_widen: bool = False) -> str | None:
    obstacle = found.obstacle(may_widen=may_widen)
    return obstacle.code if obstacle else None


def test_a_broken_file_is_told_in_full(tmp_path: Path):
    broken = config(general={"expose_decision_headers": "yes", "master_key": 1})

    found = reviewed(tmp_path, config(), broken)

    assert code(found) == code(found, may_widen=True) == "reload.invalid"
    said = list(lines(found))
    assert len(said) == 2
    assert all("config.yaml:" in each and " E1" in each for each in said)


def test_a_widening_has_to_be_allowed(tmp_path: Path):
    found = reviewed(tmp_path, config(LOCK), config())

    assert code(found) == "reload.widens"
    assert code(found, may_widen=True) is None
    (line,) = lines(found)
    assert line.startswith("widens: the lock general_settings.never is gone (")


def test_a_failing_policy_test_cannot_be_allowed(tmp_path: Path):
    write(tmp_path, TESTS, "foo_test.yaml")
    named: Json = {"policy_tests": ["foo_test.yaml"]}

    bad = reviewed(tmp_path, config(), config() | named)
    good = reviewed(tmp_path, config(), config(rule("more", "forward")) | named)

    assert code(bad, may_widen=True) == "reload.tests-failed"
    assert "foo_test.yaml:4" in next(lines(bad))
    assert code(good, may_widen=True) is None


def test_an_assertion_that_does_not_hold_cannot_be_allowed(tmp_path: Path):
    write(
        tmp_path,
        """\
        apiVersion: byok/v1
        kind: Policy
        metadata: {name: ours}
        rules:
          - {id: some, action: forward, match: {header: {class: [unclassified]}}}
        assert:
          - id: nothing-odd
            never: {send: unclassified}
        """,
        "policy.yaml",
    )

    found = reviewed(tmp_path, config(), config(policy_files=["policy.yaml"]))

    assert code(found, may_widen=True) == "reload.assertion-broken"
    assert any("nothing-odd" in each for each in lines(found))


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("listen", config(listen="tcp:4001:interface=127.0.0.1")),
        ("store", config(store="sqlite:///other.db")),
        (
            "general_settings.key_pepper",
            config(general={"key_pepper": ["os.environ/PEPPER"]}),
        ),
        (
            "general_settings.decision_log",
            config(general={"decision_log": False}),
        ),
        ("litellm_settings.json_logs", config(litellm_settings={"json_logs": True})),
        (
            "general_settings.master_key",
            config(
                general={
                    "master_key": None,
                    "dangerously_permit_weak_or_unset_master_key": True,
                }
            ),
        ),
        (
            "general_settings.master_key",
            config(
                general={
                    "master_key": "file:not-there.key",
                    "generate_master_key": True,
                }
            ),
        ),
    ],
)
def test_what_takes_a_restart_is_refused_by_name(
    tmp_path: Path, name: str, changed: Json
):
    found = reviewed(tmp_path, config(), changed)

    assert code(found, may_widen=True) == "reload.needs-restart"
    assert found.restart == (name,)
    assert f"{name} takes a restart" in list(lines(found))
    assert not (tmp_path / "not-there.key").exists()


def test_another_proxy_is_one_setting_that_changed(tmp_path: Path):
    """Whatever the number of deployments that go through it, and without its name."""
    models = [model("sonnet"), model("opus")]
    proxy: Json = {"egress_proxy": "http://proxy.corp.example:3128"}

    found = reviewed(
        tmp_path, config(model_list=models), config(model_list=models, general=proxy)
    )

    (change,) = found.differences
    assert (change.what, change.name) == ("setting", "general_settings.egress_proxy")
    assert found.widenings == ()
    assert not any("corp.example" in each for each in lines(found))


def test_other_prices_are_one_setting_that_changed(tmp_path: Path):
    cheaper = model("sonnet", input_cost_per_token="1e-6")

    found = reviewed(
        tmp_path, config(), config(model_list=[cheaper], prices={"multiplier": 0.9})
    )

    assert [each.name for each in found.differences] == ["prices"]
    assert found.widenings == ()


def test_what_changed_is_told_by_name(tmp_path: Path):
    old = config(
        rule("stays", "strip", "x-a"),
        rule("goes", "strip", "x-b"),
        rule("turns", "strip", "x-c"),
    )
    new = config(
        rule("comes", "strip", "x-d"),
        rule("turns", "strip", "x-e"),
        rule("stays", "strip", "x-a", why="the same"),
        general={
            "user_header_name": "x-who",
            "credential": {"on_client_stripped": "deny"},
        },
        model_list=[model("sonnet"), model("opus")],
    )

    found = {
        (each.change, each.what, each.name)
        for each in reviewed(tmp_path, old, new).differences
    }

    assert found == {
        (Change.REMOVED, "rule", "general_settings.goes"),
        (Change.CHANGED, "rule", "general_settings.turns"),
        (Change.ADDED, "rule", "general_settings.comes"),
        (Change.ADDED, "deployment", "opus"),
        (Change.CHANGED, "setting", "general_settings.user_header_name"),
        (Change.CHANGED, "setting", "credential"),
    }


def test_the_document_has_all_of_it(tmp_path: Path):
    found = reviewed(
        tmp_path, config(LOCK), config(rule("more", "forward")), both_ways=True
    )

    made = document(
        found,
        generation="g2",
        previous="g1",
        dry_run=True,
        obstacle=unusable("No."),
    )

    assert made["obstacle"] == {"code": "reload.invalid", "message": "No."}
    assert (made["reloaded"], made["dry_run"]) == (True, True)
    assert [each["change"] for each in rows(made, "changes")] == ["removed", "added"]
    assert [each["kind"] for each in rows(made, "widenings")] == ["lock", "leaves"]
    assert [each["rule"] for each in rows(made, "narrowings")] == []


def rows(made: Json, name: str) -> list[Json]:
    found = made[name]
    assert isinstance(found, list)
    return found


def test_a_file_that_cannot_be_read_at_all_is_a_finding(tmp_path: Path):
    found = reviewed(tmp_path, config(), "a: [")

    assert code(found) == "reload.invalid"
    assert read(tmp_path, "a: [").config is None
