"""S-62 as a whole process sees it: many who do not read a large answer."""

import json
import socket
import sys
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, own_key_config
from tests.support.provider_process import ProviderProcess

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read as on Linux"),
]

MESSAGES = "/v1/messages"
READERS = 50
MB = 1_000_000
HEADERS = {
    "x-litellm-api-key": keys.VIRTUAL_KEY,
    "x-api-key": keys.ANTHROPIC_API_KEY,
}


def body(*, stream: bool) -> bytes:
    request = {"model": "claude-opus-5-5", "messages": [], "stream": stream}
    return json.dumps(request).encode()


def stalled(port: int) -> socket.socket:
    """Ask for a large answer, and read its first byte."""
    client = socket.create_connection(("127.0.0.1", port), timeout=20)
    fields = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    asked = body(stream=False)
    head = (
        f"POST {MESSAGES} HTTP/1.1\r\nHost: gateway.test\r\n{fields}"
        f"Content-Length: {len(asked)}\r\n\r\n"
    )
    client.sendall(head.encode() + asked)
    assert client.recv(1) == b"H"
    return client


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (size,) = [each.split()[1] for each in lines if each.startswith("VmRSS:")]
    return int(size) * 1024


def settled(pid: int) -> int:
    """The memory of a process, once it does not grow any more."""
    seen = [resident(pid)]
    until = monotonic() + 30
    while monotonic() < until and not (
        len(seen) > 10 and max(seen[-10:]) - min(seen[-10:]) < MB // 10
    ):
        sleep(0.1)
        seen.append(resident(pid))
    return max(seen)


def served(port: int) -> tuple[int, float]:
    """Ask for a stream and read all of it; return its status, and how long it took."""
    began = monotonic()
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as client:
        client.request("POST", MESSAGES, body(stream=True), HEADERS)
        answer = client.getresponse()
        assert b"message_stop" in answer.read()
        return answer.status, monotonic() - began


def test_fifty_who_do_not_read_100_mb_hold_little_and_others_are_served(tmp_path: Path):
    with ProviderProcess() as provider, ExitStack() as leaving:
        config = own_key_config(provider.url)
        with Gateway(tmp_path, config) as gateway:
            gateway.make_key(key_alias="anna")
            pid = gateway._process.pid
            provider.always(MESSAGES, plays.stream(sse.text_stream("a word")))
            assert served(gateway.port)[0] == 200
            before = settled(pid)
            provider.always(MESSAGES, plays.big(100 * MB))
            for _ in range(READERS):
                leaving.enter_context(closing(stalled(gateway.port)))
            held = settled(pid) - before
            provider.always(MESSAGES, plays.stream(sse.text_stream("a word")))
            others = [served(gateway.port) for _ in range(5)]
            leaving.close()

    assert held < READERS * MB
    assert {status for status, _ in others} == {200}
    assert max(took for _, took in others) < 5
