"""Results of policy tests, for people, for TAP and JUnit readers, and as JSON."""

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

import yaml

from byok.cli.render import Renderer, Style, Styled
from byok.config.policy_tests import mismatch_words
from byok.core.explain_text import render_slot
from byok.core.policy_tests.coverage import Coverage
from byok.core.policy_tests.expectations import slots_of
from byok.core.policy_tests.report import Failure, Report, Result

# What XML 1.0 has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# -- text


def print_text(screen: Renderer, report: Report, *, with_coverage: bool) -> None:
    """Print what failed, with what is needed to understand it, and the sums."""
    for suite in report.suites:
        screen.line(suite.suite.file)
        for result in suite.results:
            mark = (
                Styled("ok   ", Style.GOOD) if result.ok else Styled("FAIL ", Style.BAD)
            )
            screen.line("  ", mark, " ", result.case.name, _count(result))
            for line in _details(result):
                screen.line("        ", line)
    if with_coverage:
        screen.line()
        for line in _coverage_lines(report.coverage):
            screen.line(line)
    screen.line(_summary(report))


def _count(result: Result) -> str:
    if not result.case.every or result.error:
        return ""
    return f"  ({result.requests} requests)"


def _details(result: Result) -> Iterator[str]:
    if result.ok:
        return
    if result.error:
        yield f"{result.error_at}: {result.error}"
        if result.remedy:
            yield f"    {result.remedy}"
        return
    yield str(result.case.where)
    for failure in result.failures:
        yield from _failure_lines(failure)
    more = result.failed - len(result.failures)
    if more:
        yield f"and {more} more of {result.requests} requests"


def _failure_lines(failure: Failure) -> Iterator[str]:
    for each in failure.mismatches:
        yield mismatch_words(each)
    refusal = failure.trial.refusal
    if refusal is not None:
        rule = f"  by {refusal.rule}" if refusal.rule else ""
        yield f"    DENY {refusal.status} {refusal.code}{rule}"
    names = dict.fromkeys(each.header for each in failure.mismatches if each.header)
    for name in names:
        for slot in slots_of(failure.trial.explanation, name):
            yield from (f"    {line}" for line in render_slot(slot).splitlines())
    yield f"    $ {failure.command}"


def _summary(report: Report) -> str:
    results = report.results
    failed = len(report.failed)
    requests = sum(each.requests for each in results)
    counted = f"{len(results) - failed} passed"
    if failed:
        counted += f", {failed} failed"
    return f"{counted} ({requests} requests)"


def _coverage_lines(coverage: Coverage) -> Iterator[str]:
    yield (
        f"coverage {coverage.percent:.1f}% of"
        f" {len(coverage.rules)} rules in the configuration's own files"
    )
    for each in coverage.never_matched:
        yield f"  {each.rule.where}  {each.rule.id}  never matches"
    for each in coverage.never_deciding:
        yield f"  {each.rule.where}  {each.rule.id}  matches and never decides"
    for each, branch in coverage.branches_missed:
        if each.matched:
            yield f"  {each.rule.where}  {each.rule.id}  no test where it {branch}"
    for rule in coverage.unmeasured:
        about = "is not measured: it is about records, or answers in shadow"
        yield f"  {rule.where}  {rule.id}  {about}"


# -- TAP


def as_tap(report: Report, *, with_coverage: bool) -> str:
    """Return the results as TAP 14: each document is a subtest."""
    lines = ["TAP version 14", f"1..{len(report.suites)}"]
    for number, suite in enumerate(report.suites, 1):
        lines.append(f"# Subtest: {_tap_text(suite.suite.file)}")
        lines.append(f"    1..{len(suite.results)}")
        for at, result in enumerate(suite.results, 1):
            lines += (f"    {line}" for line in _tap_result(at, result))
        word = "ok" if all(each.ok for each in suite.results) else "not ok"
        lines.append(f"{word} {number} - {_tap_text(suite.suite.file)}")
    if with_coverage:
        lines += (f"# {line}" for line in _coverage_lines(report.coverage))
    return "\n".join(lines) + "\n"


def _tap_result(number: int, result: Result) -> Iterator[str]:
    name = _tap_text(f"{result.case.name}{_count(result)}")
    if result.ok:
        yield f"ok {number} - {name}"
        return
    yield f"not ok {number} - {name}"
    data = {
        "message": "; ".join(_messages(result)),
        "severity": "error" if result.error else "fail",
        "at": {"file": result.case.where.file, "line": result.case.where.line},
        "details": list(_details(result)),
    }
    yield "  ---"
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000)
    yield from (f"  {line}" for line in text.splitlines())
    yield "  ..."


def _tap_text(text: str) -> str:
    # A bare `#` would begin a directive, and a line end a line of its own.
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("#", "\\#")


def _messages(result: Result) -> Sequence[str]:
    if result.error:
        return [result.error]
    return [mismatch_words(each) for each in result.failures[0].mismatches]


# -- JUnit


def as_junit(report: Report) -> str:
    """Return the results as JUnit's XML: each document is a suite."""
    root = ET.Element("testsuites", _counts(report.results), name="byok policy test")
    for suite in report.suites:
        element = ET.SubElement(
            root, "testsuite", _counts(suite.results), name=_xml(suite.suite.file)
        )
        for result in suite.results:
            _add_case(element, result)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _counts(results: Sequence[Result]) -> dict[str, str]:
    errors = sum(bool(each.error) for each in results)
    failures = sum(not each.ok for each in results) - errors
    return {
        "tests": str(len(results)),
        "failures": str(failures),
        "errors": str(errors),
        "skipped": "0",
        "time": "0",
    }


def _add_case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_xml(result.case.name),
        classname=_xml(result.case.where.file),
        file=_xml(result.case.where.file),
        line=str(result.case.where.line),
        time="0",
    )
    if result.ok:
        return
    word = "error" if result.error else "failure"
    found = ET.SubElement(
        case, word, message=_xml("; ".join(_messages(result))), type=word
    )
    found.text = _xml("\n".join(_details(result)))


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)


# -- JSON


def as_data(report: Report, *, with_coverage: bool) -> dict[str, object]:
    """Return the results as JSON data."""
    results = report.results
    return {
        "version": 1,
        "ok": report.ok,
        "passed": len(results) - len(report.failed),
        "failed": len(report.failed),
        "requests": sum(each.requests for each in results),
        "suites": [
            {
                "file": suite.suite.file,
                "tests": [_result_data(each) for each in suite.results],
            }
            for suite in report.suites
        ],
        "coverage": _coverage_data(report.coverage) if with_coverage else None,
    }


def _result_data(result: Result) -> dict[str, object]:
    return {
        "name": result.case.name,
        "file": result.case.where.file,
        "line": result.case.where.line,
        "ok": result.ok,
        "requests": result.requests,
        "failed_requests": result.failed,
        "error": result.error or None,
        "remedy": result.remedy or None,
        "failures": [
            {
                "mismatches": [
                    {
                        "what": each.what,
                        "expected": each.expected,
                        "got": each.got,
                        "hint": each.hint or None,
                    }
                    for each in failure.mismatches
                ],
                "command": failure.command,
                "explanation": failure.trial.explanation,
            }
            for failure in result.failures
        ],
    }


def _coverage_data(coverage: Coverage) -> dict[str, object]:
    return {
        "percent": round(coverage.percent, 1),
        "rules": [
            {
                "rule": each.rule.id,
                "file": each.rule.where.file,
                "line": each.rule.where.line,
                "matched": each.matched,
                "reached": list(each.reached),
                "missed": list(each.missed),
            }
            for each in coverage.rules
        ],
        "unmeasured": [
            {
                "rule": rule.id,
                "file": rule.where.file,
                "line": rule.where.line,
            }
            for rule in coverage.unmeasured
        ],
    }
