"""
The usage record: what one exchange used, whom it is counted for, what it cost.

It is one row of the ledger and, before that, one line of JSON in the spool. A line
may outlive the version that wrote it, so a field is never renamed and never given
another meaning: a new one has a default, and one that is unknown is passed over.
"""

import msgspec


class UsageRecord(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """
    One exchange in the ledger.

    None is what was not said or does not apply. Tokens are counted in Anthropic's
    way: *input_tokens* leaves out what the cache gave or took in, *output_tokens*
    includes *thinking_tokens*. *estimated*: the answer broke off before its last
    figures, and what it lacked was reckoned from what was seen. *cost_nano* is what
    the organisation pays, *notional_nano* what the same tokens cost by the prices,
    whoever pays; both are nanodollars. There is no credential in a record, only the
    class of the one that left.
    """

    id: str
    at: float
    key_id: str
    key: str
    method: str
    route: str
    duration_ms: float
    generation: str
    user: str | None = None
    team: str | None = None
    end_user: str | None = None
    session: str | None = None
    agent: str | None = None
    model: str | None = None
    upstream_model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    payer: str | None = None
    credential: str | None = None
    status: int | None = None
    ending: str | None = None
    error: str | None = None
    stop_reason: str | None = None
    attempts: int = 1
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    thinking_tokens: int | None = None
    web_searches: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    estimated: bool = False
    raw_usage: str | None = None
    price_version: str | None = None
    cost_nano: int = 0
    notional_nano: int | None = None
    first_byte_ms: float | None = None


class UnreadableRecordError(ValueError):
    """These bytes are no usage record."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(UsageRecord)


def encode(record: UsageRecord) -> bytes:
    """Return *record* as one line of JSON, without the line's end; it never fails."""
    try:
        return _ENCODER.encode(record)
    except UnicodeEncodeError:
        # Half of a surrogate pair in some name: UTF-8 has no place for it, but a row
        # with a question mark in a name is still a row that is counted.
        return _ENCODER.encode(_printable(record))


def decode(line: bytes) -> UsageRecord:
    """Read what `encode` wrote; raise UnreadableRecordError for anything else."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The cause names the field that is amiss, and no value.
        raise UnreadableRecordError(f"not a usage record: {error}") from None


def _printable(record: UsageRecord) -> UsageRecord:
    fields = msgspec.structs.asdict(record)
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = value.encode("utf-8", "replace").decode("utf-8")
    return UsageRecord(**fields)
