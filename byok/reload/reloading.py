"""
Another configuration in the place of the running one, or everything against it.

Reading takes a thread, and comparing a process of its own; the change itself is one
reference. One reload at a time: the second reviews what the first one left.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from byok.assembly import Assembly, Lasting
from byok.config import Config, Report
from byok.config.findings import Findings, in_order
from byok.config.kept import Kept
from byok.config.marks import Mark
from byok.config.sources import changed
from byok.core.errors import Refusal
from byok.core.key_policies import FIELD
from byok.core.secret import Secret
from byok.reload.apart import apart
from byok.reload.document import document, lines
from byok.reload.review import Compared, Review, review, unusable
from byok.store.location import store_place
from byok.store.peek import peek_keys
from byok.upstream.provider import Providers
from byok.web.admin_reload import Reloaded
from byok.web.generation import Current
from byok.web.watch import ConfigWatch

_log = Logger(namespace="byok.reload")


class Spread(Protocol):
    """Lets every other process reload; tells how many of how many did, in all."""

    def __call__(self, *, may_widen: bool) -> Awaitable[Mapping[str, int]]:
        """Do so."""
        ...


class Reread(Protocol):
    """Reads a configuration anew: from the disk, or what was kept of its files."""

    def __call__(self, *, kept: Kept | None = None) -> Report:
        """Do so."""
        ...


class Reloading:
    """
    The configuration in use, and what may replace it.

    Begins with *config*, whose secrets the log knows, as the generation *number*.
    *reread* reads the configuration anew; *taken_up* is told of each one that comes
    into use after the first; *renew* takes up the certificates of listeners, and says
    what is wrong with them; *spread* lets other processes follow. Raises OSError or
    ValueError where a CA file of the first cannot be used.
    """

    def __init__(
        self,
        config: Config,
        lasting: Lasting,
        *,
        reread: Reread,
        taken_up: Callable[[Config], None] = lambda _: None,
        renew: Callable[[], Sequence[str]] = tuple,
        spread: Spread | None = None,
        number: int = 1,
    ) -> None:
        self._live = lasting.live
        self._reread = reread
        self._taken_up = taken_up
        self._renew = renew
        self._spread = spread
        self._turn = DeferredLock()
        self.number = number
        self.counts = {"done": 0, "refused": 0}
        self._watch = ConfigWatch(
            lambda: [each.shown for each in changed(self.config.sources)],
            clock=lasting.clock,
        )
        self._assembly = Assembly(
            lasting,
            config_changed=lambda: self._watch.has_changed,
            reload=self.reload_everywhere,
        )
        self.config, first = self._assembly.generation(
            config, self._assembly.links(config), number=number
        )
        self.current = Current(first)

    @property
    def provider_connections(self) -> int:
        """How many connections to providers there are."""
        return self._assembly.provider_connections

    def start(self) -> None:
        """Begin to look for changes on disk."""
        self._watch.start()

    async def stop(self) -> None:
        """Wait for a reload to end, let none begin, and close what is open."""
        await self._turn.acquire()
        await self._watch.stop()
        await self._assembly.close()

    def hung_up(self) -> None:
        """Reload because of SIGHUP."""
        reloading = Deferred.fromCoroutine(
            self.reload(
                may_widen=self.config.general.reload_may_widen,
                dry_run=False,
                by="SIGHUP",
            )
        )
        reloading.addErrback(lambda failure: _log.failure("a reload failed", failure))

    async def reload_everywhere(
        self, *, may_widen: bool, dry_run: bool, by: str
    ) -> Reloaded:
        """Reload here, and in every process beside this one if it was done here."""
        reloaded = await self.reload(may_widen=may_widen, dry_run=dry_run, by=by)
        if self._spread is None or dry_run or reloaded.obstacle is not None:
            return reloaded
        told = await self._spread(may_widen=may_widen)
        if told["reloaded"] != told["workers"]:
            _log.warn(
                "{reloaded} of {workers} workers reloaded; see what the others say",
                event="reload-behind",
                **told,
            )
        return Reloaded(
            document={**reloaded.document, "workers": dict(told)}, obstacle=None
        )

    async def reload(
        self,
        *,
        may_widen: bool,
        dry_run: bool,
        by: str,
        kept: Kept | None = None,
        number: int | None = None,
    ) -> Reloaded:
        """
        Read the configuration again and use it, unless something speaks against it.

        It is read from what was *kept*, where that is given, and its generation gets
        the *number*, or the next one. Whatever goes wrong, the generation in use stays
        in use.
        """
        async with self._turn:
            before = self.config
            report: Report = await deferToThread(self._reread, kept=kept)
            if not dry_run:
                # These are no part of a configuration, and wait for none.
                report = _with_problems(report, self._renew(), before.path)
            # From here on nothing that is logged can show what the new one holds.
            secrets = report.config.secrets if report.config else ()
            for secret in secrets:
                self._live.add(secret)
            try:
                found: Review = await deferToThread(
                    self._review, report, both_ways=dry_run
                )
                obstacle = found.obstacle(may_widen=may_widen)
                if obstacle is None and found.config is not None and not dry_run:
                    obstacle = await self._take_up(found.config, number)
            finally:
                if self.config is before:
                    self._forget(secrets)
            if not dry_run:
                self._tell(found, obstacle, by=by)
            return Reloaded(
                document=document(
                    found,
                    generation=self.config.gateway.generation,
                    previous=before.gateway.generation,
                    dry_run=dry_run,
                    obstacle=obstacle,
                ),
                obstacle=obstacle,
            )

    def _review(self, report: Report, *, both_ways: bool) -> Review:
        store = store_place(self.config.store_url, base=self.config.directory)
        records = [each for each in peek_keys(store) or () if FIELD in each.metadata]
        return review(
            report,
            self.config,
            records=records,
            both_ways=both_ways,
            do=partial(apart, kind=Compared),
        )

    async def _take_up(self, config: Config, number: int | None) -> Refusal | None:
        """Answer new requests by *config*, or say why not."""
        try:
            links: Providers = await deferToThread(self._assembly.links, config)
        except (OSError, ValueError) as error:
            return unusable(f"A CA file cannot be used: {error}.")
        self.number = self.number + 1 if number is None else number
        self.config, new = self._assembly.generation(config, links, number=self.number)
        self.current.replace(new)
        self._taken_up(self.config)
        self._watch.forget()
        return None

    def _forget(self, secrets: Collection[Secret]) -> None:
        for secret in secrets:
            self._live.remove(secret)

    def _tell(self, found: Review, obstacle: Refusal | None, *, by: str) -> None:
        generation = self.config.gateway.generation
        self.counts["done" if obstacle is None else "refused"] += 1
        if obstacle is None:
            _log.info(
                "reloaded, {generation} is in use now (asked by {by})",
                event="reloaded",
                by=by,
                generation=generation,
            )
            said = [f"widens: {each.text}" for each in found.widenings]
            said += map(str, found.findings)
        else:
            _log.warn(
                "not reloaded, {generation} stays in use (asked by {by}): {reason}",
                event="reload-refused",
                by=by,
                generation=generation,
                reason=obstacle.message,
                code=obstacle.code,
            )
            said = list(lines(found))
        for warning in said:
            _log.warn("{warning}", warning=warning)


def _with_problems(report: Report, problems: Sequence[str], config: Path) -> Report:
    """Return *report* with what is wrong with the certificates of listeners."""
    findings = Findings()
    for problem in problems:
        findings.add(
            "W124",
            Mark(str(config), 1, 1),
            "listen",
            f"the certificate before stays in use: {problem}",
            remedy="Put it right; it is taken up by itself.",
        )
    return replace(report, findings=in_order((*report.findings, *findings.all())))
