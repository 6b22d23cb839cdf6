"""
Breaks the corpus in small ways, for as long as it is told to.

`python -m tests.wire.fuzz 60` does so for a minute, from a seed that it prints and
takes as a second argument. Whatever comes in has one of two ends: a request that is
dispatched, or a refusal; an answer that is read, or an error. A crash, another end,
an outcome that depends on where the bytes were cut, and a request that h11 reads
otherwise are findings: the bytes are printed for a new file of the corpus.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import h11
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from byok.wire.errors import WireError
from tests.wire.calling import Client
from tests.wire.corpus import PAYLOADS
from tests.wire.serving import Outcome, Request, converse
from tests.wire.test_answer_reader import BROKEN, BROKEN_BODIES, WHOLE

_WORDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\x00",
    b":",
    b";",
    b",",
    b"0",
    b"0\r\n\r\n",
    b"chunked",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Host: b\r\n",
    b"HTTP/1.1",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"\xff",
)
_MOST_BYTES = 4096
REQUESTS = tuple(each.raw for each in PAYLOADS if len(each.raw) < _MOST_BYTES)
ANSWERS = tuple(
    raw
    for table in (WHOLE, BROKEN, BROKEN_BODIES)
    for raw in table.values()
    if len(raw) < _MOST_BYTES
)


def mutate(raw: bytes, others: tuple[bytes, ...], chance: random.Random) -> bytes:
    """Return *raw* with one to four changes, parts of *others* among them."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(raw))
        end = min(len(raw), start + chance.choice((0, 0, 1, 2, 8, 64)))
        other = chance.choice(others)
        at = chance.randint(0, len(other))
        put = chance.choice(
            (
                b"",
                chance.choice(_WORDS),
                chance.choice(_WORDS),
                chance.randbytes(1),
                raw[start:end] * 2,
                other[at : at + chance.choice((1, 8, 64, 512))],
            )
        )
        raw = raw[:start] + put + raw[end:]
    return raw


def cut_by_chance(raw: bytes, chance: random.Random) -> list[bytes]:
    """Cut *raw* in up to five pieces."""
    points = sorted(chance.randint(0, len(raw)) for _ in range(chance.randint(1, 4)))
    pieces = zip([0, *points], [*points, len(raw)], strict=True)
    return [raw[start:end] for start, end in pieces if end > start]


def try_requests(raw: bytes, chance: random.Random) -> None:
    """Send *raw* to a server, whole and in pieces."""
    outcome = converse([raw])
    assert converse(cut_by_chance(raw, chance)) == outcome, "the cut makes a difference"
    statuses = [each.status for each in outcome.replies]
    served = len(outcome.requests)
    assert statuses[:served] == [200] * served
    assert len(statuses) - served <= 1
    assert all(400 <= status < 600 for status in statuses[served:])
    assert not (outcome.goes_on and len(statuses) > served), "it goes on when refused"
    compare_with_h11(raw, outcome)


def compare_with_h11(raw: bytes, outcome: Outcome) -> None:
    """Where h11 reads a first request in *raw*, it is to be the same one."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    reader.receive_data(raw.removeprefix(b"\r\n"))
    body = b""
    try:
        head = reader.next_event()
        while isinstance(event := reader.next_event(), h11.Data):
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        assert not outcome.requests, "h11 refuses what is dispatched"
        return
    if not outcome.requests:
        return
    assert isinstance(head, h11.Request), "h11 waits for more than was dispatched"
    assert isinstance(event, h11.EndOfMessage), "h11 waits for more of a body"
    first = replace(
        outcome.requests[0],
        headers=tuple(
            (name, value.lower() if name == b"transfer-encoding" else value)
            for name, value in outcome.requests[0].headers
        ),
    )
    assert first == Request(
        method=head.method,
        target=head.target,
        headers=tuple((bytes(name), bytes(value)) for name, value in head.headers),
        body=body,
    ), "h11 reads it otherwise"


def read_answer(segments: list[bytes]) -> tuple[object, bytes, bool]:
    """Return how an answer in *segments* ended, its body, and if more may follow."""
    client = Client()
    call = client.call()
    client.receive(*segments)
    is_open = client.connection.is_open and client.freed == 1
    client.socket.lose()
    end = call.ended_as
    assert end is not None, "the request never ends"
    assert issubclass(end, WireError | ResponseDone | PotentialDataLoss)
    return end, call.body if call.answer else b"", is_open


def try_answer(raw: bytes, chance: random.Random) -> None:
    """Let a server answer *raw*, whole and in pieces."""
    end, body, is_open = read_answer([raw])
    again = read_answer(cut_by_chance(raw, chance))
    assert again[0] is end, "the cut makes a difference"
    if end is not ResponseDone:
        assert not is_open
    else:
        assert again[1] == body
        # An empty line behind an answer is passed over, or is unasked for.
        assert again[2] == is_open or raw.endswith((b"\r", b"\n"))


def fuzz(seconds: float, seed: int) -> int:
    """Try for *seconds*, and return how many things were tried."""
    chance = random.Random(seed)  # noqa: S311 - it is to be repeatable
    kinds: tuple[tuple[Callable[[bytes, random.Random], None], tuple[bytes, ...]], ...]
    kinds = ((try_requests, REQUESTS), (try_answer, ANSWERS))
    until = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < until:
        attempt, seeds = kinds[tried % 2]
        raw = mutate(chance.choice(seeds), seeds, chance)
        try:
            attempt(raw, chance)
        except BaseException as error:
            error.add_note(f"seed {seed}, try {tried}: {attempt.__name__}({raw!r})")
            raise
        tried += 1
    return tried


def main() -> None:
    """Do it as the command line says."""
    seconds = float(sys.argv[1])
    seed = (
        int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().getrandbits(32)
    )
    print(f"seed {seed}, {seconds:g} s ...", flush=True)  # noqa: T201
    print(f"{fuzz(seconds, seed)} payloads, no finding")  # noqa: T201


if __name__ == "__main__":
    main()
