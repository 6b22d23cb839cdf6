"""What the rig is made of starts, does its part, and is gone afterwards."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.exchange import payloads
from benchmarks.exchange.__main__ import main, options, present
from benchmarks.exchange.clients import exchange, whole_streams
from benchmarks.exchange.load import send_small
from benchmarks.exchange.processes import (
    BenchmarkError,
    Child,
    free_port,
    upstream_of,
    wait_until_it_listens,
)
from benchmarks.exchange.scenarios import QUICK, SCENARIOS
from benchmarks.exchange.subjects import Byok, HAProxy, Running

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="the rig reads Linux's /proc"
)

TINY = replace(
    QUICK,
    events=20,
    apart_s=0.001,
    idle=3,
    settle_s=0.0,
    stalled_s=0.1,
    large_mb=2,
    upload_bytes=1_000_000,
    soak_s=1.0,
)
UPSTREAM = ("--events", "20", "--apart", "0.001", "--large-mb", "2")
PROXIES = [
    pytest.param(
        each,
        id=each.name,
        marks=pytest.mark.skipif(each.missing() is not None, reason="not installed"),
    )
    for each in (HAProxy(), Byok())
]


@pytest.fixture
def upstream(tmp_path):
    with upstream_of(UPSTREAM, tmp_path) as (child, port):
        yield Running(child=child, port=port)
    assert not child.is_running


def ask(port: int, play: str) -> tuple[int, bool]:
    """Return the status of an answer, and whether it is a whole stream."""

    async def asked() -> tuple[int, bool]:
        found = await exchange(port, payloads.request(play, key="sk-none"))
        await found.ended
        return found.status, found.is_whole

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("play", "answer"),
    [
        ("small", (200, False)),
        ("events", (200, True)),
        ("burst", (200, True)),
        ("short", (200, True)),
        ("cut", (200, False)),
        ("large", (200, True)),
        ("overloaded", (529, False)),
    ],
)
def test_the_upstream_plays_what_the_model_is_called(upstream, play, answer):
    assert ask(upstream.port, play) == answer


def test_a_stream_that_is_not_whole_is_no_measurement(upstream):
    cut = payloads.request("cut", key="sk-none")

    with pytest.raises(BenchmarkError, match="2 of 2 streams"):
        asyncio.run(whole_streams(upstream.port, cut, 2))


def test_requests_are_as_large_as_they_should_be_and_readable():
    for size in (payloads.BODY_BYTES, 200_000):
        body = payloads.body("small", size=size)

        assert abs(len(body) - size) < 100
        assert json.loads(body)["model"] == "claude-bench-small"


def test_without_wrk_our_own_client_counts(upstream, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    before = upstream.child.cpu()

    load = send_small(
        upstream.port, "sk-none", connections=2, seconds=1, directory=tmp_path
    )

    assert load.requests > 10
    assert 0 < load.p50_ms <= load.p99_ms
    assert (upstream.child.cpu() - before).spent_s > 0


def test_memory_and_its_peak_are_those_of_the_process(upstream):
    upstream.child.forget_peak()

    assert 1_000_000 < upstream.child.rss_bytes() <= upstream.child.peak_bytes()


def test_a_program_that_does_not_start_is_an_error_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]

    with (
        Child(command, output=tmp_path / "said.txt") as child,
        pytest.raises(BenchmarkError, match="no such thing"),
    ):
        wait_until_it_listens(child, free_port(), timeout_s=20)


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_goes_through_every_scenario_and_stops(proxy, upstream, tmp_path):
    figures: dict[str, float] = {}
    with proxy.run(tmp_path, upstream.port) as running:
        for each in SCENARIOS:
            figures |= each.play(running, TINY, tmp_path)

    assert not running.child.is_running
    assert figures["request_cpu_us_32"] >= figures["request_kernel_us_32"] >= 0
    assert figures["requests_per_s_32"] > 1
    assert figures["event_cpu_us"] > 0
    assert figures["burst_event_cpu_us"] > 0
    assert figures["soak_mb_10"] == figures["soak_mb"] > 1
    assert figures["soak_answers_529"] > 0


def test_everything_byok_is_measured_with_is_on(upstream, tmp_path):
    with Byok().run(tmp_path, upstream.port) as running:

        async def refused() -> int:
            request = payloads.request("small", key=payloads.WRONG_KEY)
            found = await exchange(running.port, request)
            await found.ended
            return found.status

        assert asyncio.run(refused()) in {401, 403}
        assert ask_with(running, "short") == (200, True)

    lines = map(json.loads, (tmp_path / "access.json").read_text().splitlines())
    (served,) = (
        each
        for each in lines
        if each.get("event") == "access" and each["key"] == "bench"
    )
    assert served["credential"] == "credential.provider.anthropic.api_key"
    assert served["output_tokens"] == 400


def ask_with(running: Running, play: str) -> tuple[int, bool]:
    async def asked() -> tuple[int, bool]:
        found = await exchange(running.port, payloads.request(play, key=running.key))
        await found.ended
        return found.status, found.is_whole

    return asyncio.run(asked())


def test_who_is_not_asked_for_is_left_out_with_a_reason():
    subjects, left_out = present(options().parse_args(["--only", "byok"]))

    assert [each.name for each in subjects] == ["byok"]
    assert left_out == {"haproxy": "not asked for", "litellm": "not asked for"}


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys):
    written = tmp_path / "figures.json"
    quick = ["--quick", "--only", "byok", "--scenarios", "upload"]

    code = main([*quick, "--json", str(written)])

    assert code == 0
    assert "held for a body of 20 MB" in capsys.readouterr().out
    assert json.loads(Path(written).read_text())["medians"]["byok"]["upload_mb"] > 0
