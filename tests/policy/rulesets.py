"""
Strategies for whole rule sets, as the data that documents are made of.

Words come from small sets, so that conditions are met about as often as not and
rules of several tiers fall on the same field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st

from byok.policy import classes
from byok.policy.document import read_rules
from byok.policy.match import Context
from byok.policy.rules import Rule, Tier, Where
from byok.policy.slot import SOURCES, CredentialPolicy, OnClientStripped, OnMissing

Data = Mapping[str, object]

# A whole rule set takes its time to draw: laws get few examples, what compares
# with a second implementation or guards a secret gets more.
FEW = settings(max_examples=40)
MORE = settings(max_examples=120)

TIERS = tuple(tier for tier in Tier if tier is not Tier.FLOOR)
# Below a key there is nobody whom a lock could bind.
LOCKING = tuple(tier for tier in TIERS if tier < Tier.KEY)
LISTS = ("anthropic-beta", "accept", "baggage")

_TEXTS = {
    "route": ("/v1/messages", "/v1/*", "/v1/chat/completions"),
    "method": ("POST", "post", "GET"),
    "model": ("claude-*", "*", "claude-sonnet-4-5", "*-5", "gpt-4"),
    "model_group": ("claude-*", "claude-sonnet-4-5"),
    "deployment": ("main", "relay", "re*ay"),
    "provider": ("anthropic", "openai", "an*"),
    "team": ("growth", "gr*", "*"),
    "user": ("ann", "*n"),
    "key": ("dev-laptop", "key_1", "*-laptop", "key_*"),
    "auth": ("x-litellm-api-key", "Authorization", "*-key"),
    "host": ("api.anthropic.com", "*.anthropic.com", "relay.example.net", "*.net"),
    "client_ip": ("10.0.0.0/8", "10.1.2.3", "::1/128", "0.0.0.0/0"),
    "credential": ("client.*", "client.oauth", "deployment", "none", "*"),
}
_HEADER_TEXTS = {
    "name": ("x-*", "*-beta", "Authorization", "*", "x-custom", "x-api-key", "*t"),
    "class": (
        "*",
        "credential.*",
        "credential.provider.*",
        "credential.provider.anthropic.*",
        "credential.other",
        "*.oauth",
        "unclassified",
        "protocol",
        "tracing",
        "client-identity",
        "hop-by-hop",
    ),
}


def _some(words: tuple[str, ...]) -> st.SearchStrategy[object]:
    return st.one_of(
        st.sampled_from(words),
        st.lists(st.sampled_from(words), min_size=1, max_size=2),
    )


_tags = st.fixed_dictionaries(
    {},
    optional={word: _some(("blue", "red")) for word in ("any", "all", "none")},
)
_header_match = st.fixed_dictionaries(
    {},
    optional={
        "name": _some(_HEADER_TEXTS["name"]),
        "class": _some(_HEADER_TEXTS["class"]),
        "trust": st.sampled_from(["here", "elsewhere"]),
        "slot": st.sampled_from(["own", "foreign"]),
    },
)


@st.composite
def matches(draw, *, header: bool = True) -> Data:
    """Draw a match of few conditions, about a field where *header* allows it."""
    texts = st.sampled_from(sorted(_TEXTS))
    asked = draw(st.one_of(st.just([]), st.lists(texts, max_size=2, unique=True)))
    out: dict[str, object] = {key: draw(_some(_TEXTS[key])) for key in asked}
    odd = draw(st.integers(0, 9))
    if odd == 0:
        out["tags"] = draw(_tags)
    elif odd == 1:
        out["stream"] = draw(st.booleans())
    if header and odd > 1:
        out["header"] = draw(_header_match)
    return out


_status = st.fixed_dictionaries(
    {}, optional={"status": st.sampled_from([400, 403, 409]), "message": st.just("no")}
)
_targets = st.sampled_from(["x-new", "x-custom", "anthropic-organization"])


@st.composite
def rules(draw, number: int, *, words: tuple[str, ...]) -> Data:
    """Draw one rule with an action of *words*; *number* makes its id."""
    word = draw(st.sampled_from(words))
    about_request = word in {"inject", "require"} or (
        word == "deny" and draw(st.booleans())
    )
    match = draw(matches(header=not about_request))
    action: object = word
    lock = word != "forward" and draw(st.integers(0, 3)) == 0
    if word == "rename":
        action, lock = {"rename": {"to": draw(_targets)}}, False
    elif word == "inject":
        when = draw(st.sampled_from(["set", "default", "append"]))
        value = draw(st.sampled_from(["1", "2", "a,b"]))
        action = {"inject": {"name": draw(_targets), "value": value, "when": when}}
        # What yields to a field that came, or joins one, locks nobody out.
        lock = lock and when == "set"
    elif word == "filter":
        lists = st.lists(st.sampled_from(LISTS), min_size=1, max_size=2)
        match["header"] = {"name": draw(lists)}
        drop = draw(_some(("oauth-*", "fine-2025", "*")))
        action, lock = {"filter": {"drop": drop}}, False
    elif word == "deny":
        action = {"deny": draw(_status)}
        if not about_request:
            match.setdefault("header", {"name": "x-custom"})
            match["header"] = match["header"] or {"name": "x-custom"}
    elif word == "require":
        action = {"require": {"header": draw(_targets), **draw(_status)}}
    rule: dict[str, object] = {
        "id": f"r{number}",
        "match": match,
        "action": action,
        "lock": lock,
    }
    if draw(st.integers(0, 3)) == 0:
        rule["unless"] = draw(matches(header=not about_request))
    return rule


ACTIONS = (
    "forward",
    "forward",
    "forward",
    "strip",
    "redact",
    "rename",
    "filter",
    "inject",
    "deny",
    "require",
)
RESTRICTING = ("strip", "deny")


@dataclass(frozen=True)
class RuleSet:
    """Rules as data, by tier."""

    items: tuple[tuple[Tier, Data], ...]

    def read(self) -> tuple[Rule, ...]:
        """Read the data as byok does; it holds no mistakes."""
        return tuple(rule for tier, item in self.items for rule in read(tier, item))


def read(tier: Tier, *items: Data) -> tuple[Rule, ...]:
    """Read *items* as rules of *tier*, or fail."""
    found, problems = read_rules(
        list(items), tier=tier, locate=lambda path: Where(file="rules.yaml")
    )
    assert problems == ()
    return found


@st.composite
def rule_sets(draw, *, words: tuple[str, ...] = ACTIONS, max_size: int = 6) -> RuleSet:
    """Draw a rule set over all tiers that people can write in."""
    size = draw(st.integers(0, max_size))
    both = (GENEROUS, _PLAIN_HEADERS)
    generous = draw(st.sampled_from([(), (GENEROUS,), both, both]))
    own = [
        (tier := draw(st.sampled_from(TIERS)), may_stand_in(tier, draw(each)))
        for each in (rules(number, words=words) for number in range(size))
    ]
    return RuleSet((*generous, *own))


def may_stand_in(tier: Tier, item: Data) -> Data:
    """Take the lock off *item* in a tier that may not lock."""
    return item if tier in LOCKING else {**item, "lock": False}


# Without these little would ever leave, and most of a plan would not be tried.
GENEROUS: tuple[Tier, Data] = (
    Tier.SETTINGS,
    {
        "id": "g0",
        "match": {"header": {"class": "credential.provider.*"}},
        "action": "forward",
    },
)
_PLAIN_HEADERS: tuple[Tier, Data] = (
    Tier.PACK,
    {
        "id": "g1",
        "match": {"header": {"class": ["protocol", "unclassified", "client-*"]}},
        "action": "forward",
    },
)
BESIDE_A_LOGIN: tuple[Tier, Data] = (
    Tier.PACK,
    {
        "id": "beside",
        "match": {"credential": "client.oauth", "header": {"name": "x-custom"}},
        "action": "forward",
    },
)

ANTHROPIC = frozenset({classes.ANTHROPIC_API_KEY, classes.ANTHROPIC_OAUTH})

PLAIN = Context(
    route="/v1/messages",
    method="POST",
    model="claude-sonnet-4-5",
    model_group="claude-*",
    deployment="main",
    provider="anthropic",
    host="api.anthropic.com",
    trusted=ANTHROPIC,
    vouched=True,
    key="dev-laptop",
    key_id="key_1",
    team="growth",
    user="ann",
    auth="x-litellm-api-key",
    client_ip="10.1.2.3",
)


@st.composite
def contexts(draw) -> Context:
    """Draw what is known before headers: friend, relay or plain http."""
    where = draw(
        st.sampled_from(
            [
                {},
                {},
                {"trusted": ANTHROPIC | {classes.UNKNOWN_CREDENTIAL}},
                {
                    "deployment": "relay",
                    "host": "relay.example.net",
                    "trusted": frozenset(),
                    "vouched": False,
                },
                {
                    "deployment": "relay",
                    "host": "relay.example.net",
                    "trusted": frozenset({classes.ANTHROPIC_OAUTH}),
                },
                {
                    "provider": "openai",
                    "host": "api.openai.com",
                    "route": "/v1/chat/completions",
                    "trusted": frozenset({classes.OPENAI_API_KEY}),
                },
                {"plaintext": True, "host": "relay.example.net"},
            ]
        )
    )
    return replace(
        PLAIN,
        **where,
        deployment_key=draw(st.booleans()),
        stream=draw(st.booleans()),
        tags=draw(st.sets(st.sampled_from(["blue", "red"])).map(frozenset)),
        client_ip=draw(st.sampled_from(["10.1.2.3", "::ffff:10.1.2.3", "::1", ""])),
        team=draw(st.sampled_from(["growth", ""])),
    )


@st.composite
def callers(draw) -> Context:
    """Draw a context in which what tells callers and requests apart differs too."""
    return replace(
        draw(contexts()),
        model=draw(st.sampled_from(["claude-sonnet-4-5", "claude-x", "gpt-4"])),
        model_group=draw(st.sampled_from(["claude-*", "gpt-4"])),
        key=draw(st.sampled_from(["dev-laptop", "ops", ""])),
        key_id=draw(st.sampled_from(["key_1", "key_2"])),
        user=draw(st.sampled_from(["ann", "bob", ""])),
        auth=draw(st.sampled_from(["x-litellm-api-key", "authorization"])),
    )


@st.composite
def credential_policies(draw) -> CredentialPolicy:
    """Draw an order of sources and the two fallbacks."""
    usual = CredentialPolicy()
    if draw(st.booleans()):
        return usual
    order = draw(st.permutations(SOURCES))
    return CredentialPolicy(
        order=tuple(order[: draw(st.integers(1, 3))]),
        on_client_stripped=draw(st.sampled_from(OnClientStripped)),
        on_missing=draw(st.sampled_from(OnMissing)),
    )
