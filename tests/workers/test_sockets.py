"""The sockets that workers share: who has which, and whom they keep out."""

import socket
import sys

import pytest

from byok.config.listeners import parse
from byok.workers.sockets import Sockets

SHARES_OUT = sys.platform.startswith("linux")


def sockets(*listeners: str) -> Sockets:
    return Sockets(tuple(map(parse, listeners)))


def test_each_worker_has_a_socket_of_its_own_on_one_port():
    held = sockets("tcp:0:interface=127.0.0.1")
    (one,), (other,) = held.open(), held.open()
    try:
        assert one.getsockname() == other.getsockname()
        assert one.getsockname()[1] != 0
        assert (one is not other) is SHARES_OUT
        assert not one.getblocking()
    finally:
        one.close()
        other.close()


def test_a_unix_socket_is_one_for_all_and_goes_with_the_last(tmp_path):
    path = tmp_path / "byok.sock"
    held = sockets(f"unix:{path}:mode=600")
    (one,), (other,) = held.open(), held.open()

    assert one is other
    assert path.stat().st_mode & 0o777 == 0o600
    held.close((one,))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    held.close_all()

    assert not path.exists()


def test_a_unix_socket_that_nobody_listens_on_is_in_nobody_s_way(tmp_path):
    path = tmp_path / "byok.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    held = sockets(f"unix:{path}")

    held.open()
    with pytest.raises(OSError, match="in use"):
        sockets(f"unix:{path}").open()

    held.close_all()


def test_a_file_that_is_no_socket_stays(tmp_path):
    path = tmp_path / "byok.sock"
    path.write_text("somebody's notes")

    with pytest.raises(OSError, match="in use"):
        sockets(f"unix:{path}").open()

    assert path.read_text() == "somebody's notes"


def test_a_port_is_not_shared_with_another_gateway():
    held = sockets("tcp:0:interface=127.0.0.1")
    (one,) = held.open()
    try:
        port = one.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            sockets("tcp:0", f"tcp:{port}:interface=127.0.0.1").open()
    finally:
        one.close()


def test_a_socket_of_systemd_s_cannot_be_shared():
    with pytest.raises(ValueError, match="cannot be shared by workers"):
        sockets("systemd:domain=INET:index=0").open()


@pytest.mark.parametrize("kind", ["tcp6", "ssl"])
def test_ipv6_is_listened_on_as_well(kind):
    held = sockets(rf"{kind}:0:interface=\:\:1")
    (one,) = held.open()
    try:
        assert one.family == socket.AF_INET6
    finally:
        one.close()
