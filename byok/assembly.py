"""
What answers requests by one configuration, put together.

The store, the guard and what is known of keys by heart outlive every configuration;
all else is made anew for each and let go with it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.interfaces import IReactorTime

from byok.config import Config
from byok.config.limits import Limits
from byok.core.secret import Secret
from byok.logs.live import LiveSecrets
from byok.store.lookup import KeyLookup
from byok.store.opening import Store
from byok.store.people_by_heart import PeopleByHeart
from byok.store.pins import PinLookup
from byok.upstream.guard import EgressGuard
from byok.upstream.provider import Providers
from byok.web.access import AccessLog, AccessRecord
from byok.web.admin import Admin
from byok.web.admin_guard import admin_carriers
from byok.web.admin_keys import KeyAdmin
from byok.web.admin_leases import LeaseAdmin
from byok.web.admin_reload import Reload, ReloadAdmin
from byok.web.admin_teams import TeamAdmin
from byok.web.admin_users import UserAdmin
from byok.web.allowances import Allowances
from byok.web.decisions import DecisionLog, Decisions
from byok.web.generation import Generation
from byok.web.health import Health
from byok.web.identity import Identity
from byok.web.ledger import Ledger
from byok.web.metering import Meter
from byok.web.meters import Meters
from byok.web.metrics import Collect, Metrics, Readers
from byok.web.models import Models
from byok.web.pins import Pins
from byok.web.places import Place, Places
from byok.web.proxy import Proxy
from byok.web.spending import Spending
from byok.web.whoami import WhoAmI
from byok.wire.limits import ClientLimits, ServerLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """
    What one process has once, whatever its configuration says.

    *clock* measures how long something lasts and may start anywhere; *wall* is the
    time of day, by which keys expire and records are dated. *collect* sums up what all
    processes have counted. *is_leaving* says whether it is about to end.
    """

    reactor: Any = field(repr=False)
    clock: IReactorTime
    wall: Callable[[], float]
    live: LiveSecrets
    store: Store
    people: PeopleByHeart
    guard: EgressGuard
    decisions: DecisionLog
    ledger: Ledger
    meters: Meters
    collect: Collect
    explain_each: bool = False
    is_leaving: Callable[[], bool] = lambda: False


class Assembly:
    """Makes generations of what lasts and of a configuration."""

    def __init__(
        self,
        lasting: Lasting,
        *,
        config_changed: Callable[[], bool],
        reload: Reload,
    ) -> None:
        self._lasting = lasting
        self._lookup = KeyLookup(
            lasting.store.keys,
            lasting.store.peppers,
            seconds=lasting.wall,
            steady=lasting.clock.seconds,
        )
        self._pins = PinLookup(
            lasting.store.pins,
            lasting.store.peppers,
            seconds=lasting.wall,
            steady=lasting.clock.seconds,
        )
        self._config_changed = config_changed
        self._reload = reload
        self._open: set[Providers] = set()

    def links(self, config: Config) -> Providers:
        """
        Make the way out of *config*, and read every CA file it names.

        Raises OSError or ValueError for one that cannot be used. Opens nothing, so
        it may be called in any thread.
        """
        lasting = self._lasting
        providers = Providers(
            lasting.reactor,
            clock=lasting.clock,
            limits=client_limits(config.limits),
            guard=lasting.guard,
            is_ours=self._lookup.is_real,
        )
        providers.prepare(config.deployments)
        return providers

    def generation(
        self, config: Config, providers: Providers, *, number: int
    ) -> tuple[Config, Generation]:
        """
        Make what answers by *config*; return that with its new name, and all of it.

        The secrets of *config* are taken to be known to the log, until it is let go.
        """
        lasting, general = self._lasting, config.general
        name = f"g{number}-{config.digest.removeprefix('sha256:')[:8]}"
        gateway = replace(config.gateway, generation=name)
        lasting.live.declare(gateway.plans.class_table)
        identity = Identity(
            lookup=self._lookup,
            master_key=config.master_key,
            key_header=config.key_header_name,
            class_table=config.gateway.plans.class_table,
            master_key_on_data_routes=general.master_key_on_data_routes,
            people=lasting.people,
        )
        key_admin = KeyAdmin(
            lasting.store.keys,
            lasting.store.peppers,
            seconds=lasting.wall,
            master_key=config.master_key,
            usage=lasting.store.usage,
            warn_weak_keys=not general.permits_weak_keys,
            people=lasting.people,
        )
        store = lasting.store
        people = store.people, store.keys, lasting.people, key_admin
        admin = Admin(
            key_admin,
            master_key=config.master_key,
            carriers=admin_carriers(config.key_header_name),
            reload=ReloadAdmin(self._reload),
            leases=LeaseAdmin(lasting.ledger.counts.limiter, seconds=lasting.wall).list,
            teams=TeamAdmin(*people, seconds=lasting.wall),
            users=UserAdmin(*people, seconds=lasting.wall),
        )
        decisions = Decisions(
            lasting.decisions,
            identity=identity,
            master_key=config.master_key,
            carriers=admin_carriers(config.key_header_name),
            seconds=lasting.wall,
        )
        spending = Spending(
            lasting.store.usage,
            keys=lasting.store.keys,
            identity=identity,
            master_key=config.master_key,
            carriers=admin_carriers(config.key_header_name),
            seconds=lasting.wall,
        )
        meter = self._meter(config)
        places = Places(
            proxy=Proxy(
                gateway=gateway,
                identity=identity,
                providers=providers,
                clock=lasting.clock,
                max_body_bytes=config.limits.body_bytes,
                expose_decisions=general.expose_decision_headers,
                explain_each=lasting.explain_each,
                config_digest=config.digest,
                records_decisions=lasting.decisions.is_recording,
                pins=Pins(general.pinning, self._pins),
                meter=meter,
            ),
            models=Models(table=gateway.table, identity=identity),
            health=Health(
                check_store=partial(_check, lasting.store),
                usage_trouble=lambda: lasting.ledger.trouble,
                limits=lambda: lasting.ledger.counts.limits,
                config_changed=self._config_changed,
                generation=name,
                is_leaving=lasting.is_leaving,
            ),
            whoami=WhoAmI(gateway=gateway, identity=identity),
            more=(
                admin.find,
                decisions.find,
                spending.find,
                *self._metrics(config),
            ),
        )
        access = AccessLog(
            clock=lasting.clock,
            wall=lasting.wall,
            user_header=config.user_header_name,
            generation=name,
            closed=self._closed(config, meter),
        )
        self._open.add(providers)
        made = Generation(
            id=name,
            places=places,
            access=access,
            exposed=name if general.expose_decision_headers else "",
            classify=partial(
                gateway.plans.class_table.classify,
                gateway_names=gateway.plans.gateway_names,
            ),
            let_go=partial(self._let_go, config.secrets, providers),
        )
        return replace(config, gateway=gateway), made

    @property
    def provider_connections(self) -> int:
        """How many connections to providers there are, of every generation."""
        return sum(each.open_connections for each in self._open)

    def _meter(self, config: Config) -> Meter:
        """Return what lets requests in, and counts them, by *config*."""
        ledger, said = self._lasting.ledger, config.governance
        return Meter(
            ledger.counts,
            prices=config.prices,
            allowances=Allowances(
                self._lasting.people,
                payers=said.payers,
                deployments=said.deployments,
                caps=said.caps,
            ),
            budgets=ledger.budgets,
            fails_open=said.fails_open,
            budget_status=said.budget_status,
        )

    def _closed(self, config: Config, meter: Meter) -> Callable[[AccessRecord], None]:
        """Return what takes note of every exchange that is over."""
        decisions, meters = self._lasting.decisions, self._lasting.meters
        counts = config.general.metrics.is_on

        def take(record: AccessRecord) -> None:
            # First, since a lease that is not given back shuts its owner out. It
            # raises nothing.
            meter.close(record)
            decisions.take(record)
            if counts:
                meters.take(record)

        return take

    def _metrics(self, config: Config) -> Iterator[Callable[[bytes], Place | None]]:
        """Yield what finds `/metrics`, where *config* wants that."""
        setting = config.general.metrics
        if setting.is_on:
            # What it imports is not everywhere.
            exposition = import_module("byok.web.exposition")
            readers = Readers(
                anybody=setting.anybody,
                master_key=config.master_key,
                carriers=admin_carriers(config.key_header_name),
            )
            yield Metrics(self._lasting.collect, exposition.written, readers).find

    async def close(self) -> None:
        """Close every idle connection, of generations in use and still on their way."""
        await gatherResults([each.close() for each in self._open])

    def _let_go(self, secrets: Collection[Secret], providers: Providers) -> None:
        for secret in secrets:
            self._lasting.live.remove(secret)
        closing = providers.close()
        closing.addBoth(lambda _: self._open.discard(providers))


def server_limits(limits: Limits) -> ServerLimits:
    """Return what *limits* allow clients."""
    return ServerLimits(
        head_bytes=limits.head_bytes,
        target_bytes=limits.target_bytes,
        value_bytes=limits.header_value_bytes,
        fields=limits.header_fields,
        body_bytes=limits.body_bytes,
        head_s=limits.head_s,
        idle_s=limits.idle_s,
        body_grace_s=limits.body_grace_s,
        body_bytes_per_s=limits.body_bytes_per_s,
        stall_s=limits.stall_s,
        linger_s=limits.linger_s,
        connections=limits.connections,
        connections_per_ip=limits.connections_per_ip,
    )


def client_limits(limits: Limits) -> ClientLimits:
    """Return what *limits* allow providers."""
    return ClientLimits(answer_s=limits.first_byte_s, silence_s=limits.stream_idle_s)


async def _check(store: Store) -> None:
    """Raise StoreUnavailable unless keys can be read."""
    await store.keys.maybe_by_name("readiness")
