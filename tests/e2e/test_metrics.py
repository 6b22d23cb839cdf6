"""`/metrics` of a running gateway, as Prometheus reads it."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.test_workers import ready
from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, own_key_config
from tests.support.provider_process import ProviderProcess
from tests.support.sweep import note

pytestmark = pytest.mark.e2e

MESSAGES = "/v1/messages"
ON = {"callbacks": ["prometheus"]}
STREAM = plays.stream(sse.text_stream("a word or two"))
ADMIN = {"Authorization": f"Bearer {keys.MASTER_KEY}"}

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


@contextmanager
def measured(
    directory: Path, *arguments: str, **settings: object
) -> Iterator[tuple[Gateway, ProviderProcess]]:
    with ProviderProcess() as provider:
        config = own_key_config(provider.url, litellm_settings={**ON, **settings})
        provider.always(MESSAGES, STREAM)
        with Gateway(directory, config, *arguments) as gateway:
            gateway.make_key(key_alias="anna")
            yield gateway, provider


def got(
    gateway: Gateway, path: str = "/metrics", headers: Labels = ADMIN
) -> tuple[int, str, str]:
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read().decode()


def scraped(gateway: Gateway) -> list[Sample]:
    status, kind, text = got(gateway)
    note("metrics", text)
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    return [
        (each.name, each.labels, each.value)
        for family in text_string_to_metric_families(text)
        for each in family.samples
    ]


def total(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(
        value
        for each, its, value in samples
        if each == name and labels.items() <= its.items()
    )


def ask(
    gateway: Gateway, model: str = "claude-opus-5-5", key: str = keys.VIRTUAL_KEY
) -> int:
    """Ask for a stream on a connection of its own; return its status."""
    headers = {"x-litellm-api-key": key, "x-api-key": keys.ANTHROPIC_API_KEY}
    body = {"model": model, "messages": [], "stream": True}
    with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        connection.request("POST", MESSAGES, json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def eventually(condition: Callable[[], bool]) -> bool:
    until = monotonic() + 20
    while not (held := condition()) and monotonic() < until:
        sleep(0.05)
    return held


def exchanges(gateway: Gateway) -> float:
    return total(scraped(gateway), "byok_exchanges_total", route=MESSAGES)


def test_a_scrape_tells_what_was_served_and_to_whose_account(tmp_path: Path):
    with measured(tmp_path) as (gateway, _):
        statuses = [ask(gateway) for _ in range(3)]
        statuses.append(ask(gateway, key=keys.VIRTUAL_KEY_2))
        samples = scraped(gateway)

    served = {"route": MESSAGES, "deployment": "claude-opus-5-5"}
    assert statuses == [200, 200, 200, 401]
    assert (
        total(
            samples,
            "byok_exchanges_total",
            status="2xx",
            payer="user-key",
            model_group="claude-opus-5-5",
            **served,
        )
        == 3
    )
    assert total(samples, "byok_exchanges_total", status="4xx", payer="none") == 1
    assert total(samples, "byok_refusals_total", code="auth.invalid-key") == 1
    assert total(samples, "byok_endings_total", ending="complete") == 3
    for name in ("duration", "first_byte"):
        seconds = f"byok_exchange_{name}_seconds"
        assert total(samples, f"{seconds}_count", **served) == 3
        assert total(samples, f"{seconds}_bucket", le="+Inf", **served) == 3
        assert 0 < total(samples, f"{seconds}_sum", **served) < 60
    assert total(samples, "byok_received_bytes_total", **served) > 3 * 50
    assert total(samples, "byok_sent_bytes_total", **served) > 3 * 100
    assert total(samples, "byok_tokens_total", kind="output", payer="user-key") > 0
    assert total(samples, "byok_generation_workers") == 1
    assert total(samples, "byok_exchanges_open") == 0
    assert total(samples, "byok_connections_open") >= 1
    assert total(samples, "byok_provider_connections_open") >= 1
    assert total(samples, "byok_guard_trips_total") == 0


def test_a_scrape_of_any_worker_is_the_sum_of_all_and_of_the_dead(tmp_path: Path):
    with measured(tmp_path, "--workers", "2") as (gateway, _):
        ready(gateway, 2)
        for _ in range(40):
            assert ask(gateway) == 200
        # New connections go to any worker, and all of them say the same.
        sums = {exchanges(gateway) for _ in range(12)}
        # What was told in a scrape is known to the supervisor.
        os.kill(ready(gateway, 2)[0], signal.SIGKILL)
        ready(gateway, 3)
        after_kill = {exchanges(gateway) for _ in range(6)}
        os.kill(gateway._process.pid, signal.SIGUSR2)
        gateway.wait_for_event("workers-replaced")
        assert eventually(
            lambda: total(scraped(gateway), "byok_generation_workers") == 2
        )
        after_restart = scraped(gateway)

    assert sums == {40}
    assert after_kill == {40}
    assert total(after_restart, "byok_exchanges_total", route=MESSAGES) == 40
    assert total(after_restart, "byok_workers_lost_total") == 1


def test_what_was_not_scraped_before_a_worker_died_is_counted_too(tmp_path: Path):
    with measured(tmp_path, "--workers", "2") as (gateway, _):
        for _ in range(10):
            assert ask(gateway) == 200
        # Each tells its supervisor every second.
        sleep(1.5)
        for pid in ready(gateway, 2):
            os.kill(pid, signal.SIGKILL)
        ready(gateway, 4)

        assert exchanges(gateway) == 10


def test_a_worker_that_hangs_holds_up_no_scrape_for_long(tmp_path: Path):
    with measured(tmp_path, "--workers", "2") as (gateway, _):
        hanging, other = ready(gateway, 2)
        sleep(1.5)
        os.kill(hanging, signal.SIGSTOP)
        try:
            until = monotonic() + 20
            status = 0
            while status != 200 and monotonic() < until:
                # The half of the connections that go to it are answered by nobody.
                connection = HTTPConnection("127.0.0.1", gateway.port, timeout=4)
                with closing(connection):
                    connection.request("GET", "/metrics", headers=ADMIN)
                    try:
                        status = connection.getresponse().status
                    except TimeoutError:
                        continue
        finally:
            os.kill(hanging, signal.SIGCONT)

        assert (status, other != hanging) == (200, True)


def test_what_is_under_way_is_told_as_that(tmp_path: Path):
    held = STREAM.hold_before(b"event: message_delta", signal="go")
    with measured(tmp_path) as (gateway, provider):
        provider.play(MESSAGES, held)
        with closing(HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as client:
            headers = {
                "x-litellm-api-key": keys.VIRTUAL_KEY,
                "x-api-key": keys.ANTHROPIC_API_KEY,
            }
            body = {"model": "claude-opus-5-5", "messages": [], "stream": True}
            client.request("POST", MESSAGES, json.dumps(body), headers)
            answer = client.getresponse()
            during = scraped(gateway)
            provider.fire("go")
            answer.read()
        assert eventually(lambda: total(scraped(gateway), "byok_exchanges_open") == 0)

    assert total(during, "byok_exchanges_open") == 1
    assert total(during, "byok_exchanges_total", route=MESSAGES) == 0


def test_no_client_makes_a_series(tmp_path: Path):
    with measured(tmp_path) as (gateway, _):
        assert ask(gateway, model="claude-first") == 200
        ask(gateway, key="sk-first")
        got(gateway, "/first")
        scraped(gateway)
        before = {(name, *sorted(its.items())) for name, its, _ in scraped(gateway)}
        for at in range(100):
            word = f"unheard-of-{at}"
            assert ask(gateway, model=f"claude-{word}") == 200
            if at < 5:  # More of them would be slowed down, under another code.
                ask(gateway, key=f"sk-{word}")
            got(gateway, f"/{word}")
        after = {(name, *sorted(its.items())) for name, its, _ in scraped(gateway)}

    assert after == before


def test_they_are_for_the_master_key_unless_they_are_for_everybody(tmp_path: Path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    key = {"x-litellm-api-key": keys.VIRTUAL_KEY}
    with measured(one) as (gateway, _):
        refused = [got(gateway, headers=each)[0] for each in ({}, key)]
        asked_more, _, _ = got(gateway, "/metrics?name=x")
    open_to_all = {"require_auth_for_metrics_endpoint": False}
    with measured(other, **open_to_all) as (gateway, _):
        told, _, _ = got(gateway, headers={})

    assert refused == [401, 401]
    assert asked_more == 400
    assert told == 200


def test_they_are_nowhere_until_a_reload_switches_them_on(tmp_path: Path):
    config = own_key_config("http://127.0.0.1:1")
    with Gateway(tmp_path, config) as gateway:
        before, _, _ = got(gateway)
        config["litellm_settings"] = {**dict(config["litellm_settings"]), **ON}  # type: ignore[call-overload]
        gateway.config_file.write_text(yaml.safe_dump(config))
        status, _ = gateway.post("/byok/reload", {})
        samples = scraped(gateway)

    assert (before, status) == (404, 200)
    assert total(samples, "byok_reloads_total", result="done") == 1
