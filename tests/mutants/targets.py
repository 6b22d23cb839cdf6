"""Which tests have to notice a change to which file."""

from pathlib import Path

TRUSTED = (
    "byok/policy/floor.py",
    "byok/policy/classes.py",
    "byok/policy/tiers.py",
)

# The fastest first: the first test that fails ends a run.
_TESTS = {
    "floor": ("floor", "constants"),
    "classes": ("classes", "constants", "floor", "reference"),
    "tiers": ("tiers",),
    "slot": ("slot", "plan", "floor", "constants"),
    "plan": ("plan", "floor", "shadow", "passing", "request_rules", "plans"),
    "shapes": ("shapes", "plan", "floor"),
    "passing": ("passing", "plan"),
    "responses": ("responses", "plans"),
    "match": ("match", "plans", "document", "request_rules"),
}


def tests_for(file: str) -> list[str]:
    """Return the test files that should kill the mutants of *file*."""
    stem = Path(file).stem
    names = _TESTS.get(stem, (stem,))
    # A file of tests against mutants alone goes with those it completes.
    wanted = [f"tests/policy/test_{name}.py" for name in names]
    wanted.insert(1, f"tests/policy/test_{stem}_edges.py")
    return [
        each for each in wanted if Path(__file__).parents[2].joinpath(each).exists()
    ]
