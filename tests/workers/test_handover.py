"""A configuration on its way from one process to another."""

import socket
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.config.kept import Kept
from byok.workers.handover import Handover, receive

FILES = st.dictionaries(st.text(), st.binary(), max_size=3)


@given(st.integers(1, 1000), st.binary(min_size=1), FILES, FILES)
def test_what_was_packed_is_unpacked(number, directory, files, secrets):
    path = Path(directory.decode("utf-8", "surrogateescape"))
    handover = Handover(
        number=number, kept=Kept(directory=path, files=files, secrets=secrets)
    )

    packed = handover.packed()

    assert packed.isascii()
    assert "\n" not in packed
    assert Handover.unpacked(packed) == handover


def handover() -> Handover:
    # More than a socket takes at once.
    files = {"": b"x" * 3_000_000}
    return Handover(
        number=7, kept=Kept(directory=Path("/etc/byok"), files=files, secrets={})
    )


def test_it_is_received_whole_and_what_follows_is_left_alone():
    ours, theirs = socket.socketpair()
    packed = handover().packed().encode()
    sending = Thread(target=ours.sendall, args=(packed + b'{"do": "stop"}\n',))
    sending.start()

    received = receive(theirs.fileno(), len(packed))
    sending.join()
    rest = theirs.recv(100)
    ours.close()
    theirs.close()

    assert received == handover()
    assert rest == b'{"do": "stop"}\n'


def test_nothing_is_waited_for_where_nothing_is_handed_over():
    ours, theirs = socket.socketpair()

    assert receive(theirs.fileno(), 0) is None

    ours.close()
    theirs.close()


def test_a_supervisor_that_is_gone_is_no_reason_to_wait():
    ours, theirs = socket.socketpair()
    ours.sendall(b"{")
    ours.close()

    with pytest.raises(EOFError, match="gone"):
        receive(theirs.fileno(), 100)

    theirs.close()
