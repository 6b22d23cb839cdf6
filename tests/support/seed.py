"""The configuration of LiteLLM's page about own keys, as a browser copies it."""

FLATTENED = """\
config.yaml
model_list:
- model_name: claude-sonnet-4-5
litellm_params:
model: anthropic/claude-sonnet-4-5
# No api_key needed — client's key will be used

litellm_settings:
forward_llm_provider_auth_headers: true # Required for BYOK
"""
