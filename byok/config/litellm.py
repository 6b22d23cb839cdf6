"""
What becomes of each of LiteLLM's settings here: one table, one verdict a key.

A setting that has no effect is harmless, unless somebody counts on its protection;
those say so. What byok honours is what `config.schema.json` describes, so it is
not repeated here. Names are as of LiteLLM 1.106.
"""

from dataclasses import dataclass
from enum import StrEnum

from byok.config.litellm_names import NO_EFFECT, PROVIDERS
from byok.config.marks import Path


class Verdict(StrEnum):
    """What byok does with a LiteLLM setting."""

    HONOURED = "honoured"
    NO_EFFECT = "accepted without effect"
    DIFFERS = "differs"
    UNSAFE = "unsafe here"
    UNKNOWN = "unknown"


class Section(StrEnum):
    """The places where LiteLLM's settings stand."""

    TOP = "the top level"
    GENERAL = "general_settings"
    LITELLM = "litellm_settings"
    ROUTER = "router_settings"
    MODEL = "model_list[]"
    PARAMS = "model_list[].litellm_params"
    INFO = "model_list[].model_info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    One setting of LiteLLM's.

    *how* says what differs, what to use instead, or what does not protect.
    *protects* marks what an operator may count on, *limits* what is not enforced
    yet, *replaced* what has to be written in other words.
    """

    verdict: Verdict
    how: str = ""
    boolean: bool = False
    protects: bool = False
    limits: bool = False
    replaced: bool = False


def section_of(path: Path) -> Section | None:
    """Return the section whose keys stand at *path*, or None below them all."""
    match path:
        case ():
            return Section.TOP
        case ("general_settings",):
            return Section.GENERAL
        case ("litellm_settings",):
            return Section.LITELLM
        case ("router_settings",):
            return Section.ROUTER
        case ("model_list", int()):
            return Section.MODEL
        case ("model_list", int(), "litellm_params"):
            return Section.PARAMS
        case ("model_list", int(), "model_info"):
            return Section.INFO
    return None


# Words of byok's own inside LiteLLM's sections: they get no verdict.
OWN: dict[Section, frozenset[str]] = {
    Section.TOP: frozenset(
        {
            "agents",
            "budgets",
            "counters",
            "limits",
            "listen",
            "policy_files",
            "policy_tests",
            "prices",
            "providers",
            "sessions",
            "store",
            "teams",
            "usage",
        }
    ),
    Section.GENERAL: frozenset(
        {
            "allow_plaintext_loopback",
            "byok",
            "credential",
            "decision_log",
            "egress_proxy",
            "expose_decision_headers",
            "generate_master_key",
            "key_pepper",
            "master_key_on_data_routes",
            "policies",
            "policy_compat",
            "policy_packs",
        }
    ),
    Section.LITELLM: frozenset({"policies"}),
    Section.ROUTER: frozenset(),
    Section.MODEL: frozenset(),
    Section.PARAMS: frozenset(
        {
            "accepts_client_credential",
            "allow_private",
            "ca_file",
            "connect_timeout",
            "credential",
            "policies",
            "trust_client_credentials",
        }
    ),
    Section.INFO: frozenset({"display_name"}),
}

_ROUTING = "routing between deployments is not built yet; the first of equals is used"
_BYTES = "bodies go out byte for byte, so nothing is added, dropped or translated"
_SILENCE = (
    "a silent stream is cut after limits.stream_idle_s (600 s, so that the client's own"
    " 300 s decide first)"
)
_METRICS = (
    "/metrics is switched on by the word prometheus, and has names of byok's; no other"
    " word counts"
)
_COUNTERS = (
    "gateways share limits by a server named under counters, at the top level: url, and"
    " password by reference"
)
_KEYS_ONLY = "callers are known by their byok key alone"

_UNSAFE: dict[Section, dict[str, str]] = {
    Section.GENERAL: {
        "allow_client_side_credentials": (
            "a request never chooses its destination; give each upstream a"
            " model_list entry"
        ),
        "allow_requests_on_db_unavailable": (
            "keys that were never checked stay refused; known keys keep working"
            " from memory"
        ),
        "custom_auth": f"no code of yours runs in byok; {_KEYS_ONLY}",
        "custom_sso": f"no code of yours runs in byok; {_KEYS_ONLY}",
        "custom_key_generate": "no code of yours runs in byok",
        "use_client_credentials_pass_through_routes": (
            "every route needs a byok key; the client's own credential goes along"
            " with forward_llm_provider_auth_headers"
        ),
    },
    Section.LITELLM: {
        "add_user_information_to_llm_headers": (
            "it sends the hash of the caller's key to the provider; inject what"
            " you want to send with a policy"
        ),
        "ssl_verify": (
            "certificates are always checked; name a private authority with ca_file"
        ),
        "configurable_clientside_auth_params": (
            "a request never chooses its destination or key; give each upstream a"
            " model_list entry"
        ),
    },
    Section.PARAMS: {
        "configurable_clientside_auth_params": (
            "a request never chooses its destination or key; give each upstream a"
            " model_list entry, and let clients bring a key with"
            " forward_llm_provider_auth_headers"
        ),
        "ssl_verify": (
            "certificates are always checked; name a private authority with ca_file"
        ),
        "mock_response": "an answer that no provider gave is never sent",
    },
}

_DIFFERS: dict[Section, dict[str, str]] = {
    Section.GENERAL: {
        "forward_client_headers_to_llm_api": (
            "credentials, cookies and network headers stay here, x-stainless-* is"
            " left to the claude-code pack, and it counts in both settings sections"
        ),
        "forward_llm_provider_auth_headers": (
            "it covers API keys and logins alike, goes to the provider's own hosts"
            " only, and an explicit false wins over a true in the other section"
        ),
        "litellm_key_header_name": (
            "the usual headers keep working beside the one named here"
        ),
        "max_request_size_mb": "limits.body_bytes is: 32 MiB, as at Anthropic",
        "use_x_forwarded_for": "no header is believed about the client's address",
        "trusted_proxy_ranges": "no header is believed about the client's address",
    },
    Section.LITELLM: {
        "forward_client_headers_to_llm_api": (
            "it counts here too, unlike in LiteLLM; credentials, cookies and"
            " network headers stay here"
        ),
        "forward_llm_provider_auth_headers": (
            "it covers API keys and logins alike, goes to the provider's own hosts"
            " only, and an explicit false wins over a true in the other section"
        ),
        "callbacks": _METRICS,
        "failure_callback": _METRICS,
        "success_callback": _METRICS,
        "require_auth_for_metrics_endpoint": (
            "without a word of it /metrics is for the master key"
        ),
        "drop_params": _BYTES,
        "modify_params": _BYTES,
        "request_timeout": _SILENCE,
    },
    Section.PARAMS: {
        "additional_drop_params": _BYTES,
        "api_base": "client credentials go there only if you vouch for it",
        "base_url": "client credentials go there only if you vouch for it",
        "drop_params": _BYTES,
        "extra_headers": (
            "they replace what the client sends; anthropic-beta and openai-beta are"
            " added to it; credentials belong into api_key"
        ),
        "stream_timeout": f"{_SILENCE}; connect_timeout is honoured",
        "timeout": f"{_SILENCE}; connect_timeout is honoured",
    },
}

# Settings whose purpose is served by other words here.
_REPLACED: dict[Section, dict[str, str]] = {
    Section.GENERAL: {
        "database_url": (
            "keys live in a store of byok's own: name it under store, at the top level"
        ),
        "forward_openai_org_id": "forward openai-organization with a policy",
        "maximum_spend_logs_retention_period": (
            "write usage.keep_days: records go, and the totals of their days stay"
        ),
        "pass_through_endpoints": (
            "there are no open pass-through routes; /anthropic/... is a second"
            " spelling of the same routes with the same rules"
        ),
        "store_model_in_db": "the file is the truth: models stand in model_list",
        "user_header_mappings": "name the one header in user_header_name",
    },
    Section.LITELLM: {
        "cost_discount_config": "write a multiplier under prices",
        "cost_margin_config": "write a multiplier under prices",
        "forward_traceparent_to_llm_provider": "forward tracing with a policy",
        "set_verbose": "set LITELLM_LOG=DEBUG, or start with --log-level debug",
    },
    Section.ROUTER: {
        "redis_db": _COUNTERS,
        "redis_host": _COUNTERS,
        "redis_password": _COUNTERS,
        "redis_port": _COUNTERS,
        "redis_url": _COUNTERS,
    },
    Section.PARAMS: {
        "headers": "write extra_headers",
        "litellm_credential_name": "write api_key by reference in the deployment",
        "organization": "write openai-organization under extra_headers",
    },
}

# Settings that have no effect here although somebody may count on them.
_PROTECTS: dict[Section, dict[str, str]] = {
    Section.TOP: {
        "guardrails": "no guardrail looks at any request yet",
        "policies": (
            "no guardrail looks at any request yet; byok's own rules stand in"
            " policy_files"
        ),
        "policy_attachments": "no guardrail looks at any request yet",
    },
    Section.GENERAL: {
        "admin_only_routes": "admin routes take the master key only, and no others do",
        "allowed_ips": "every address may connect; say where to listen with listen",
        "allowed_routes": "a byok key opens every model route",
        "enable_jwt_auth": _KEYS_ONLY,
        "enable_oauth2_auth": _KEYS_ONLY,
        "enable_oauth2_proxy_auth": _KEYS_ONLY,
        "enforce_user_param": "requests without a user pass; use a require rule",
        "enforced_params": "requests without these fields pass",
        "litellm_jwtauth": _KEYS_ONLY,
        "max_response_size_mb": "answers of any size are relayed",
        "oauth2_config_mappings": _KEYS_ONLY,
        "public_routes": "every route but health needs a key",
        "reject_clientside_metadata_tags": "tags in a body have no effect here",
        "service_account_settings": "keys are all of one kind",
    },
    Section.LITELLM: {
        "banned_keywords_list": "no text is looked at",
        "blocked_user_list": "block the key instead: byok keys block",
        "guardrails": "no guardrail looks at any request yet",
        "key_generation_settings": "only the master key makes keys",
        "upperbound_key_generate_params": "keys are made as they are asked for",
    },
}

# Kept or read, and not yet enforced.
_LIMITS: dict[Section, tuple[str, ...]] = {
    Section.GENERAL: ("global_max_parallel_requests", "max_parallel_requests"),
    Section.LITELLM: (
        "budget_duration",
        "default_internal_user_params",
        "default_key_generate_params",
        "default_team_settings",
        "internal_user_budget_duration",
        "max_budget",
        "max_end_user_budget",
        "max_internal_user_budget",
        "max_user_budget",
    ),
    Section.ROUTER: ("default_max_parallel_requests", "provider_budget_config"),
    Section.PARAMS: (
        "default_api_key_rpm_limit",
        "default_api_key_tpm_limit",
        "itpm",
        "otpm",
    ),
}

# Switches among those above.
_BOOLEANS = frozenset(
    {
        "add_user_information_to_llm_headers",
        "allow_client_side_credentials",
        "allow_requests_on_db_unavailable",
        "drop_params",
        "enable_jwt_auth",
        "enable_oauth2_auth",
        "enable_oauth2_proxy_auth",
        "enforce_user_param",
        "forward_openai_org_id",
        "forward_traceparent_to_llm_provider",
        "modify_params",
        "reject_clientside_metadata_tags",
        "store_model_in_db",
        "use_client_credentials_pass_through_routes",
        "use_x_forwarded_for",
    }
)
_SWITCHES = _BOOLEANS | {
    name.removesuffix("?")
    for names in NO_EFFECT.values()
    for name in names.split()
    if name.endswith("?")
}


def _table() -> dict[Section, dict[str, Known]]:
    table: dict[Section, dict[str, Known]] = {}
    for section in Section:
        known: dict[str, Known] = {}
        for name in NO_EFFECT[section].split():
            how = _ROUTING if section is Section.ROUTER else ""
            known[name.removesuffix("?")] = Known(
                verdict=Verdict.NO_EFFECT, how=how, boolean=name.endswith("?")
            )
        for name in _LIMITS.get(section, ()):
            known[name] = Known(
                verdict=Verdict.NO_EFFECT, how="it is not enforced yet", limits=True
            )
        for name, how in _PROTECTS.get(section, {}).items():
            known[name] = Known(
                verdict=Verdict.NO_EFFECT,
                how=how,
                boolean=name in _SWITCHES,
                protects=True,
            )
        for name, how in _DIFFERS.get(section, {}).items():
            known[name] = Known(
                verdict=Verdict.DIFFERS, how=how, boolean=name in _SWITCHES
            )
        for name, how in _REPLACED.get(section, {}).items():
            known[name] = Known(
                verdict=Verdict.DIFFERS,
                how=how,
                boolean=name in _SWITCHES,
                replaced=True,
            )
        for name, how in _UNSAFE.get(section, {}).items():
            known[name] = Known(
                verdict=Verdict.UNSAFE, how=how, boolean=name in _SWITCHES
            )
        table[section] = known
    return table


LITELLM_KEYS: dict[Section, dict[str, Known]] = _table()
"""Every setting of LiteLLM's that is not simply honoured, by section and name."""

KNOWN_PROVIDERS = frozenset(PROVIDERS.split())
"""Providers that LiteLLM knows and byok does not serve yet."""
