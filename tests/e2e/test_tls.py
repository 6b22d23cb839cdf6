"""Listeners with TLS: what is offered, and certificates that are renewed."""

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection

import pytest

from tests.support.gateway import Gateway, Json, own_key_config
from tests.upstream.certificates import Authority, Pair
from tests.wire.test_certificates import files_in, write

pytestmark = pytest.mark.e2e

AUTHORITY = Authority()
ALIVE = b"GET /health/liveliness HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


class Secure:
    """A gateway with a plain listener and one with TLS."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        listening = gateway.wait_for_event("listening", tls=True)
        self.port = int(str(listening["port"]))

    def connect(self, **options: object) -> ssl.SSLSocket:
        """Shake hands as *options* say; fail where the certificate is not trusted."""
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
        protocols = options.pop("protocols", None)
        if protocols is not None:
            context.set_alpn_protocols(protocols)  # type: ignore[arg-type]
        for name, value in options.items():
            setattr(context, name, value)
        raw = create_connection(("127.0.0.1", self.port), timeout=20)
        try:
            return context.wrap_socket(raw, server_hostname="gateway.test")
        except BaseException:
            raw.close()
            raise

    def serial(self) -> int:
        with self.connect() as client:
            return serial_of(client)


def serial_of(client: ssl.SSLSocket) -> int:
    shown = client.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def is_served(client: ssl.SSLSocket) -> bool:
    client.sendall(ALIVE)
    answer = client.recv(4096)
    while b"alive" not in answer and (more := client.recv(4096)):
        answer += more
    return answer.startswith(b"HTTP/1.1 200 ")


@contextmanager
def secure(directory: Path, pair: Pair, **sections: object) -> Iterator[Secure]:
    files = files_in(directory, pair)
    listener = (
        f"ssl:0:privateKey={files.key.name}:certKey={files.certificate.name}"
        ":interface=127.0.0.1"
    )
    config = own_key_config("http://127.0.0.1:1", **sections)
    with Gateway(directory, config, "--listen", listener) as gateway:
        yield Secure(gateway)


@pytest.fixture
def pair() -> Pair:
    return AUTHORITY.issue("gateway.test")


def test_s_72_http_1_1_alone_is_offered(tmp_path: Path, pair: Pair):
    with secure(tmp_path, pair) as place:
        chosen, version = [], None
        for protocols in (["h2", "http/1.1"], ["http/1.1"], ["h2"], None):
            with place.connect(protocols=protocols) as client:
                chosen.append(client.selected_alpn_protocol())
                assert is_served(client)
                version = client.version()

    assert chosen == ["http/1.1", "http/1.1", None, None]
    assert version == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_below_1_2_is_not_spoken(tmp_path: Path, pair: Pair):
    with secure(tmp_path, pair) as place:
        with place.connect(maximum_version=ssl.TLSVersion.TLSv1_2) as client:
            assert is_served(client)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            place.connect(
                minimum_version=ssl.TLSVersion.TLSv1,
                maximum_version=ssl.TLSVersion.TLSv1_1,
            )


def test_a_renewed_certificate_is_taken_up_by_itself(tmp_path: Path, pair: Pair):
    new = AUTHORITY.issue("gateway.test")
    with secure(tmp_path, pair) as place, place.connect() as kept:
        assert is_served(kept)
        files_in(tmp_path, new)

        told = place.gateway.wait_for_event("certificate-renewed")

        assert place.serial() == new.certificate.serial_number
        assert is_served(kept)
        assert serial_of(kept) == pair.certificate.serial_number
    assert told["expires"] == new.certificate.not_valid_after_utc.isoformat()


def test_a_broken_one_is_told_and_the_one_before_stays(tmp_path: Path, pair: Pair):
    new = AUTHORITY.issue("gateway.test")
    with secure(tmp_path, pair) as place:
        write(tmp_path / "tls.crt", b"half of a certificate")
        status, answer = place.gateway.post("/byok/reload", {})
        after_a_reload = place.serial()
        findings = answer["findings"]
        place.gateway.wait_for_event("certificate-unusable")
        files_in(tmp_path, new)
        os.kill(place.gateway._process.pid, signal.SIGHUP)
        place.gateway.wait_for_event("certificate-renewed")

        assert (status, after_a_reload) == (200, pair.certificate.serial_number)
        assert [each["code"] for each in rows(findings)] == ["W124"]
        assert "tls.crt holds no certificate" in str(findings)
        assert place.serial() == new.certificate.serial_number


def rows(found: object) -> list[Json]:
    assert isinstance(found, list)
    return found


def test_who_does_not_shake_hands_is_let_go(tmp_path: Path, pair: Pair):
    limits = {"head_s": 0.5, "linger_s": 0.2, "drain_s": 0}
    with (
        secure(tmp_path, pair, limits=limits) as place,
        create_connection(("127.0.0.1", place.port), timeout=20) as client,
    ):
        client.sendall(b"\x16\x03\x01")

        assert ended(client)
        with place.connect() as other:
            assert is_served(other)


def ended(client: object) -> bool:
    try:
        return client.recv(4096) == b""  # type: ignore[attr-defined]
    except ConnectionError:
        return True


def test_a_gateway_without_a_usable_certificate_does_not_start(
    tmp_path: Path, pair: Pair
):
    files = files_in(tmp_path, pair)
    write(files.key, b"nothing")
    config = own_key_config("http://127.0.0.1:1")
    listener = f"ssl:0:privateKey={files.key}:certKey={files.certificate}"

    with (
        pytest.raises(AssertionError, match="holds no private key"),
        Gateway(
            tmp_path, config, "--listen", f"{listener}:interface=127.0.0.1"
        ) as gateway,
    ):
        gateway.wait_for_event("banner")
