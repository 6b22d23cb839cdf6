"""
A request that nobody sent: made-up credentials, a model, a body.

Placeholders such as `<anthropic.api_key>` stand for a value of that shape, so that
nobody has to write down a real secret to ask where it would go.
"""

import json
import re
from collections.abc import Mapping

from byok.core.routing import Deployment, DeploymentTable
from byok.policy.match import Glob

PLACEHOLDERS: Mapping[str, str] = {
    "anthropic.api_key": "sk-ant-api03-" + "x" * 80,
    "anthropic.oauth": "sk-ant-oat01-" + "x" * 80,
    "anthropic.admin": "sk-ant-admin01-" + "x" * 80,
    "anthropic.other": "sk-ant-" + "x" * 80,
    "openai.api_key": "sk-proj-" + "x" * 80,
    "openrouter.api_key": "sk-or-v1-" + "x" * 64,
    "google.api_key": "AIza" + "x" * 35,
    "gateway": "sk-byok-" + "x" * 49,
    "unknown": "opaque-" + "x" * 33,
}

# Any model shows what a wildcard does; this one is asked for at each turn.
ANY_MODEL = "claude-haiku-5-5"

_PLACEHOLDER = re.compile(r"<([a-z][a-z._]*)>")


class UnknownPlaceholderError(ValueError):
    """A word in angle brackets stands for nothing that can be made up."""

    def __init__(self, word: str) -> None:
        known = ", ".join(f"<{each}>" for each in PLACEHOLDERS)
        super().__init__(f"<{word}> is no placeholder; known are {known}")
        self.word = word


def filled(name: str, value: str) -> str:
    """
    Return the *value* of the header *name* with its placeholders filled in.

    A bare placeholder in Authorization means the bearer that a client sends.
    """
    bare = _PLACEHOLDER.fullmatch(value) is not None
    value = _PLACEHOLDER.sub(_stand_in, value)
    return f"Bearer {value}" if bare and name == "authorization" else value


def _stand_in(found: re.Match[str]) -> str:
    word = found.group(1)
    if word not in PLACEHOLDERS:
        raise UnknownPlaceholderError(word)
    return PLACEHOLDERS[word]


def supposed_model(table: DeploymentTable, found: Deployment | None) -> str:
    """Return a model that *found* serves, or the first deployment of *table*."""
    first = found or next(iter(table.deployments), None)
    model = first.model_group if first else "none"
    if Glob(model).matches(ANY_MODEL):
        return ANY_MODEL
    return model.replace("*", ANY_MODEL)


def body_for(model: str, *, stream: bool = False) -> bytes:
    """Return the smallest body that asks for *model*."""
    content: dict[str, object] = {"model": model, "max_tokens": 1, "messages": []}
    if stream:
        content["stream"] = True
    return json.dumps(content).encode()
