"""One verdict for each of LiteLLM's settings, and the place it belongs to."""

import pytest

from byok.config.litellm import LITELLM_KEYS, Section, Verdict, section_of
from tests.config.files import MASTER, MODELS, SMALLEST, report_on


def verdicts(directory, text):
    return {each.path: each.verdict for each in report_on(directory, text).verdicts}


def only(directory, text):
    (finding,) = report_on(directory, text).findings
    return finding


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ((), Section.TOP),
        (("general_settings",), Section.GENERAL),
        (("model_list", 3), Section.MODEL),
        (("model_list", 3, "litellm_params"), Section.PARAMS),
        (("model_list", 3, "model_info"), Section.INFO),
        (("model_list",), None),
        (("general_settings", "policies"), None),
    ],
)
def test_a_section_is_known_by_its_path(path, section):
    assert section_of(path) is section


def test_each_setting_gets_its_verdict(tmp_path):
    text = f"""\
model_list:
  - model_name: claude-*
    litellm_params:
      model: anthropic/claude-*
      rpm: 5
      temperature: 1
      configurable_clientside_auth_params: [api_base]
    model_info:
      mode: chat
litellm_settings:
  forward_llm_provider_auth_headers: true
  num_retries: 3
  what_is_this: 1
{MASTER}"""

    found = verdicts(tmp_path, text)

    assert found == {
        "model_list": Verdict.HONOURED,
        "litellm_settings": Verdict.HONOURED,
        "general_settings": Verdict.HONOURED,
        "model_list[0].model_name": Verdict.HONOURED,
        "model_list[0].litellm_params": Verdict.HONOURED,
        "model_list[0].litellm_params.model": Verdict.HONOURED,
        "model_list[0].litellm_params.rpm": Verdict.HONOURED,
        "model_list[0].litellm_params.temperature": Verdict.NO_EFFECT,
        "model_list[0].litellm_params.configurable_clientside_auth_params": (
            Verdict.UNSAFE
        ),
        "model_list[0].model_info": Verdict.HONOURED,
        "model_list[0].model_info.mode": Verdict.NO_EFFECT,
        "litellm_settings.forward_llm_provider_auth_headers": Verdict.DIFFERS,
        "litellm_settings.num_retries": Verdict.NO_EFFECT,
        "litellm_settings.what_is_this": Verdict.UNKNOWN,
        "general_settings.master_key": Verdict.HONOURED,
    }


def test_own_words_get_no_verdict(tmp_path):
    text = (
        f"{SMALLEST}  expose_decision_headers: true\n"
        "listen: tcp:0:interface=127.0.0.1\nx-mine: {}\n"
    )

    assert verdicts(tmp_path, text).keys() == verdicts(tmp_path, SMALLEST).keys()


@pytest.mark.parametrize(
    ("text", "code", "remedy"),
    [
        ("litellm_settings: {master_key: x}", "W115", "Move it to general_settings."),
        ("router_settings: {listen: x}", "W115", "Move it to the top level."),
        ("master_key: x", "E102", "Move it to general_settings."),
        (
            "litellm_settings: {forward_lm_provider_auth_headers: true}",
            "W114",
            "Did you mean forward_llm_provider_auth_headers?",
        ),
        ("router_settings: {foo_bar: x}", "W114", "Delete it, or correct it."),
        ("model_lists: []", "E102", "Did you mean model_list?"),
        ("zzz: []", "E102", "Delete it, or correct it."),
    ],
)
def test_a_setting_without_meaning_is_told_where_it_has_one(
    tmp_path, text, code, remedy
):
    finding = only(tmp_path, f"{SMALLEST}{text}\n")

    assert (finding.code, finding.remedy) == (code, remedy)


def test_the_switch_in_the_wrong_place_names_both_right_ones(tmp_path):
    finding = only(
        tmp_path, SMALLEST + "forward_llm_provider_auth_headers: true # at the top\n"
    )

    assert finding.code == "E102"
    assert finding.remedy == "Move it to general_settings or litellm_settings."


def test_a_key_beside_its_section_is_told_to_move_in(tmp_path):
    text = f"{MODELS}    api_key: os.environ/DEPLOYMENT_KEY\n{MASTER}"

    finding = only(tmp_path, text)

    assert (finding.code, finding.line) == ("W115", 5)
    assert "model_list[].litellm_params" in finding.remedy


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("allow_client_side_credentials: true", "W116"),
        ("allow_client_side_credentials: false", None),
        ("custom_auth: my.module", "W116"),
        ("custom_auth:", None),
        ("allowed_ips: [192.0.2.1]", "W117"),
        ("enable_jwt_auth: true", "W117"),
        ("enable_jwt_auth: false", None),
        ("max_parallel_requests: 3", "I120"),
        ("max_request_size_mb: 3", "I119"),
        ("database_url: os.environ/DATABASE_URL", "W121"),
        ("disable_spend_logs: true", None),
        ("alerting: [slack]", None),
        ("disable_spend_logs: 'true'", "E104"),
    ],
)
def test_what_an_operator_should_hear_of_is_a_finding(tmp_path, line, code):
    report = report_on(tmp_path, f"{SMALLEST}  {line}\n")

    assert [each.code for each in report.findings] == ([code] if code else [])


def test_a_client_may_not_choose_its_destination(tmp_path):
    text = f"{MODELS}      configurable_clientside_auth_params: [api_base]\n{MASTER}"

    finding = only(tmp_path, text)

    assert finding.code == "W116"
    assert "a request never chooses its destination" in finding.message
    assert "model_list entry" in finding.message


def test_no_known_setting_of_litellms_is_called_unknown(tmp_path):
    for section in (Section.GENERAL, Section.LITELLM, Section.ROUTER):
        lines = "".join(f"  {name}:\n" for name in LITELLM_KEYS[section])
        text = f"{MODELS}{section}:\n{lines}"
        found = verdicts(tmp_path, text)
        for name in LITELLM_KEYS[section]:
            assert found[f"{section}.{name}"] is not Verdict.UNKNOWN
