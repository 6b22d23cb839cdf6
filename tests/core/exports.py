"""Exports in the shapes in which consoles of providers give them."""

TOKENS_HEAD = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
    "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed\n"
)
COSTS_HEAD = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,"
    "cost_usd,list_price_usd,cost_type,inference_geo,speed\n"
)


def tokens_row(
    day: str = "2027-01-15",
    model: str = "claude-opus-5-5-20260101",
    counts: str = "10,40,50,30,20,1",
    key: str = "gateway",
) -> str:
    """Return a row of Anthropic's export of usage."""
    return f"{day},{model},{key},Default,standard,\u2264 200k,{counts},global,\n"


def cost_row(
    kind: str,
    dollars: str,
    day: str = "2027-01-15",
    model: str = "Claude Opus 5.5",
    key: str = "gateway",
) -> str:
    """Return a row of Anthropic's export of costs."""
    return (
        f"{day},{model},Default,{key},message,\u2264 200k,{kind},{dollars},{dollars},"
        "token,global,\n"
    )
