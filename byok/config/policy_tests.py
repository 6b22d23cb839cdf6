"""
The tests of policies that a configuration names: found, read, and run.

They are run where somebody asks whether a configuration may be used: by `validate`,
and before a gateway takes a new one. They decide nothing about a request.
"""

from pathlib import Path

from byok.config.findings import Finding, Findings
from byok.config.marks import Mark, dotted
from byok.config.model import Config
from byok.config.nodes import Leaf, Table, key_mark_of, mark_of, plain
from byok.config.reader import read_tree
from byok.config.references import References
from byok.config.sources import Source, source_of
from byok.core.policy_tests.cases import Suite
from byok.core.policy_tests.document import read_suite
from byok.core.policy_tests.expectations import Mismatch
from byok.core.policy_tests.report import Report, Result, run
from byok.core.policy_tests.trial import Bench
from byok.policy.reader import Path as Steps
from byok.policy.rules import Where

SETTING = "policy_tests"


def read_policy_tests(
    tree: Table, refs: References
) -> tuple[tuple[Suite, ...], tuple[Source, ...]]:
    """Return the documents of tests that *tree* names, and the files they are in."""
    suites: list[Suite] = []
    sources: list[Source] = []
    for node in tree.items(SETTING):
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            continue  # of the wrong type, which the schema has reported
        path = refs.files.find(
            node.value,
            refs.directory,
            at=node.mark,
            setting=SETTING,
            findings=refs.findings,
        )
        if path is None:
            continue
        try:
            data = refs.files.read(node.value, path)
        except OSError:
            refs.findings.add(
                "E115",
                node.mark,
                SETTING,
                f"{SETTING} names a file that cannot be read",
                remedy="Check its permissions, and that it is a regular file.",
            )
            continue
        shown = str(Path(node.mark.file).parent / node.value)
        sources.append(source_of(refs.directory / node.value, shown, data))
        suite = suite_of(data, shown, refs.findings)
        if suite is not None:
            suites.append(suite)
    return tuple(suites), tuple(sources)


def suite_of(data: bytes, shown: str, findings: Findings) -> Suite | None:
    """Read the document of tests in *data*, the content of the file *shown*."""
    tree = read_tree(data, shown, findings)
    if tree is None:
        return None

    def locate(path: Steps) -> Where:
        mark = mark_of(tree, path)
        return Where(file=mark.file, line=mark.line)

    suite, problems = read_suite(plain(tree), file=shown, locate=locate)
    for each in problems:
        name = dotted(each.path)
        findings.add(
            each.code,
            key_mark_of(tree, each.path),
            name,
            f"{name or 'policy test'}: {each.message}",
            remedy=each.remedy,
        )
    return suite


def bench_of(config: Config) -> Bench:
    """
    Return what tests of *config* are run on.

    Coverage is of the rules in the operator's own files: what is shipped has tests
    of its own.
    """
    own = {each.shown for each in config.sources}
    return Bench(
        gateway=config.gateway,
        rules=tuple(each for each in config.rules if each.where.file in own),
        key_header_name=config.key_header_name,
        single_user=config.general.single_user,
        config=str(config.path),
    )


def run_policy_tests(config: Config) -> Report:
    """Run the tests that *config* names on the policies that it has."""
    return run(config.policy_tests, bench_of(config))


def policy_test_findings(report: Report) -> tuple[Finding, ...]:
    """Return a finding for each test of *report* that failed or could not be run."""
    findings = Findings()
    for result in report.failed:
        where = result.error_at or result.case.where
        findings.add(
            "E233" if result.error else "E230",
            Mark(where.file, where.line, 1 if where.line else 0),
            SETTING,
            f"the policy test “{result.case.name}” {_what_happened(result)}",
            remedy=result.remedy if result.error else result.failures[0].command,
        )
    return findings.all()


def _what_happened(result: Result) -> str:
    if result.error:
        return f"cannot be run: {result.error}"
    failure = result.failures[0]
    first, *others = failure.mismatches
    more = f" (and {len(others)} more)" if others else ""
    of_many = (
        f" for {result.failed} of {result.requests} requests"
        if result.requests > 1
        else ""
    )
    return f"fails{of_many}: {mismatch_words(first)}{more}"


def mismatch_words(mismatch: Mismatch) -> str:
    """Say in a line what is not as expected."""
    hint = f" ({mismatch.hint})" if mismatch.hint else ""
    return f"{mismatch.what}: expected {mismatch.expected}, got {mismatch.got}{hint}"
