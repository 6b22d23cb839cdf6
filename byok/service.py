"""
The composition root: a checked configuration becomes a running gateway.

Everything is built here and handed to whoever uses it. Nothing is opened before
`startService`: twistd makes the service before it daemonises.
"""

import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import (
    Deferred,
    gatherResults,
    maybeDeferred,
    succeed,
)
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
)
from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from byok import __version__
from byok.assembly import Lasting, server_limits
from byok.config import Config, examine, with_master_key
from byok.config.kept import Kept
from byok.config.limits import FILES_BESIDE, Limits, files_for
from byok.config.listeners import Listener
from byok.core import carriers
from byok.core.errors import ByokError
from byok.core.metrics import Tally
from byok.counters.shared import SharedCounts
from byok.logs.live import LiveSecrets
from byok.logs.redact import Redactor
from byok.reload.hangup import HangUp
from byok.reload.reloading import Reloading, Reread
from byok.store.location import store_place
from byok.store.opening import Store, open_store
from byok.store.people_by_heart import PeopleByHeart
from byok.upstream.guard import EgressGuard
from byok.web.banner import Listening, banner, listening_at
from byok.web.decisions import DecisionLog, decision_log
from byok.web.front import Front
from byok.web.leaving import Leaving
from byok.web.ledger import Ledger
from byok.web.meters import Meters, Reading
from byok.web.renewals import Renewals
from byok.web.retention import Retention
from byok.wire.certificates import CertificateFiles, ServerCertificate
from byok.wire.deadlines import Deadlines
from byok.wire.descriptors import may_open
from byok.wire.limits import ServerLimits
from byok.wire.server import HTTPServer
from byok.wire.serving import Serving

_MANY = 1000
"""More connections than the developers of most companies open."""

_log = Logger(namespace="byok.service")


class StartFailed(ByokError):
    """Something that the gateway needs could not be had."""


class Member(Protocol):
    """What a gateway that is one of several is told, and says, of the others."""

    announces: bool
    tells: bool
    hurry: Callable[[], None]
    reload: Callable[[int, Kept, bool, str], Awaitable[bool]] | None
    tally: Callable[[], Tally]

    def join(self) -> None:
        """Begin to listen to whoever keeps them together."""

    def ready(self) -> None:
        """Say that requests are answered here."""

    def took_up(self, number: int, kept: Kept) -> None:
        """Say by which configuration requests are answered here from now on."""

    def collect(self, own: Tally) -> Awaitable[Tally]:
        """Return the sum of *own* and of what all others have counted."""
        ...

    def leave(self, last: Tally) -> Awaitable[None]:
        """Say what was counted here in all; return when that is heard."""
        ...

    def listen(
        self, at: int, endpoint: str, factory: IProtocolFactory
    ) -> IListeningPort:
        """Accept connections on the listener number *at*; raises ValueError."""
        ...

    def spread_reload(self, *, may_widen: bool) -> Awaitable[Mapping[str, int]]:
        """Let every other one reload."""
        ...


class GatewayService(MultiService):
    """
    One gateway: its store, its listeners, and the configuration in use.

    What a configuration says is built as a whole, a generation, and a reload puts
    another one in its place. Store and listeners stay for the life of the process.

    *fail* is called where the start does not succeed. *observer*, if given, takes
    the place of twistd's own log, which would write what must not be written.
    *announce* is told what to paste into a shell, line by line. *reread* reads the
    configuration again for a reload, or what was kept of its files. *wall* is the time
    of day; the *reactor*'s own time need not be that. As a *member* it is one of
    several, whose sockets somebody else opened, and *handed* is the number that their
    configuration has, where that was handed over. *lines_dropped* are lines of the log
    that nobody will read. *started* is called once everything is open.
    """

    def __init__(
        self,
        config: Config,
        *,
        reactor: Any,
        live: LiveSecrets,
        fail: Callable[[], None],
        announce: Callable[[Sequence[str]], None],
        observer: ILogObserver | None = None,
        explain_each: bool = False,
        reread: Reread | None = None,
        wall: Callable[[], float] = time.time,
        member: Member | None = None,
        handed: int | None = None,
        lines_dropped: Callable[[], int] = lambda: 0,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._config = config
        self._reread = reread or partial(examine, config.path)
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._wall = wall
        self._live = live
        self._fail = fail
        self._announce = announce
        self._observer = observer
        self._explain_each = explain_each
        self._member = member
        self._handed = handed
        self._store: Store | None = None
        self._people: PeopleByHeart | None = None
        self._decisions: DecisionLog | None = None
        self._ledger: Ledger | None = None
        self._retention: Retention | None = None
        self._guard = EgressGuard(clock=self._clock)
        self._reloading: Reloading | None = None
        self._leaving: Leaving | None = None
        self._renewals = Renewals(clock=self._clock)
        self._serving: Serving | None = None
        self._front: Front | None = None
        self._meters = Meters(self._clock, readings=self._readings)
        self._lines_dropped = lines_dropped
        self._started = started
        self._has_stopped = False
        self._is_in_a_hurry = False
        self._hang_up = HangUp(reactor, wish=self._hung_up, end=self._end)
        self._ports: list[IListeningPort] = []
        self.starting: Deferred[None] | None = None
        self.listening: tuple[Listening, ...] = ()
        for secret in config.secrets:
            live.add(secret)

    def setServiceParent(self, parent: object) -> None:
        """Join *parent*, and give its log our observer."""
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """Begin to open everything; `starting` fires when that is done or failed."""
        super().startService()
        self._hang_up.start()
        if self._member is not None:
            self._member.hurry = self.hurry
            self._member.join()
        self.starting = Deferred.fromCoroutine(self._start())
        self.starting.addErrback(self._not_started)

    def stopService(self) -> Deferred[None]:
        """Close everything; fires when nothing is open any more. Once is enough."""
        if self._has_stopped:
            return succeed(None)
        self._has_stopped = True
        return Deferred.fromCoroutine(self._stop())

    @property
    def _tells(self) -> bool:
        return self._member is None or self._member.tells

    def hurry(self) -> None:
        """Stop without waiting for anybody, once the gateway is told to stop."""
        self._is_in_a_hurry = True
        if self._leaving is not None:
            self._leaving.hurry()

    def _end(self) -> None:
        self._reactor.stop()

    def _hung_up(self) -> None:
        if self._has_stopped:
            _log.warn("SIGHUP came as the gateway was stopping, and is not heeded")
        elif self._reloading is None:
            _log.warn("SIGHUP came before the start was over, and is not heeded")
        else:
            self._reloading.hung_up()

    async def _start(self) -> None:
        config = self._with_master_key()
        self._store = store = await open_store(
            self._reactor,
            store_place(config.store_url, base=config.directory),
            config.general.key_peppers,
            clock=self._clock,
        )
        for warning in (*map(str, config.findings), *store.warnings):
            if self._tells:
                _log.warn("{warning}", warning=warning)
        self._people = people = PeopleByHeart(
            store.people, store.keys, clock=self._clock
        )
        await people.start()
        self._decisions = decisions = decision_log(
            store.decisions, keep=config.general.kept_decisions, clock=self._clock
        )
        self._ledger = ledger = self._ledger_of(config, store)
        if config.counters is not None:
            await ledger.share(
                SharedCounts(
                    config.counters,
                    ledger.counts.limiter,
                    reactor=self._reactor,
                    is_recorded=config.governance.records_usage,
                )
            )
        lasting = Lasting(
            reactor=self._reactor,
            clock=self._clock,
            wall=self._wall,
            live=self._live,
            store=store,
            people=people,
            guard=self._guard,
            decisions=decisions,
            ledger=ledger,
            meters=self._meters,
            collect=self._collected,
            explain_each=self._explain_each,
            is_leaving=lambda: self._has_stopped,
        )
        self._reloading = Reloading(
            config,
            lasting,
            reread=self._reread,
            taken_up=self._took_up,
            renew=self._renewals.renew,
            spread=None if self._member is None else self._member.spread_reload,
            number=self._handed or 1,
        )
        self._front = front = Front(self._reloading.current, live=self._live)
        self._serving = Serving(
            handler=front.take,
            refuse=front.refuse,
            limits=_limits(config.limits, tells=self._tells),
            deadlines=Deadlines(self._clock),
        )
        self._leaving = Leaving(front, self._serving, clock=self._clock)
        if self._is_in_a_hurry:
            self._leaving.hurry()
        site = HTTPServer(self._serving)
        self.listening = tuple(
            [await self._listen(*each, site) for each in enumerate(config.listen)]
        )
        self._reloading.start()
        self._start_retention(store, self._reloading)
        if self._member is None or self._member.announces:
            self._introduce(config)
        if self._member is not None:
            self._member.reload = self._followed
            if self._handed is None:
                self._member.took_up(self._reloading.number, config.kept)
            self._member.tally = self._meters.tally
            self._member.ready()
        self._started()

    def _ledger_of(self, config: Config, store: Store) -> Ledger:
        said = config.governance
        ledger = Ledger(
            store.usage,
            spool_directory(config) if said.records_usage else None,
            clock=self._clock,
            wall=self._wall,
            clean=Redactor(self._live).text,
            is_synced=said.is_synced,
        )
        ledger.start()
        return ledger

    def _start_retention(self, store: Store, reloading: Reloading) -> None:
        """Let old records go; one of several processes is enough for that."""
        if not self._tells:
            return
        self._retention = Retention(
            store.usage,
            keep_days=lambda: reloading.config.governance.keep_days,
            clock=self._clock,
            wall=self._wall,
        )
        self._retention.start()

    async def _collected(self) -> Tally:
        """Return what is counted here and in every process beside this one."""
        tally = self._meters.tally()
        return tally if self._member is None else await self._member.collect(tally)

    def _readings(self) -> Iterator[Reading]:
        """Yield what others count by themselves, as it is now."""
        yield "byok_guard_trips", (), self._guard.trips
        yield "byok_log_lines_dropped", (), self._lines_dropped()
        if self._serving is not None:
            yield "byok_connections_open", (), self._serving.open_connections
        if self._front is not None:
            yield "byok_exchanges_open", (), self._front.answering
        if self._decisions is not None:
            yield from _of_decisions(self._decisions)
        if self._ledger is not None:
            yield from self._ledger.readings()
        reloading = self._reloading
        if reloading is not None:
            yield "byok_provider_connections_open", (), reloading.provider_connections
            for result, count in reloading.counts.items():
                yield "byok_reloads", (result,), count
            generation = reloading.config.gateway.generation, __version__
            yield "byok_generation_workers", generation, 1

    async def _followed(
        self,
        number: int,
        kept: Kept,
        may_widen: bool,  # noqa: FBT001
        by: str,
    ) -> bool:
        """Take up what was kept, since somebody beside us did."""
        if self._reloading is None:
            return False
        done = await self._reloading.reload(
            may_widen=may_widen, dry_run=False, by=by, kept=kept, number=number
        )
        return done.obstacle is None

    async def _stop(self) -> None:
        await maybeDeferred(super().stopService)
        if self.starting is not None:
            await self.starting
        self._renewals.stop()
        await gatherResults([maybeDeferred(port.stopListening) for port in self._ports])
        # Their lines and records are written before what these need is closed.
        if self._leaving is not None and self._reloading is not None:
            await self._leaving.see_off(self._reloading.config.limits.drain_s)
        if self._reloading is not None:
            await self._reloading.stop()
        if self._retention is not None:
            await self._retention.stop()
        if self._ledger is not None:
            await self._ledger.stop()
        if self._decisions is not None:
            await self._decisions.stop()
        if self._member is not None:
            await self._member.leave(self._meters.tally())
        if self._people is not None:
            await self._people.stop()
        if self._store is not None:
            await self._store.close()
        self._hang_up.stop()
        _log.info("stopped, and nothing is open any more", event="stopped")

    def _with_master_key(self) -> Config:
        config, is_new = with_master_key(self._config)
        key, path = config.master_key, self._config.general.master_key_file
        if key is not None and key != self._config.master_key:
            self._live.add(key)
        elif key is None and not config.general.single_user:
            raise StartFailed("there is no master key, and nothing that permits that")
        if is_new:
            _log.info(
                "a master key was made and written to {path}, readable by you alone",
                event="master-key-made",
                path=str(path),
            )
        return config

    async def _listen(self, at: int, listener: Listener, site: HTTPServer) -> Listening:
        try:
            factory = self._secured(listener, site)
            if self._member is not None:
                port = self._member.listen(at, listener.endpoint, factory)
            else:
                endpoint = serverFromString(self._reactor, listener.opened_as)
                port = await endpoint.listen(factory)
        except (CannotListenError, OSError, ValueError) as error:
            raise StartFailed(
                f"cannot listen on {listener.endpoint}: {error}"
            ) from error
        self._ports.append(port)
        found = listening_at(port.getHost(), secure=listener.kind == "ssl")
        is_told = self._member is None or self._member.announces
        _log.emit(
            LogLevel.info if is_told else LogLevel.debug,
            "listening on {place}, reachable from {exposure}",
            event="listening",
            place=found.place,
            address=found.address,
            port=found.port,
            exposure=found.exposure,
            tls=found.secure,
        )
        return found

    def _secured(self, listener: Listener, site: HTTPServer) -> IProtocolFactory:
        """Return *site*, over TLS where the listener has a certificate."""
        if listener.tls is None:
            return site
        chain = listener.tls.chain
        # Where the process is may change before they are read again.
        files = CertificateFiles(
            key=Path(listener.tls.key).absolute(),
            certificate=Path(listener.tls.certificate).absolute(),
            chain=None if chain is None else Path(chain).absolute(),
        )
        certificate = ServerCertificate(files)
        self._renewals.add(certificate)
        return certificate.over(site)

    def _took_up(self, config: Config) -> None:
        """Let connections that are opened from now on have the limits of *config*."""
        if self._serving is not None:
            self._serving.limits = _limits(config.limits, tells=self._tells)
        if self._member is not None and self._reloading is not None:
            self._member.took_up(self._reloading.number, config.kept)

    def _introduce(self, config: Config) -> None:
        first = carriers.carriers(config.key_header_name)[0].decode()
        lines = banner(
            self.listening,
            key_header=first,
            single_user=config.general.single_user,
            make_key=_make_key(config.path),
        )
        self._announce(lines)

    def _not_started(self, failure: Failure) -> None:
        if failure.check(ByokError, OSError, ValueError):
            _log.critical(
                "byok could not start: {reason}",
                event="start-failed",
                reason=str(failure.value),
            )
        else:
            _log.failure("byok could not start", failure)
        self._fail()


def _of_decisions(decisions: DecisionLog) -> Iterator[Reading]:
    if decisions.behind is not None:
        yield "byok_decision_records", ("written",), decisions.behind.written
        yield "byok_decision_records", ("dropped",), decisions.behind.dropped
    for each in decisions.shadows.counts:
        yield "byok_policy_shadow_diff", (each.rule, each.would), each.count


def spool_directory(config: Config) -> Path:
    """Return where usage waits for the store: beside its file, if it has one."""
    if config.governance.spool is not None:
        return config.governance.spool
    place = store_place(config.store_url, base=config.directory)
    if isinstance(place, Path):
        return place.with_name(f"{place.name}.spool")
    return config.directory / "byok.spool"


def _limits(limits: Limits, *, tells: bool) -> ServerLimits:
    """Return what clients may do by *limits*, and by what the process may open."""
    wanted = files_for(limits.connections)
    files = may_open(wanted)
    if files >= wanted:
        return server_limits(limits)
    fit = max(1, (files - FILES_BESIDE) // 2)
    # Nobody asked for the default, and hardly anybody needs so many.
    is_unasked = limits.connections == Limits().connections and fit >= _MANY
    level = LogLevel.info if is_unasked else LogLevel.warn
    _log.emit(
        level if tells else LogLevel.debug,
        "limits.connections is {connections}, and {fit} is what fits into the {files}"
        " files that this process may open: raise LimitNOFILE or `ulimit -Hn` to"
        " {wanted}, or lower limits.connections",
        connections=limits.connections,
        fit=fit,
        files=files,
        wanted=wanted,
    )
    return replace(server_limits(limits), connections=fit)


def _make_key(config: Path) -> str:
    """
    Return the `byok` command that makes a key, as it can be pasted anywhere.

    No two keys have one alias. The time is in it so that the second paste, or the
    second shell, gets a key as well.
    """
    beside = Path(sys.argv[0]).absolute().with_name("byok")
    byok = str(beside) if beside.is_file() else "byok"
    command = shlex.join([byok, "keys", "create", "-c", str(config.absolute())])
    return f'{command} --alias "$(whoami)-$(date +%Y%m%d-%H%M%S)"'
