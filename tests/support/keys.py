"""
Planted secrets, valid in shape and worthless.

Each is filled with repetitions of its own marker: a fragment of two dozen
characters is as recognisable as the whole, so the sweep in `tests/conftest.py`
also sees a leak that was shortened. Markers are letters alone, which no
encoder of URLs, JSON or base64 treats in a special way.
"""

MARKERS: dict[str, str] = {
    "anthropic api key": "CANARYaqvbzk",
    "second anthropic api key": "CANARYbwxdqm",
    "anthropic oauth token": "CANARYchzvrp",
    "second anthropic oauth token": "CANARYckqwzv",
    "anthropic admin key": "CANARYdjkqws",
    "openai api key": "CANARYemvxzt",
    "openrouter key": "CANARYfnqwkb",
    "google key": "CANARYgpzxhv",
    "deployment key": "CANARYhrkvqd",
    "second deployment key": "CANARYjszwmx",
    "openai deployment key": "CANARYktvqzf",
    "master key": "CANARYmwqzxh",
    "virtual key": "CANARYnxvkwj",
    "second virtual key": "CANARYpzqhvm",
    "cookie": "CANARYqbwzvx",
    "opaque token": "CANARYrdxqkz",
    "azure key": "CANARYsfvzwq",
    "basic password": "CANARYtgkxzv",
    "proxy password": "CANARYughvkq",
    "jwt": "CANARYvhqzwb",
    "key pepper": "CANARYwjxvqk",
    "store password": "CANARYxkzqvd",
    "counters password": "CANARYyqvkzw",
    "prompt": "CANARYzmqwxv",
}


def planted(prefix: str, what: str, *, length: int) -> str:
    """Make *prefix* plus the marker of *what*, repeated up to *length* characters."""
    marker = MARKERS[what]
    filling = marker * (length // len(marker) + 1)
    return prefix + filling[: length - len(prefix)]


ANTHROPIC_API_KEY = planted("sk-ant-api03-", "anthropic api key", length=108)
ANTHROPIC_API_KEY_2 = planted("sk-ant-api03-", "second anthropic api key", length=108)
ANTHROPIC_OAUTH = planted("sk-ant-oat01-", "anthropic oauth token", length=108)
ANTHROPIC_OAUTH_2 = planted("sk-ant-oat01-", "second anthropic oauth token", length=108)
ANTHROPIC_ADMIN = planted("sk-ant-admin01-", "anthropic admin key", length=110)
OPENAI_API_KEY = planted("sk-proj-", "openai api key", length=164)
OPENROUTER = planted("sk-or-v1-", "openrouter key", length=73)
GOOGLE = planted("AIza", "google key", length=39)

DEPLOYMENT_KEY = planted("sk-ant-api03-", "deployment key", length=108)
DEPLOYMENT_KEY_2 = planted("sk-ant-api03-", "second deployment key", length=108)
OPENAI_DEPLOYMENT_KEY = planted("sk-proj-", "openai deployment key", length=164)

MASTER_KEY = planted("sk-", "master key", length=43)
VIRTUAL_KEY = planted("sk-", "virtual key", length=43)
VIRTUAL_KEY_2 = planted("sk-", "second virtual key", length=43)
KEY_PEPPER = planted("", "key pepper", length=48)

COOKIE = planted("session=", "cookie", length=56)
OPAQUE_TOKEN = planted("", "opaque token", length=48)
AZURE_KEY = planted("", "azure key", length=32)
BASIC_PASSWORD = planted("", "basic password", length=24)
PROXY_PASSWORD = planted("", "proxy password", length=24)
JWT = planted("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5lIn0.", "jwt", length=84)
STORE_PASSWORD = planted("", "store password", length=24)
COUNTERS_PASSWORD = planted("", "counters password", length=24)

PROMPT = planted("Please say ", "prompt", length=48)
"""Not a credential, but no output of ours may quote what a developer asked."""

ALL_CANARIES: tuple[str, ...] = (
    ANTHROPIC_API_KEY,
    ANTHROPIC_API_KEY_2,
    ANTHROPIC_OAUTH,
    ANTHROPIC_OAUTH_2,
    ANTHROPIC_ADMIN,
    OPENAI_API_KEY,
    OPENROUTER,
    GOOGLE,
    DEPLOYMENT_KEY,
    DEPLOYMENT_KEY_2,
    OPENAI_DEPLOYMENT_KEY,
    MASTER_KEY,
    VIRTUAL_KEY,
    VIRTUAL_KEY_2,
    KEY_PEPPER,
    COOKIE,
    OPAQUE_TOKEN,
    AZURE_KEY,
    BASIC_PASSWORD,
    PROXY_PASSWORD,
    JWT,
    STORE_PASSWORD,
    COUNTERS_PASSWORD,
    PROMPT,
)
