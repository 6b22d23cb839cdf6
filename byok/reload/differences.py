"""What two configurations say differently, by name: never a value of either."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum

from byok.config import Config, General
from byok.config.limits import Limits
from byok.core.prices import PriceTable
from byok.policy.rules import BUILT_IN, Rule, Where
from byok.reload.widening import placeless


class Change(Enum):
    """What happened to a thing, by the sign that stands before it."""

    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One rule, deployment or setting that is not what it was."""

    change: Change
    what: str
    name: str
    where: Where = BUILT_IN


_SETTINGS: tuple[tuple[str, str], ...] = (
    ("master_key", "master_key"),
    ("master_key_on_data_routes", "master_key_on_data_routes"),
    ("permits_weak_keys", "dangerously_permit_weak_or_unset_master_key"),
    ("key_header_name", "litellm_key_header_name"),
    ("user_header_name", "user_header_name"),
    ("expose_decision_headers", "expose_decision_headers"),
    ("pinning", "byok"),
    ("egress_proxy", "egress_proxy"),
    ("allow_plaintext_loopback", "allow_plaintext_loopback"),
    ("reload_may_widen", "reload.allow_widening"),
)


def differences(old: Config, new: Config) -> tuple[Difference, ...]:
    """Return everything in which *new* differs, rules first."""
    return (
        *_compared("rule", _rules(old.rules), _rules(new.rules)),
        *_compared("deployment", _deployments(old), _deployments(new)),
        *_settings(old.general, new.general),
        *_credentials(old, new),
        *_limits(old.limits, new.limits),
        *_prices(old.prices, new.prices),
    )


_Things = Mapping[tuple[str, str], tuple[Hashable, Where]]
"""What each thing says and where, by something to tell it by and its name."""


def _compared(what: str, old: _Things, new: _Things) -> Iterator[Difference]:
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            change, where = Change.ADDED, after[1]
        elif before is not None and after is None:
            change, where = Change.REMOVED, before[1]
        elif before is not None and after is not None and before[0] != after[0]:
            change, where = Change.CHANGED, after[1]
        else:
            continue
        yield Difference(change=change, what=what, name=key[1], where=where)


def _rules(rules: tuple[Rule, ...]) -> _Things:
    # One tier has an id once; another one may have it too.
    return {
        (each.tier.name, each.id): (replace(each, where=BUILT_IN, why=""), each.where)
        for each in rules
    }


def _deployments(config: Config) -> _Things:
    every = (*config.deployments, *config.unsupported)
    # The proxy is a setting, and said once.
    return {
        ("", each.name): (replace(placeless(each), via=None), each.where)
        for each in every
    }


def _settings(old: General, new: General) -> Iterator[Difference]:
    for field, name in _SETTINGS:
        if getattr(old, field) != getattr(new, field):
            yield Difference(
                change=Change.CHANGED, what="setting", name=f"general_settings.{name}"
            )
    if old.metrics != new.metrics:
        yield Difference(
            change=Change.CHANGED, what="setting", name="litellm_settings.callbacks"
        )


def _limits(old: Limits, new: Limits) -> Iterator[Difference]:
    for each in fields(Limits):
        if getattr(old, each.name) != getattr(new, each.name):
            yield Difference(
                change=Change.CHANGED, what="setting", name=f"limits.{each.name}"
            )


def _prices(old: PriceTable, new: PriceTable) -> Iterator[Difference]:
    if old.version != new.version:
        yield Difference(change=Change.CHANGED, what="setting", name="prices")


def _credentials(old: Config, new: Config) -> Iterator[Difference]:
    if old.credential_policies != new.credential_policies:
        yield Difference(change=Change.CHANGED, what="setting", name="credential")
