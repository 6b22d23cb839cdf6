"""
A changed configuration, looked at from all sides before it may be used.

Nothing is decided by order of luck: whatever can be said of it is said at once, and
one obstacle is enough for the running configuration to stay.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from byok.config import Config, Finding, General, Report
from byok.config.policy_tests import policy_test_findings, run_policy_tests
from byok.core.carriers import carriers
from byok.core.errors import Refusal
from byok.core.key_policies import KeyPolicies
from byok.core.keys import VirtualKey
from byok.core.pinning import Pinning, Reaction
from byok.core.prove import Question
from byok.core.routing import Deployment
from byok.core.walk import Subject
from byok.reload.differences import Difference, differences
from byok.reload.fixed import needs_restart
from byok.reload.widening import Widening, broken_assertions, widenings


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """
    What there is to say of a configuration that would replace the running one.

    `config` is None where it cannot be used at all, and then there is no more to
    say than the `findings`.
    """

    findings: tuple[Finding, ...]
    config: Config | None = None
    restart: tuple[str, ...] = ()
    failed_tests: tuple[Finding, ...] = ()
    broken_assertions: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    widenings: tuple[Widening, ...] = ()
    narrowings: tuple[Widening, ...] = ()

    def obstacle(self, *, may_widen: bool) -> Refusal | None:
        """Return why the running configuration has to stay, or None."""
        if self.config is None:
            return unusable("The configuration cannot be used: see findings.")
        if self.restart:
            return _refuse(
                "reload.needs-restart",
                f"This takes a restart: {', '.join(self.restart)}.",
            )
        if self.failed_tests:
            return _refuse(
                "reload.tests-failed", "A policy test of the configuration fails."
            )
        if self.broken_assertions:
            return _refuse(
                "reload.assertion-broken",
                "What a policy file asserts does not hold: see broken_assertions.",
            )
        if self.widenings and not may_widen:
            return _refuse(
                "reload.widens",
                "More could leave than now: see widenings. Allow it with"
                " --allow-widening, if that is meant.",
            )
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What takes its time to find out: tests, assertions, and all requests."""

    failed_tests: tuple[Finding, ...]
    broken_assertions: tuple[str, ...]
    widenings: tuple[Widening, ...]
    narrowings: tuple[Widening, ...]


Doing = Callable[[Callable[[], Compared]], Compared]
"""How a comparison is done: here, or somewhere else."""


def here(compare: Callable[[], Compared]) -> Compared:
    """Do it here and now."""
    return compare()


def unusable(message: str) -> Refusal:
    """Return why a configuration that cannot be used is not."""
    return _refuse("reload.invalid", message)


def review(
    report: Report,
    running: Config,
    *,
    records: Sequence[VirtualKey] = (),
    both_ways: bool = False,
    do: Doing = here,
) -> Review:
    """
    Look at what *report* read, beside the configuration that is *running*.

    *records* are the virtual keys that bring rules of their own. Looked at *both
    ways* it is also found out what could no longer leave. *do* does the comparison.
    """
    new = report.config
    if new is None:
        return Review(findings=report.findings)
    before, after = _subject(running, records), _subject(new, records)
    found = do(partial(_compared, new, before, after, both_ways=both_ways))
    return Review(
        findings=report.findings,
        config=new,
        restart=needs_restart(running, new),
        failed_tests=found.failed_tests,
        broken_assertions=found.broken_assertions,
        differences=differences(running, new),
        widenings=(
            *found.widenings,
            *_allowed(running.general, new.general),
            *_reaching_further(running.deployments, new.deployments),
        ),
        narrowings=found.narrowings,
    )


def _compared(
    new: Config, before: Subject, after: Subject, *, both_ways: bool
) -> Compared:
    name = str(new.path)
    tested = run_policy_tests(replace(new, gateway=after.gateway))
    return Compared(
        failed_tests=policy_test_findings(tested),
        broken_assertions=broken_assertions(
            Question(subject=after, assertions=new.assertions)
        ),
        widenings=widenings(before, after, config=name),
        narrowings=widenings(after, before, config=name) if both_ways else (),
    )


def _subject(config: Config, records: Sequence[VirtualKey]) -> Subject:
    # What remembers what it was asked does so for requests, and in one thread: here
    # others are asked.
    plans = config.gateway.plans
    return Subject(
        gateway=replace(
            config.gateway,
            plans=plans.with_rules(plans.rules),
            key_policies=KeyPolicies(),
        ),
        carriers=carriers(config.key_header_name),
        single_user=config.general.single_user,
        records=tuple(records),
    )


def _reaching_further(
    old: Sequence[Deployment], new: Sequence[Deployment]
) -> Iterator[Widening]:
    """Yield which deployments may be at private addresses from now on."""
    before = {each.name for each in old if each.allow_private}
    for each in new:
        if each.allow_private and each.name not in before:
            yield Widening(
                kind="setting",
                text=f"{each.name} may be in a private network, or on this machine",
                where=each.where,
            )


def _allowed(old: General, new: General) -> Iterator[Widening]:
    """Yield what settings that are no rules let somebody do from now on."""
    if new.master_key_on_data_routes and not old.master_key_on_data_routes:
        yield Widening(kind="setting", text="the master key opens models")
    if new.reload_may_widen and not old.reload_may_widen:
        yield Widening(kind="setting", text="a reload by SIGHUP may widen what leaves")
    if new.metrics.anybody and not old.metrics.anybody:
        yield Widening(kind="setting", text="anybody may read /metrics")
    if _admits_more(old.pinning, new.pinning):
        text = "more provider keys may be used: general_settings.byok asks for less"
        yield Widening(kind="setting", text=text)


def _admits_more(old: Pinning, new: Pinning) -> bool:
    """Is a key that is refused now perhaps no longer?"""
    refused_strangers = bool(old.allow_orgs) and old.on_unknown_org is Reaction.REFUSE
    refuses_as_many = (
        bool(new.allow_orgs)
        and new.on_unknown_org is Reaction.REFUSE
        and new.allow_orgs <= old.allow_orgs
    )
    return (refused_strangers and not refuses_as_many) or (
        old.bind_keys is Reaction.REFUSE is not new.bind_keys
    )


def _refuse(code: str, message: str) -> Refusal:
    return Refusal(status=409, kind="invalid_request_error", code=code, message=message)
