"""What is kept of decisions that were made."""

from byok.config.nodes import Leaf, Table

KEPT = 10_000
"""How many decisions are kept where nothing is said."""


def read_kept_decisions(section: Table) -> int:
    """Return how many decisions to keep; 0 where none is recorded."""
    node = section.get("decision_log")
    if isinstance(node, Leaf) and node.value is False:
        return 0
    keep = section.table("decision_log").get("keep")
    # Anything else than a number was reported by its shape.
    if isinstance(keep, Leaf) and type(keep.value) is int:
        return keep.value
    return KEPT
