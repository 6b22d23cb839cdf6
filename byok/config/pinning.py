"""Whose provider keys may be used: `general_settings.byok`."""

from byok.config.nodes import Items, Leaf, Node, Table
from byok.core.pinning import Pinning, Reaction


def read_pinning(section: Table) -> Pinning:
    """Return what is asked of provider keys; its form was checked by the schema."""
    table = section.table("byok")
    node = table.get("allow_orgs")
    named = node.items if isinstance(node, Items) else ()
    return Pinning(
        allow_orgs=frozenset(
            each.value
            for each in named
            if isinstance(each, Leaf) and isinstance(each.value, str)
        ),
        on_unknown_org=_reaction(table.get("on_unknown_org"), Reaction.REPORT),
        bind_keys=_reaction(table.get("bind_keys"), Reaction.OFF),
    )


def _reaction(node: Node | None, usual: Reaction) -> Reaction:
    # To YAML the word off is a false.
    words: dict[object, Reaction] = {each.value: each for each in Reaction}
    words[False] = Reaction.OFF
    return words.get(node.value, usual) if isinstance(node, Leaf) else usual
