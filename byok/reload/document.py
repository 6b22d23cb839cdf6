"""What a reload answers, as plain data."""

from collections.abc import Iterator, Sequence

from byok.config import Finding
from byok.config.codes import Level
from byok.core.errors import Refusal
from byok.reload.differences import Difference
from byok.reload.review import Review
from byok.reload.widening import Widening

Document = dict[str, object]


def document(
    review: Review,
    *,
    generation: str,
    previous: str,
    dry_run: bool,
    obstacle: Refusal | None,
) -> Document:
    """Return what *review* says; *generation* is in use now, *previous* was before."""
    return {
        "obstacle": obstacle and {"code": obstacle.code, "message": obstacle.message},
        "generation": generation,
        "previous": previous,
        "reloaded": generation != previous,
        "dry_run": dry_run,
        "findings": [_finding(each) for each in review.findings],
        "needs_restart": list(review.restart),
        "failed_tests": [_finding(each) for each in review.failed_tests],
        "broken_assertions": list(review.broken_assertions),
        "changes": [_difference(each) for each in review.differences],
        "widenings": _widenings(review.widenings),
        "narrowings": _widenings(review.narrowings),
    }


def lines(review: Review) -> Iterator[str]:
    """Yield what *review* has against the configuration, a line each."""
    for finding in review.findings:
        if finding.level is Level.ERROR:
            yield str(finding)
    for name in review.restart:
        yield f"{name} takes a restart"
    yield from map(str, review.failed_tests)
    yield from review.broken_assertions
    for widening in review.widenings:
        yield f"widens: {widening.text} ({widening.where})"


def _finding(finding: Finding) -> Document:
    return {
        "code": finding.code,
        "level": finding.level.value,
        "path": finding.path,
        "file": finding.file,
        "line": finding.line,
        "col": finding.col,
        "message": finding.message,
        "remedy": finding.remedy,
    }


def _difference(difference: Difference) -> Document:
    return {
        "change": difference.change.name.lower(),
        "what": difference.what,
        "name": difference.name,
        "where": str(difference.where),
    }


def _widenings(found: Sequence[Widening]) -> list[Document]:
    return [
        {
            "kind": each.kind,
            "text": each.text,
            "rule": each.rule or None,
            "where": str(each.where),
            "shown_by": each.shown_by or None,
        }
        for each in found
    ]
