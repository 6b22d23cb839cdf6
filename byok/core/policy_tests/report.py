"""Suites run from the first case to the last, and what came of it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from byok.core.exchange import Decided
from byok.core.explain_answer import DEFAULT_FORWARD, TAKEN_OFF
from byok.core.policy_tests.answers import (
    AnswerTrial,
    answer_mismatches,
    attempt_answer,
)
from byok.core.policy_tests.cases import Case, Given, Suite
from byok.core.policy_tests.coverage import Coverage, Meter
from byok.core.policy_tests.expectations import Mismatch, mismatches
from byok.core.policy_tests.trial import Bench, Trial, attempt, command
from byok.core.policy_tests.wide import TooWideError, requests_of
from byok.policy import floor
from byok.policy.floor import FLOOR
from byok.policy.plan import DEFAULT_DENY
from byok.policy.rules import Direction, Where

# What decides and stands in no list of rules.
_WITHOUT_RULE = frozenset(
    {
        DEFAULT_DENY,
        DEFAULT_FORWARD,
        TAKEN_OFF,
        "request.x-pass",
        floor.SINGLE_CREDENTIAL,
        floor.PLAINTEXT,
    }
)
# Of a test for many requests that fails for many, the first ones say enough.
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One request that is not treated as expected, and the command that shows it."""

    trial: Trial | AnswerTrial
    mismatches: tuple[Mismatch, ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    What came of one test: `failed` counts requests, `failures` are the first ones.

    `error` says why it could not be run, and `error_at` where.
    """

    case: Case
    requests: int = 0
    failed: int = 0
    failures: tuple[Failure, ...] = ()
    error: str = ""
    remedy: str = ""
    error_at: Where | None = None

    @property
    def ok(self) -> bool:
        """Was everything as expected?"""
        return not self.failed and not self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """What came of one document."""

    suite: Suite
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of all documents."""

    suites: tuple[SuiteReport, ...]
    coverage: Coverage

    @property
    def results(self) -> tuple[Result, ...]:
        """The results of all tests, in the order they were run."""
        return tuple(each for suite in self.suites for each in suite.results)

    @property
    def ok(self) -> bool:
        """Was everything as expected?"""
        return all(each.ok for each in self.results)

    @property
    def failed(self) -> tuple[Result, ...]:
        """The tests that failed, or could not be run."""
        return tuple(each for each in self.results if not each.ok)


def run(suites: Sequence[Suite], bench: Bench) -> Report:
    """Try every request of every suite on *bench*."""
    meter = Meter(bench.rules)
    ids = _ids(bench)
    return Report(
        suites=tuple(
            SuiteReport(
                suite=suite,
                results=tuple(_run(case, bench, meter, ids) for case in suite.cases),
            )
            for suite in suites
        ),
        coverage=meter.coverage(),
    )


def merged(reports: Sequence[Report]) -> Report:
    """Put together what came of documents for several configurations."""
    return Report(
        suites=tuple(each for report in reports for each in report.suites),
        coverage=Coverage(
            rules=tuple(each for report in reports for each in report.coverage.rules),
            unmeasured=tuple(
                each for report in reports for each in report.coverage.unmeasured
            ),
        ),
    )


def _ids(bench: Bench) -> frozenset[str]:
    rules = (*FLOOR, *bench.gateway.plans.rules)
    return frozenset(each.id for each in rules) | _WITHOUT_RULE


def _run(case: Case, bench: Bench, meter: Meter, ids: frozenset[str]) -> Result:
    unknown = _unknown_deployment(case, bench)
    if unknown is not None:
        return unknown
    failures: list[Failure] = []
    requests = failed = 0
    try:
        for given in requests_of(case, bench.gateway.table, bench.gateway.plans.rules):
            requests += 1
            trial, wrong = _tried(case, given, bench, meter, ids)
            if not wrong:
                continue
            failed += 1
            if len(failures) < SHOWN:
                failures.append(
                    Failure(
                        trial=trial,
                        mismatches=wrong,
                        command=_command(case, given, bench),
                    )
                )
    except TooWideError as error:
        return Result(case=case, error=str(error), error_at=case.where)
    return Result(case=case, requests=requests, failed=failed, failures=tuple(failures))


def _tried(
    case: Case, given: Given, bench: Bench, meter: Meter, ids: frozenset[str]
) -> tuple[Trial | AnswerTrial, tuple[Mismatch, ...]]:
    if case.direction is Direction.RESPONSE:
        answer = attempt_answer(given, bench)
        if answer.decided is not None and answer.outcome is not None:
            meter.note_answer(answer.decided, answer.outcome, answer.source)
        return answer, answer_mismatches(case.expected, answer, rules=ids)
    trial = attempt(given, bench)
    if isinstance(trial.result, Decided):
        meter.note(trial.result)
    return trial, mismatches(case.expected, trial, rules=ids)


def _command(case: Case, given: Given, bench: Bench) -> str:
    """Return what shows the failure by itself."""
    if case.direction is Direction.REQUEST:
        return command(given, bench)
    # No request shows what becomes of an answer.
    words = ["byok", "policy", "test", "-c", bench.config, case.where.file]
    return shlex.join(words)


def _unknown_deployment(case: Case, bench: Bench) -> Result | None:
    given = case.given
    if given.deployment is None:
        return None
    table = bench.gateway.table
    if table.named(given.deployment) is not None:
        return None
    names = [each.name for each in table.deployments]
    near = get_close_matches(given.deployment, names, n=1)
    return Result(
        case=case,
        error="no deployment has this name",
        remedy=f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}",
        error_at=given.deployment_at,
    )
