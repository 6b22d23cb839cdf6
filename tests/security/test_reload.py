"""S-68: a reload is atomic and checked, and widens nothing that nobody allowed."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest
import yaml

from tests.reload.reviewing import ANTHROPIC, Json, config, model, reviewed, rule
from tests.support import keys
from tests.support.gateway import Gateway, own_key_config
from tests.support.provider_process import ProviderProcess
from tests.support.sweep import exempt

OUR_KEY = {"api_key": "os.environ/DEPLOYMENT_KEY"}
RELAY = {"api_base": "https://relay.example.com"}
CLOSED: Json = {"litellm_settings": {"forward_llm_provider_auth_headers": False}}
OAUTH = {"header": {"class": ["credential.provider.anthropic.oauth"]}}
TAKEN: Json = {"id": "taken", "action": "strip", "match": OAUTH}
DENY: Json = {"id": "none", "action": {"deny": {"status": 403}}, "match": OAUTH}
KEYED = {"model_list": [model("sonnet", **OUR_KEY)]}
RELAYED = {"model_list": [model("sonnet", **OUR_KEY, **RELAY)]}
TRUSTING: Json = {**RELAY, "trust_client_credentials": ["anthropic.oauth"]}
VOUCHED = {"model_list": [model("sonnet", **OUR_KEY, **TRUSTING)]}

# What an attacker who may write the file, or an operator in a hurry, would do.
WIDER: dict[str, tuple[Json, Json]] = {
    "the switch for developers' own keys": (config() | CLOSED, config()),
    "the switch for headers": (
        config(),
        config(general={"forward_client_headers_to_llm_api": True}),
    ),
    "a header": (config(), config(rule("x", "forward"))),
    "a header under another name": (
        config(),
        config(rule("x", {"rename": {"to": "x-bar"}})),
    ),
    "a header for one team of many": (
        config(),
        config(
            {
                "id": "x",
                "action": "forward",
                "match": {"team": "red", "header": {"name": "x-foo"}},
            }
        ),
    ),
    "a header that may be asked for": (
        config(),
        config({"id": "x", "action": {"allow_request": ["x-foo"]}}),
    ),
    "a lock": (config(rule("x", "strip", lock=True)), config()),
    "a lock, left as a wish": (
        config(rule("x", "strip", lock=True)),
        config(rule("x", "strip")),
    ),
    "a lock, in the shadow": (
        config(rule("x", "strip", lock=True)),
        config(rule("x", "strip", lock=True, mode="shadow")),
    ),
    "a refusal": (config(DENY), config()),
    "a refusal with an exception": (
        config(DENY),
        config(DENY | {"unless": {"team": "red"}}),
    ),
    "our key for whoever has none": (config(), config() | KEYED),
    "our key for whose own was taken away": (
        config(TAKEN, general={"credential": {"on_client_stripped": "deny"}}) | KEYED,
        config(TAKEN) | KEYED,
    ),
    "a carrier of gateway keys that is none any more": (
        config(
            rule("x", "forward", "x-company-*"),
            general={"litellm_key_header_name": "x-company-key"},
        ),
        config(rule("x", "forward", "x-company-*")),
    ),
}


# Where more may leave for one and less for another, both ways are wider.
MOVED: dict[str, tuple[Json, Json]] = {
    "a host that may see logins": (config() | RELAYED, config() | VOUCHED),
    "a host for our key": (config() | KEYED, config() | RELAYED),
}


@pytest.mark.parametrize("what", WIDER | MOVED)
def test_what_opens_a_way_out_has_to_be_allowed(what: str, tmp_path: Path) -> None:
    closed, opened = (WIDER | MOVED)[what]

    found = reviewed(tmp_path, closed, opened)

    assert found.config is not None, found.findings
    refusal = found.obstacle(may_widen=False)
    assert refusal is not None
    assert refusal.code == "reload.widens"


@pytest.mark.parametrize("what", WIDER)
def test_what_closes_one_does_not(what: str, tmp_path: Path) -> None:
    closed, opened = WIDER[what]

    found = reviewed(tmp_path, opened, closed)

    assert found.config is not None, found.findings
    assert found.obstacle(may_widen=False) is None, found.widenings


@pytest.mark.e2e
def test_no_request_meets_half_of_one_configuration_and_half_of_another(
    tmp_path: Path,
) -> None:
    with ProviderProcess() as provider:
        # Each forwards what the other one strips.
        odd, even = (switched(provider.url, name) for name in ("x-odd", "x-even"))
        with Gateway(exempt(tmp_path), odd) as gateway:
            gateway.make_key(key_alias="anna")
            asking = Asking(gateway.port)
            asking.start()
            for number in range(4):
                text = yaml.safe_dump((even, odd)[number % 2])
                gateway.config_file.write_text(text)
                status, _ = gateway.post("/byok/reload", {"allow_widening": True})
                assert status == 200
            answered = asking.stop()

        generations = set(answered.values())
        assert len(generations) > 2, "there was nothing to tell apart"
        for request in provider.requests_for("/v1/messages"):
            number = json.loads(request.body)["messages"][0]["content"]
            generation = int(answered[number].removeprefix("g").partition("-")[0])
            names = [b"x-odd", b"x-even"]
            assert [bool(request.values(each)) for each in names] == [
                generation % 2 == 1,
                generation % 2 == 0,
            ]


def switched(provider: str, name: str) -> Json:
    return own_key_config(
        provider,
        general_settings={
            "expose_decision_headers": True,
            "policy_packs": [],
            "policies": [rule("one", "forward", name)],
        },
        model_list=[{"model_name": "m", "litellm_params": {"model": ANTHROPIC}}],
    )


class Asking(threading.Thread):
    """A developer who asks, and asks again; notes which generation answered."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._enough = threading.Event()
        self._answered: dict[str, str] = {}

    def run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        for number in self._numbers():
            message = {"role": "user", "content": number}
            body = json.dumps({"model": "m", "max_tokens": 1, "messages": [message]})
            connection.request("POST", "/v1/messages", body, HEADERS)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                self._answered[number] = answer.headers["x-byok-generation"]
        connection.close()

    def stop(self) -> dict[str, str]:
        """End, after the answer that is on its way; return all that came."""
        self._enough.set()
        self.join()
        return self._answered

    def _numbers(self) -> Iterator[str]:
        numbers = count()
        while not self._enough.is_set():
            yield str(next(numbers))


HEADERS = {
    "x-litellm-api-key": keys.VIRTUAL_KEY,
    "x-api-key": keys.ANTHROPIC_API_KEY,
    "x-odd": "1",
    "x-even": "1",
}
