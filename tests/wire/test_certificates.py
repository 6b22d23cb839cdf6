"""A listener's certificate: what is read of it, and when it is renewed."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from OpenSSL.SSL import TLS_METHOD, Connection, Context, WantReadError

from byok.wire.certificates import (
    CertificateFiles,
    CertificateUnusable,
    ServerCertificate,
)
from tests.support.sweep import exempt
from tests.upstream.certificates import Authority, Pair

AUTHORITY = Authority()


def pem(pair: Pair) -> bytes:
    return pair.certificate.public_bytes(Encoding.PEM)


def key_pem(pair: Pair, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def write(file: Path, text: bytes) -> None:
    """Write *text* so that the file is told from the one before, however fast."""
    later = file.stat().st_mtime_ns + 1_000_000 if file.exists() else None
    file.write_bytes(text)
    if later is not None:
        os.utime(file, ns=(later, later))


def files_in(directory: Path, pair: Pair, *behind: bytes) -> CertificateFiles:
    files = CertificateFiles(
        key=exempt(directory / "tls.key"), certificate=directory / "tls.crt"
    )
    write(files.key, key_pem(pair))
    write(files.certificate, b"".join((pem(pair), *behind)))
    return files


def handshake(certificate: ServerCertificate) -> Connection:
    """Shake hands in memory; return the client's side."""
    client = Connection(Context(TLS_METHOD), None)
    client.set_connect_state()
    server = certificate.serverConnectionForTLS(None)  # type: ignore[arg-type]
    server.set_accept_state()
    for one, other in ((client, server), (server, client)) * 4:
        with suppress(WantReadError):
            one.do_handshake()
        with suppress(WantReadError):
            other.bio_write(one.bio_read(1 << 20))
    return client


def serials(certificate: ServerCertificate) -> list[int]:
    chain = handshake(certificate).get_peer_cert_chain(as_cryptography=True)
    assert chain is not None
    return [each.serial_number for each in chain]


def test_what_stands_behind_a_certificate_is_shown_with_it(tmp_path):
    pair, other = AUTHORITY.issue("gateway.test"), AUTHORITY.issue("other.test")
    files = files_in(tmp_path, pair, AUTHORITY.pem)
    chain = tmp_path / "chain.pem"
    write(chain, pem(other))

    alone = ServerCertificate(files)
    more = ServerCertificate(
        CertificateFiles(key=files.key, certificate=files.certificate, chain=chain)
    )

    assert serials(alone)[0] == pair.certificate.serial_number
    assert len(serials(alone)) == 2
    assert serials(more)[2] == other.certificate.serial_number
    assert alone.expires_at == pair.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("tls.key", b"nothing", "tls.key holds no private key in PEM"),
        (
            "tls.key",
            key_pem(AUTHORITY.issue("a.test"), b"secret"),
            "without a password",
        ),
        ("tls.key", key_pem(AUTHORITY.issue("a.test")), "is not that of"),
        ("tls.crt", b"nothing", "tls.crt holds no certificate in PEM"),
        ("tls.crt", b"", "tls.crt holds no certificate in PEM"),
        ("tls.key", None, "tls.key cannot be read: No such file or directory"),
        ("tls.crt", None, "tls.crt cannot be read: No such file or directory"),
    ],
)
def test_files_that_cannot_be_used_change_nothing(tmp_path, name, text, said):
    pair = AUTHORITY.issue("gateway.test")
    files = files_in(tmp_path, pair)
    certificate = ServerCertificate(files)
    if text is None:
        (tmp_path / name).unlink()
    else:
        write(tmp_path / name, text)

    with pytest.raises(CertificateUnusable, match=said):
        certificate.renew()
    with pytest.raises(CertificateUnusable, match=said):
        ServerCertificate(files)

    assert serials(certificate)[0] == pair.certificate.serial_number
    assert certificate.expires_at == pair.certificate.not_valid_after_utc


def test_a_renewed_one_is_used_by_new_connections_alone(tmp_path):
    old, new = AUTHORITY.issue("gateway.test"), AUTHORITY.issue("gateway.test")
    certificate = ServerCertificate(files_in(tmp_path, old))
    before = handshake(certificate)
    assert not certificate.renew()
    files_in(tmp_path, new)

    assert certificate.renew()
    assert not certificate.renew()

    assert serials(certificate)[0] == new.certificate.serial_number
    shown = before.get_peer_certificate(as_cryptography=True)
    assert shown is not None
    assert shown.serial_number == old.certificate.serial_number


def test_it_looks_renewed_once_the_files_have_settled(tmp_path):
    old, new = AUTHORITY.issue("gateway.test"), AUTHORITY.issue("gateway.test")
    certificate = ServerCertificate(files_in(tmp_path, old))
    looks = [certificate.looks_renewed(), certificate.looks_renewed()]
    write(tmp_path / "tls.key", key_pem(new))
    looks.append(certificate.looks_renewed())
    write(tmp_path / "tls.crt", pem(new))
    looks += [certificate.looks_renewed(), certificate.looks_renewed()]
    certificate.renew()
    looks += [certificate.looks_renewed(), certificate.looks_renewed()]

    assert looks == [False, False, False, False, True, False, False]


def test_what_cannot_be_used_is_tried_once_and_again_when_it_changes(tmp_path):
    old, new = AUTHORITY.issue("gateway.test"), AUTHORITY.issue("gateway.test")
    certificate = ServerCertificate(files_in(tmp_path, old))
    write(tmp_path / "tls.crt", b"half of")
    looks = [certificate.looks_renewed(), certificate.looks_renewed()]
    with pytest.raises(CertificateUnusable):
        certificate.renew()
    looks += [certificate.looks_renewed(), certificate.looks_renewed()]
    files_in(tmp_path, new)
    looks += [certificate.looks_renewed(), certificate.looks_renewed()]

    assert looks == [False, True, False, False, False, True]
    assert certificate.renew()
    assert serials(certificate)[0] == new.certificate.serial_number
