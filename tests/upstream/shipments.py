"""Planned requests for tests of the way out, without a policy that planned them."""

from collections.abc import Sequence

from byok.core.egress import EgressProxy
from byok.core.exchange import Decided, Planned
from byok.core.facts import Headers
from byok.core.providers import Origin
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.policy import classes
from byok.policy.match import Context
from byok.policy.plans import Plans
from byok.policy.slot import CredentialDecision
from tests.support import keys

CLIENT_KEY: Headers = ((b"x-api-key", keys.ANTHROPIC_API_KEY.encode()),)


def loopback(port: int, *, scheme: str = "http", host: str = "127.0.0.1") -> Origin:
    return Origin(scheme=scheme, host=host, port=port)


def deployment(
    origin: Origin,
    *,
    name: str = "here",
    trusted: Sequence[str] = (classes.ANTHROPIC_API_KEY,),
    api_key: str | None = None,
    plaintext_ok: bool = True,
    allow_private: bool = False,
    via: EgressProxy | None = None,
    ca_file: str | None = None,
    connect_timeout_s: float = 5.0,
) -> Deployment:
    return Deployment(
        name=name,
        model_group="claude",
        upstream_model="claude",
        provider="anthropic",
        origin=origin,
        api_key=None if api_key is None else Secret(api_key),
        trusted=frozenset(trusted),
        plaintext_ok=plaintext_ok,
        allow_private=allow_private,
        via=via,
        ca_file=ca_file,
        connect_timeout_s=connect_timeout_s,
    )


def planned(
    to: Deployment,
    *,
    headers: Headers = CLIENT_KEY,
    body: bytes = b'{"model":"claude"}',
    target: bytes = b"/v1/messages?beta=true",
    method: bytes = b"POST",
) -> Planned:
    credential = CredentialDecision(source="client.api_key")
    context = Context(
        route="/v1/messages",
        method="POST",
        model="claude",
        model_group="claude",
        deployment=to.name,
        provider="anthropic",
        host=to.origin.host,
    )
    plan = Plans(()).plan(context)
    return Planned(
        deployment=to,
        method=method,
        target=target,
        headers=headers,
        body=body,
        payer="user-key",
        credential=credential,
        decided=Decided(
            deployment=to,
            upstream_model="claude",
            context=context,
            outcome=plan.apply(()),
            refusal=None,
            plan=plan,
        ),
    )
