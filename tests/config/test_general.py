"""The gateway's own settings: who may open it, where it listens and keeps keys."""

import pytest

from byok.config import load, with_master_key
from byok.core.pinning import NO_PINNING, Pinning, Reaction
from byok.core.secret import Secret
from tests.config.files import (
    ENVIRON,
    MASTER,
    MODELS,
    SMALLEST,
    config_of,
    found,
    report_on,
    write,
)
from tests.support import keys

LOOSE = "  dangerously_permit_weak_or_unset_master_key: true\n"


def general(lines):
    return f"{MODELS}general_settings:\n{lines}"


def test_without_a_master_key_nothing_starts(tmp_path):
    (finding,) = report_on(tmp_path, MODELS).findings

    assert finding.code == "E140"
    assert "master_key: os.environ/" in finding.remedy


def test_a_single_user_needs_no_master_key_on_loopback(tmp_path):
    config = config_of(tmp_path, general(LOOSE))

    assert config.general.single_user
    assert config.master_key is None
    assert config.gateway.secrets == ()


@pytest.mark.parametrize(
    "listen", ["tcp:4000", "tcp:4000:interface=0.0.0.0", "[unix:/x.sock, tcp:4000]"]
)
def test_a_single_user_never_listens_to_others(tmp_path, listen):
    text = f"listen: {listen}\n" + general(LOOSE)

    (finding,) = report_on(tmp_path, text).findings

    assert (finding.code, finding.line) == ("E140", 7)
    assert "other machines can reach" in finding.message


def test_the_command_line_says_where_a_single_user_listens(tmp_path):
    path = write(tmp_path, "listen: tcp:4000\n" + general(LOOSE))
    loopback = ("tcp:4001:interface=127.0.0.1",)

    config = load(path, environ={}, listen=loopback)

    assert config.general.single_user
    assert [each.endpoint for each in config.listen] == list(loopback)


def test_a_master_key_makes_a_gateway_of_many(tmp_path):
    config = config_of(tmp_path, SMALLEST)

    assert not config.general.single_user
    assert config.gateway.secrets == (Secret(keys.MASTER_KEY),)
    assert Secret(keys.MASTER_KEY) in config.secrets


@pytest.mark.parametrize(
    "key", ["sk-1234", "sk-12345", "sk-" + "a" * 40, "changeme", "sk-" + "ab" * 20]
)
def test_a_master_key_that_can_be_guessed_is_accepted_with_a_warning(tmp_path, key):
    report = report_on(tmp_path, general(f"  master_key: {key}\n"))

    assert [each.code for each in report.findings] == ["W302", "W303"]
    assert report.config is not None
    assert not any(key in str(each) + each.remedy for each in report.findings)


def test_a_weak_key_from_elsewhere_is_warned_of_too(tmp_path):
    path = write(tmp_path, SMALLEST)

    config = load(path, environ={"MASTER_KEY": "sk-1234"})

    assert [each.code for each in config.findings] == ["W303"]


def test_the_warning_can_be_silenced(tmp_path):
    assert found(tmp_path, general(f"  master_key: sk-1234\n{LOOSE}")) == ["W302:6"]


def test_a_strong_key_warns_of_nothing(tmp_path):
    assert found(tmp_path, SMALLEST) == []


@pytest.mark.parametrize(
    "key", [keys.ANTHROPIC_API_KEY, keys.ANTHROPIC_OAUTH, keys.OPENAI_API_KEY]
)
def test_a_providers_key_cannot_be_the_master_key(tmp_path, key):
    path = write(tmp_path, SMALLEST)

    with pytest.raises(Exception, match="E141"):
        load(path, environ={"MASTER_KEY": key})


def test_a_missing_variable_is_the_only_thing_said_of_the_master_key(tmp_path):
    assert found(tmp_path, general("  master_key: os.environ/NOT_SET\n")) == ["E131:6"]


def test_a_master_key_is_made_at_the_first_start(tmp_path):
    text = general("  master_key: file:master.key\n  generate_master_key: true\n")
    config = config_of(tmp_path, text)
    file = tmp_path / "master.key"
    assert config.master_key is None
    assert config.general.master_key_file == file
    assert not config.general.single_user

    made, is_new = with_master_key(config)

    assert is_new
    assert made.master_key == Secret(file.read_text().strip())
    assert made.gateway.secrets == (made.master_key,)
    assert file.stat().st_mode & 0o777 == 0o600
    assert made.master_key.reveal().startswith("sk-")
    assert len(made.master_key) > 40

    again = config_of(tmp_path, text)
    assert again.findings == ()
    assert with_master_key(again) == (again, False)
    assert again.master_key == made.master_key


def test_a_key_made_meanwhile_is_used_as_it_is(tmp_path, secret_file):
    text = general("  master_key: file:master.key\n  generate_master_key: true\n")
    config = config_of(tmp_path, text)
    secret_file(keys.MASTER_KEY + "\n", "master.key")

    made, is_new = with_master_key(config)

    assert not is_new
    assert made.master_key == Secret(keys.MASTER_KEY)


def test_two_gateways_never_make_the_same_key(tmp_path):
    text = general("  master_key: file:master.key\n  generate_master_key: true\n")

    one, _ = with_master_key(config_of(tmp_path / "one", text))
    two, _ = with_master_key(config_of(tmp_path / "two", text))

    assert one.master_key != two.master_key


def test_validating_makes_no_key(tmp_path):
    text = general("  master_key: file:master.key\n  generate_master_key: true\n")

    assert found(tmp_path, text) == []
    assert not (tmp_path / "master.key").exists()


@pytest.mark.parametrize(
    "lines",
    [
        "  generate_master_key: true\n",
        "  generate_master_key: true\n  master_key: os.environ/MASTER_KEY\n",
    ],
)
def test_a_key_can_only_be_made_into_a_file(tmp_path, lines):
    assert found(tmp_path, general(lines)) == ["E117:6"]


def test_a_file_that_names_nothing_is_not_generated(tmp_path):
    lines = '  master_key: "file:"\n  generate_master_key: true\n'

    assert "E132:6" in found(tmp_path, general(lines))


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("sqlite:///byok.db", []),
        ("sqlite:////var/lib/byok/byok.db", []),
        ("sqlite://", ["E161:7"]),
        ("'sqlite:///:memory:'", ["E161:7"]),
        ("sqlite:///", ["E161:7"]),
        ("sqlite:///dir/", ["E161:7"]),
        ("sqlite:///byok.db?mode=ro", ["E161:7"]),
        ("byok.db", ["E161:7"]),
        ("mysql://x/y", ["E161:7"]),
        ("os.environ/NOT_SET", ["E131:7"]),
    ],
)
def test_the_file_of_a_store_has_a_name(tmp_path, url, codes):
    assert found(tmp_path, f"{SMALLEST}store: {url}\n") == codes


def test_the_store_stands_beside_the_configuration(tmp_path):
    config = config_of(tmp_path, SMALLEST)

    assert (config.store_url, config.directory) == ("sqlite:///byok.db", tmp_path)


@pytest.mark.parametrize(
    ("listen", "codes"),
    [
        ("tcp:4000", []),
        ("[tcp:4000, 'unix:/x.sock']", []),
        ("4000x", ["E160:7"]),
        ("[tcp:4000, nonsense]", ["E160:7"]),
        ("os.environ/NOT_SET", ["E131:7"]),
    ],
)
def test_listeners_are_checked(tmp_path, listen, codes):
    assert found(tmp_path, f"{SMALLEST}listen: {listen}\n") == codes


def test_it_listens_on_loopback_where_nothing_is_said(tmp_path):
    (listener,) = config_of(tmp_path, SMALLEST).listen

    assert listener.endpoint == "tcp:4000:interface=127.0.0.1"
    assert listener.is_loopback


def test_settings_have_their_defaults_and_their_values(tmp_path):
    plain = config_of(tmp_path, SMALLEST).general
    config = config_of(
        tmp_path,
        SMALLEST
        + "  master_key_on_data_routes: false\n"
        + "  expose_decision_headers: true\n"
        + "  allow_plaintext_loopback: true\n"
        + "  litellm_key_header_name: X-Company-Key\n"
        + "  user_header_name: X-LiteLLM-User-Id\n"
        + "  key_pepper: os.environ/PEPPER\n"
        + "litellm_settings: {json_logs: true}\n",
    )
    general = config.general

    assert plain.master_key_on_data_routes
    assert not plain.expose_decision_headers
    assert not plain.allow_plaintext_loopback
    assert not plain.json_logs
    assert plain.key_peppers == ()
    assert not general.master_key_on_data_routes
    assert general.expose_decision_headers
    assert general.allow_plaintext_loopback
    assert general.json_logs
    assert config.key_header_name == "x-company-key"
    assert config.user_header_name == "x-litellm-user-id"
    assert general.key_peppers == (Secret(keys.KEY_PEPPER),)
    assert b"x-company-key" in config.gateway.plans.gateway_names


def test_peppers_are_a_list_in_order(tmp_path):
    text = (
        f"{SMALLEST}  key_pepper: [os.environ/PEPPER, os.environ/MASTER_KEY,"
        " os.environ/NOT_SET]\n"
    )

    assert found(tmp_path, text) == ["E131:7"]
    assert config_of(
        tmp_path, text.replace(", os.environ/NOT_SET", "")
    ).general.key_peppers == (Secret(keys.KEY_PEPPER), Secret(keys.MASTER_KEY))


def test_a_short_pepper_is_refused(tmp_path):
    assert found(tmp_path, f"{SMALLEST}  key_pepper: pepper\n") == ["E117:7", "W302:7"]


@pytest.mark.parametrize("name", ["connection", "host", "cookie", "anthropic-beta"])
@pytest.mark.parametrize("key", ["litellm_key_header_name", "user_header_name"])
def test_a_header_with_a_meaning_gets_no_second_one(tmp_path, key, name):
    assert found(tmp_path, f"{SMALLEST}  {key}: {name}\n") == ["E142:7"]


@pytest.mark.parametrize("name", ["x-api-key", "authorization", "x-litellm-api-key"])
def test_a_credential_never_names_the_developer(tmp_path, name):
    assert found(tmp_path, f"{SMALLEST}  user_header_name: {name}\n") == ["E142:7"]
    assert found(tmp_path, f"{SMALLEST}  litellm_key_header_name: {name}\n") == []


@pytest.mark.parametrize("name", ["master_key", "key_pepper"])
def test_an_empty_secret_is_said_to_be_empty_once(tmp_path, name):
    # The schema finds it, and so does whoever reads the secret.
    text = f'{MODELS}general_settings:\n  {name}: ""\n'

    assert found(tmp_path, text).count("E117:6") == 1


def test_of_an_empty_address_nothing_else_is_said(tmp_path):
    text = f'{SMALLEST}providers: {{anthropic: {{api_base: ""}}}}\n'

    assert found(tmp_path, text) == ["E117:7"]


def test_a_header_by_reference_has_to_be_set(tmp_path):
    text = f"{MODELS}{MASTER}  user_header_name: os.environ/NOT_SET\n"

    # The schema asks for a header's name here, which a reference is not.
    assert found(tmp_path, text) == ["E117:7", "E131:7"]


def test_the_environment_is_the_process_own_where_none_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("MASTER_KEY", ENVIRON["MASTER_KEY"])

    assert load(write(tmp_path, SMALLEST)).master_key == Secret(keys.MASTER_KEY)


@pytest.mark.parametrize(
    ("written", "kept"),
    [("", 10_000), ("true", 10_000), ("false", 0), ("{}", 10_000), ("{keep: 5}", 5)],
)
def test_decisions_are_kept_up_to_a_number(tmp_path, written, kept):
    line = f"  decision_log: {written}\n" if written else ""

    assert config_of(tmp_path, SMALLEST + line).general.kept_decisions == kept


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{keep: 0}", "E117"),
        ("{keep: many}", "E101"),
        ("{keep: true}", "E101"),
        ("{kept: 5}", "E102"),
        ("5", "E104"),
        ('"false"', "E104"),
    ],
)
def test_what_cannot_be_kept_is_told_with_its_line(tmp_path, written, code):
    report = report_on(tmp_path, f"{SMALLEST}  decision_log: {written}\n")

    assert [each.code for each in report.findings] == [code]


def test_whose_keys_may_be_used_is_read(tmp_path):
    written = (
        "  byok: {allow_orgs: [a, b], on_unknown_org: refuse, bind_keys: report}\n"
    )

    pinning = config_of(tmp_path, SMALLEST + written).general.pinning

    assert pinning == Pinning(
        allow_orgs=frozenset({"a", "b"}),
        on_unknown_org=Reaction.REFUSE,
        bind_keys=Reaction.REPORT,
    )


@pytest.mark.parametrize("written", ["", "  byok: {}\n", "  byok: {bind_keys: off}\n"])
def test_nobodys_keys_are_asked_about_where_nothing_is_said(tmp_path, written):
    assert config_of(tmp_path, SMALLEST + written).general.pinning == NO_PINNING


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("{allow_org: [a]}", "E102"),
        ("{allow_orgs: a}", "E101"),
        ("{on_unknown_org: off}", "E105"),
        ("{bind_keys: always}", "E105"),
    ],
)
def test_what_pinning_cannot_be_is_told(tmp_path, written, code):
    report = report_on(tmp_path, f"{SMALLEST}  byok: {written}\n")

    assert [each.code for each in report.findings] == [code]
