"""Plans of one generation of rules, compiled when first asked for and kept."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from byok.policy import names
from byok.policy.match import Context
from byok.policy.plan import Plan
from byok.policy.rules import Rule
from byok.policy.slot import CredentialPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedCredentialPolicy:
    """A credential policy for one deployment, or for all where that is empty."""

    policy: CredentialPolicy
    deployment: str = ""


class Plans:
    """
    A bounded set of plans over one generation of rules, least used first out.

    *credential_policies* are asked in order; the first that fits is used, so a
    deployment's own stands before the one for all.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        credential_policies: Sequence[ScopedCredentialPolicy] = (),
        *,
        gateway_names: Collection[bytes] = names.GATEWAY_CREDENTIALS,
        limit: int = 1024,
    ) -> None:
        self.rules = tuple(rules)
        self.gateway_names = frozenset(gateway_names)
        self._credential_policies = tuple(credential_policies)
        self._limit = limit
        self._plans: OrderedDict[Context, Plan] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    def plan(self, context: Context) -> Plan:
        """Return the plan for *context*, compiled now if it was not known."""
        known = self._plans.get(context)
        if known is None:
            known = Plan(
                context,
                self.rules,
                self._credential_policy(context),
                self.gateway_names,
            )
            self._plans[context] = known
            if len(self._plans) > self._limit:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(context)
        return known

    def _credential_policy(self, context: Context) -> CredentialPolicy:
        for scoped in self._credential_policies:
            if scoped.deployment in ("", context.deployment):
                return scoped.policy
        return CredentialPolicy()
