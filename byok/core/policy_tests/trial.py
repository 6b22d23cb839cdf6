"""One request of a test, tried: decided as the gateway decides, and explained."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from byok.core.carriers import Presented, carriers, find_key
from byok.core.errors import Refusal
from byok.core.exchange import (
    SINGLE_USER,
    Caller,
    Decided,
    Gateway,
    decide,
    gateway_secrets,
    lay_out,
)
from byok.core.explain import Setting, explain
from byok.core.facts import RequestFacts
from byok.core.intake import check_head, read_facts, route_of
from byok.core.policy_tests.cases import Given
from byok.core.policy_tests.wide import SOMEBODY
from byok.core.routes import MESSAGES
from byok.core.supposed import body_for, filled, supposed_model
from byok.policy import slot
from byok.policy.outcome import Headers
from byok.policy.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """
    The gateway that requests are tried on, and what else its configuration says.

    `rules` are those that the operator wrote, which coverage is about; `config` is
    the file's name, for commands that reproduce what was seen.
    """

    gateway: Gateway = field(repr=False)
    rules: tuple[Rule, ...] = ()
    key_header_name: str | None = None
    single_user: bool = False
    config: str = "config.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of one request; `sent` are the header fields that leave."""

    given: Given
    result: Decided | Refusal
    explanation: Mapping[str, object]
    sent: Headers = field(default=(), repr=False)
    sent_classes: frozenset[str] = frozenset()

    @property
    def refusal(self) -> Refusal | None:
        """Why nothing leaves, or None."""
        if isinstance(self.result, Refusal):
            return self.result
        return self.result.refusal

    @property
    def trusted(self) -> frozenset[str]:
        """The credential classes that the destination may receive."""
        if isinstance(self.result, Refusal):
            return frozenset()
        return self.result.deployment.trusted


def attempt(given: Given, bench: Bench) -> Trial:
    """Put the request *given* through the gateway's own functions."""
    headers = tuple(
        (name.encode("latin-1", "replace"), filled(name, value).encode())
        for name, value in given.headers
    )
    caller = caller_of(given, headers, bench)
    target = (given.route or MESSAGES.id).encode("utf-8", "surrogateescape")
    result: Decided | Refusal
    facts = facts_of(given, target, headers, bench)
    if isinstance(facts, Refusal):
        known, result = None, facts
    else:
        known = facts
        found = bench.gateway.table.named(given.deployment or "")
        result = decide(facts, caller, bench.gateway, deployment=found)
    setting = Setting(method=MESSAGES.method, path=target.decode("latin-1"))
    explanation = explain(known, caller, result, setting)
    if known is None or isinstance(result, Refusal) or result.refusal is not None:
        return Trial(given=given, result=result, explanation=explanation)
    planned = lay_out(known, result)
    return Trial(
        given=given,
        result=result,
        explanation=explanation,
        sent=planned.headers,
        sent_classes=_classes(planned.headers, result, caller, bench),
    )


def facts_of(
    given: Given, target: bytes, headers: Headers, bench: Bench
) -> RequestFacts | Refusal:
    """Return what the gateway would know of the request *given*."""
    refusal = check_head(target, headers)
    if refusal is not None:
        return refusal
    method = MESSAGES.method.encode()
    route = route_of(method, target)
    if isinstance(route, Refusal):
        return route
    body = (given.body or "").encode("utf-8", "surrogatepass") or body_for(
        model_of(given, bench), stream=bool(given.stream)
    )
    return read_facts(
        method, target, route, headers, body, client_ip=given.client_ip or ""
    )


def model_of(given: Given, bench: Bench) -> str:
    """Return the model that a request asks for, whose body nobody wrote."""
    if given.model is not None:
        return given.model
    table = bench.gateway.table
    return supposed_model(table, table.named(given.deployment or ""))


def caller_of(given: Given, headers: Headers, bench: Bench) -> Caller:
    """
    Return whoever holds the key that is named, or one that no rule names.

    Who may come in is not what policies are about, so the key is a valid one.
    """
    caller = SINGLE_USER
    if not bench.single_user:
        order = carriers(bench.key_header_name)
        presented = find_key(headers, order, bench.gateway.plans.class_table)
        key = given.key or SOMEBODY
        caller = Caller(key_id=key, alias=key, carrier=order[0].decode())
        if isinstance(presented, Presented):
            caller = replace(caller, carrier=presented.carrier, secret=presented.key)
    return replace(
        caller,
        team=given.team or "",
        user=given.user or "",
        tags=frozenset(given.tags or ()),
    )


def _classes(
    sent: Headers, decided: Decided, caller: Caller, bench: Bench
) -> frozenset[str]:
    """
    Return the classes of all that leaves and is not the operator's own credential.

    They are found anew, in what would be sent: a decision is not asked about itself.
    """
    own = decided.deployment.api_key
    is_own = decided.outcome.credential.source == slot.DEPLOYMENT
    secrets = gateway_secrets(caller, bench.gateway)
    return frozenset(
        bench.gateway.plans.class_table.classify(
            name,
            value,
            gateway_names=bench.gateway.plans.gateway_names,
            gateway_secrets=secrets,
        ).cls
        for name, value in sent
        if not (is_own and own is not None and own.reveal_bytes() in value)
    )


def command(given: Given, bench: Bench) -> str:
    """Return the `byok explain-request` that shows the request *given* by itself."""
    words = ["byok", "explain-request", "-c", bench.config]
    for option, value in (
        ("--deployment", given.deployment),
        ("--key", None if bench.single_user else given.key or SOMEBODY),
        ("--team", given.team),
        ("--user", given.user),
        ("--route", None if given.body else given.route),
        ("--client-ip", given.client_ip),
        ("--model", None if given.body else model_of(given, bench)),
    ):
        if value:
            words += [option, value]
    for tag in given.tags or ():
        words += ["--tag", tag]
    if given.stream:
        words.append("--stream")
    for name, value in given.headers:
        words += ["-H", f"{name}: {value}"]
    if given.body:
        url = f"http://localhost:4000{given.route or MESSAGES.id}"
        words += ["--curl", shlex.join(["curl", url, "--data", given.body])]
    return shlex.join(words)
