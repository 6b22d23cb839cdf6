"""What exchanges add up to, and that no exchange adds a series by itself."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from byok.core.metrics import BUCKETS, add, key_of
from byok.core.usage import Usage
from byok.web.access import AccessLog, AccessRecord
from byok.web.exposition import written
from byok.web.meters import Meters


class Asked:
    method = b"POST"
    headers = ()
    peer = "192.0.2.1"
    gone_because = ""
    received_bytes = 100


def planned(deployment: str) -> Any:
    where = SimpleNamespace(name=deployment, model_group="claude-*")
    return SimpleNamespace(payer="org", deployment=where)


def ended(clock: Clock, *, took: float, first: float | None = None) -> AccessRecord:
    log = AccessLog(clock=clock)
    record = log.open(cast(Any, Asked()), route="/v1/messages", request_id="req_1")
    if first is not None:
        clock.advance(first)
        record.planned = planned("main")
        record.answered(200, (), now=clock.seconds())
        record.usage = Usage(input_tokens=5, output_tokens=7)
        record.ending = "complete"
    clock.advance(took - (first or 0))
    record.bytes_out = 10
    return record


def samples(meters: Meters) -> dict[tuple[str, str], float]:
    text = written(meters.tally())[0].decode()
    return {
        (each.name, each.labels.get("le", "")): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
        if each.labels.get("deployment", "main") == "main"
    }


@pytest.mark.parametrize("bound", BUCKETS)
def test_a_time_is_counted_in_the_bucket_that_ends_with_it(bound):
    clock = Clock()
    meters = Meters(clock, readings=tuple)

    meters.take(ended(clock, took=bound, first=0.0))

    found = samples(meters)
    name = "byok_exchange_duration_seconds_bucket"
    below = [each for each in BUCKETS if found[name, str(each)] == 0]
    assert below == [each for each in BUCKETS if each < bound]


def test_numbers_add_up():
    clock = Clock()
    meters = Meters(clock, readings=lambda: [("byok_connections_open", (), 3)])

    for _ in range(2):
        meters.take(ended(clock, took=1000.0, first=2.0))
    found = samples(meters)

    assert found["byok_exchanges_total", ""] == 2
    assert found["byok_exchange_duration_seconds_sum", ""] == 2000
    assert found["byok_exchange_duration_seconds_bucket", "600.0"] == 0
    assert found["byok_exchange_duration_seconds_bucket", "+Inf"] == 2
    assert found["byok_exchange_first_byte_seconds_sum", ""] == 4
    assert found["byok_received_bytes_total", ""] == 200
    assert found["byok_sent_bytes_total", ""] == 20
    assert found["byok_connections_open", ""] == 3


def test_an_exchange_without_an_answer_has_no_first_byte():
    clock = Clock()
    meters = Meters(clock, readings=tuple)

    meters.take(ended(clock, took=1.0))

    names = {name for name, _ in samples(meters)}
    assert not [name for name in names if "first_byte" in name or "tokens" in name]
    where = ("/v1/messages", "none", "none", "none", "none")
    assert meters.tally()[key_of("byok_exchanges", where)] == [1]


def test_a_hundred_statuses_of_a_provider_are_one_series():
    clock = Clock()
    meters = Meters(clock, readings=tuple)

    for status in range(200, 300):
        record = ended(clock, took=1.0, first=0.5)
        record.status = status
        meters.take(record)

    assert len([key for key in meters.tally() if key.startswith("byok_exch")]) == 3


def test_a_sum_of_two_processes_is_written_as_one():
    clock = Clock()
    one, other = Meters(clock, readings=tuple), Meters(clock, readings=tuple)
    one.take(ended(clock, took=1.0, first=0.5))
    other.take(ended(clock, took=2.0, first=0.5))
    total = one.tally()

    add(total, other.tally())

    text = written(total)[0].decode()
    assert 'byok_exchange_duration_seconds_sum{deployment="main"' in text
    assert "} 3.0\n" in text
    assert text.count("# TYPE byok_exchanges_total counter") == 1
