"""
The heart: facts and a caller into what leaves, or into a refusal.

The server and `byok explain-request` call `decide`; what either shows is a field
of its result. Nothing here touches a clock, a socket or a store.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote_to_bytes

from byok.core import edge
from byok.core.belonging import NOBODYS, Belonging
from byok.core.body import splice_model
from byok.core.carriers import identity_status, readable
from byok.core.errors import ErrorKind, Refusal
from byok.core.facts import RequestFacts
from byok.core.key_policies import KeyPolicies
from byok.core.keys import VirtualKey, named_models
from byok.core.providers import PROVIDERS, slot_of
from byok.core.routes import Dialect
from byok.core.routing import Deployment, DeploymentTable
from byok.core.secret import Secret
from byok.core.unsent import why_none_leaves
from byok.policy import classes, floor, slot
from byok.policy.classes import holds_gateway_credential, without_scheme
from byok.policy.match import Context
from byok.policy.outcome import Headers, Outcome
from byok.policy.plan import Plan
from byok.policy.plans import Plans
from byok.policy.slot import CredentialDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """
    Who is calling, as the authenticator found it.

    `carrier` is the header whose value really authenticated and `secret` that
    value; both are empty for the single user of a gateway without a master key.
    `record` is the virtual key, which says what models it opens; the master key
    and the single user have none and may use all. `belongs` says what its user and
    its team forbid. `others` are further keys of this gateway that came along where a
    provider's was expected.
    """

    key_id: str
    alias: str = ""
    carrier: str = ""
    secret: Secret | None = None
    others: tuple[Secret, ...] = ()
    user: str = ""
    team: str = ""
    tags: frozenset[str] = frozenset()
    record: VirtualKey | None = None
    belongs: Belonging = NOBODYS
    is_master: bool = False

    @property
    def name(self) -> str:
        """What the caller's key is called in policy and logs."""
        return self.alias or self.key_id

    def may_use(self, model: str) -> bool:
        """May the caller ask for *model*, under the name that clients use?"""
        return self.belongs.may_use(self.record, model)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models that the caller's key, team and user name one by one."""
        own = () if self.record is None else named_models(self.record)
        return (*own, *self.belongs.model_names)

    @classmethod
    def of_key(
        cls,
        record: VirtualKey,
        carrier: str,
        secret: Secret | None,
        belongs: Belonging = NOBODYS,
    ) -> Self:
        """Return the holder of the virtual key *record*."""
        return cls(
            key_id=record.token_id,
            alias=record.key_alias or "",
            carrier=carrier,
            secret=secret,
            user=record.user_id or "",
            team=record.team_id or "",
            tags=frozenset(record.tags),
            record=record,
            belongs=belongs,
        )


MASTER_KEY_ID = "master"
SINGLE_USER = Caller(key_id="single-user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """
    One generation of configuration, as far as deciding needs it.

    `generation` names it once it is in use: a running number and its digest.
    """

    table: DeploymentTable
    plans: Plans
    generation: str = ""
    secrets: tuple[Secret, ...] = ()
    key_policies: KeyPolicies = field(default_factory=KeyPolicies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """
    Everything decided about one attempt, whether it may leave or not.

    `plan` is what decided it, for whoever has to know how much may be recorded.
    """

    deployment: Deployment
    upstream_model: str
    context: Context
    outcome: Outcome
    refusal: Refusal | None
    plan: Plan = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    What leaves.

    `headers` is complete but for framing (Host, Content-Length, Connection);
    `target` is path and query as sent upstream; `scrub` are secrets of the
    operator that must not come back to the caller in an error's body.
    """

    deployment: Deployment
    method: bytes
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    payer: str
    credential: CredentialDecision
    decided: Decided
    scrub: tuple[Secret, ...] = ()
    upstream_model: str = ""


def decide(
    facts: RequestFacts,
    caller: Caller,
    gateway: Gateway,
    *,
    deployment: Deployment | None = None,
) -> Decided | Refusal:
    """
    Decide one attempt: where it goes, and the fate of each header.

    Returns a bare Refusal only where there is no deployment to decide for.
    *deployment* overrides the table, for attempts after the first.
    """
    secrets = gateway_secrets(caller, gateway)
    if facts.query and _holds_credential(facts.query, secrets, gateway):
        return edge.refuse_query()
    model = facts.head.model if facts.head else None
    if model is None:
        return Refusal(
            status=400,
            kind="invalid_request_error",
            code="body.model",
            message='The body names no model. Add a top-level "model".',
        )
    found = deployment or gateway.table.find(model)
    closed = caller.belongs.check_model(caller.record, model)
    if closed is not None:
        return closed
    if found is None:
        return _unknown_model(model, caller, gateway.table)
    provider = PROVIDERS.get(found.provider)
    if provider is None:
        return _unsupported(found, caller, gateway.table)
    if facts.route.dialect not in provider.dialects:
        return _wrong_dialect(facts, found)
    context = _context(facts, caller, found, model)
    plan = gateway.plans.plan(context, gateway.key_policies.of(caller.record))
    outcome = plan.apply(
        facts.headers,
        gateway_secrets=secrets,
        nominated=edge.nominated(facts.headers),
    )
    return Decided(
        deployment=found,
        upstream_model=found.model_for(model),
        context=context,
        outcome=outcome,
        refusal=_refusal(
            facts, found, outcome, plan, carrier=caller.carrier, ours=secrets
        ),
        plan=plan,
    )


def lay_out(facts: RequestFacts, decided: Decided) -> Planned:
    """Write the outgoing request of a decision that admits it."""
    found = decided.deployment
    credential = decided.outcome.credential
    headers = _with_credential(facts, decided)
    query = b"?" + facts.query if facts.query else b""
    return Planned(
        deployment=found,
        method=facts.method.encode(),
        target=found.base_path.encode() + facts.route.id.encode() + query,
        headers=headers,
        body=_body(facts, decided.upstream_model),
        payer=credential.payer,
        credential=credential,
        decided=decided,
        scrub=_scrubbed(decided),
        upstream_model=decided.upstream_model,
    )


def _scrubbed(decided: Decided) -> tuple[Secret, ...]:
    """Return the operator's secrets that left with the request."""
    key = decided.deployment.api_key
    sent_key = decided.outcome.credential.source == slot.DEPLOYMENT and key is not None
    injected = (
        Secret.from_bytes(each.rule.inject.value)
        for each in decided.outcome.injections
        if each.applied and each.rule.inject and each.rule.inject.reference
    )
    return (*((key,) if sent_key and key is not None else ()), *injected)


def gateway_secrets(caller: Caller, gateway: Gateway) -> tuple[bytes, ...]:
    """Return the values that are the gateway's own wherever they stand."""
    own = {secret.reveal_bytes() for secret in (*gateway.secrets, *caller.others)}
    if caller.secret is not None:
        own.add(caller.secret.reveal_bytes())
    return tuple(own)


def _holds_credential(
    query: bytes, secrets: tuple[bytes, ...], gateway: Gateway
) -> bool:
    # What is built in was looked for at the edge, before anybody knew who asks.
    texts = (query, unquote_to_bytes(query)) if b"%" in query else (query,)
    find = gateway.plans.class_table.find_declared
    return any(
        holds_gateway_credential(text, secrets) or find(text) is not None
        for text in texts
    )


def _unknown_model(model: str, caller: Caller, table: DeploymentTable) -> Refusal:
    near = table.nearest(model)
    hint = f" Did you mean {near}?" if near and caller.may_use(near) else ""
    return Refusal(
        status=404,
        kind="not_found_error",
        code="route.unknown-model",
        message=(
            f"The requested model is not served by this gateway.{hint}"
            f" {what_is_served(caller, table)}"
        ),
    )


def what_is_served(caller: Caller, table: DeploymentTable) -> str:
    """Say where the models stand that *caller* may use, and what no list can hold."""
    families = dict.fromkeys(
        each.model_group
        for each in table.deployments
        if each.is_wildcard
        and each.provider in PROVIDERS
        and caller.may_use(each.model_group)
    )
    if not families:
        return "GET /v1/models lists what is."
    return f"Served are {', '.join(families)} and what GET /v1/models lists."


def _unsupported(found: Deployment, caller: Caller, table: DeploymentTable) -> Refusal:
    return Refusal(
        status=404,
        kind="not_found_error",
        code="route.unsupported-provider",
        message=(
            f"The requested model is configured for {found.provider}, which this"
            f" gateway does not support yet. {what_is_served(caller, table)}"
        ),
    )


def _wrong_dialect(facts: RequestFacts, found: Deployment) -> Refusal:
    other = (
        "/v1/chat/completions"
        if facts.route.dialect is Dialect.ANTHROPIC
        else "/v1/messages"
    )
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="route.dialect",
        message=(
            f"The requested model is served by {found.provider}, which does not answer"
            f" on {facts.route.id}. Send the request to {other}."
        ),
    )


def _context(
    facts: RequestFacts, caller: Caller, found: Deployment, model: str
) -> Context:
    own = PROVIDERS[found.provider].credentials
    return Context(
        route=facts.route.id,
        method=facts.method,
        model=model,
        model_group=found.model_group,
        deployment=found.name,
        provider=found.provider,
        host=found.origin.host,
        trusted=found.trusted,
        vouched=bool(found.trusted & own),
        plaintext=found.origin.scheme == "http"
        and not (found.plaintext_ok and found.origin.is_loopback),
        deployment_key=found.api_key is not None,
        key=caller.name,
        key_id=caller.key_id,
        team=caller.team,
        user=caller.user,
        tags=caller.tags,
        auth=caller.carrier,
        stream=bool(facts.head and facts.head.stream),
        client_ip=facts.client_ip,
    )


def _with_credential(facts: RequestFacts, decided: Decided) -> Headers:
    sends = decided.outcome.sends
    field = credential_field(facts, decided)
    if field is None:
        return sends
    credential = decided.outcome.credential
    if credential.source == slot.DEPLOYMENT:
        return (*sends, field)
    if field is facts.headers[credential.index]:
        # It leaves as it came, so it is among them already.
        return sends
    came_as = credential.name.encode()
    return tuple(field if each[0] == came_as else each for each in sends)


def credential_field(
    facts: RequestFacts, decided: Decided
) -> tuple[bytes, bytes] | None:
    """
    Return the field that upstream authenticates by, or None where none leaves.

    A client's credential stays in the header it came in, but for routes on which
    the provider reads another one.
    """
    credential = decided.outcome.credential
    found = decided.deployment
    if credential.source == slot.DEPLOYMENT and found.api_key is not None:
        value = found.api_key.reveal_bytes()
        cls = classes.find_credential(value) or ""
        name, bearer = slot_of(found.provider, facts.route, cls)
        return name, b"Bearer " + value if bearer else value
    if credential.index < 0:
        return None
    field = facts.headers[credential.index]
    name, bearer = slot_of(found.provider, facts.route, credential.cls)
    if facts.route.dialect is Dialect.ANTHROPIC or field[0] == name:
        return field
    value = without_scheme(field[1])
    return name, b"Bearer " + value if bearer else value


def _body(facts: RequestFacts, upstream_model: str) -> bytes:
    head = facts.head
    if head is None or head.model == upstream_model:
        return facts.body
    return splice_model(facts.body, head, upstream_model)


def _refusal(
    facts: RequestFacts,
    found: Deployment,
    outcome: Outcome,
    plan: Plan,
    *,
    carrier: str,
    ours: Collection[bytes],
) -> Refusal | None:
    denied = outcome.denied
    if denied is not None:
        kind: ErrorKind = denied.denial.kind  # type: ignore[assignment]
        return Refusal(
            status=denied.denial.status,
            kind=kind,
            code="policy.denied",
            message=readable(
                denied.denial.message
                or denied.rule.why
                or "A policy of this gateway refuses the request."
            ),
            rule=denied.rule.id,
        )
    credential = outcome.credential
    if not credential.denied:
        return None
    if credential.denied == floor.PLAINTEXT:
        return Refusal(
            status=403,
            kind="permission_error",
            code="policy.plaintext",
            message=(
                "The deployment would be reached over http in the clear, where no"
                " credential may go. The operator has to give it an https api_base."
            ),
            rule=floor.PLAINTEXT,
        )
    status, kind = identity_status(facts.headers, plan.class_table)
    return Refusal(
        status=status,
        kind=kind,
        code=credential.denied,
        message=why_none_leaves(
            facts.headers,
            found,
            credential,
            carrier=carrier,
            ours=ours,
            class_table=plan.class_table,
        ),
        rule=credential.removed[0].rule if credential.removed else None,
    )
