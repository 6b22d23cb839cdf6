"""Which tests have to notice a change to which file."""

from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
TRUSTED = (
    "byok/policy/floor.py",
    "byok/policy/classes.py",
    "byok/policy/tiers.py",
)

# The fastest first: the first test that fails ends a run.
_TESTS = {
    "floor": ("floor",),
    "classes": ("classes", "floor"),
    "tiers": ("tiers",),
    "slot": ("slot", "plan", "floor"),
    "plan": ("plan", "floor", "shadow", "passing", "request_rules"),
    "shapes": ("shapes", "plan", "floor"),
    "passing": ("passing", "plan"),
    "responses": ("responses", "plans"),
    "document": ("document", "document_more"),
    "actions": ("document_edges", "document", "document_more", "request_rules"),
    "grammar": ("document_edges", "document", "document_more", "match"),
    "reader": ("reader", "document_edges", "document", "document_more"),
    "match": ("match", "plans", "document", "request_rules"),
}


def killers_of(file: str) -> list[str]:
    """Return the test files that should kill the mutants of *file*."""
    stem = Path(file).stem
    names = _TESTS.get(stem, (stem,))
    found = [f"tests/policy/test_{name}.py" for name in names]
    # What completes a file of tests goes with it.
    edges = f"tests/policy/test_{stem}_edges.py"
    return [edges, *found] if (TREE / edges).exists() else found
