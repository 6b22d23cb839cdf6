"""Whom a TLS connection to a provider trusts: the platform, or one CA file."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)


def connection_creator(
    host: str, ca_file: Path | None
) -> IOpenSSLClientConnectionCreator:
    """
    Build the TLS side for *host*: its name checked, TLS 1.2 at least.

    A CA file replaces the platform's roots for this deployment instead of being
    added to them. There is no switch that turns the check off. Raises OSError or
    ValueError where the file cannot be used.
    """
    trust = platformTrust() if ca_file is None else _trust_in(ca_file)
    return optionsForClientTLS(
        host,
        trustRoot=trust,
        extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_2},
    )


def _trust_in(ca_file: Path) -> IOpenSSLTrustRoot:
    certificates = x509.load_pem_x509_certificates(ca_file.read_bytes())
    trust: IOpenSSLTrustRoot = trustRootFromCertificates(
        [
            Certificate.loadPEM(certificate.public_bytes(Encoding.PEM))
            for certificate in certificates
        ]
    )
    return trust
