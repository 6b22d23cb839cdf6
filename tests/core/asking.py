"""A small gateway without configuration files, and requests to ask it about."""

from collections.abc import Mapping, Sequence

import yaml

from byok.core.body import BodyHead
from byok.core.errors import Refusal
from byok.core.exchange import Caller, Decided, Gateway, Planned, decide, lay_out
from byok.core.facts import RequestFacts
from byok.core.providers import PROVIDERS, Origin, trusted_at
from byok.core.routes import MESSAGES, Route
from byok.core.routing import Deployment, DeploymentTable
from byok.core.secret import Secret
from byok.policy import names
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.document import read_document, read_rules
from byok.policy.match import Glob, Match
from byok.policy.outcome import Headers
from byok.policy.plans import Plans, ScopedCredentialPolicy
from byok.policy.rules import Rule, Tier, Where
from byok.policy.settings import SECTIONS, Switch, settings_rules
from byok.policy.slot import CredentialPolicy
from byok.resources import policy_file
from tests.support import keys

Data = Mapping[str, object]
Field = tuple[bytes, bytes]

GATEWAY_KEY: Field = (b"x-litellm-api-key", keys.VIRTUAL_KEY.encode())
API_KEY: Field = (b"x-api-key", keys.ANTHROPIC_API_KEY.encode())
API_KEY_AS_BEARER: Field = (
    b"authorization",
    b"Bearer " + keys.ANTHROPIC_API_KEY.encode(),
)
OAUTH: Field = (b"authorization", b"Bearer " + keys.ANTHROPIC_OAUTH.encode())
OPENAI_KEY: Field = (b"authorization", b"Bearer " + keys.OPENAI_API_KEY.encode())
VERSION: Field = (b"anthropic-version", b"2023-06-01")

RELAY = Origin(scheme="https", host="relay.example.net", port=443)
LOOPBACK = Origin(scheme="http", host="127.0.0.1", port=8080)
# The lines of the configuration that the worked examples share.
LINES = {"general_settings": 5, "litellm_settings": 9}

DEVELOPER = Caller(
    key_id="key_1",
    alias="dev-laptop",
    carrier="x-litellm-api-key",
    secret=Secret(keys.VIRTUAL_KEY),
    team="growth",
)


def deployment(
    name: str = "anthropic-main",
    *,
    group: str = "claude-sonnet-4-5",
    model: str = "claude-sonnet-4-5",
    provider: str = "anthropic",
    origin: Origin | None = None,
    api_key: str | None = None,
    vouched: Sequence[str] = (),
    opaque: bool = False,
    **more,
) -> Deployment:
    """Make a deployment as the configuration would."""
    place = origin or PROVIDERS[provider].origin
    return Deployment(
        name=name,
        model_group=group,
        upstream_model=model,
        provider=provider,
        origin=place,
        api_key=None if api_key is None else Secret(api_key),
        trusted=trusted_at(place, {}, vouched=vouched, opaque=opaque),
        **more,
    )


def pack(name: str) -> tuple[Rule, ...]:
    """Read the shipped pack *name*, with lines where its ids stand."""
    path = policy_file(f"{name}.yaml")
    lines = path.read_text("utf-8").splitlines()
    data = yaml.safe_load(path.read_text("utf-8"))

    def locate(where: Sequence[str | int]) -> Where:
        if len(where) < 2:
            return Where(file=f"policies/{name}.yaml")
        rule = data["rules"][where[1]]["id"]
        at = lines.index(f"  - id: {rule}")
        return Where(file=f"policies/{name}.yaml", line=at + 1)

    rules, problems = read_document(data, locate=locate)
    assert problems == ()
    return rules


def switches(**values: bool) -> dict[str, Switch]:
    """Make the switch as it stands in each section that *values* names."""
    return {
        section: Switch(
            value=value, where=Where(file="config.yaml", line=LINES[section])
        )
        for section, value in values.items()
        if section in SECTIONS
    }


def rules_at(
    tier: Tier,
    *items: Data,
    line: int = 1,
    namespace: str = "",
    deployment_name: str = "",
    file: str = "config.yaml",
) -> tuple[Rule, ...]:
    """Read *items* as rules of *tier* that stand at *line* of *file*."""
    bound = Match(deployment=(Glob(deployment_name),)) if deployment_name else None
    rules, problems = read_rules(
        list(items),
        tier=tier,
        locate=lambda path: Where(file=file, line=line),
        namespace=namespace,
        bound=bound,
    )
    assert problems == ()
    return rules


def gateway(
    *deployments: Deployment,
    rules: Sequence[Rule] = (),
    auth: Mapping[str, Switch] | None = None,
    headers: Mapping[str, Switch] | None = None,
    packs: Sequence[str] = ("base",),
    credential: CredentialPolicy | None = None,
    master: str | None = keys.MASTER_KEY,
    carrier: str | None = None,
    either: bool = False,
    class_table: ClassTable = NOTHING_DECLARED,
) -> Gateway:
    """Make a gateway of *deployments*, one of Anthropic's where none is given."""
    every = [rule for name in packs for rule in pack(name)]
    every += settings_rules(auth or {}, headers or {}, either=either)
    own = names.GATEWAY_CREDENTIALS | ({carrier.encode()} if carrier else set())
    scoped = [] if credential is None else [ScopedCredentialPolicy(policy=credential)]
    return Gateway(
        table=DeploymentTable(deployments or [deployment()]),
        plans=Plans(
            [*every, *rules], scoped, gateway_names=own, class_table=class_table
        ),
        secrets=() if master is None else (Secret(master),),
    )


def facts(
    *headers: Field,
    route: Route = MESSAGES,
    model: str | None = "claude-sonnet-4-5",
    query: bytes = b"",
    client_ip: str = "",
) -> RequestFacts:
    """Make a request for *model* with *headers*."""
    text = f'{{"model":"{model}","max_tokens":1}}'.encode()
    head = BodyHead(
        model=model,
        stream=False,
        model_span=(9, 11 + len(model or "")),
        max_tokens=1,
    )
    return RequestFacts(
        method=route.method,
        route=route,
        query=query,
        headers=headers,
        head=head if model is not None else None,
        body=text,
        client_ip=client_ip,
    )


def decided(
    asked: RequestFacts, at: Gateway, *, caller: Caller = DEVELOPER, **more
) -> Decided:
    """Decide a request that has a deployment."""
    found = decide(asked, caller, at, **more)
    assert isinstance(found, Decided), found
    return found


def refusal(asked: RequestFacts, at: Gateway, *, caller: Caller = DEVELOPER) -> Refusal:
    """Decide a request that is refused."""
    found = decide(asked, caller, at)
    refused = found if isinstance(found, Refusal) else found.refusal
    assert refused is not None
    return refused


def planned(
    asked: RequestFacts, at: Gateway, *, caller: Caller = DEVELOPER, **more
) -> Planned:
    """Lay out a request that may leave."""
    found = decided(asked, at, caller=caller, **more)
    assert found.refusal is None, found.refusal
    return lay_out(asked, found)


def sent(asked: RequestFacts, at: Gateway, **more) -> Headers:
    """Return the headers that leave."""
    return planned(asked, at, **more).headers
