"""What other servers were fooled by, and what must not be refused: replayed whole."""

import pytest

from tests.wire.corpus import CORPUS, PAYLOADS, Payload
from tests.wire.serving import Outcome, converse
from tests.wire.sockets import bytewise, halves

# Long ones are long in one line: splits far apart meet every state.
SPLITS = 200

every_payload = pytest.mark.parametrize(
    "payload", PAYLOADS, ids=[each.name for each in PAYLOADS]
)


def check(payload: Payload, outcome: Outcome) -> None:
    """Compare *outcome* with what the corpus asks for."""
    statuses = [each.status for each in outcome.replies]
    refusals = [] if payload.refusal is None else [payload.refusal]
    assert statuses == [200] * payload.dispatched + refusals
    assert len(outcome.requests) == payload.dispatched
    assert outcome.goes_on == (payload.then == "open")
    answered = outcome.replies[: payload.dispatched]
    bodies = [
        b"" if request.method == b"HEAD" else b"%d" % number
        for number, request in enumerate(outcome.requests, start=1)
    ]
    assert [each.body for each in answered] == bodies
    if not outcome.goes_on:
        assert b"\r\nconnection: close" in outcome.replies[-1].headers


@every_payload
def test_a_payload_comes_to_what_the_corpus_says(payload):
    check(payload, converse([payload.raw]))


@every_payload
def test_it_makes_no_difference_that_a_payload_comes_byte_by_byte(payload):
    outcome = converse(bytewise(payload.raw))

    check(payload, outcome)
    assert outcome == converse([payload.raw])


@every_payload
def test_it_makes_no_difference_where_a_payload_is_cut_in_two(payload):
    whole = converse([payload.raw])

    for first, second in halves(payload.raw, most=SPLITS):
        assert converse([first, second]) == whole, first[-20:]


def test_every_file_of_the_corpus_has_an_outcome():
    files = {path.stem for path in CORPUS.glob("*.http")}

    assert files == {payload.name for payload in PAYLOADS}
    assert len(files) > 150
