"""`byok leases`: what is held in a running gateway, and for whom."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from byok.cli import main
from byok.cli.running import UNUSABLE
from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, own_key_config
from tests.support.provider_process import ProviderProcess

MESSAGES = "/v1/messages"
HELD = plays.stream(sse.text_stream("a word or two")).hold_before(
    b"event: message_delta", signal="go"
)


@pytest.fixture(scope="module")
def line(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Gateway, ProviderProcess]]:
    params = {
        "model": "anthropic/claude-opus-5-5",
        "api_key": "os.environ/ANTHROPIC_API_KEY",
    }
    model = {"model_name": "company", "litellm_params": params}
    with ProviderProcess() as provider:
        config = own_key_config(provider.url, model_list=[model])
        with Gateway(tmp_path_factory.mktemp("gateway"), config) as gateway:
            gateway.make_key(key_alias="anna", max_parallel_requests=2, max_budget=5)
            yield gateway, provider


def leases(gateway: Gateway, *arguments: str, key: str = keys.MASTER_KEY) -> Result:
    options = ["--url", gateway.url, "-c", str(gateway.config_file)]
    return CliRunner(env={"BYOK_TEST_MASTER_KEY": key}).invoke(
        main, ["leases", *options, *arguments], catch_exceptions=False
    )


def test_what_is_held_is_shown_with_its_owner_and_gone_afterwards(line):
    gateway, provider = line
    provider.play(MESSAGES, HELD)
    body = {"model": "company", "max_tokens": 100, "messages": [], "stream": True}
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as client:
        headers = {"x-litellm-api-key": keys.VIRTUAL_KEY}
        client.request("POST", MESSAGES, json.dumps(body), headers)
        answer = client.getresponse()

        shown = leases(gateway)
        told = json.loads(leases(gateway, "--json").stdout)
        provider.fire("go")
        answer.read()
    gateway.wait_for_event("access", route=MESSAGES)

    assert shown.exit_code == 0
    (row,) = shown.stdout.splitlines()[1:]
    assert " s  anna  a slot of key anna, $0.0" in row
    assert " of key anna  req_" in row
    (lease,) = told["leases"]
    assert (told["total"], lease["owner"]) == (1, "anna")
    assert 0 <= lease["age_s"] < lease["expires_in_s"] <= 7200
    assert leases(gateway).stdout.startswith("Nothing is held in process ")


def test_who_has_not_the_master_key_is_told_nothing(line):
    gateway, _ = line

    refused = leases(gateway, key=keys.VIRTUAL_KEY)

    assert refused.exit_code == UNUSABLE
    assert "(status 40" in refused.stderr
    assert "anna" not in refused.output


def test_where_no_gateway_is_that_is_said(line, tmp_path: Path):
    gateway, _ = line

    nobody = leases(gateway, "--url", "http://127.0.0.1:1")

    assert nobody.exit_code == UNUSABLE
    assert "No gateway answers at 127.0.0.1" in nobody.stderr
