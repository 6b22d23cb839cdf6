"""`byok reload`: what it asks, prints and ends with."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from byok.cli import main
from byok.cli.reload import REFUSED, WIDENS
from byok.cli.running import UNUSABLE
from tests.support import keys
from tests.support.gateway import Gateway, Json, own_key_config
from tests.support.sweep import exempt

NOWHERE = "http://127.0.0.1:1"
ENVIRONMENT = {"BYOK_TEST_MASTER_KEY": keys.MASTER_KEY}
LOCK: Json = {
    "id": "never",
    "action": "strip",
    "lock": True,
    "match": {"header": {"name": "x-foo"}},
}


def config(*rules: Json) -> Json:
    return own_key_config(
        NOWHERE,
        general_settings={"policies": list(rules), "policy_packs": []},
        model_list=[
            {
                "model_name": "claude-haiku-5-5",
                "litellm_params": {"model": "anthropic/claude-haiku-5-5"},
            }
        ],
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = exempt(tmp_path_factory.mktemp("gateway"))
    with Gateway(directory, config(LOCK)) as running:
        yield running


@pytest.fixture
def locked(gateway: Gateway) -> Gateway:
    """The gateway, with the lock in force and nothing else on disk."""
    write(gateway, LOCK)
    assert gateway.post("/byok/reload", {"allow_widening": True})[0] == 200
    return gateway


def write(gateway: Gateway, *rules: Json) -> None:
    gateway.config_file.write_text(yaml.safe_dump(config(*rules)))


def reload(gateway: Gateway, *arguments: str, **environment: str) -> Result:
    options = ["--url", gateway.url, "-c", str(gateway.config_file)]
    return CliRunner(env={**ENVIRONMENT, **environment}).invoke(
        main, ["reload", *options, *arguments], catch_exceptions=False
    )


def test_it_says_what_changed_and_what_is_in_use(locked: Gateway):
    write(locked, LOCK, {**LOCK, "id": "less", "match": {"header": {"name": "x-bar"}}})

    done = reload(locked)

    assert done.exit_code == 0
    changed, last = done.output.splitlines()
    assert changed.startswith("+ rule  general_settings.less  ")
    assert last.startswith("reloaded: g")


def test_a_dry_run_that_would_widen_ends_with_3_and_changes_nothing(locked: Gateway):
    write(locked)

    done = reload(locked, "--dry-run")

    assert done.exit_code == WIDENS
    removed, widens, last = done.output.splitlines()
    assert removed.startswith("- rule  general_settings.never  ")
    assert widens.startswith("widens   the lock general_settings.never is gone (")
    assert last.startswith("would not reload, g")
    assert reload(locked, "--dry-run", "--allow-widening").exit_code == 0


def test_a_widening_is_refused_and_then_allowed(locked: Gateway):
    write(locked)

    refused, allowed = reload(locked), reload(locked, "--allow-widening")

    assert (refused.exit_code, allowed.exit_code) == (WIDENS, 0)
    assert "not reloaded, g" in refused.output
    assert "--allow-widening" in refused.output


def test_what_newly_leaves_comes_with_the_command_that_shows_it(locked: Gateway):
    more = {**LOCK, "id": "more", "action": "forward", "lock": False}
    write(locked, {**more, "match": {"header": {"name": "x-bar"}}}, LOCK)

    lines = reload(locked, "--dry-run").output.splitlines()

    shown = next(each for each in lines if each.startswith("         try "))
    assert "byok explain-request -c" in shown
    assert "x-bar" in shown


def test_every_finding_is_printed_with_its_place_and_remedy(locked: Gateway):
    write(locked, {"id": "a", "action": "nonsense"}, {"action": "strip", "mach": {}})

    done = reload(locked)

    assert done.exit_code == REFUSED
    places = [each for each in done.output.splitlines() if "config.yaml:" in each]
    assert len(places) >= 2
    assert all(" E" in each for each in places)


def test_as_json_it_is_the_gateways_answer(locked: Gateway):
    write(locked)

    done = reload(locked, "--dry-run", "--json")
    answer = json.loads(done.output)

    assert done.exit_code == WIDENS
    assert answer["obstacle"]["code"] == "reload.widens"
    assert answer["changes"][0]["change"] == "removed"


def test_the_key_is_taken_from_where_it_is_said_to_be(locked: Gateway, tmp_path: Path):
    file = exempt(tmp_path / "master.key")
    file.write_text(f"{keys.MASTER_KEY}\n")

    for reference in (f"file:{file}", "os.environ/ELSEWHERE"):
        done = reload(
            locked,
            "--dry-run",
            "--key-from",
            reference,
            BYOK_TEST_MASTER_KEY="",
            ELSEWHERE=keys.MASTER_KEY,
        )
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "reference", [keys.MASTER_KEY, "os.environ/NOT_THERE", "file:not-there"]
)
def test_a_key_on_the_command_line_or_nowhere_is_none(locked: Gateway, reference: str):
    done = reload(locked, "--key-from", reference)

    assert done.exit_code == UNUSABLE
    assert "--key-from leads to none" in done.output
    assert keys.MASTER_KEY not in done.output


def test_a_file_that_is_no_yaml_is_told_before_anybody_is_asked(
    gateway: Gateway, tmp_path: Path
):
    broken = tmp_path / "config.yaml"
    broken.write_text("model_list: [")

    done = CliRunner(env=ENVIRONMENT).invoke(main, ["reload", "-c", str(broken)])
    missing = CliRunner(env=ENVIRONMENT).invoke(
        main, ["reload", "-c", str(tmp_path / "not-there.yaml")]
    )

    assert (done.exit_code, missing.exit_code) == (UNUSABLE, UNUSABLE)
    assert "E121" in done.output
    assert "--key-from" in done.output


def test_a_config_that_the_gateway_cannot_use_still_has_its_key(locked: Gateway):
    locked.config_file.write_text(
        yaml.safe_dump({**config(LOCK), "policy_files": ["not-there.yaml"]})
    )

    done = reload(locked)

    assert done.exit_code == REFUSED
    assert "E115" in done.output


def test_what_takes_a_restart_is_named(locked: Gateway):
    locked.config_file.write_text(
        yaml.safe_dump({**config(LOCK), "store": "sqlite:///other.db"})
    )

    done = reload(locked, "--allow-widening")

    assert done.exit_code == REFUSED
    assert "restart  store" in done.output


def test_a_wrong_key_is_told_in_the_gateways_words(locked: Gateway):
    done = reload(locked, BYOK_TEST_MASTER_KEY=keys.VIRTUAL_KEY)

    assert done.exit_code == UNUSABLE
    assert "master key" in done.output
    assert "(status 401)" in done.output


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:4000", "ftp://127.0.0.1", "http://", NOWHERE, "http://127.0.0.1:x"],
)
def test_where_no_gateway_is(tmp_path: Path, url: str):
    done = CliRunner(env={"KEY": keys.MASTER_KEY}).invoke(
        main, ["reload", "--url", url, "--key-from", "os.environ/KEY"]
    )

    assert done.exit_code == UNUSABLE
    assert "Traceback" not in done.output


def test_a_key_that_would_cross_the_network_in_the_clear_is_warned_about():
    done = CliRunner(env={"KEY": keys.MASTER_KEY}).invoke(
        main,
        ["reload", "--url", "http://byok.invalid", "--key-from", "os.environ/KEY"],
    )

    assert done.exit_code == UNUSABLE
    assert "in the clear" in done.output


BY_SIGNAL = "send it SIGHUP (kill -HUP and its process id)"


def without_master_key() -> Json:
    data = config()
    settings = data["general_settings"]
    assert isinstance(settings, dict)
    del settings["master_key"]
    settings["dangerously_permit_weak_or_unset_master_key"] = True
    return data


def test_without_a_master_key_it_says_that_a_signal_reloads(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(without_master_key()))

    done = CliRunner().invoke(main, ["reload", "-c", str(path)])

    assert done.exit_code == UNUSABLE
    assert f"{path} has no master key." in done.output
    assert BY_SIGNAL in done.output


@pytest.mark.e2e
def test_a_gateway_without_a_master_key_is_reloaded_by_a_signal(tmp_path: Path):
    with Gateway(exempt(tmp_path), without_master_key()) as running:
        done = CliRunner(env=ENVIRONMENT).invoke(
            main,
            [
                *("reload", "--url", running.url),
                *("--key-from", "os.environ/BYOK_TEST_MASTER_KEY"),
            ],
        )

    assert done.exit_code == UNUSABLE
    assert "The gateway at 127.0.0.1 has no master key." in done.output
    assert BY_SIGNAL in done.output
