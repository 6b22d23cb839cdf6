"""A record of a decision as people read it: the explanation, and what came of it."""

from collections.abc import Mapping

from byok.core import explain, explain_text
from byok.core.key_answers import moment
from byok.core.records import Json, items
from byok.policy.plan import DEFAULT_DENY

_FIELD = "header:"


def explanation_of(record: Json) -> dict[str, object]:
    """Return *record* in the shape of an explanation (explain-v1)."""
    more = record["more_headers"]
    request = dict(_object(record["request"]))
    request.pop("stream")
    caller = _object(record["caller"])
    shadow = items(record["shadow"])
    credential = record["credential"]
    if isinstance(credential, Mapping):
        asked = [each for each in shadow if each["slot"] == "credential"]
        credential = {**credential, "shadow": asked}
    return {
        "version": explain.VERSION,
        "decision_id": record["id"],
        "config_digest": record["config_digest"],
        "request": request,
        "caller": {
            name: caller[name] for name in ("key", "team", "user", "auth_header")
        },
        "verdict": record["verdict"],
        "refusal": record["refusal"],
        "slots": [_slot(each, shadow) for each in items(record["headers"])],
        "injections": [_injection(each) for each in items(record["injections"])],
        "credential": credential,
        "shadow": [each for each in shadow if _is_of_request(str(each["slot"]))],
        "sends": record["sends"],
        "assumed": [],
        "warnings": [f"{more} more headers were not recorded"] if more else [],
    }


def describe(record: Json) -> str:
    """Return the text that stands for *record*; no final newline."""
    outcome = _object(record["outcome"])
    status = outcome["status"] or "not answered"
    ended = [str(outcome[name]) for name in ("error", "ending") if outcome[name]]
    return "\n".join(
        (
            f"{'decision':<11}{record['id']}  {moment(float(str(record['time'])))}",
            explain_text.render(explanation_of(record)),
            "  ".join((f"{'answered':<11}{status}", *ended)),
            f"{'generation':<11}{record['generation'] or 'unknown'}",
        )
    )


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _is_of_request(slot: str) -> bool:
    return slot != "credential" and not slot.startswith(_FIELD)


def _slot(row: Json, shadow: object) -> Json:
    name = f"{_FIELD}{row['name']}"
    shown = {"length": row["length"]}
    if "fingerprint" in row:
        shown["fingerprint"] = row["fingerprint"]
    asked = [each for each in items(shadow) if each["slot"] == name]
    return {
        "slot": name,
        "class": row["class"],
        "classified_by": row["how"],
        "value": shown,
        "verdict": row["verdict"],
        "sent_as": row["sent_as"],
        "drops": row.get("drops", []),
        "reason": row["reason"],
        "determining": [_rule(row), *items(row.get("beside"))],
        "overridden": row.get("over", []),
        # Of a header that came twice both have the same fate.
        "shadow": [
            {**each, "rule": each["rule"] or DEFAULT_DENY} for each in asked[:1]
        ],
        "note": row["why"],
    }


def _injection(row: Json) -> Json:
    return {
        "slot": f"out:{row['name']}",
        "when": row["when"],
        "applied": row["applied"],
        "determining": [_rule(row)],
        "overridden": row["over"],
    }


def _rule(row: Json) -> Json:
    return {name: row[name] for name in ("rule", "tier", "origin", "why")}
