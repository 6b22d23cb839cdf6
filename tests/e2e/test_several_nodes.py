"""
Two gateways, each a process of its own, that count limits in one server.

They have one store, as they would in PostgreSQL; where the ledger is added up it is
PostgreSQL. The server is killed, frozen and started under them, and so are they.
"""

import json
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest

from byok.core.databases import without_password
from byok.core.limits.limit import Scope, limits_of
from byok.counters.limiter import SharedLimiter
from tests.counters.engines import at_once
from tests.support import keys, plays
from tests.support.gateway import Gateway, own_key_config
from tests.support.postgres import Cluster
from tests.support.provider_process import ProviderProcess
from tests.support.valkey import Asking, Valkey

pytestmark = [pytest.mark.e2e, pytest.mark.valkey]

MESSAGES = "/v1/messages"
BODY = json.dumps({"model": "company-model", "max_tokens": 9, "messages": []})
ENVIRONMENT = {
    "BYOK_TEST_DEPLOYMENT_KEY": keys.DEPLOYMENT_KEY,
    "BYOK_TEST_COUNTERS_PASSWORD": keys.COUNTERS_PASSWORD,
    "BYOK_TEST_STORE_PASSWORD": keys.STORE_PASSWORD,
    "BYOK_TEST_PEPPER": keys.KEY_PEPPER,
}
COMPANY = {
    "model_name": "company-model",
    "litellm_params": {
        "model": "anthropic/claude-opus-5-5",
        "api_key": "os.environ/BYOK_TEST_DEPLOYMENT_KEY",
    },
}


class Nodes:
    """Both of them, and what they have in common."""

    def __init__(
        self,
        directory: Path,
        provider: ProviderProcess,
        server: Valkey,
        store: object,
        **sections: object,
    ) -> None:
        self.provider = provider
        self.server = server
        self.key_id = ""
        self._directory = directory
        self._config = own_key_config(
            provider.url,
            model_list=[COMPANY],
            store=store,
            counters={
                "url": server.url,
                "password": "os.environ/BYOK_TEST_COUNTERS_PASSWORD",
            },
            **sections,
        )
        if not isinstance(store, str):
            general: Any = self._config["general_settings"]
            general["key_pepper"] = "os.environ/BYOK_TEST_PEPPER"

    def node(self, name: str) -> Gateway:
        directory = self._directory / name
        directory.mkdir(exist_ok=True)
        config = {**self._config, "usage": {"directory": "spool"}}
        return Gateway(directory, config, env=ENVIRONMENT)

    def has_key(self, at: Gateway, **limits: object) -> None:
        """Make a key with *limits*."""
        status, made = at.post("/key/generate", {"key": keys.VIRTUAL_KEY, **limits})
        assert status == 200, made
        self.key_id = str(made["token_id"])

    def leases(self) -> int:
        with Asking(self.server.port) as asking:
            return len(at_once(SharedLimiter(asking.run).leases()))

    def spent(self) -> tuple[int, int]:
        """Return what the server says was spent of the key's budget, and is held."""
        (limit,) = limits_of(Scope.KEY, self.key_id, max_budget=1.0)
        with Asking(self.server.port) as asking:
            found = asking.ask("HMGET", f"{{byok}}:w:{limit.key}", "spent", "held")
        assert isinstance(found, list)
        return int(found[0] or 0), int(found[1] or 0)


def ask(at: Gateway, *, timeout: float = 20) -> tuple[int, str]:
    """Send a message; return the status and the code of what is wrong."""
    connection = HTTPConnection("127.0.0.1", at.port, timeout=timeout)
    headers = {
        "x-litellm-api-key": keys.VIRTUAL_KEY,
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
    }
    try:
        connection.request("POST", MESSAGES, BODY, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("x-byok-error", "")
    finally:
        connection.close()


def readiness(at: Gateway) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", at.port, timeout=20)
    try:
        connection.request("GET", "/health/readiness")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["limits"]
    finally:
        connection.close()


def many(count: int, *gateways: Gateway, at_once: int = 16) -> Counter[tuple[int, str]]:
    """Send *count* messages, some at a time, to each in turn."""
    with ThreadPoolExecutor(at_once) as pool:
        turns = [each for each, _ in zip(cycle(gateways), range(count), strict=False)]
        return Counter(pool.map(ask, turns))


def eventually(holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
    until = monotonic() + within_s
    while not holds():
        assert monotonic() < until, "it did not come true"
        sleep(0.02)


def are(limits: str, *gateways: Gateway) -> None:
    """Wait until limits are what *limits* says, and all are ready meanwhile."""
    eventually(lambda: {readiness(each) for each in gateways} == {(200, limits)})


@contextmanager
def under_load(*gateways: Gateway) -> Iterator[Counter[tuple[int, str]]]:
    """Ask all the while; what was answered is there in the end."""
    over, answers = Event(), Counter[tuple[int, str]]()

    def go(at: Gateway) -> Counter[tuple[int, str]]:
        found = Counter[tuple[int, str]]()
        while not over.is_set():
            found[ask(at)] += 1
        return found

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(go, each) for each in gateways for _ in range(3)]
        try:
            yield answers
        finally:
            over.set()
        for each in asking:
            answers.update(each.result())


@pytest.fixture
def provider() -> Iterator[ProviderProcess]:
    with ProviderProcess() as provider:
        yield provider


@pytest.fixture
def nodes(tmp_path: Path, provider: ProviderProcess, valkey: Valkey) -> Nodes:
    store = f"sqlite:///{tmp_path / 'byok.db'}"
    return Nodes(tmp_path, provider, valkey, store)


def test_one_rate_one_number_at_once_and_one_budget_hold_for_both(
    nodes: Nodes, provider: ProviderProcess, tmp_path: Path
):
    with nodes.node("one") as one, nodes.node("two") as two:
        assert [readiness(one), readiness(two)] == [(200, "shared")] * 2
        nodes.has_key(one, rpm_limit=20)
        assert many(60, one, two) == {(200, ""): 20, (429, "limit.requests"): 40}

        with_leases = {"rpm_limit": 10**6, "max_parallel_requests": 3}
        update = {"key": keys.VIRTUAL_KEY, **with_leases}
        assert one.post("/key/update", update)[0] == 200
        eventually(lambda: ask(two) == (200, ""))
        before = len(provider.requests_for(MESSAGES))
        said = plays.says("a word", streaming=False)
        signals = ("first", "second", "third")
        held = (said.hold_before(b"a word", signal=each) for each in signals)
        provider.play(MESSAGES, *held)
        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask, each) for each in (one, two, one)]
            provider.wait_for_requests(before + 3, MESSAGES)
            assert many(10, one, two) == {(429, "limit.parallel"): 10}
            assert nodes.leases() == 3
            for each in signals:
                provider.fire(each)
            assert [one_of.result() for one_of in asking] == [(200, "")] * 3
        eventually(lambda: nodes.leases() == 0)

        before_nano, _ = nodes.spent()
        assert before_nano == 0
        asked = many(1, one)
        assert asked == {(200, ""): 1}

    cost = costs(tmp_path / "byok.db")[0]
    assert cost > 0
    with nodes.node("one") as one, nodes.node("two") as two:
        so_far = sum(costs(tmp_path / "byok.db"))
        budget = so_far + 10 * cost
        assert (
            one.post(
                "/key/update",
                {
                    "key": keys.VIRTUAL_KEY,
                    "max_parallel_requests": None,
                    "max_budget": budget / 1e9,
                },
            )[0]
            == 200
        )
        eventually(lambda: ask(two)[0] == 200 and nodes.spent()[0] > so_far)
        eventually(lambda: many(8, one, two)[429, "limit.budget"] == 8)
        spent, holding = nodes.spent()
        assert (holding, nodes.leases()) == (0, 0)
        assert budget <= spent < budget + cost
    assert sum(costs(tmp_path / "byok.db")) == spent


def costs(path: Path) -> list[int]:
    with sqlite3.connect(path) as database:
        return [row[0] for row in database.execute("SELECT cost_nano FROM usage")]


@pytest.mark.postgres
def test_the_books_balance_though_the_server_dies_under_load(
    tmp_path: Path, provider: ProviderProcess, valkey: Valkey, postgres: Cluster
):
    database = postgres.database()
    store = {
        "url": without_password(database.url),
        "password": "os.environ/BYOK_TEST_STORE_PASSWORD",
    }
    nodes = Nodes(tmp_path, provider, valkey, store)

    def ledger() -> tuple[int, int]:
        with postgres.connect(database) as connection:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(cost_nano), 0) FROM usage"
            ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    with nodes.node("one") as one, nodes.node("two") as two:
        nodes.has_key(one, rpm_limit=10**6, max_parallel_requests=50, max_budget=1000)
        eventually(lambda: ask(two) == (200, ""))
        with under_load(one, two) as answers:
            eventually(lambda: nodes.spent()[0] > 0)
            for _ in range(2):
                valkey.kill()
                are("degraded", one, two)
                valkey.start()
                are("shared", one, two)
            valkey.freeze()
            are("degraded", one, two)
            valkey.thaw()
            are("shared", one, two)

        assert set(answers) == {(200, "")}
        eventually(lambda: nodes.leases() == 0)

        def balanced() -> bool:
            # Whoever asks has the ledger read again.
            answers[ask(one)] += 1
            return nodes.spent() == (ledger()[1], 0)

        eventually(balanced)
    count, nano = ledger()
    assert count == 1 + sum(answers.values())
    assert nano == count * (nano // count)


def test_closed_is_a_503_until_the_server_is_back(
    tmp_path: Path, provider: ProviderProcess, valkey: Valkey
):
    store = f"sqlite:///{tmp_path / 'byok.db'}"
    nodes = Nodes(tmp_path, provider, valkey, store, budgets={"fail": "closed"})
    with nodes.node("one") as one:
        nodes.has_key(one, rpm_limit=1000)
        assert ask(one) == (200, "")

        valkey.kill()
        are("degraded", one)
        assert ask(one) == (503, "limit.unknown")

        valkey.start()
        eventually(lambda: ask(one) == (200, ""))


def test_a_gateway_that_was_killed_holds_its_leases_for_half_a_minute(
    nodes: Nodes, provider: ProviderProcess
):
    with nodes.node("two") as two:
        one = nodes.node("one")
        nodes.has_key(two, max_parallel_requests=2)
        provider.play(MESSAGES, plays.hangs(), plays.hangs())
        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(ask, one) for _ in range(2)]
            provider.wait_for_requests(2, MESSAGES)
            assert ask(two) == (429, "limit.parallel")
            one._process.stop(signal.SIGKILL)
            killed = monotonic()
            for each in asking:
                assert isinstance(each.exception(), (OSError, HTTPException))
        assert ask(two) == (429, "limit.parallel")

        eventually(lambda: ask(two) == (200, ""), within_s=40)

        assert monotonic() - killed < 32
        eventually(lambda: nodes.leases() == 0)
