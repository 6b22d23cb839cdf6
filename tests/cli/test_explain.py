"""`byok explain-request`, as somebody at a terminal meets it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok.cli import main
from tests.support.keys import ANTHROPIC_API_KEY, MASTER_KEY, VIRTUAL_KEY

CONFIG = """\
model_list:
  - model_name: claude-*
    litellm_params:
      model: anthropic/claude-*
litellm_settings:
  forward_llm_provider_auth_headers: true
general_settings:
"""
WITH_MASTER = "  master_key: os.environ/BYOK_TEST_MASTER_KEY\n"
API_KEY = "x-api-key: <anthropic.api_key>"


class Terminal:
    """Runs commands in the directory of one config."""

    def __init__(self, directory: Path, general: str = WITH_MASTER):
        self.config = directory / "config.yaml"
        self.config.write_text(CONFIG + general)

    def run(self, *words: str, code: int = 0):
        """Run `byok` and expect the exit code."""
        command = ["-c", str(self.config)]
        head = words[:2] if words[0] == "keys" else words[:1]
        result = CliRunner().invoke(main, [*head, *command, *words[len(head) :]])
        assert result.exit_code == code, result.output
        return result

    def explain(self, *words: str, headers: tuple[str, ...] = (API_KEY,)):
        """Return the explanation of a request with *headers*."""
        given = [word for header in headers for word in ("-H", header)]
        result = self.run("explain-request", "--json", *given, *words)
        return json.loads(result.stdout)


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
    return Terminal(tmp_path)


def test_a_key_that_is_blocked_is_refused_as_the_gateway_would(terminal):
    terminal.run("keys", "create", "--alias", "anna")
    assert terminal.explain("--key", "anna")["verdict"] == "allow"

    terminal.run("keys", "block", "anna")
    explanation = terminal.explain("--key", "anna")

    assert explanation["verdict"] == "deny"
    assert explanation["refusal"]["status"] == 401
    assert explanation["refusal"]["code"] == "auth.invalid-key"
    assert explanation["warnings"] == ["the key anna is blocked"]
    assert explanation["sends"] == []


def test_a_key_that_has_expired_is_refused_and_the_operator_told_why(
    terminal, monkeypatch
):
    terminal.run("keys", "create", "--alias", "anna", "--expires", "1h")
    monkeypatch.setattr("time.time", lambda: 4e9)

    explanation = terminal.explain("--key", "anna")

    assert explanation["refusal"]["code"] == "auth.invalid-key"
    assert explanation["warnings"] == ["the key anna is expired"]


@pytest.mark.parametrize("content", ["no database at all\n" * 100, ""])
def test_a_store_that_cannot_be_read_is_not_taken_for_one_without_the_key(
    terminal, tmp_path, content
):
    (tmp_path / "byok.db").write_text(content)

    explanation = terminal.explain("--key", "anna")

    (warning,) = explanation["warnings"]
    assert "the key anna could not be looked up" in warning
    assert str(tmp_path / "byok.db") in warning
    assert "by the user that byok runs as" in warning
    assert "the key anna exists, and may use every model" in explanation["assumed"]
    assert not any("no record" in each for each in explanation["assumed"])
    assert explanation["verdict"] == "allow"


def test_a_key_that_is_not_in_the_store_is_said_to_have_no_record(terminal):
    terminal.run("keys", "create", "--alias", "bob")

    explanation = terminal.explain("--key", "anna")

    assert explanation["warnings"] == []
    assert any("no record of the key anna" in each for each in explanation["assumed"])


def test_the_master_key_is_refused_where_it_is_for_administration_only(tmp_path):
    general = WITH_MASTER + "  master_key_on_data_routes: false\n"
    terminal = Terminal(tmp_path, general)
    headers = ("x-litellm-api-key: @env:BYOK_TEST_MASTER_KEY", API_KEY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
        explanation = terminal.explain(headers=headers)

    assert explanation["refusal"]["code"] == "auth.master-key"


def test_a_page_is_refused_by_a_gateway_with_a_single_user(tmp_path):
    permitted = "  dangerously_permit_weak_or_unset_master_key: true\n"
    terminal = Terminal(tmp_path, permitted)

    page = terminal.explain(headers=(API_KEY, "origin: http://example.com"))
    program = terminal.explain()

    assert page["refusal"]["code"] == "auth.from-a-page"
    assert program["verdict"] == "allow"


def test_a_header_that_is_no_text_is_explained_as_it_came(terminal, tmp_path):
    path = tmp_path / "request.http"
    path.write_bytes(
        b"POST /v1/messages HTTP/1.1\r\nx-litellm-api-key: <gateway>\r\n"
        b"x-api-key: <anthropic.api_key>\r\nx-name: caf\xe9\r\n\r\n"
        b'{"model": "claude-x"}'
    )

    from_file = terminal.explain("--request", str(path), headers=())
    typed = os.fsdecode(b"x-name: caf\xe9")
    from_words = terminal.explain(headers=("x-litellm-api-key: <gateway>", typed))

    for explanation in (from_file, from_words):
        slots = {each["slot"]: each for each in explanation["slots"]}
        assert slots["header:x-name"]["class"] == "ambiguous"
        assert slots["header:x-name"]["value"]["length"] == 4
    assert from_file["sends"] == ["anthropic-version", "x-api-key"]


def test_a_name_that_no_key_can_have_is_refused(terminal):
    result = terminal.run("explain-request", "--key", os.fsdecode(b"\xe9"), code=2)

    assert "--key" in result.stderr


def test_what_the_gateway_answers_itself_is_said_to_stay_here(terminal):
    for route in ("/v1/models", "/anthropic/v1/models", "/key/list", "/byok/whoami"):
        own = terminal.explain("--route", route, headers=())

        assert (own["verdict"], own["sends"], own["assumed"]) == ("local", [], [])
        assert own["request"]["route"] == route
    shown = terminal.run("explain-request", "--route", "/v1/models").stdout
    assert "byok answers this itself, and nothing leaves" in shown
    unknown = terminal.explain("--route", "/v1/nothing", headers=())
    assert unknown["refusal"]["code"] == "route.unknown"


def test_what_cannot_be_read_is_refused_wherever_it_goes(terminal):
    headers = ("x_api_key: <unknown>",)

    own = terminal.explain("--route", "/v1/models", headers=headers)

    assert own["refusal"]["code"] == "edge.header-name"


@pytest.mark.parametrize("command", ["explain-request", "policy effective"])
@pytest.mark.parametrize("name", [VIRTUAL_KEY, " SK-1234", ANTHROPIC_API_KEY])
def test_a_key_itself_is_refused_and_not_repeated(terminal, command, name):
    words = [*command.split(), "-c", str(terminal.config), "--key", name]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 2
    assert "others can read command lines" in result.output
    assert "`byok keys list` shows both" in " ".join(result.output.split())
    assert ("@env:NAME" in result.output) is (command == "explain-request")
    assert name.strip() not in result.output


@pytest.mark.parametrize("header", ["x-litellm-api-key", "x-api-key", "authorization"])
def test_a_given_key_on_the_command_line_is_warned_about_and_not_repeated(
    terminal, header
):
    typed = terminal.explain(headers=(f"{header}: Bearer sk-12345",))
    stood_for = terminal.explain(headers=(f"{header}: <gateway>",))

    (warning,) = typed["warnings"]
    assert warning.startswith(f"W301 the value of {header} has the shape")
    assert warning.endswith("a placeholder such as <gateway>")
    assert "sk-12345" not in json.dumps(typed)
    assert stood_for["warnings"] == []


ANSWERS = """
  policies:
    - {id: no-account, why: it is ours, direction: response,
       match: {header: {name: x-account}}, action: strip}
    - {id: no-region, mode: shadow, direction: response,
       match: {header: {name: x-region}}, action: redact}
    - {id: served-by, direction: response,
       action: {inject: {name: x-served-by, value: byok}}}
    - {id: new-name, direction: response,
       match: {header: {name: x-old}}, action: {rename: {to: x-new}}}
"""
ANSWER = ("x-account: a-1", "x-region: eu", "x-old: 2", "set-cookie: c", "x-plain: 3")


def with_answers(terminal):
    text = terminal.config.read_text()
    assert "general_settings:\n" in text
    terminal.config.write_text(
        text.replace("general_settings:\n", f"general_settings:{ANSWERS}", 1)
    )
    words = [word for each in ANSWER for word in ("--answer-header", each)]
    return ["--key", "anna", *words]


def test_an_answer_that_is_described_is_explained(terminal):
    words = with_answers(terminal)

    found = terminal.explain(*words)["answer"]

    fates = {
        each["slot"]: (each["verdict"], each["determining"][0]["rule"], each["sent_as"])
        for each in found["slots"]
    }
    assert fates == {
        "header:x-account": ("strip", "general_settings.no-account", None),
        "header:x-region": ("forward", "default-forward", "x-region"),
        "header:x-old": ("rename", "general_settings.new-name", "x-new"),
        "header:set-cookie": ("strip", "built-in", None),
        "header:x-plain": ("forward", "default-forward", "x-plain"),
    }
    assert found["payer"] == "user-key"
    assert found["sends"] == ["x-new", "x-plain", "x-region", "x-served-by"]
    assert [(each["slot"], each["would"]) for each in found["shadow"]] == [
        ("answer:x-region", "redact")
    ]
    assert "answer" not in terminal.explain("--key", "anna")


def test_an_answer_is_printed_behind_what_leaves(terminal):
    words = with_answers(terminal)

    result = terminal.run("explain-request", "-H", API_KEY, *words)
    shown = result.stdout.splitlines()

    at = shown.index("answer     (payer: user-key)")
    assert shown[at - 1].startswith("sends ")
    assert shown[at + 1].startswith("STRIP    x-account ")
    assert any(each.startswith("INJECT   x-served-by") for each in shown[at:])
    assert "returns    x-new, x-plain, x-region, x-served-by" in shown
    said = next(each for each in shown if each.startswith("shadow "))
    assert "general_settings.no-region would REDACT x-region of the answer" in said


def test_a_request_that_is_refused_has_no_answer(terminal):
    refused = terminal.explain(
        "--answer-header", "x-account: 1", headers=("x-pass-x-pass-a: 1",)
    )

    assert (refused["verdict"], "answer" in refused) == ("deny", False)


def test_a_recorded_request_has_its_own_answer(terminal):
    words = ("--from-log", "req_1", "--answer-header", "x-a: 1")

    result = terminal.run("explain-request", *words, code=2)

    assert "explained as it was, and alone" in result.output


def test_a_declared_secret_on_the_command_line_is_warned_about(terminal):
    declared = terminal.config.with_name("classes.yaml")
    declared.write_text(
        "apiVersion: byok/v1\nkind: Classes\nmetadata: {name: corp}\n"
        "shapes: [{prefix: corp_live_, class: credential.other}]\n"
    )
    header = "x-corp: corp_live_12345678"
    assert terminal.explain(headers=(header,))["warnings"] == []
    text = terminal.config.read_text()
    terminal.config.write_text(f"{text}\npolicy_files: [classes.yaml]\n")
    curl = f"curl http://localhost:4000/v1/messages -H '{header}'"

    for typed in (
        terminal.explain(headers=(header,)),
        terminal.explain("--curl", curl, headers=()),
    ):
        (warning,) = typed["warnings"]
        assert warning.startswith("W301 the value of x-corp has the shape")
        assert "12345678" not in json.dumps(typed)


def test_of_a_route_that_nobody_answers_no_model_is_assumed(terminal):
    nobodys = terminal.explain("--route", "/v1/nothing")

    assert nobodys["refusal"]["code"] == "route.unknown"
    assert nobodys["assumed"] == []


OPAQUE = "x-api-key: <unknown>"


def test_a_key_that_is_named_is_taken_to_have_come_where_keys_come_first(terminal):
    explanation = terminal.explain("--key", "anna", headers=(OPAQUE,))

    assert explanation["caller"]["auth_header"] == "x-litellm-api-key"
    (slot,) = explanation["slots"]
    assert slot["class"] == "credential.provider.unknown"
    assert explanation["assumed"][1:3] == [
        "the key anna came in x-litellm-api-key",
        "what came in x-api-key is a provider's",
    ]


@pytest.mark.parametrize(
    ("headers", "carrier"),
    [
        (("x-litellm-api-key: hunter2", OPAQUE), "x-litellm-api-key"),
        (("x-byok-api-key: hunter2", OPAQUE), "x-byok-api-key"),
        (("x-own: hunter2", OPAQUE), "x-own"),
        (("authorization: <gateway>", OPAQUE), "authorization"),
        (("x-api-key: <gateway>",), "x-api-key"),
    ],
)
def test_a_key_that_came_where_only_ours_come_is_the_one_named(
    tmp_path, monkeypatch, headers, carrier
):
    monkeypatch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
    terminal = Terminal(tmp_path, WITH_MASTER + "  litellm_key_header_name: X-Own\n")

    explanation = terminal.explain("--key", "anna", headers=headers)

    assert explanation["caller"]["auth_header"] == carrier
    assert not any("came in" in each for each in explanation["assumed"])


def given(terminal: Terminal, directory: Path) -> None:
    """Give the gateway the key `sk-12345`, as `bert`."""
    text = terminal.config.read_text()
    terminal.config.write_text(
        text.replace(
            "litellm_settings:\n",
            "litellm_settings:\n  forward_client_headers_to_llm_api: true\n",
        )
    )
    file = directory / "given"
    file.write_text("sk-12345\n")
    terminal.run("keys", "create", "--alias", "bert", "--key-file", str(file))
    terminal.run("keys", "create", "--alias", "anna")


@pytest.mark.parametrize(
    "header", ["user-agent: a sk-12345", "anthropic-x: sk-12345", "x-custom: sk-12345"]
)
def test_another_key_of_the_store_is_known_as_the_gateway_knows_it(
    terminal, tmp_path, header
):
    given(terminal, tmp_path)
    other = header.replace("12345", "54321")

    explanation = terminal.explain("--key", "anna", headers=(API_KEY, header, other))

    own, ours, nobodys = explanation["slots"]
    assert (ours["class"], ours["verdict"]) == ("credential.gateway", "strip")
    assert ours["determining"][0]["rule"] == "floor.gateway-credential"
    assert nobodys["verdict"] == "forward"
    assert own["verdict"] == "forward"


def test_another_key_of_the_store_in_the_query_is_refused(terminal, tmp_path):
    given(terminal, tmp_path)
    curl = "curl http://localhost:4000/v1/messages?key=sk-12345 -d {}"

    explanation = terminal.explain(
        "--key", "anna", "--curl", curl, "--model", "claude-x"
    )

    assert explanation["refusal"]["code"] == "edge.credential-in-query"


def test_a_key_of_the_store_came_where_it_stands(terminal, tmp_path):
    given(terminal, tmp_path)

    explanation = terminal.explain("--key", "bert", headers=("x-api-key: sk-12345",))

    assert explanation["caller"]["auth_header"] == "x-api-key"
    assert explanation["slots"][0]["class"] == "credential.gateway"


def test_without_a_store_it_is_said_that_no_value_is_taken_for_one_of_its_keys(
    terminal,
):
    header = "x-custom: sk-12345"

    with_word = terminal.explain("--key", "anna", headers=(API_KEY, header))
    without = terminal.explain("--key", "anna")

    said = "no value is another key of this gateway: no store can be asked here"
    assert said in with_word["assumed"]
    assert said not in without["assumed"]


def test_keys_of_a_pepper_that_is_not_here_are_said_to_be_unknown(terminal, tmp_path):
    given(terminal, tmp_path)
    pepper = "  key_pepper: os.environ/BYOK_TEST_PEPPER\n"
    terminal.config.write_text(terminal.config.read_text() + pepper)

    explanation = terminal.explain("--key", "anna", headers=("x-custom: sk-12345",))

    said = "no value is a key that was made with a pepper which is not here"
    assert said in explanation["assumed"]


def test_without_a_name_the_first_value_is_the_callers_key(terminal):
    explanation = terminal.explain(headers=(OPAQUE,))

    assert explanation["caller"]["auth_header"] == "x-api-key"
    assert "the key in x-api-key is valid; name it with --key" in explanation["assumed"]


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("expect: the unexpected", 417, "http.expectation"),
        ("x-odd : 1", 400, "http.head"),
        ("x-odd: a\x01b", 400, "http.lines"),
        ("host: a b", 400, "http.host"),
        ("transfer-encoding: gzip", 400, "http.head"),
        ("x-long: " + "x" * 9000, 431, "http.value-too-long"),
        ("x-longer: " + "x" * 17000, 431, "http.head-too-long"),
    ],
)
def test_what_is_no_request_is_refused_as_the_gateway_refuses_it(
    terminal, header, status, code
):
    found = terminal.explain(headers=(API_KEY, header))

    assert found["verdict"] == "deny"
    assert (found["refusal"]["status"], found["refusal"]["code"]) == (status, code)


def test_an_address_that_is_none_is_told_in_words(terminal):
    result = terminal.run(
        "explain-request", "--curl", "curl http://[::1/v1/messages", code=2
    )

    assert "URL cannot be read" in result.output
