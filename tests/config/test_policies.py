"""Packs, policy files, inline lists and switches: which rules are in force."""

import pytest

from byok.core.secret import Secret
from byok.policy.rules import Action, Injected, Tier, When
from byok.policy.settings import AUTH_SWITCH, HEADER_SWITCH
from byok.policy.slot import SOURCES, OnClientStripped, OnMissing
from tests.config.files import (
    MASTER,
    MODELS,
    SMALLEST,
    config_of,
    found,
    report_on,
    write,
)
from tests.support.keys import OPAQUE_TOKEN

DOCUMENT = """\
apiVersion: byok/v1
kind: Policy
metadata: {name: ours}
tier: settings
rules:
  - id: no-tracing
    match: {header: {class: [tracing]}}
    action: strip
    lock: true
"""


def test_the_default_packs_are_base_and_claude_code(tmp_path):
    config = config_of(tmp_path, SMALLEST)

    names = {rule.id.partition(".")[0] for rule in config.rules}
    assert names == {"base", "claude-code"}
    assert {str(rule.where).partition(":")[0] for rule in config.rules} == {
        "policies/base.yaml",
        "policies/claude-code.yaml",
    }


def test_a_list_of_packs_replaces_the_default_and_keeps_base(tmp_path):
    config = config_of(tmp_path, f"{SMALLEST}  policy_packs: [litellm-compat]\n")

    names = {rule.id.partition(".")[0] for rule in config.rules}
    assert names == {"base", "litellm-compat"}
    assert {
        rule.id.partition(".")[0]
        for rule in config_of(tmp_path, f"{SMALLEST}  policy_packs: []\n").rules
    } == {"base"}


@pytest.mark.parametrize(
    ("pack", "remedy"), [("claude_code", "Did you mean claude-code?"), ("x", "Shipped")]
)
def test_a_pack_that_is_not_shipped_is_an_error(tmp_path, pack, remedy):
    (finding,) = report_on(tmp_path, f"{SMALLEST}  policy_packs: [{pack}]\n").findings

    assert (finding.code, finding.line) == ("E221", 7)
    assert finding.remedy.startswith(remedy)


def test_a_policy_file_is_read_and_watched(tmp_path):
    file = write(tmp_path, DOCUMENT, "policies/ours.yaml")

    config = config_of(tmp_path, SMALLEST + "policy_files: [policies/ours.yaml]\n")

    (rule,) = [rule for rule in config.rules if rule.id == "ours.no-tracing"]
    assert rule.lock
    assert (rule.tier, rule.action) == (Tier.SETTINGS, Action.STRIP)
    assert str(rule.where) == f"{file}:6"
    assert file in [each.path for each in config.sources]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (DOCUMENT.replace("strip", "stripp"), ["E108:8"]),
        (DOCUMENT.replace("kind: Policy", "kind: Polices"), ["E105:2"]),
        (DOCUMENT.replace("class: [tracing]", "clas: [tracing]"), ["E102:7"]),
        (DOCUMENT.replace("[tracing]", "[trace]"), ["E107:7"]),
        (DOCUMENT.replace("    lock: true", "    lock: 'true'"), ["E104:9"]),
        (DOCUMENT.replace("strip", "forward"), ["E204:9"]),
        (DOCUMENT + DOCUMENT[DOCUMENT.index("  - id") :], ["E201:10"]),
        ("a: 'b", ["E121:1"]),
    ],
)
def test_what_is_wrong_with_a_policy_file_is_told_there(tmp_path, text, codes):
    file = write(tmp_path, text, "ours.yaml")

    report = report_on(tmp_path, SMALLEST + "policy_files: [ours.yaml]\n")

    assert [f"{each.code}:{each.line}" for each in report.findings] == codes
    assert {each.file for each in report.findings} == {str(file)}


@pytest.mark.parametrize("name", ["none.yaml", "../ours.yaml", "/etc/passwd", "."])
def test_a_policy_file_stays_in_its_directory(tmp_path, name):
    codes = found(tmp_path, f"{SMALLEST}policy_files: ['{name}']\n")

    assert codes == ["E115:7"]


def test_rules_stand_inline_in_both_settings_sections(tmp_path):
    config = config_of(
        tmp_path,
        SMALLEST
        + "  policies:\n    - {id: one, action: strip}\n"
        + "litellm_settings:\n  policies:\n    - {id: one, action: strip}\n",
    )

    own = [rule for rule in config.rules if rule.tier is Tier.SETTINGS]
    assert [rule.id for rule in own] == ["general_settings.one", "litellm_settings.one"]
    assert [rule.where.line for rule in own] == [8, 11]


def test_a_deployments_rule_asks_for_that_deployment(tmp_path):
    line = "      policies: [{id: mine, match: {MATCH}, action: strip}]\n"
    config = config_of(tmp_path, MODELS + line.replace("MATCH", "") + MASTER)
    (rule,) = [rule for rule in config.rules if rule.id.endswith(".mine")]

    assert [each.text for each in rule.match.deployment] == ["claude-*"]
    assert rule.tier is Tier.MODEL
    assert found(
        tmp_path, MODELS + line.replace("MATCH", "deployment: [x]") + MASTER
    ) == ["E205:5"]


@pytest.mark.parametrize(
    ("general", "litellm", "action", "code"),
    [
        (None, None, None, None),
        ("true", None, Action.FORWARD, None),
        (None, "true", Action.FORWARD, None),
        ("true", "true", Action.FORWARD, "I102"),
        ("false", None, Action.STRIP, None),
        (None, "false", Action.STRIP, None),
        ("false", "false", Action.STRIP, "I102"),
        ("false", "true", Action.STRIP, "W101"),
        ("true", "false", Action.STRIP, "W101"),
    ],
)
@pytest.mark.parametrize("switch", [AUTH_SWITCH, HEADER_SWITCH])
def test_the_two_sections_are_peers(  # noqa: PLR0917 - a column of the table each
    tmp_path, switch, general, litellm, action, code
):
    text = SMALLEST
    text += f"  {switch}: {general}\n" if general else ""
    text += f"litellm_settings:\n  {switch}: {litellm}\n" if litellm else ""

    config = config_of(tmp_path, text)

    assert [each.code for each in config.findings] == ([code] if code else [])
    rules = [rule for rule in config.rules if rule.id.endswith(f"settings.{switch}")]
    strictest = max(
        (rule.action for rule in rules), key=lambda each: each.severity, default=None
    )
    assert strictest is action


def test_a_disagreement_names_both_lines(tmp_path):
    text = (
        f"{SMALLEST}  {AUTH_SWITCH}: false\nlitellm_settings:\n  {AUTH_SWITCH}: true\n"
    )

    (finding,) = report_on(tmp_path, text).findings

    file = tmp_path / "config.yaml"
    assert str(finding) == (
        f"{file}:7:3 W101 general_settings.{AUTH_SWITCH}=false disagrees with"
        f" {file}:9 litellm_settings.{AUTH_SWITCH}=true;"
        " the stricter one applies (LiteLLM would forward)"
    )
    assert finding.remedy == (
        "Delete one line, or set"
        " general_settings.policy_compat.conflicting_switches: either."
    )


def test_litellms_reading_can_be_had(tmp_path):
    text = (
        f"{SMALLEST}  {AUTH_SWITCH}: false\n"
        "  policy_compat: {conflicting_switches: either}\n"
        f"litellm_settings:\n  {AUTH_SWITCH}: true\n"
    )

    config = config_of(tmp_path, text)

    assert [each.code for each in config.findings] == ["I103"]
    (rule,) = [rule for rule in config.rules if rule.id.endswith(AUTH_SWITCH)]
    assert (rule.action, rule.compat) == (Action.FORWARD, "either")


def test_headers_are_forwarded_for_some_groups_only(tmp_path):
    config = config_of(
        tmp_path,
        SMALLEST
        + "litellm_settings:\n  model_group_settings:\n"
        + f"    {HEADER_SWITCH}: [claude-*]\n",
    )

    rules = [rule for rule in config.rules if rule.tier is Tier.MODEL_GROUP]
    assert rules
    assert {str(rule.where) for rule in rules} == {f"{tmp_path / 'config.yaml'}:9"}


def test_extra_headers_become_rules_of_the_deployment(tmp_path):
    config = config_of(
        tmp_path,
        MODELS
        + "      extra_headers:\n"
        + "        Anthropic-Beta: one-2025\n"
        + "        x-team: os.environ/TEAM\n"
        + MASTER
        + "environment_variables: {TEAM: growth}\n",
    )

    beta, team = [rule for rule in config.rules if rule.tier is Tier.MODEL]
    assert beta.inject == Injected(
        name=b"anthropic-beta", value=b"one-2025", when=When.APPEND
    )
    assert team.inject == Injected(
        name=b"x-team",
        value=b"growth",
        when=When.SET,
        reference="os.environ/TEAM",
    )
    assert team.where.line == 7
    assert "growth" not in repr(config)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("authorization: x", "E113"),
        ("x-api-key: x", "E113"),
        ("x-vault-token: x", "E113"),
        ("content-length: x", "E113"),
        ("connection: x", "E113"),
        ("x-litellm-tags: x", "E113"),
        ("x-foo: sk-ant-api03-xxxxxxxx", "E210"),
        ("x-foo: 'ä'", "E109"),
        ('x-foo: "a\\nb"', "E109"),
        ("x-foo: os.environ/NOT_SET", "E131"),
    ],
)
def test_extra_headers_carry_no_credential_and_no_framing(tmp_path, header, code):
    text = f"{MODELS}      extra_headers: {{{header}}}\n{MASTER}"

    assert [each[:4] for each in found(tmp_path, text)] == [code]


def test_two_rules_that_write_one_header_clash(tmp_path):
    inject = "action: {inject: {name: x-org, value: VALUE}}"
    text = (
        f"{SMALLEST}  policies:\n"
        f"    - {{id: a, {inject.replace('VALUE', 'one')}}}\n"
        f"    - {{id: b, {inject.replace('VALUE', 'two')}}}\n"
    )

    (finding,) = report_on(tmp_path, text).findings

    assert (finding.code, finding.line) == ("E220", 9)
    assert f"{tmp_path / 'config.yaml'}:8" in finding.message


def test_two_rules_that_write_one_header_for_some_requests_clash(tmp_path):
    inject = "action: {inject: {name: x-org, value: VALUE}}"
    text = (
        f"{SMALLEST}  policies:\n"
        f"    - {{id: a, {inject.replace('VALUE', 'one')}}}\n"
        "    - {id: b, match: {team: growth, stream: true},"
        f" {inject.replace('VALUE', 'two')}}}\n"
    )

    (finding,) = report_on(tmp_path, text).findings

    assert (finding.code, finding.line) == ("E220", 9)
    assert finding.message.endswith("(both hold for team growth)")
    excepted = text.replace("{id: a,", "{id: a, unless: {team: growth},")
    assert report_on(tmp_path, excepted).findings == ()


def test_a_rule_of_another_file_may_not_have_the_same_id(tmp_path):
    write(tmp_path, DOCUMENT, "one.yaml")
    write(tmp_path, DOCUMENT, "two.yaml")

    (finding,) = report_on(
        tmp_path, SMALLEST + "policy_files: [one.yaml, two.yaml]\n"
    ).findings

    assert (finding.code, finding.file) == ("E201", str(tmp_path / "two.yaml"))


def test_the_credential_slot_is_filled_as_told(tmp_path):
    config = config_of(
        tmp_path,
        MODELS
        + "      credential: {order: [deployment], on_missing: anonymous}\n"
        + MASTER
        + "  credential: {on_client_stripped: deny}\n",
    )

    own, general = config.credential_policies
    assert own.deployment == "claude-*"
    assert own.policy.order == ("deployment",)
    assert own.policy.on_missing is OnMissing.ANONYMOUS
    assert own.policy.on_client_stripped is OnClientStripped.FALLBACK
    assert general.deployment == ""
    assert general.policy.order == SOURCES
    assert general.policy.on_client_stripped is OnClientStripped.DENY
    assert general.policy.on_missing is OnMissing.DENY
    assert general.policy.where.line == 8


def test_without_a_word_the_slot_keeps_its_ways(tmp_path):
    assert config_of(tmp_path, SMALLEST).credential_policies == ()


TEAMS = """\
teams:
  contractors:
    policies:
      - id: shared-key
        match: {header: {class: ["credential.provider.*"]}}
        action: strip
        lock: true
  empty:
"""


def test_a_teams_rules_hold_for_the_team_and_lie_below_deployments(tmp_path):
    config = config_of(tmp_path, SMALLEST + TEAMS)

    (rule,) = [each for each in config.rules if each.tier is Tier.TEAM]
    assert rule.id == "contractors.shared-key"
    assert [each.text for each in rule.match.team] == ["contractors"]
    assert rule.lock


@pytest.mark.parametrize(
    ("teams", "code"),
    [
        ("teams: [contractors]\n", "E101"),
        ("teams: {a: {policys: []}}\n", "E102"),
        ("teams: {a: {policies: {}}}\n", "E101"),
        (
            "teams: {a: {policies: [{id: r, match: {team: b}, action: strip}]}}\n",
            "E205",
        ),
    ],
)
def test_a_teams_section_that_cannot_be_read_is_an_error(tmp_path, teams, code):
    report = report_on(tmp_path, SMALLEST + teams)

    assert code in {each.code for each in report.findings}
    assert report.config is None


RELAY = """\
model_list:
  - model_name: claude-haiku-4-5
    litellm_params:
      model: anthropic/claude-haiku-4-5
      policies:
        - id: token
          action: {inject: {name: x-relay-token, secret: os.environ/RELAY_TOKEN}}
general_settings:
  master_key: os.environ/MASTER_KEY
"""


def test_a_deployments_rule_injects_a_secret_by_reference(tmp_path):
    config = config_of(tmp_path, RELAY, RELAY_TOKEN=OPAQUE_TOKEN)

    (rule,) = [each for each in config.rules if each.tier is Tier.MODEL]
    assert rule.inject is not None
    assert rule.inject.value == OPAQUE_TOKEN.encode()
    assert OPAQUE_TOKEN not in repr(rule)
    assert Secret(OPAQUE_TOKEN) in config.secrets


@pytest.mark.parametrize(
    ("environ", "code"), [({}, "E131"), ({"RELAY_TOKEN": "two\nlines"}, "E109")]
)
def test_a_secret_that_cannot_be_injected_is_an_error(tmp_path, environ, code):
    report = report_on(tmp_path, RELAY, **environ)

    assert code in {each.code for each in report.findings if each.level == "error"}


def test_a_header_of_a_deployment_given_by_reference_is_a_secret(tmp_path):
    text = RELAY.partition("      policies:")[0]
    text += "      extra_headers: {x-team-code: os.environ/TEAM_CODE, x-plain: a}\n"
    text += "general_settings:\n  master_key: os.environ/MASTER_KEY\n"

    config = config_of(tmp_path, text, TEAM_CODE=OPAQUE_TOKEN)

    assert Secret(OPAQUE_TOKEN) in config.secrets
    assert Secret("a") not in config.secrets
