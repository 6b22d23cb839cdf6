"""Keeps the operator's key out of what a caller is shown of a provider's error."""

from collections.abc import Iterable

from byok.core.secret import Secret

_MASK = b"*"


class Scrubber:
    """
    Masks every occurrence of some secrets in a body that comes in pieces.

    A mask is as long as what it hides, so a Content-Length stays true. As many
    bytes as a secret may still be growing in are held back to the next piece,
    and no more: nothing is buffered whole.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        values = {secret.reveal_bytes() for secret in secrets if len(secret)}
        # The longest first: a secret may begin with another one.
        self._secrets = sorted(values, key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take a piece; return what of the body is certain by now."""
        text = self._masked(self._held + data)
        keep = max((_begun(text, secret) for secret in self._secrets), default=0)
        cut = len(text) - keep
        self._held = text[cut:]
        return text[:cut]

    def end(self) -> bytes:
        """Return what was held back: no secret ended in it."""
        held, self._held = self._held, b""
        return held

    def _masked(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, _MASK * len(secret))
        return text


def _begun(text: bytes, secret: bytes) -> int:
    """How many bytes at the end of *text* could be the beginning of *secret*."""
    for size in range(min(len(secret) - 1, len(text)), 0, -1):
        if text.endswith(secret[:size]):
            return size
    return 0
