"""
What a configuration lacks although every part of it is well formed.
"""

from collections.abc import Sequence

from byok.config.deployments import Entry
from byok.config.findings import Findings
from byok.config.nodes import Leaf, Table
from byok.policy.match import Glob

# What Claude Code asks for before its main request, at every interactive turn.
SMALL_MODEL = "claude-haiku-5-5"


def check_models(tree: Table, entries: Sequence[Entry], findings: Findings) -> None:
    """Report names that are served twice, not at all, or not to Claude Code."""
    _check_repeated(tree, findings)
    if not tree.items("model_list"):
        findings.add(
            "W112",
            tree.mark,
            "model_list",
            "no model is served",
            remedy="Add to model_list: `model_name: claude-*` with"
            " `litellm_params: {model: anthropic/claude-*}`.",
        )
    elif entries:
        _check_small_model(tree, entries, findings)


def _check_repeated(tree: Table, findings: Findings) -> None:
    first: dict[str, int] = {}
    for node in tree.items("model_list"):
        name = node.get("model_name") if isinstance(node, Table) else None
        if not isinstance(name, Leaf) or not isinstance(name.value, str):
            continue
        if name.value not in first:
            first[name.value] = name.mark.line
            continue
        findings.add(
            "W110",
            name.mark,
            "model_list",
            f"line {first[name.value]} has this model_name too:"
            " until routing is built, only the first is used",
            remedy="Delete one of the two, or give it a name of its own.",
        )


def _check_small_model(
    tree: Table, entries: Sequence[Entry], findings: Findings
) -> None:
    groups = [each.deployment.model_group for each in entries]
    is_for_claude = any("claude" in each or "*" in each for each in groups)
    if not is_for_claude or any(
        "haiku" in each or Glob(each).matches(SMALL_MODEL) for each in groups
    ):
        return
    node = tree.entries["model_list"]
    findings.add(
        "W111",
        node.mark,
        "model_list",
        "Claude Code also asks for a small model (claude-haiku-...) at every turn,"
        " and none is served",
        remedy="Add an entry with `model_name: claude-haiku-*` and"
        " `litellm_params: {model: anthropic/claude-haiku-*}`,"
        " or have developers set ANTHROPIC_DEFAULT_HAIKU_MODEL to a served name.",
    )
