"""Whether `/metrics` is there, and for whom: in LiteLLM's words."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from byok.config.findings import Findings
from byok.config.nodes import Items, Leaf, Node, Table

CALLBACKS = ("callbacks", "success_callback", "failure_callback")
"""Lists of LiteLLM's; the word below in any of them switches metrics on."""

_WORD = "prometheus"
_SECTION = "litellm_settings"
_NEEDED = "prometheus_client"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSetting:
    """Are metrics told, and to *anybody* or to the holder of the master key alone?"""

    is_on: bool = False
    anybody: bool = False


NO_METRICS = MetricsSetting()


def read_metrics(tree: Table, findings: Findings) -> MetricsSetting:
    """Return what *tree* says of metrics; a finding where they cannot be written."""
    section = tree.table(_SECTION)
    asking = next(
        ((name, leaf) for name in CALLBACKS for leaf in _words(section.get(name))), None
    )
    if asking is None:
        return NO_METRICS
    name, leaf = asking
    if find_spec(_NEEDED) is None:
        findings.add(
            "E164",
            leaf.mark,
            f"{_SECTION}.{name}",
            f"{_SECTION}.{name} asks for metrics, and prometheus-client, which they"
            " are written with, is not installed",
            remedy="Install it, with: pip install 'byok[metrics]'",
        )
    asks = section.get("require_auth_for_metrics_endpoint")
    return MetricsSetting(
        is_on=True, anybody=isinstance(asks, Leaf) and asks.value is False
    )


def _words(node: Node | None) -> Iterator[Leaf]:
    for each in node.items if isinstance(node, Items) else (node,):
        if isinstance(each, Leaf) and each.value == _WORD:
            yield each
