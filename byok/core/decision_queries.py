"""Which decisions somebody asks to see, in the words of a URL or a command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from json import dumps

from byok.core.durations import parse_duration
from byok.core.errors import Refusal

PARAMETERS = (
    "key",
    "deployment",
    "verdict",
    "rule",
    "payer",
    "shadow",
    "since",
    "limit",
)
USUAL_LIMIT = 50
MAX_LIMIT = 1000
VERDICTS = ("allow", "deny")
PAYERS = ("org", "user-key", "subscription")

_SWITCH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    Which records to list: all of these true, the newest first.

    `key` is an id or an alias. `rule` is the id of one that decided, lost, or would
    have decided. `since` is in seconds of the epoch.
    """

    limit: int = USUAL_LIMIT
    key: str | None = None
    deployment: str | None = None
    verdict: str | None = None
    rule: str | None = None
    payer: str | None = None
    shadow: bool = False
    since: float | None = None

    def names_rule(self, text: str) -> bool:
        """Does the record that *text* is name the rule that is asked for?"""
        return self.rule is None or self.needle in text

    @property
    def needle(self) -> str:
        """How the text of a record names the rule."""
        return f'"rule":{dumps(self.rule, ensure_ascii=False)}'


def read_wanted(
    asked: Mapping[str, str], *, now: float, most: int = MAX_LIMIT
) -> Wanted | Refusal:
    """Read what is *asked*: texts by the names in PARAMETERS."""
    since = None
    if "since" in asked:
        since = _since(asked["since"], now)
        if since is None:
            return _bad(
                "since: a span such as 15m, 12h or 30d, or a moment such as"
                " 2030-01-31T12:00:00Z."
            )
    limit = asked.get("limit", str(USUAL_LIMIT))
    if not (limit.isascii() and limit.isdecimal() and 0 < int(limit[:9]) <= most):
        return _bad(f"limit: a number from 1 to {most}.")
    shadow = _SWITCH.get(asked.get("shadow", "false").lower())
    if shadow is None:
        return _bad("shadow: true or false.")
    for name, words in (("verdict", VERDICTS), ("payer", PAYERS)):
        if asked.get(name, words[0]) not in words:
            return _bad(f"{name}: one of {', '.join(words)}.")
    return Wanted(
        limit=int(limit),
        key=asked.get("key"),
        deployment=asked.get("deployment"),
        verdict=asked.get("verdict"),
        rule=asked.get("rule"),
        payer=asked.get("payer"),
        shadow=shadow,
        since=since,
    )


def _since(text: str, now: float) -> float | None:
    span = parse_duration(text)
    if span is not None:
        # A month back is not always as long as one ahead; a day does no harm.
        return now - (span.after(now) - now)
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except ValueError:
        return None


def _bad(message: str) -> Refusal:
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="decisions.bad-query",
        message=message,
    )
