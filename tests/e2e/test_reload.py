"""Another configuration under a gateway that is at work."""

import gc
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from weakref import WeakSet

import pytest
import yaml

from byok.config import examine
from byok.policy.plans import Plans
from byok.service import GatewayService
from tests.e2e.house import ASK_STREAM, ENVIRONMENT, OWN, House
from tests.e2e.raw import request
from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, Json, environment, own_key_config
from tests.support.provider_process import ProviderProcess
from tests.support.sweep import exempt

pytestmark = pytest.mark.e2e

MESSAGES = "/v1/messages"
EVENTS = sse.text_stream("a word or two")
MODEL = "claude-opus-5-5"
STRIP: Json = {
    "id": "no-team",
    "action": "strip",
    "match": {"header": {"name": "x-team"}},
}
FORWARD: Json = {**STRIP, "id": "team", "action": "forward"}
LOCK: Json = {**STRIP, "id": "never", "lock": True}


@dataclass(frozen=True)
class Line:
    """A gateway between this client and a provider."""

    gateway: Gateway
    provider: ProviderProcess

    def config(self, *rules: Json, **sections: object) -> Json:
        return configuration(self.provider.url, *rules, **sections)

    def write(self, config: Mapping[str, object] | str) -> None:
        """Change the configuration on disk."""
        text = config if isinstance(config, str) else yaml.safe_dump(config)
        self.gateway.config_file.write_text(text)

    def reload(self, **wish: bool) -> tuple[int, Json]:
        return self.gateway.post("/byok/reload", wish)

    def begin(self, *, stream: bool = False) -> tuple[HTTPConnection, HTTPResponse]:
        """Ask with a header that rules are about; the answer's head is here."""
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        body = {"model": MODEL, "max_tokens": 9, "messages": [], "stream": stream}
        headers = {
            "x-litellm-api-key": keys.VIRTUAL_KEY,
            "x-api-key": keys.ANTHROPIC_API_KEY,
            "x-team": "ours",
        }
        connection.request("POST", MESSAGES, json.dumps(body), headers)
        return connection, connection.getresponse()

    def ask(self) -> str | None:
        """Ask; return the generation that answered."""
        connection, answer = self.begin()
        answer.read()
        connection.close()
        assert answer.status == 200
        return answer.headers["x-byok-generation"]

    def teams(self) -> list[bytes | None]:
        """What the provider got as x-team, request by request."""
        return [
            next(iter(each.values(b"x-team")), None)
            for each in self.provider.requests_for(MESSAGES)
        ]


def configuration(provider: str, *rules: Json, **sections: object) -> Json:
    general = {
        "policies": list(rules),
        # Fewer rules, fewer cells to look at.
        "policy_packs": [],
        "expose_decision_headers": True,
    }
    return own_key_config(
        provider,
        general_settings=general,
        model_list=[
            {"model_name": MODEL, "litellm_params": {"model": f"anthropic/{MODEL}"}}
        ],
        **sections,
    )


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with ProviderProcess() as provider:
        config = configuration(provider.url, FORWARD)
        with Gateway(exempt(tmp_path), config) as gateway:
            gateway.make_key(key_alias="anna")
            yield Line(gateway=gateway, provider=provider)


def ids(answer: Json) -> tuple[object, object]:
    return str(answer["previous"])[:3], str(answer["generation"])[:3]


def code(answer: Json) -> object:
    error = answer["error"]
    assert isinstance(error, dict)
    return error["code"]


def test_a_stream_keeps_its_rules_and_the_next_request_has_the_new_ones(line: Line):
    held = plays.stream(EVENTS).hold_before(b"event: message_stop", signal="go")
    line.provider.play(MESSAGES, held)
    connection, streaming = line.begin(stream=True)
    first = streaming.headers["x-byok-generation"]
    line.write(line.config(STRIP))

    status, answer = line.reload()
    second = line.ask()
    line.provider.fire("go")
    rest = streaming.read()
    connection.close()

    assert (status, ids(answer)) == (200, ("g1-", "g2-"))
    assert first is not None
    assert (first[:3], second) == ("g1-", answer["generation"])
    assert rest.endswith(EVENTS[-1])
    assert line.teams() == [b"ours", None]
    old = line.gateway.wait_for_event("access", generation=first, ending="complete")
    assert old["route"] == MESSAGES
    line.gateway.wait_for_event("access", generation=second, route=MESSAGES)


@pytest.mark.parametrize(
    "broken", ["model_list: [", "general_settings: {master_key: 1}"]
)
def test_a_bad_file_changes_nothing_and_is_told_in_full(line: Line, broken: str):
    line.write(broken)

    status, answer = line.reload(allow_widening=True)

    assert (status, code(answer)) == (409, "reload.invalid")
    assert ids(answer) == ("g1-", "g1-")
    findings = answer["findings"]
    assert isinstance(findings, list)
    assert all(each["file"].endswith("config.yaml") for each in findings)
    assert any(each["level"] == "error" and each["line"] for each in findings)
    line.gateway.wait_for_event("reload-refused", code="reload.invalid")
    assert line.ask() == answer["generation"]
    assert line.teams() == [b"ours"]


def test_a_failing_policy_test_changes_nothing(line: Line):
    (line.gateway.directory / "our_test.yaml").write_text(
        f"""\
apiVersion: byok/v1
kind: PolicyTest
tests:
  - name: the team is told
    given: {{model: {MODEL}, headers: {{x-team: ours, x-api-key: <anthropic.api_key>}}}}
    expect: {{sends: [x-team]}}
"""
    )
    line.write(line.config(STRIP, policy_tests=["our_test.yaml"]))

    status, answer = line.reload(allow_widening=True)
    line.ask()

    assert (status, code(answer)) == (409, "reload.tests-failed")
    assert "the team is told" in json.dumps(answer["failed_tests"])
    assert line.teams() == [b"ours"]

    line.write(line.config(FORWARD, policy_tests=["our_test.yaml"]))
    assert line.reload()[0] == 200


def test_more_leaves_only_where_that_is_allowed(line: Line):
    line.write(line.config(STRIP))
    assert line.reload()[0] == 200
    line.write(line.config(FORWARD))

    status, refused = line.reload()
    line.ask()
    allowed_status, allowed = line.reload(allow_widening=True)
    line.ask()

    assert (status, code(refused)) == (409, "reload.widens")
    assert "x-team" in json.dumps(refused["widenings"])
    assert (allowed_status, ids(allowed)) == (200, ("g2-", "g3-"))
    assert line.teams() == [None, b"ours"]


def test_a_dry_run_says_so_and_does_nothing(line: Line):
    line.write(line.config(LOCK, FORWARD))

    status, answer = line.reload(dry_run=True)

    assert (status, answer["obstacle"]) == (200, None)
    assert (answer["reloaded"], answer["dry_run"]) == (False, True)
    assert "x-team" in json.dumps(answer["narrowings"])
    assert [each["name"] for each in rows(answer, "changes")] == [
        "general_settings.never"
    ]
    line.ask()
    assert line.teams() == [b"ours"]


def rows(answer: Json, name: str) -> list[Json]:
    found = answer[name]
    assert isinstance(found, list)
    return found


def hang_up(gateway: Gateway) -> None:
    os.kill(gateway._process.pid, signal.SIGHUP)


def test_a_signal_reloads(line: Line):
    line.write(line.config(STRIP))

    hang_up(line.gateway)
    told = line.gateway.wait_for_event("reloaded", by="SIGHUP")

    assert line.ask() == told["generation"]
    assert line.teams() == [None]


def test_a_signal_widens_nothing_unless_what_runs_allows_it(line: Line):
    line.write(line.config(STRIP))
    assert line.reload()[0] == 200
    widening = line.config(FORWARD)
    general = widening["general_settings"]
    assert isinstance(general, dict)
    general["reload"] = {"allow_widening": True}
    line.write(widening)

    hang_up(line.gateway)
    line.gateway.wait_for_event("reload-refused", by="SIGHUP", code="reload.widens")
    line.ask()
    # What runs has to say so, and it says so only once an operator let it.
    assert line.reload(allow_widening=True)[0] == 200
    more = {**FORWARD, "id": "more", "match": {"header": {"name": "x-more"}}}
    general["policies"] = [FORWARD, more]
    line.write(widening)
    hang_up(line.gateway)
    told = line.gateway.wait_for_event("reloaded", by="SIGHUP")
    line.ask()

    assert str(told["generation"]).startswith("g4-")
    assert line.teams() == [None, b"ours"]


def test_reloads_at_once_come_one_after_the_other(line: Line):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: line.reload(), range(8)))

    assert {status for status, _ in answers} == {200}
    steps = {ids(answer) for _, answer in answers}
    assert steps == {(f"g{n}-", f"g{n + 1}-") for n in range(1, 9)}


def test_what_takes_a_restart_changes_nothing(line: Line):
    line.write({**line.config(STRIP), "store": "sqlite:///other.db"})

    status, answer = line.reload(allow_widening=True)
    line.ask()

    assert (status, code(answer)) == (409, "reload.needs-restart")
    assert answer["needs_restart"] == ["store"]
    assert line.teams() == [b"ours"]


def test_only_the_master_key_reloads(line: Line):
    connection = HTTPConnection("127.0.0.1", line.gateway.port, timeout=20)
    answers = []
    for headers in (
        {},
        {"Authorization": f"Bearer {keys.VIRTUAL_KEY}"},
        {
            "Authorization": f"Bearer {keys.MASTER_KEY}",
            "Origin": "http://evil.example",
        },
    ):
        connection.request("POST", "/byok/reload", headers=headers)
        answer = connection.getresponse()
        answers.append((answer.status, json.loads(answer.read())["error"]["code"]))
    connection.close()

    assert answers == [
        (401, "admin.missing-key"),
        (401, "admin.invalid-key"),
        (403, "admin.cross-site"),
    ]
    status, refused = line.gateway.post("/byok/reload", {"allow_widening": "yes"})
    assert (status, code(refused)) == (400, "reload.bad-field")
    assert ids(line.reload(dry_run=True)[1]) == ("g1-", "g1-")


def test_a_master_key_that_changed_opens_and_the_old_one_does_not(tmp_path: Path):
    file = exempt(tmp_path / "master.key")
    file.touch(mode=0o600)
    file.write_text(keys.MASTER_KEY)
    config = own_key_config(
        "http://127.0.0.1:1",
        general_settings={
            "master_key": "file:master.key",
            "allow_plaintext_loopback": True,
        },
    )
    with Gateway(tmp_path, config) as gateway:
        file.write_text(keys.VIRTUAL_KEY_2)
        status, _ = gateway.post("/byok/reload", {})
        old, _ = gateway.post("/byok/reload", {})
        new, _ = gateway.post("/byok/reload", {}, key=keys.VIRTUAL_KEY_2)

        assert (status, old, new) == (200, 401, 200)


def test_readiness_tells_the_generation_and_whether_the_disk_has_another(line: Line):
    def readiness() -> Json:
        connection = HTTPConnection("127.0.0.1", line.gateway.port, timeout=20)
        connection.request("GET", "/health/readiness")
        answer: Json = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    line.write(line.config(STRIP))
    line.gateway.wait_for_event("config-changed")
    before = readiness()
    status, answer = line.reload()
    after = readiness()

    assert status == 200
    assert str(before["config"]).startswith("changed on disk")
    assert str(before["generation"]).startswith("g1-")
    assert (after["config"], after["generation"]) == ("in use", answer["generation"])


class ManyReloads(House):
    """What a reload replaces is gone when its last request is."""

    timeout = 110

    def _made(self) -> GatewayService:
        service = super()._made()
        service._reread = partial(
            examine,
            service._config.path,
            environ=ENVIRONMENT,
            listen=["tcp:0:interface=127.0.0.1"],
        )
        return service

    async def test_two_hundred_reloads_leave_one_generation(self):
        reloading = self.service._reloading
        assert reloading is not None
        live = reloading._live
        known = dict(live._hashes)
        every: WeakSet[Plans] = WeakSet()
        held = plays.stream(EVENTS).hold_before(b"event: message_stop", signal="go")
        self.provider.play(MESSAGES, held)
        streaming = await self.begin(request(headers=OWN, body=ASK_STREAM))
        await streaming.until(b"message_start")

        for _ in range(200):
            await reloading.reload(may_widen=False, dry_run=False, by="test")
            every.add(reloading.config.gateway.plans)
        # The stream holds on to the first one: its secrets, and its way out.
        self.assertEqual(len(reloading._assembly._open), 2)
        self.provider.fire("go")
        self.assertEqual((await streaming.end()).status, 200)
        self.assertEqual((await self.message()).status, 200)
        gc.collect()

        self.assertTrue(reloading.config.gateway.generation.startswith("g201-"))
        self.assertEqual(len(every), 1)
        self.assertEqual(len(reloading._assembly._open), 1)
        self.assertEqual(dict(live._hashes), known)
        self.assert_no_alarm()


# A child that makes its standard input the terminal of its session, and becomes
# the program it is told to be.
IN_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_gateway_whose_window_is_closed_ends(tmp_path: Path):
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(configuration("http://127.0.0.1:1"))
    )
    twistd = Path(sys.executable).with_name("twistd")
    window, terminal = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", IN_A_TERMINAL),
            *(sys.executable, str(twistd), "--nodaemon", "--pidfile="),
            *("byok", "--listen", "tcp:0:interface=127.0.0.1"),
            *("--log-format", "json"),
        ],
        cwd=exempt(tmp_path),
        env=environment(tmp_path),
        stdin=terminal,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    assert process.stdout is not None
    with process.stdout as printed:
        for line in printed:
            if '"event": "listening"' in line or '"event":"listening"' in line:
                break
        os.close(window)
        rest = printed.read()

    assert process.wait(timeout=20) in {0, -signal.SIGHUP}
    assert '"stopped"' in rest
