"""
Deployments and the table that finds one for the model a client asked for.

An exact name wins, then the wildcard with the longest literal prefix, then `*`.
Of several equal entries the first one is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from byok.core.egress import EgressProxy
from byok.core.providers import Origin
from byok.core.secret import Secret
from byok.policy.match import Glob
from byok.policy.rules import BUILT_IN, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """
    One `model_list` entry, ready for use.

    `model_group` is its `model_name`; `upstream_model` what the provider calls
    it, with `*` standing for what the group's `*` stood for. `base_path` has no
    final slash and no `/v1`. `trusted` are the credential classes its origin may
    receive from a client; `trust_note` says by which line, where that is not
    built in. `via` is the proxy that connections go through. Times are seconds.
    """

    name: str
    model_group: str
    upstream_model: str
    provider: str
    origin: Origin
    base_path: str = ""
    api_key: Secret | None = None
    trusted: frozenset[str] = frozenset()
    trust_note: str = ""
    plaintext_ok: bool = False
    allow_private: bool = False
    via: EgressProxy | None = None
    ca_file: str | None = None
    connect_timeout_s: float = 10.0
    display_name: str = ""
    where: Where = BUILT_IN

    @property
    def is_wildcard(self) -> bool:
        """Does it stand for a family of models?"""
        return "*" in self.model_group

    def model_for(self, asked: str) -> str:
        """Return what the provider calls the model that the client *asked* for."""
        if "*" not in self.upstream_model:
            return self.upstream_model
        head, _, tail = self.model_group.partition("*")
        stood_for = asked[len(head) : len(asked) - len(tail)]
        return self.upstream_model.replace("*", stood_for, 1)


class DeploymentTable:
    """All deployments of one configuration, by the names that clients ask for."""

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        self.deployments = tuple(deployments)
        self._exact: dict[str, Deployment] = {}
        wildcards: list[Deployment] = []
        for each in self.deployments:
            if each.is_wildcard:
                wildcards.append(each)
            else:
                self._exact.setdefault(each.model_group, each)
        # A stable sort: of equal patterns the first written stays first. What
        # stands behind the star counts after what stands before, so `*` is last.
        self._wildcards = sorted(wildcards, key=_by_literals)

    def find(self, model: str) -> Deployment | None:
        """Return the deployment that serves *model*, or None."""
        exact = self._exact.get(model)
        if exact is not None:
            return exact
        for each in self._wildcards:
            if Glob(each.model_group).matches(model):
                return each
        return None

    def named(self, name: str) -> Deployment | None:
        """Return the deployment called *name*, or None."""
        for each in self.deployments:
            if each.name == name:
                return each
        return None

    @property
    def groups(self) -> tuple[str, ...]:
        """The model groups without wildcards, in the order they were written."""
        return tuple(self._exact)

    def nearest(self, model: str) -> str | None:
        """Return the served name that *model* was probably meant to be."""
        close = get_close_matches(model, list(self._exact), n=1, cutoff=0.75)
        return close[0] if close else None


def _by_literals(deployment: Deployment) -> tuple[int, int]:
    head, _, tail = deployment.model_group.partition("*")
    return -len(head), -len(tail)
