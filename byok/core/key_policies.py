"""
A virtual key's own rules: `metadata.policies`, the narrowest that people write.

They are read when the key is first met and kept by the key's last change, so that
an exchange pays for a look-up and no reading.
"""

from collections import OrderedDict

from byok.core.keys import VirtualKey
from byok.policy.document import Path, Problem, read_rules
from byok.policy.match import Match
from byok.policy.plans import NO_OWN_RULES, OwnRules
from byok.policy.rules import Action, Denial, Rule, Tier, Where

FIELD = "policies"
_KEPT = 4096


# Stands for a list that cannot be read. It was refused when it was set, so it got
# here some other way; a key whose rules are not known sends nothing.
UNREADABLE = Rule(
    id="key.unreadable-policies",
    tier=Tier.KEY,
    action=Action.DENY,
    denial=Denial(
        message=(
            "The rules of this byok key cannot be read. An admin has to mend its"
            " metadata.policies."
        )
    ),
)


def read_key_policies(
    policies: object, *, name: str = ""
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """Read the list under `metadata.policies` of the key called *name*."""

    def locate(path: Path) -> Where:
        return Where(file=f"{name or 'key'}:{dotted(path)}")

    return read_rules(
        policies,
        tier=Tier.KEY,
        locate=locate,
        namespace=f"key.{name}" if name else "key",
        path=("metadata", FIELD),
        bound=Match(),
    )


def dotted(path: Path) -> str:
    """Write a path as people do: `metadata.policies[0].match`."""
    out = ""
    for each in path:
        if isinstance(each, int):
            out += f"[{each}]"
        else:
            out += f".{each}" if out else each
    return out


class KeyPolicies:
    """The rules of the keys met so far, each read once for each of its changes."""

    def __init__(self, *, limit: int = _KEPT) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, float], OwnRules] = OrderedDict()

    def of(self, record: VirtualKey | None) -> OwnRules:
        """
        Return the key's rules; the one that denies all where they cannot be read.
        """
        if record is None or FIELD not in record.metadata:
            return NO_OWN_RULES
        known = self._known.get((record.token_id, record.updated_at))
        if known is None:
            known = self._read(record)
            self._known[record.token_id, record.updated_at] = known
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return known

    @staticmethod
    def _read(record: VirtualKey) -> OwnRules:
        rules, problems = read_key_policies(
            record.metadata[FIELD], name=record.key_alias or record.token_id
        )
        return OwnRules(
            id=f"{record.token_id}@{record.updated_at}",
            rules=(*rules, UNREADABLE) if problems else rules,
        )
