"""Certificates of listeners that are renewed on disk, taken up as they are."""

from collections.abc import Sequence

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from byok.wire.certificates import CertificateUnusable, ServerCertificate

EVERY_S = 1.0

_log = Logger(namespace="byok.service")


class Renewals:
    """Looks at the files of every certificate once a second, and when it is told to."""

    def __init__(self, *, clock: IReactorTime) -> None:
        self._certificates: list[ServerCertificate] = []
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def add(self, certificate: ServerCertificate) -> None:
        """Look after *certificate* too."""
        self._certificates.append(certificate)
        if not self._loop.running:
            self._loop.start(EVERY_S, now=False)

    def stop(self) -> None:
        """Look at nothing any more."""
        if self._loop.running:
            self._loop.stop()

    def renew(self) -> Sequence[str]:
        """Use what the files hold now; return what is wrong with those that stay."""
        found = [_renewed(each) for each in self._certificates]
        return [problem for problem in found if problem]

    def _look(self) -> None:
        for each in self._certificates:
            if each.looks_renewed():
                _renewed(each)


def _renewed(certificate: ServerCertificate) -> str:
    try:
        is_new = certificate.renew()
    except CertificateUnusable as error:
        _log.warn(
            "a certificate cannot be used, the one before stays in use: {reason}",
            event="certificate-unusable",
            reason=str(error),
            expires=certificate.expires_at.isoformat(),
        )
        return str(error)
    if is_new:
        _log.info(
            "the certificate in {file} is in use for new connections, and ends on"
            " {expires}",
            event="certificate-renewed",
            file=str(certificate.files.certificate),
            expires=certificate.expires_at.isoformat(),
        )
    return ""
