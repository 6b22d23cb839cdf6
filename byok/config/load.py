"""
From a file to a Config, or to everything that is wrong with it.

The steps come one after the other and each adds to the findings; only a file that
cannot be read at all stops them early, so one look tells all.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from byok.config.checks import check_models
from byok.config.class_files import check_master_key
from byok.config.counters import read_shared
from byok.config.deployments import Entry, read_models
from byok.config.findings import Finding, Findings, has_errors, strictly
from byok.config.flattened import indented
from byok.config.general import read_general, read_listeners
from byok.config.governance_reader import read_governance
from byok.config.includes import Gathered, UnreadableError, gather
from byok.config.kept import Files, Kept
from byok.config.limits import read_limits
from byok.config.marks import Mark
from byok.config.model import Config, General
from byok.config.nodes import Table
from byok.config.policies import read_policies
from byok.config.policy_tests import read_policy_tests
from byok.config.prices import read_prices
from byok.config.providers import read_providers
from byok.config.references import References, environment_table
from byok.config.schema import check_shape
from byok.config.sources import Source
from byok.config.store import check_pepper, read_store
from byok.config.switches import read_credential_policies
from byok.config.verdicts import Judged, judge
from byok.core.exchange import Gateway
from byok.core.providers import PROVIDERS
from byok.core.routing import Deployment, DeploymentTable
from byok.policy import names
from byok.policy.declared import ClassTable
from byok.policy.plans import Plans, ScopedCredentialPolicy
from byok.policy.rules import Rule
from byok.prices.shipped import shipped_prices


class ConfigError(Exception):
    """
    The configuration cannot be used; its findings say why, all of them.

    `indented` is the file with its indentation restored, where losing it is what is
    wrong.
    """

    def __init__(self, findings: Sequence[Finding], indented: str | None) -> None:
        errors = [str(each) for each in findings if each.level == "error"]
        super().__init__("\n".join(errors))
        self.findings = tuple(findings)
        self.indented = indented


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was read from a configuration: the Config if there is no error in it."""

    config: Config | None
    findings: tuple[Finding, ...]
    verdicts: tuple[Judged, ...] = ()
    indented: str | None = field(default=None, repr=False)


def load(
    path: Path | str,
    *,
    environ: Mapping[str, str] | None = None,
    listen: Sequence[str] | None = None,
    kept: Kept | None = None,
) -> Config:
    """
    Return the configuration in *path*; raises ConfigError with every finding.

    *listen* is what a command line says instead of the file. *environ* is asked
    only for variables that the file names. What was *kept* of its files is read in
    their place.
    """
    report = examine(path, environ=environ, listen=listen, kept=kept)
    if report.config is None:
        raise ConfigError(report.findings, report.indented)
    return report.config


def check(
    path: Path | str,
    *,
    strict: bool = False,
    environ: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return everything there is to say about *path*; *strict* forgives no warning."""
    found = examine(path, environ=environ).findings
    return list(strictly(found) if strict else found)


def examine(
    path: Path | str,
    *,
    environ: Mapping[str, str] | None = None,
    listen: Sequence[str] | None = None,
    kept: Kept | None = None,
) -> Report:
    """Read *path* as far as it can be read, and report on all of it."""
    path = Path(path)
    findings = Findings()
    files = Files(kept)
    try:
        gathered = gather(path, findings, files)
    except UnreadableError as error:
        findings.add(
            "E100",
            Mark(str(path)),
            "",
            str(error),
            remedy="Name a configuration file that byok may read.",
        )
        return Report(config=None, findings=findings.all())
    restored = indented(gathered.text, gathered.main)
    if restored is not None:
        return _report_flattened(gathered, restored)
    if gathered.tree is None:
        return Report(config=None, findings=findings.all())
    reading = _Reading(gathered, gathered.tree, files, findings)
    return reading.report(os.environ if environ is None else environ, listen)


def _report_flattened(gathered: Gathered, restored: str) -> Report:
    findings = Findings()
    findings.add(
        "E129",
        Mark(gathered.main, 1, 1),
        "",
        "every line begins at the left margin: the file lost its indentation,"
        " as it does when it is copied from a web page",
        remedy="Save the indented file that byok validate prints.",
    )
    return Report(config=None, findings=findings.all(), indented=restored)


class _Reading:
    """One tree on its way to a Config."""

    def __init__(
        self, gathered: Gathered, tree: Table, files: Files, findings: Findings
    ) -> None:
        self._gathered = gathered
        self._tree = tree
        self._files = files
        self._findings = findings

    def report(
        self, environ: Mapping[str, str], listen: Sequence[str] | None
    ) -> Report:
        tree, findings = self._tree, self._findings
        check_shape(tree, findings)
        verdicts = judge(tree, findings)
        refs = References(
            directory=self._gathered.directory,
            table=environment_table(tree, findings),
            environ=environ,
            findings=findings,
            files=self._files,
        )
        listeners = read_listeners(tree, refs, listen)
        store = read_store(tree, refs)
        general = read_general(tree, refs, listeners)
        check_pepper(store, tree, findings)
        limits = read_limits(tree, findings)
        known = read_providers(
            tree,
            refs,
            plaintext_loopback=general.allow_plaintext_loopback,
            egress_proxy=general.egress_proxy,
        )
        entries = tuple(read_models(tree, known))
        rules, documents, assertions, class_table = read_policies(tree, entries, refs)
        check_master_key(general.master_key, class_table, tree, findings)
        policy_tests, test_documents = read_policy_tests(tree, refs)
        check_models(tree, entries, findings)
        prices = read_prices(tree, entries, shipped_prices(), findings)
        counters = read_shared(tree, refs)
        governance = read_governance(tree, entries, self._gathered.directory, findings)
        found = findings.all()
        if has_errors(found):
            return Report(config=None, findings=found, verdicts=verdicts)
        credentials = read_credential_policies(tree, entries)
        usable, unsupported = _by_support(entries)
        sources = (*self._gathered.sources, *documents, *test_documents)
        config = Config(
            path=Path(self._gathered.main),
            directory=self._gathered.directory,
            digest=_digest(sources),
            listen=listeners,
            store_url=store.url,
            store_password=store.password,
            providers=tuple(known.providers.values()),
            deployments=usable,
            unsupported=unsupported,
            rules=rules,
            assertions=assertions,
            teams=frozenset(tree.table("teams").entries),
            credential_policies=credentials,
            general=general,
            limits=limits,
            prices=prices,
            governance=governance,
            counters=counters,
            gateway=build_gateway(
                general, entries_table(entries), rules, credentials, class_table
            ),
            sources=sources,
            findings=found,
            verdicts=verdicts,
            policy_tests=policy_tests,
            kept=self._files.keep(self._gathered.directory),
        )
        return Report(config=config, findings=found, verdicts=verdicts)


def build_gateway(
    general: General,
    table: DeploymentTable,
    rules: tuple[Rule, ...],
    credentials: tuple[ScopedCredentialPolicy, ...],
    class_table: ClassTable,
) -> Gateway:
    """Return what decides requests by one configuration."""
    own = set(names.GATEWAY_CREDENTIALS)
    if general.key_header_name is not None:
        own.add(general.key_header_name.encode())
    return Gateway(
        table=table,
        plans=Plans(rules, credentials, gateway_names=own, class_table=class_table),
        secrets=() if general.master_key is None else (general.master_key,),
    )


def entries_table(entries: Sequence[Entry]) -> DeploymentTable:
    """Return the table of all *entries*, those of unsupported providers included."""
    return DeploymentTable([each.deployment for each in entries])


def _by_support(
    entries: Sequence[Entry],
) -> tuple[tuple[Deployment, ...], tuple[Deployment, ...]]:
    every = [each.deployment for each in entries]
    return (
        tuple(each for each in every if each.provider in PROVIDERS),
        tuple(each for each in every if each.provider not in PROVIDERS),
    )


def _digest(sources: Sequence[Source]) -> str:
    whole = hashlib.sha256("".join(each.sha256 for each in sources).encode())
    return f"sha256:{whole.hexdigest()}"
