"""Decisions as they are recorded, for the tests of what reads the records."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from byok.core.errors import Refusal
from byok.core.exchange import Caller, Decided, Gateway, decide, lay_out
from byok.core.facts import RequestFacts
from byok.core.records import Deciding, End, RecordBuilder
from byok.resources import schema_file
from tests.core.asking import DEVELOPER

Json = dict[str, Any]

NOW = 1_800_000_000.0
SCHEMA = json.loads(schema_file("decision-v1.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def deciding(
    asked: RequestFacts,
    at: Gateway,
    *,
    caller: Caller = DEVELOPER,
    number: int = 0,
    end: End | None = None,
) -> Deciding:
    """Decide a request, and say so as the exchange does."""
    result = decide(asked, caller, at)
    left = isinstance(result, Decided) and result.refusal is None
    return Deciding(
        id=f"req_{number:024x}",
        at=NOW + number,
        facts=asked,
        caller=caller,
        result=result,
        sent=lay_out(asked, result).headers
        if isinstance(result, Decided) and left
        else (),
        config_digest="sha256:1",
        end=end or End(),
    )


def recorded(asked: RequestFacts, at: Gateway, **more: Any) -> Json:
    """Record a decision as JSON that was written and read again."""
    builder = RecordBuilder()
    record = json.loads(json.dumps(builder.build(deciding(asked, at, **more))))
    VALIDATOR.validate(record)
    return record


def row(record: Json, name: str) -> Json:
    """Return the one header called *name*."""
    (found,) = (each for each in record["headers"] if each["name"] == name)
    return found


def refused(code: str = "c") -> Refusal:
    """Make a refusal that came before any header was looked at."""
    return Refusal(status=404, kind="not_found_error", code=code, message="m")
