"""The payloads in tests/corpus, each with what has to become of it."""

from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """
    The bytes of one connection, and the outcome that outcomes.txt asks for.

    *then* is `open`, `closed`, or the status of the refusal that ends it.
    """

    name: str
    raw: bytes
    dispatched: int
    then: str

    @property
    def refusal(self) -> int | None:
        """The status it is refused with, if it is."""
        return int(self.then) if self.then.isdigit() else None


def read_corpus() -> tuple[Payload, ...]:
    """Return every payload, in the order of the table."""
    payloads = []
    for line in (CORPUS / "outcomes.txt").read_text("ascii").splitlines():
        if line and not line.startswith("#"):
            name, dispatched, then = line.split()
            raw = (CORPUS / f"{name}.http").read_bytes()
            payloads.append(
                Payload(name=name, raw=raw, dispatched=int(dispatched), then=then)
            )
    return tuple(payloads)


PAYLOADS = read_corpus()
