"""
What LiteLLM's routes of spending answer, and what byok adds to it.

`spend` is what the organisation pays, in dollars; `notional_spend` what the same
tokens cost by the prices, whoever pays. Sums are of whole nanodollars, and become
dollars at the very end.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from byok.core.key_answers import dollars
from byok.core.usage_record import UsageRecord
from byok.store.usage import Figures, Total, has_failed

Document = dict[str, object]

NO_TEAM = "Unassigned Team"
_TYPES = {
    "/v1/messages": "anthropic_messages",
    "/v1/messages/count_tokens": "acount_tokens",
    "/v1/chat/completions": "acompletion",
}


def row(record: UsageRecord) -> Document:
    """Return one record as a row of LiteLLM's spend logs, and our own fields."""
    cache_write = (record.cache_write_5m_tokens or 0) + (
        record.cache_write_1h_tokens or 0
    )
    prompt = (record.input_tokens or 0) + (record.cache_read_tokens or 0) + cache_write
    completion = record.output_tokens or 0
    failed = has_failed(record.error, record.status)
    first = record.first_byte_ms
    return {
        "request_id": record.id,
        "call_type": _TYPES.get(record.route, record.route),
        "api_key": record.key_id,
        "spend": dollars(record.cost_nano),
        "total_tokens": prompt + completion,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "startTime": _moment(record.at),
        "endTime": _moment(record.at + record.duration_ms / 1000),
        "completionStartTime": None
        if first is None
        else _moment(record.at + first / 1000),
        "request_duration_ms": round(record.duration_ms),
        "model": record.upstream_model or record.model or "",
        "model_id": record.deployment or "",
        "model_group": record.model or "",
        "custom_llm_provider": record.provider or "",
        "user": record.user or "",
        "team_id": record.team,
        "end_user": record.end_user or "",
        "session_id": record.session,
        "cache_hit": "False",
        "request_tags": [],
        "status": "failure" if failed else "success",
        "metadata": {
            "user_api_key_alias": record.key,
            "user_api_key_user_id": record.user,
            "user_api_key_team_id": record.team,
            "additional_usage_values": {
                "cache_read_input_tokens": record.cache_read_tokens or 0,
                "cache_creation_input_tokens": cache_write,
            },
        },
        "payer": record.payer,
        "notional_spend": dollars(record.notional_nano or 0),
        "spend_nano": record.cost_nano,
        "notional_nano": record.notional_nano,
        "estimated": record.estimated,
        "price_version": record.price_version,
        "http_status": record.status,
        "ending": record.ending,
        "error": record.error,
        "stop_reason": record.stop_reason,
        "agent": record.agent,
    }


@dataclass(slots=True)
class _Sum:
    real: int = 0
    notional: int = 0
    tokens: int = 0
    prompt: int = 0
    completion: int = 0

    def add(self, figures: Figures) -> None:
        prompt = prompt_tokens(figures)
        self.real += figures.cost_nano
        self.notional += figures.notional_nano
        self.prompt += prompt
        self.completion += figures.output_tokens
        self.tokens += prompt + figures.output_tokens


def _sums() -> dict[str, _Sum]:
    return defaultdict(_Sum)


@dataclass(slots=True)
class _Day:
    all: _Sum = field(default_factory=_Sum)
    keys: dict[str, _Sum] = field(default_factory=_sums)
    users: dict[str, _Sum] = field(default_factory=_sums)
    models: dict[str, _Sum] = field(default_factory=_sums)
    payers: dict[str, _Sum] = field(default_factory=_sums)


def prompt_tokens(figures: Figures) -> int:
    """Return the tokens of prompts, as LiteLLM counts them: with what caches did."""
    return (
        figures.input_tokens
        + figures.cache_read_tokens
        + figures.cache_write_5m_tokens
        + figures.cache_write_1h_tokens
    )


def by_day(totals: Iterable[Total], *, last: str) -> list[Document]:
    """Sum up *totals* by day, key, user, model and payer; days until *last*."""
    days: dict[str, _Day] = defaultdict(_Day)
    for total in totals:
        day, key, user, model, payer = total.group
        found = days[str(day)]
        for each in (
            found.all,
            found.keys[key or ""],
            found.users[user or ""],
            found.models[model or ""],
            found.payers[payer or ""],
        ):
            each.add(total.figures)
    out = [
        {
            **_real(found.keys),
            "startTime": day,
            "spend": dollars(found.all.real),
            "notional_spend": dollars(found.all.notional),
            "users": _real(found.users),
            "models": _real(found.models),
            "payers": _notional(found.payers),
        }
        for day, found in sorted(days.items())
    ]
    # LiteLLM fills up the end, and nothing where there is nothing at all.
    rest = _days_after(str(out[-1]["startTime"]), last) if out else []
    nothing = {"spend": 0.0, "notional_spend": 0.0}
    empty: Document = {"users": {}, "models": {}, "payers": {}}
    out += [{"startTime": day, **nothing, **empty} for day in rest]
    return out


def by_team_or_customer(
    totals: Iterable[Total], *, name: str, names: str, nobody: str
) -> list[Document]:
    """Lay out *totals* by day, team or customer, model and key."""
    days: dict[str, dict[str, list[Total]]] = defaultdict(lambda: defaultdict(list))
    for total in totals:
        day, who, _, _ = total.group
        days[str(day)][who or nobody].append(total)
    return [
        {
            "group_by_day": f"{day}T00:00:00+00:00",
            names: [
                {
                    name: who,
                    "total_spend": dollars(
                        sum(each.figures.cost_nano for each in all_)
                    ),
                    "total_notional_spend": dollars(
                        sum(each.figures.notional_nano for each in all_)
                    ),
                    "metadata": [_detail(each) for each in all_],
                }
                for who, all_ in sorted(found.items())
            ],
        }
        for day, found in sorted(days.items())
    ]


def by_key(totals: Iterable[Total], *, name: str = "api_key") -> list[Document]:
    """Lay out *totals* by whose they are and by model, who cost most first."""
    keys: dict[str, list[Total]] = defaultdict(list)
    for total in totals:
        keys[str(total.group[0] or "")].append(total)
    found = [(_added(all_), who, all_) for who, all_ in keys.items()]
    return [
        {
            name: who,
            **_totals(added),
            "model_details": [
                {"model": each.group[1] or "", **_totals(_added([each]))}
                for each in all_
            ],
        }
        for added, who, all_ in sorted(
            found, key=lambda each: (-each[0].real, -each[0].notional, each[1])
        )
    ]


def of_all(totals: Sequence[Total]) -> Document:
    """Sum up *totals* by payer."""
    added = _added(totals)
    return {
        "spend": dollars(added.real),
        "max_budget": None,
        "notional_spend": dollars(added.notional),
        "payers": {
            str(each.group[0] or ""): dollars(each.figures.notional_nano)
            for each in totals
        },
    }


def activity(
    totals: Iterable[Total], *, alias: Callable[[str], str | None]
) -> Document:
    """Lay out *totals* by day, model and key as LiteLLM's daily activity."""
    days: dict[str, list[Total]] = defaultdict(list)
    everything: list[Total] = []
    for total in totals:
        days[str(total.group[0])].append(total)
        everything.append(total)
    return {
        "results": [
            {
                "date": day,
                "metrics": _metrics(found),
                "breakdown": {
                    "models": _broken_down(found, 1, lambda _: {}),
                    "api_keys": _broken_down(
                        found, 2, lambda key: {"key_alias": alias(key)}
                    ),
                },
            }
            for day, found in sorted(days.items(), reverse=True)
        ],
        "metadata": {
            **{f"total_{name}": each for name, each in _metrics(everything).items()},
            "page": 1,
            "total_pages": 1,
            "has_more": False,
        },
    }


def _broken_down(
    totals: Sequence[Total], at: int, about: Callable[[str], Document]
) -> Document:
    parts: dict[str, list[Total]] = defaultdict(list)
    for total in totals:
        parts[total.group[at] or ""].append(total)
    return {
        name: {"metrics": _metrics(found), "metadata": about(name)}
        for name, found in sorted(parts.items())
    }


def _metrics(totals: Sequence[Total]) -> Document:
    figures = [each.figures for each in totals]
    added = _added(totals)
    requests = sum(each.requests for each in figures)
    failures = sum(each.failures for each in figures)
    return {
        "spend": dollars(added.real),
        "notional_spend": dollars(added.notional),
        "prompt_tokens": added.prompt,
        "completion_tokens": added.completion,
        "cache_read_input_tokens": sum(each.cache_read_tokens for each in figures),
        "cache_creation_input_tokens": sum(
            each.cache_write_5m_tokens + each.cache_write_1h_tokens for each in figures
        ),
        "total_tokens": added.tokens,
        "successful_requests": requests - failures,
        "failed_requests": failures,
        "api_requests": requests,
    }


def _detail(total: Total) -> Document:
    _, _, model, key = total.group
    added = _added([total])
    return {
        "model": model or "",
        "api_key": key,
        "spend": dollars(added.real),
        "notional_spend": dollars(added.notional),
        "total_tokens": added.tokens,
    }


def _added(totals: Iterable[Total]) -> _Sum:
    out = _Sum()
    for each in totals:
        out.add(each.figures)
    return out


def _totals(added: _Sum) -> Document:
    return {
        "total_cost": dollars(added.real),
        "total_notional_cost": dollars(added.notional),
        "total_input_tokens": added.prompt,
        "total_output_tokens": added.completion,
    }


def _real(sums: Mapping[str, _Sum]) -> dict[str, float]:
    return {name: dollars(each.real) for name, each in sums.items()}


def _notional(sums: Mapping[str, _Sum]) -> dict[str, float]:
    return {name: dollars(each.notional) for name, each in sums.items()}


def _days_after(day: str, last: str) -> list[str]:
    first, end = date.fromisoformat(day), date.fromisoformat(last)
    return [
        (first + timedelta(days=each)).isoformat()
        for each in range(1, (end - first).days + 1)
    ]


def _moment(at: float) -> str:
    when = datetime.fromtimestamp(at, tz=UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
