"""Where the code may touch secrets at all: a list that grows only by review."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent
MODULES = sorted((TREE / "byok").rglob("*.py"))

# Who asks a Secret for its text, and what for.
MAY_REVEAL = {
    "byok/cli/key_screens.py": "shows a new key, once",
    "byok/cli/keys.py": "takes a key that is brought along",
    "byok/cli/running.py": "sends the master key to the gateway that is asked",
    "byok/config/policies.py": "writes a secret that a deployment's rule puts in",
    "byok/core/policy_tests/trial.py": "tells the operator's key in what would leave",
    "byok/config/general.py": "checks length and letters of configured keys",
    "byok/core/databases.py": "writes the password of the store into its address",
    "byok/core/egress.py": "shows the egress proxy the operator's credentials for it",
    "byok/core/exchange.py": "writes the credential that leaves",
    "byok/core/key_requests.py": "checks a key that is brought along",
    "byok/core/keys.py": "digests keys, and makes them",
    "byok/core/records.py": "looks for keys in names that are about to be recorded",
    "byok/core/record_writer.py": "looks for keys in what was recorded before",
    "byok/config/class_files.py": "looks at the shape of the master key",
    "byok/counters/link.py": "shows the server of counters its password",
    "byok/logs/live.py": "hashes what must not be written",
    "byok/upstream/guard.py": "looks for our own keys in what is about to leave",
    "byok/web/admin_keys.py": "shows a new key, once",
    "byok/core/answer_headers.py": "looks for the company's key in answers",
    "byok/web/identity.py": "digests what a caller presents",
    "byok/web/scrub.py": "takes the company's key out of error bodies",
}
LEVELS = {"debug", "info", "warn", "error", "critical", "failure", "emit"}
NEVER_LOGGED = {"headers", "request", "body", "content", "prompt", "secret"}


def calls_in(source: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


def reveals(source: str) -> bool:
    """Does *source* name `reveal` or `reveal_bytes` of anything, called or not?"""
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("reveal", "reveal_bytes")
        for node in ast.walk(ast.parse(source))
    )


def logged_in(source: str) -> Iterator[str]:
    """Yield the name of every field that *source* puts into a log event."""
    for call in calls_in(source):
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS:
            logger = ast.unparse(call.func.value)
            if logger.endswith("log"):
                yield from (keyword.arg or "" for keyword in call.keywords)


@pytest.mark.parametrize(
    "source", ["s.reveal()", "self._key.secret.reveal_bytes()", "map(Secret.reveal, s)"]
)
def test_a_module_that_reveals_is_recognised(source):
    assert reveals(source)


def test_only_the_modules_on_the_list_reveal_secrets():
    revealing = {
        str(path.relative_to(TREE))
        for path in MODULES
        if reveals(path.read_text("utf-8")) and path.stem != "secret"
    }

    assert revealing == set(MAY_REVEAL)


def test_what_is_logged_is_recognised():
    source = "_log.info('x', a=1)\nself.log.failure('y', f, headers=2)\nmath.log(b=3)"

    assert list(logged_in(source)) == ["a", "headers"]


def test_no_event_is_given_what_may_hold_secrets_or_prompts():
    given = {
        f"{path.relative_to(TREE)}: {name}"
        for path in MODULES
        for name in logged_in(path.read_text("utf-8"))
        if name in NEVER_LOGGED
    }

    assert given == set()
