"""Plans of one generation of rules, compiled when first asked for and kept."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from byok.policy import names
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.match import Context, Match
from byok.policy.plan import Plan
from byok.policy.rules import Rule
from byok.policy.slot import CredentialPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedCredentialPolicy:
    """A credential policy for one deployment, or for all where that is empty."""

    policy: CredentialPolicy
    deployment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRules:
    """Rules that one caller brings along; `id` names this very list of them."""

    id: str
    rules: tuple[Rule, ...]


NO_OWN_RULES = OwnRules(id="", rules=())


class Plans:
    """
    The plans of one generation of rules.

    What rules can tell apart of a request and of its caller is a signature: which
    boxes hold. Thousands of keys and models that no rule tells apart share one
    plan. All that is remembered is bounded; the oldest goes first.

    *credential_policies* are asked in order; the first that fits is used, so a
    deployment's own stands before the one for all.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        credential_policies: Sequence[ScopedCredentialPolicy] = (),
        *,
        gateway_names: Collection[bytes] = names.GATEWAY_CREDENTIALS,
        class_table: ClassTable = NOTHING_DECLARED,
        limit: int = 1024,
    ) -> None:
        self.rules = tuple(rules)
        self.gateway_names = frozenset(gateway_names)
        self.class_table = class_table
        self.credential_policies = tuple(credential_policies)
        self._plans: _Bounded[_Signature, Plan] = _Bounded(limit)
        self._known: _Bounded[tuple[object, ...], Plan] = _Bounded(limit * 8)
        self._requests: _Bounded[tuple[object, ...], _Bits] = _Bounded(limit)
        self._callers: _Bounded[tuple[object, ...], _Bits] = _Bounded(limit * 8)

    def __len__(self) -> int:
        return len(self._plans)

    def with_rules(self, rules: Sequence[Rule]) -> "Plans":
        """Return the plans of other *rules*, with all else alike."""
        return Plans(
            rules,
            self.credential_policies,
            gateway_names=self.gateway_names,
            class_table=self.class_table,
        )

    def plan(self, context: Context, own: OwnRules = NO_OWN_RULES) -> Plan:
        """Return the plan for *context*, compiled now if it was not known."""
        request, caller = _request_of(context), _caller_of(context)
        known = self._known.get((request, caller, own.id))
        if known is None:
            known = self._known[request, caller, own.id] = self._compiled(
                context, request, caller, own
            )
        return known

    def _compiled(
        self,
        context: Context,
        request: tuple[object, ...],
        caller: tuple[object, ...],
        own: OwnRules,
    ) -> Plan:
        of_request = self._requests.get(request)
        if of_request is None:
            of_request = self._requests[request] = _Bits.of(
                self.rules, context, Match.admits_request
            )
        of_caller = self._callers.get(caller)
        if of_caller is None:
            of_caller = self._callers[caller] = _Bits.of(
                self.rules, context, Match.admits_caller
            )
        able = of_request.able & of_caller.able
        excused = of_request.excused & of_caller.excused & able
        of_own = _Bits.of(own.rules, context, Match.admits)
        destination = (
            context.deployment,
            context.trusted,
            context.vouched,
            context.plaintext,
            context.deployment_key,
        )
        signature = (destination, able, excused, own.id, of_own.able, of_own.excused)
        plan = self._plans.get(signature)
        if plan is None:
            rules = [rule for at, rule in enumerate(self.rules) if able >> at & 1]
            plan = self._plans[signature] = Plan(
                context,
                [*rules, *own.rules],
                self._credential_policy(context),
                self.gateway_names,
                self.class_table,
            )
        return plan

    def _credential_policy(self, context: Context) -> CredentialPolicy:
        for scoped in self.credential_policies:
            if scoped.deployment in ("", context.deployment):
                return scoped.policy
        return CredentialPolicy()


_Signature = tuple[tuple[object, ...], int, int, str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bits:
    """For each rule by its place: may its match hold, and may its `unless`."""

    able: int
    excused: int

    @classmethod
    def of(
        cls,
        rules: Sequence[Rule],
        context: Context,
        admits: Callable[[Match, Context], bool],
    ) -> Self:
        able = _bits(admits(rule.match, context) for rule in rules)
        excused = _bits(
            rule.unless is not None and admits(rule.unless, context) for rule in rules
        )
        return cls(able=able, excused=excused)


def _bits(flags: Iterable[bool]) -> int:
    # The first flag is the lowest bit.
    digits = "".join("1" if flag else "0" for flag in flags)
    return int(digits[::-1] or "0", 2)


def _request_of(context: Context) -> tuple[object, ...]:
    return (
        context.route,
        context.method,
        context.model,
        context.model_group,
        context.deployment,
        context.provider,
        context.host,
        context.trusted,
        context.vouched,
        context.plaintext,
        context.deployment_key,
        context.stream,
    )


def _caller_of(context: Context) -> tuple[object, ...]:
    return (
        context.key,
        context.key_id,
        context.team,
        context.user,
        context.tags,
        context.auth,
        context.client_ip,
    )


_K = TypeVar("_K")
_V = TypeVar("_V")


class _Bounded(OrderedDict[_K, _V]):
    """A mapping of at most *limit* entries; what was set first goes first."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: _K, value: _V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._limit:
            self.popitem(last=False)
