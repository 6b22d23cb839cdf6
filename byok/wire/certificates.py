"""
A listener's certificate, which may be renewed while connections are open.

Each connection is made with what is in use at that moment and keeps it. Files that
cannot be used change nothing: a certificate that ran out tomorrow is better than none
today.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL.SSL import NO_OVERLAPPING_PROTOCOLS, Connection, Context
from OpenSSL.SSL import Error as TLSError
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

# HTTP/2 is not spoken here, whatever libraries are installed.
_PROTOCOL = b"http/1.1"

_Seen = tuple[tuple[int, ...] | None, ...]


class CertificateUnusable(ValueError):
    """Says what is wrong with the files of a certificate, and quotes none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """
    Where a certificate, its private key and what leads to its authority stand, in PEM.

    Certificates after the first in the certificate's own file belong to the chain too.
    """

    key: Path
    certificate: Path
    chain: Path | None = None

    def seen(self) -> _Seen:
        """Return what tells these files from others of the same names."""
        return tuple(
            _identity(each)
            for each in (self.key, self.certificate, self.chain)
            if each is not None
        )


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """
    The certificate of one listener, read from *files*.

    Raises CertificateUnusable where it cannot be used at all.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self.files = files
        self._tried = files.seen()
        self._glimpsed = self._tried
        self._context, self.expires_at = _read(files)

    def over(self, factory: IProtocolFactory) -> TLSMemoryBIOFactory:
        """Return what speaks TLS below the protocols of *factory*."""
        return TLSMemoryBIOFactory(self, False, factory)  # noqa: FBT003 - positional

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> Connection:
        """Begin a connection with the certificate in use."""
        del protocol
        return Connection(self._context, None)

    def looks_renewed(self) -> bool:
        """
        Are there other files than were tried last, and have they settled?

        Two looks in a row have to find the same: key and certificate are not
        written at once.
        """
        before, self._glimpsed = self._glimpsed, self.files.seen()
        return self._glimpsed == before != self._tried

    def renew(self) -> bool:
        """
        Use what the files hold now; return whether it is something else.

        Raises CertificateUnusable, and keeps what is in use.
        """
        seen = self._tried, self.files.seen()
        self._tried = seen[1]
        self._context, self.expires_at = _read(self.files)
        return seen[0] != seen[1]


def _identity(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read(files: CertificateFiles) -> tuple[Context, datetime]:
    own, *chain = _certificates_in(files.certificate)
    if files.chain is not None:
        chain += _certificates_in(files.chain)
    written = _bytes_of(files.key)
    try:
        # An encrypted one is refused; nobody is there to type a password.
        key = load_pem_private_key(written, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise CertificateUnusable(
            f"{files.key} holds no private key in PEM that can be read without a"
            " password"
        ) from None
    try:
        options = CertificateOptions(
            # pyOpenSSL warns of its own types, which twisted's annotations ask for.
            privateKey=key,  # type: ignore[arg-type]
            certificate=own,  # type: ignore[arg-type]
            extraCertChain=chain,  # type: ignore[arg-type]
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        context = options.getContext()
    except (TLSError, TypeError, ValueError):
        raise CertificateUnusable(
            f"the private key in {files.key} is not that of the certificate in"
            f" {files.certificate}, or TLS cannot use it"
        ) from None
    context.set_alpn_select_callback(_chosen)
    return context, own.not_valid_after_utc


def _chosen(_: Connection, offered: list[bytes]) -> Any:
    # Who offers none of ours is spoken to as if it had offered nothing (RFC 7301 would
    # have it refused, and a client that can do HTTP/1.1 without saying so with it).
    return _PROTOCOL if _PROTOCOL in offered else NO_OVERLAPPING_PROTOCOLS


def _certificates_in(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes_of(file))
    except ValueError as error:
        if isinstance(error, CertificateUnusable):
            raise
        raise CertificateUnusable(f"{file} holds no certificate in PEM") from None


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CertificateUnusable(
            f"{file} cannot be read: {error.strerror or 'an unknown error'}"
        ) from None
