"""S-20, S-43: the gateway as it is run, among people who wish it ill."""

import json
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.e2e.raw import Answer, Pairs, request
from tests.security.line import Line
from tests.security.test_credentials import SECRETS
from tests.support import keys, plays
from tests.support.gateway import Gateway, own_key_config
from tests.support.orders import Named
from tests.support.provider_process import ProviderProcess
from tests.support.sweep import exempt, leaks_in

pytestmark = pytest.mark.e2e

MODEL = "claude-opus-5-5"
ASK = json.dumps({"model": MODEL, "stream": True, "system": keys.PROMPT}).encode()
OURS: Pairs = (("x-litellm-api-key", keys.VIRTUAL_KEY),)
OWN: Pairs = (*OURS, ("x-api-key", keys.ANTHROPIC_API_KEY))
NO_HTTP = f"{keys.JWT}\r\n\r\n".encode()
PLACES = (
    "Authorization",
    "X-Api-Key",
    "x-litellm-api-key",
    "x-goog-api-key",
    "Proxy-Authorization",
    "Cookie",
    "x-auth-token",
    "x-custom-token",
)


def home_of_somebody_else(home: Path, proxy: str) -> dict[str, str]:
    """A home and an environment in which every other client would go astray."""
    home.mkdir()
    exempt(home / ".netrc").write_text(
        f"machine 127.0.0.1 login me password {keys.BASIC_PASSWORD}\n"
        f"default login me password {keys.BASIC_PASSWORD}\n"
    )
    (home / ".netrc").chmod(0o600)
    proxies = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
    return {
        "HOME": str(home),
        "NETRC": str(home / ".netrc"),
        **dict.fromkeys((*proxies, *map(str.upper, proxies)), proxy),
        "no_proxy": "",
        "NO_PROXY": "",
        "ANTHROPIC_BASE_URL": proxy,
        "ANTHROPIC_API_BASE": proxy,
        "OPENAI_API_BASE": proxy,
        "OPENAI_BASE_URL": proxy,
        "LITELLM_PROXY_API_BASE": proxy,
        "LITELLM_MASTER_KEY": keys.OPAQUE_TOKEN,
        "LITELLM_LOG": "DEBUG",
        "PYTHONASYNCIODEBUG": "1",
    }


def ask(line: Line, headers: Pairs, body: bytes = ASK, path: str = "/v1/messages"):
    raw = request(path, headers=headers, body=body, close=False)
    try:
        return line.ask(raw)
    except HTTPException:
        line.close()  # an answer that was cut
        return None


def status_of(answer: Answer | None) -> int:
    return 0 if answer is None else answer.status


def test_nothing_a_gateway_leaves_behind_holds_a_secret(tmp_path: Path):
    """
    S-20: at debug level, through every kind of failure, to its last file.

    S-43: proxies, netrc and the variables of other tools have no say meanwhile.
    """
    directory = tmp_path / "gateway"
    directory.mkdir()
    config = own_key_config(
        "placeholder",
        litellm_settings={
            "forward_llm_provider_auth_headers": True,
            "forward_client_headers_to_llm_api": True,
        },
    )
    with ProviderProcess() as provider, ProviderProcess() as proxy:
        config["providers"] = {"anthropic": {"api_base": provider.url}}
        env = home_of_somebody_else(tmp_path / "home", proxy.url)
        with Gateway(directory, config, "--log-level", "debug", env=env) as gateway:
            gateway.make_key(key_alias="anna", metadata={"note": "anna's"})
            line = Line(gateway.port)
            statuses = list(walk(line, provider, gateway))
            received = provider.received
            # The provider goes too.
            provider._process.stop()
            statuses.append(status_of(ask(line, OWN)))
            line.close()
            # Words for all this have been written, and written at debug level.
            gateway.wait_for_event("access", error="provider.unreachable")
            assert "credential client x-api-key  (payer: user-key)" in gateway.output
        leaves = {"output": gateway.output.encode()}
        for path in directory.rglob("*"):
            if path != gateway.config_file and path.is_file():
                leaves[path.name] = path.read_bytes()
        assert proxy.requests == ()

    assert {200, 400, 401, 403, 404, 405, 502, 503} <= set(statuses)
    for name, content in leaves.items():
        assert leaks_in(content, name) == []
        assert b"Traceback" not in content, name
    assert {"output", "byok.db", "byok.db.pepper"} <= set(leaves)
    arrived = {leak.what for leak in leaks_in(received, "the provider")}
    assert not arrived & {"virtual key", "master key", "basic password", "cookie"}
    assert not arrived & {"second deployment key", "openai deployment key"}


def walk(line: Line, provider: ProviderProcess, gateway: Gateway):
    """Ask in every way that has ever made somebody's log tell too much."""
    yield status_of(ask(line, OWN))
    for header in PLACES:
        for secret in SECRETS.values():
            scheme = "Bearer " if header.endswith("uthorization") else ""
            yield status_of(ask(line, (*OURS, (header, scheme + secret))))
    for secret in (keys.VIRTUAL_KEY, keys.ANTHROPIC_OAUTH, keys.MASTER_KEY):
        for path in (
            f"/v1/messages?key={secret}",
            f"/v1/models/{secret}",
            f"/{secret}",
            f"/key/{secret}/regenerate",
        ):
            yield status_of(ask(line, OWN, path=path))
        yield status_of(ask(line, OWN, json.dumps({"model": secret}).encode()))
        yield status_of(ask(line, OWN, b'{"model": "' + secret.encode()))
        yield status_of(ask(line, (*OWN, (secret, secret))))
        yield status_of(ask(line, (*OWN, ("x-litellm-user-id", secret))))
    for play in (
        Named(name="echo"),
        plays.says("hello", streaming=True).cut_before(b"message_stop"),
        plays.says("hello", streaming=True).cut_before(b"message_stop", reset=True),
        plays.hangs_up(),
        plays.hangs_up(reset=True),
        plays.redirect(f"https://evil.example/{keys.ANTHROPIC_API_KEY_2}"),
        plays.answer(99, b"", headers=(("x-odd", keys.ANTHROPIC_API_KEY_2),)),
        plays.html(502, keys.ANTHROPIC_API_KEY_2),
        plays.Play(steps=(plays.Send(data=NO_HTTP), plays.Close())),
    ):
        provider.play("/v1/messages", play)
        yield status_of(ask(line, OWN))
    # What stands behind it goes, one by one.
    for file in gateway.directory.glob("byok.db*"):
        if file.is_file() and not file.name.endswith(".pepper"):
            file.write_bytes(b"no database any more " * 400)
    yield status_of(ask(line, (("x-litellm-api-key", keys.VIRTUAL_KEY_2),)))
    yield status_of(ask(line, OWN))
