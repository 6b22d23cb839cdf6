"""Sixty-four clients on one budget, and books that balance to the nanodollar."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep

import pytest

from tests.e2e.metered import ONE
from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, Json, own_key_config
from tests.support.provider_process import ProviderProcess

pytestmark = pytest.mark.e2e

MESSAGES = "/v1/messages"
CLIENTS = 64
AFFORDED = 300
BODY = json.dumps({"model": "company", "max_tokens": 9, "messages": []})
ANSWER = plays.answer(200, sse.dumps(sse.message([sse.text_block("hi")])))


def config(provider: ProviderProcess) -> Json:
    params = {
        "model": "anthropic/claude-opus-5-5",
        "api_key": "os.environ/BYOK_TEST_DEPLOYMENT_KEY",
    }
    return own_key_config(
        provider.url, model_list=[{"model_name": "company", "litellm_params": params}]
    )


@contextmanager
def begun(directory: Path, provider: ProviderProcess) -> Iterator[Gateway]:
    env = {"BYOK_TEST_DEPLOYMENT_KEY": keys.DEPLOYMENT_KEY}
    with Gateway(directory, config(provider), env=env) as gateway:
        yield gateway


class Crowd:
    """Clients that ask until each is told that the budget is spent."""

    def __init__(self, port: int, *, rounds: int | None = None) -> None:
        self._port = port
        self._rounds = rounds
        self._lock = Lock()
        self.answered: dict[int, int] = {}
        self.threads = [Thread(target=self._ask_on) for _ in range(CLIENTS)]
        for each in self.threads:
            each.start()

    @property
    def served(self) -> int:
        return self.answered.get(200, 0)

    def join(self) -> None:
        for each in self.threads:
            each.join(60)
        assert not any(each.is_alive() for each in self.threads)

    def _ask_on(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {"x-litellm-api-key": keys.VIRTUAL_KEY}
        try:
            while True:
                connection.request("POST", MESSAGES, BODY, headers)
                answer = connection.getresponse()
                answer.read()
                with self._lock:
                    count = self.answered.get(answer.status, 0)
                    self.answered[answer.status] = count + 1
                if answer.headers["x-byok-error"] == "limit.budget":
                    return
        except (OSError, HTTPException):
            return
        finally:
            connection.close()


def rows(directory: Path) -> tuple[int, int, int, int]:
    """Rows of the ledger, what they come to, and what their days come to."""
    with closing(sqlite3.connect(directory / "byok.db")) as database:
        ids, count, cost = database.execute(
            "SELECT count(DISTINCT id), count(*), coalesce(sum(cost_nano), 0)"
            " FROM usage"
        ).fetchone()
        (daily,) = database.execute(
            "SELECT coalesce(sum(cost_nano), 0) FROM usage_daily"
        ).fetchone()
    return ids, count, cost, daily


def wait_for_rows(directory: Path, count: int) -> None:
    until = monotonic() + 20
    while rows(directory)[1] < count and monotonic() < until:
        sleep(0.05)


def asked_once_more(gateway: Gateway) -> int:
    """The status of one more request: the limiter's word, beside the ledger's."""
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    with closing(connection):
        connection.request(
            "POST", MESSAGES, BODY, {"x-litellm-api-key": keys.VIRTUAL_KEY}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status


def test_the_books_balance_and_a_budget_is_overspent_by_what_was_under_way(
    tmp_path: Path,
):
    with ProviderProcess() as provider:
        provider.always(MESSAGES, ANSWER)
        with begun(tmp_path, provider) as gateway:
            gateway.make_key(max_budget=AFFORDED * ONE / 10**9)
            crowd = Crowd(gateway.port)
            crowd.join()
            # Every client was told so, since all had ended that was held.
            assert asked_once_more(gateway) == 429
            wait_for_rows(tmp_path, crowd.served)
        ids, count, cost, daily = rows(tmp_path)
        asked = len(provider.requests_for(MESSAGES))

    assert ids == count == crowd.served == asked
    assert cost == daily == crowd.served * ONE
    assert AFFORDED * ONE <= cost < AFFORDED * ONE + CLIENTS * ONE
    assert crowd.answered.keys() <= {200, 429}


def test_a_gateway_that_is_killed_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path,
):
    with ProviderProcess() as provider:
        provider.always(MESSAGES, ANSWER)
        env = {"BYOK_TEST_DEPLOYMENT_KEY": keys.DEPLOYMENT_KEY}
        gateway = Gateway(tmp_path, config(provider), env=env)
        gateway.make_key(max_budget=AFFORDED * ONE / 10**9)
        first = Crowd(gateway.port)
        while first.served < AFFORDED // 3:
            sleep(0.005)
        os.kill(gateway._process.pid, signal.SIGKILL)
        first.join()
        gateway._process.stop()

        with begun(tmp_path, provider) as gateway:
            second = Crowd(gateway.port)
            second.join()
            wait_for_rows(tmp_path, first.served + second.served)
        ids, count, cost, daily = rows(tmp_path)
        asked = len(provider.requests_for(MESSAGES))

    assert 0 < first.served < AFFORDED
    assert ids == count
    # Whoever has an answer is in the books, but for one whose last byte had just gone
    # out; who was cut off in the middle may not be.
    assert first.served + second.served - 1 <= count <= asked
    assert asked - count <= CLIENTS
    assert cost == daily
    assert AFFORDED * ONE <= cost < AFFORDED * ONE + 2 * CLIENTS * ONE
