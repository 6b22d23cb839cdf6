"""
A configuration that was checked: values only, nothing left to look up.
"""

from dataclasses import dataclass, field
from pathlib import Path

from byok.config.findings import Finding
from byok.config.governance import Governance
from byok.config.kept import Kept
from byok.config.limits import Limits
from byok.config.listeners import Listener
from byok.config.metrics import NO_METRICS, MetricsSetting
from byok.config.recording import KEPT
from byok.config.sources import Source
from byok.config.verdicts import Judged
from byok.core.counters import CountersAddress
from byok.core.egress import EgressProxy
from byok.core.exchange import Gateway
from byok.core.pinning import NO_PINNING, Pinning
from byok.core.policy_tests.cases import Suite
from byok.core.prices import PriceTable
from byok.core.providers import Origin
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.policy.assertions import Assertion
from byok.policy.plans import ScopedCredentialPolicy
from byok.policy.rules import Rule
from byok.prices.shipped import shipped_prices


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """
    What the gateway is told about itself.

    `master_key` is None for a single user's gateway, and as long as the file
    `master_key_file` is still to be generated. `key_peppers` are none where a file
    beside the store holds the pepper. `kept_decisions` is 0 where none is recorded.
    """

    master_key: Secret | None = None
    master_key_file: Path | None = None
    single_user: bool = False
    permits_weak_keys: bool = False
    master_key_on_data_routes: bool = True
    key_header_name: str | None = None
    key_peppers: tuple[Secret, ...] = ()
    user_header_name: str | None = None
    expose_decision_headers: bool = False
    kept_decisions: int = KEPT
    pinning: Pinning = NO_PINNING
    egress_proxy: EgressProxy | None = None
    allow_plaintext_loopback: bool = False
    metrics: MetricsSetting = NO_METRICS
    json_logs: bool = False
    reload_may_widen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """Where a provider is, by this configuration or by itself."""

    name: str
    origin: Origin
    base_path: str = ""
    allow_private: bool = False
    is_overridden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """
    Everything one configuration says.

    `gateway` is what decides requests by it. `unsupported` are deployments of
    providers that byok does not serve yet: their model names are taken, so that no
    wildcard of another provider answers for them. `kept` is what its files held.
    """

    path: Path
    directory: Path
    digest: str
    listen: tuple[Listener, ...]
    store_url: str = field(repr=False)
    store_password: Secret | None
    providers: tuple[ProviderAddress, ...]
    deployments: tuple[Deployment, ...]
    unsupported: tuple[Deployment, ...]
    rules: tuple[Rule, ...] = field(repr=False)
    credential_policies: tuple[ScopedCredentialPolicy, ...]
    general: General
    gateway: Gateway = field(repr=False, compare=False)
    sources: tuple[Source, ...] = field(repr=False)
    kept: Kept = field(repr=False, compare=False)
    findings: tuple[Finding, ...] = ()
    verdicts: tuple[Judged, ...] = field(default=(), repr=False)
    policy_tests: tuple[Suite, ...] = field(default=(), repr=False)
    assertions: tuple[Assertion, ...] = field(default=(), repr=False)
    teams: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    governance: Governance = field(default_factory=Governance)
    counters: CountersAddress | None = None
    prices: PriceTable = field(
        default_factory=lambda: PriceTable(shipped_prices()), repr=False, compare=False
    )

    @property
    def master_key(self) -> Secret | None:
        """The operator's key; None for a single user, and before it is generated."""
        return self.general.master_key

    @property
    def key_header_name(self) -> str | None:
        """The configured carrier of gateway keys, lower-case."""
        return self.general.key_header_name

    @property
    def user_header_name(self) -> str | None:
        """The header that names the developer behind a request, lower-case."""
        return self.general.user_header_name

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret the configuration holds: what no output may show."""
        proxy = self.general.egress_proxy
        own = (
            self.general.master_key,
            *self.general.key_peppers,
            self.store_password,
            None if self.counters is None else self.counters.password,
            *(() if proxy is None else proxy.secrets),
        )
        keys = (each.api_key for each in self.deployments)
        injected = (
            Secret.from_bytes(rule.inject.value)
            for rule in self.rules
            if rule.inject is not None and rule.inject.reference
        )
        return tuple(each for each in (*own, *keys, *injected) if each is not None)
