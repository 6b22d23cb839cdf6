"""
The upstream, a process of its own: canned answers, as cheaply as Python can.

It prints the port it got as one line of JSON, and ends when its standard input does.
What it answers is in the name of the model that is asked for (`payloads.PLAYS`).
"""

import argparse
import asyncio
import json
import os
import re
import sys
from threading import Thread

from benchmarks.exchange import payloads

BURST = 10
"""How many times the events of a paced stream are in one that hurries."""

SHORT_EVENTS = 20
SHORT_APART_S = 0.001
_KEPT = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_PLAY = re.compile(payloads.MODEL.encode() + rb"(\w+)")
_DELTA = payloads.chunk(payloads.DELTA)
_LARGE_DELTA = payloads.chunk(payloads.LARGE_DELTA)


class Upstream(asyncio.Protocol):
    """Reads requests off one connection and plays the answer to each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._begun = b""
        self._left = 0
        self._beginning = b""
        self._closes = False
        self._is_paused = False
        self._large_left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Play no further."""
        del exc
        self._large_left = 0

    def data_received(self, data: bytes) -> None:
        """Read on; answer once a request is complete."""
        if self._left:
            self._left -= len(data)
            if len(self._beginning) < _KEPT:
                self._beginning += data
            elif not self._left:
                # Whoever writes the body anew may put the model last.
                self._beginning += data
        else:
            self._begun += data
            end = self._begun.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._begun, 0, end)
            size = 0 if length is None else int(length[1])
            self._closes = _CLOSES.search(self._begun, 0, end) is not None
            self._beginning = self._begun[end + 4 :]
            self._left = size - len(self._beginning)
            self._begun = b""
        if not self._left:
            beginning, self._beginning = self._beginning, b""
            found = _PLAY.search(beginning)
            self._play(b"small" if found is None else found[1])

    def _play(self, play: bytes) -> None:
        write = self._transport.write
        if play == b"small":
            self._end(payloads.SMALL)
        elif play == b"overloaded":
            self._end(payloads.OVERLOADED)
        else:
            write(payloads.STREAM_HEAD + payloads.BEGINNING)
            if play == b"events":
                write(payloads.BLOCK_BEGINS)
                self._tell(self._options.events, self._options.apart)
            elif play == b"burst":
                write(payloads.BLOCK_BEGINS)
                self._tell(self._options.events * BURST, 0.0)
            elif play in {b"short", b"cut"}:
                write(payloads.BLOCK_BEGINS)
                self._tell(SHORT_EVENTS, SHORT_APART_S, cuts=play == b"cut")
            elif play == b"large":
                write(payloads.BLOCK_BEGINS)
                self._large_left = self._options.large_mb * 1_000_000
                self._pour()

    def _end(self, data: bytes) -> None:
        self._transport.write(data)
        if self._closes:
            self._transport.close()

    def _tell(self, left: int, apart_s: float, *, cuts: bool = False) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(_DELTA)
            self._loop.call_later(apart_s, self._again, left - 1, apart_s, cuts)
        elif cuts:
            self._transport.abort()
        else:
            self._end(payloads.ENDING)

    def _again(self, left: int, apart_s: float, cuts: bool) -> None:  # noqa: FBT001
        self._tell(left, apart_s, cuts=cuts)

    def pause_writing(self) -> None:
        """Wait for who reads."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on with a large answer."""
        self._is_paused = False
        if self._large_left > 0:
            self._pour()

    def _pour(self) -> None:
        while not self._is_paused and self._large_left > 0:
            self._large_left -= len(_LARGE_DELTA)
            self._transport.write(_LARGE_DELTA)
            if self._large_left <= 0:
                self._end(payloads.ENDING)


async def serve(options: argparse.Namespace) -> None:
    """Listen, say where, and go on."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Upstream(options), "127.0.0.1", 0, backlog=4096
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--apart", type=float, default=0.004)
    parser.add_argument("--large-mb", type=int, default=100)
    options = parser.parse_args()
    Thread(target=_end_with_input, daemon=True).start()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
