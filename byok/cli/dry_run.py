"""One request, described at a terminal, on its way through the gateway's functions."""

import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property

import click

from byok.cli.request_input import RequestInput, merged
from byok.cli.supposed_callers import belonging_of
from byok.config import Config
from byok.core.admission import (
    admit_belonging,
    admit_key,
    admit_master,
    admit_single_user,
)
from byok.core.belonging import NOBODYS, Belonging
from byok.core.carriers import Presented, carriers, find_key
from byok.core.edge import check_names, refuse_unreadable
from byok.core.errors import Refusal, StoreUnavailable
from byok.core.exchange import Caller, Decided, decide, gateway_secrets
from byok.core.explain import Setting, explain
from byok.core.explain_answer import explain_answer
from byok.core.facts import Headers, RequestFacts
from byok.core.intake import check_head, read_facts, route_of
from byok.core.keys import VirtualKey
from byok.core.routes import is_answered_here, split_target
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.core.supposed import body_for, supposed_model
from byok.policy.classes import GATEWAY, find_credential
from byok.policy.lookalikes import lookalikes
from byok.policy.names import GATEWAY_CREDENTIALS
from byok.policy.rules import Rule
from byok.store.location import store_place
from byok.store.peek import peek_digests, peek_key
from byok.wire.errors import Unreadable
from byok.wire.heads import HEAD_TOO_LONG, METHODS, read_request_head
from byok.wire.limits import ServerLimits

_HOST = (b"host", b"gateway")


def _asks_for_address(rule: Rule) -> bool:
    asked = (rule.match, rule.unless)
    return any(match is not None and match.client_ip for match in asked)


class DryRun:
    """One request on its way through the gateway's own functions."""

    def __init__(
        self, config: Config, described: RequestInput, *, client_ip: str
    ) -> None:
        self._config = config
        self._gateway = config.gateway
        self._request = described
        self._client_ip = client_ip
        self._assumed: list[str] = []
        self._warnings = list(described.warnings)
        self._team: str | None = None
        self._user: str | None = None
        self._tags: tuple[str, ...] = ()
        self._answer: Headers = ()

    def suppose(self, statements: Iterable[str]) -> None:
        """Note what was taken for granted."""
        self._assumed.extend(statements)

    def suppose_body(
        self, model: str | None, deployment: str | None, *, stream: bool
    ) -> None:
        """Put a body in where none was given."""
        if self._is_answered_here or (self._request.body is not None and model is None):
            return
        if model is None and isinstance(route_of(self._method, self._target), Refusal):
            return
        if model is None:
            model = self._default_model(deployment)
        body = body_for(model, stream=stream)
        self._request = merged(self._request, RequestInput(body=body))

    def suppose_caller(
        self, team: str | None, user: str | None, tags: tuple[str, ...]
    ) -> None:
        """Say who calls, where the record of the key does not say it."""
        self._team, self._user, self._tags = team, user, tags

    def _default_model(self, deployment: str | None) -> str:
        model = supposed_model(self._gateway.table, self._named(deployment))
        self._assumed.append(f"model={model}; name another one with --model")
        return model

    def _named(self, deployment: str | None) -> Deployment | None:
        if deployment is None:
            return None
        found = self._gateway.table.named(deployment)
        if found is None:
            names = ", ".join(each.name for each in self._gateway.table.deployments)
            raise click.UsageError(f"no deployment has that name; there are: {names}")
        return found

    def suppose_answer(self, fields: Headers) -> None:
        """Say what the provider's answer has among its headers."""
        self._answer = fields

    def explain(self, key: str | None, deployment: str | None) -> dict[str, object]:
        """Return the explanation of the request, refused or not."""
        request = self._request
        caller: Caller | None = None
        facts: RequestFacts | None = None
        result: Decided | Refusal | None = self._checked()
        if result is None and not self._is_answered_here:
            identity = self._admitted(self._caller(key))
            if isinstance(identity, Refusal):
                result = identity
            else:
                caller = self._with_others(identity)
                secrets = gateway_secrets(caller, self._gateway)
                named = check_names(self._request.headers, secrets)
                read = named or self._facts(secrets)
                if isinstance(read, Refusal):
                    result = read
                else:
                    facts = read
                    result = decide(
                        facts, caller, self._gateway, deployment=self._named(deployment)
                    )
        if not self._client_ip and any(map(_asks_for_address, self._config.rules)):
            self._assumed.append("client_ip is unknown; name it with --client-ip")
        told = explain(
            facts,
            caller,
            result,
            Setting(
                config_digest=self._config.digest,
                method=request.method or ("" if self._is_answered_here else "POST"),
                path=request.path or "/v1/messages",
                assumed=tuple(self._assumed),
                warnings=tuple(self._warnings),
            ),
        )
        if self._answer and told["verdict"] == "allow" and isinstance(result, Decided):
            source = result.outcome.credential.source
            told["answer"], _ = explain_answer(self._answer, result, source)
        return told

    @property
    def _target(self) -> bytes:
        path = (self._request.path or "/v1/messages").encode("utf-8", "surrogateescape")
        return path + (b"?" + self._request.query if self._request.query else b"")

    @property
    def _method(self) -> bytes:
        return (self._request.method or "POST").encode("utf-8", "replace")

    @property
    def _is_answered_here(self) -> bool:
        return is_answered_here(split_target(self._target)[0])

    def _checked(self) -> Refusal | None:
        refusal = self._unreadable() or check_head(self._target, self._request.headers)
        if refusal is not None or self._is_answered_here:
            return refusal
        route = route_of(self._method, self._target)
        return route if isinstance(route, Refusal) else None

    def _unreadable(self) -> Refusal | None:
        """Refuse what the gateway's connection would, before it is a request."""
        headers = self._request.headers
        # What every client adds by itself, and nobody describes.
        host = () if any(name == b"host" for name, _ in headers) else (_HOST,)
        lines = (b"%s: %s\r\n" % field for field in (*host, *headers))
        line = b"%s %s HTTP/1.1\r\n" % (self._method, self._target)
        raw = b"".join((line, *lines, b"\r\n"))
        limits = self._config.limits
        head = (
            HEAD_TOO_LONG
            if len(raw) > limits.head_bytes
            else read_request_head(
                raw,
                ServerLimits(
                    target_bytes=limits.target_bytes,
                    value_bytes=limits.header_value_bytes,
                    fields=limits.header_fields,
                ),
            )
        )
        if not isinstance(head, Unreadable):
            return None
        return refuse_unreadable(head.status, head.code, head.message, methods=METHODS)

    def _facts(self, secrets: Collection[bytes]) -> RequestFacts | Refusal:
        route = route_of(self._method, self._target)
        if isinstance(route, Refusal):
            return route
        return read_facts(
            self._method,
            self._target,
            route,
            self._request.headers,
            self._request.body or b"",
            client_ip=self._client_ip,
            secrets=secrets,
        )

    def _caller(self, key: str | None) -> Caller | Refusal:
        headers = self._request.headers
        if self._config.general.single_user:
            return admit_single_user(headers)
        order = carriers(self._config.key_header_name)
        table = self._config.gateway.plans.class_table
        presented = find_key(headers, order, table)
        if key is None:
            return self._presented(presented)
        carrier, secret = self._came(key, presented, first=order[0].decode())
        path = store_place(self._config.store_url, base=self._config.directory)
        try:
            record = peek_key(path, key)
        except StoreUnavailable as error:
            self._warnings.append(f"the key {key} could not be looked up: {error}")
            self._assumed.append(f"the key {key} exists, and may use every model")
        else:
            if record is not None:
                return self._recorded(key, record, carrier, secret)
            self._assumed.append(
                f"no record of the key {key} was found; it may use every model"
            )
        return Caller(key_id=key, alias=key, carrier=carrier, secret=secret)

    def _came(
        self, key: str, presented: Presented | Refusal, *, first: str
    ) -> tuple[str, Secret | None]:
        """
        Return the header that *key* came in, and its text where that was given.

        Whoever names the key need not send it. A value without a shape, in a header
        that a provider reads as well, is then the provider's.
        """
        came = presented if isinstance(presented, Presented) else None
        if came and (
            any(map(self._is_ours, self._request.headers)) or came.key in self._others
        ):
            return came.carrier, came.key
        self._assumed.append(f"the key {key} came in {first}")
        if came:
            self._assumed.append(f"what came in {came.carrier} is a provider's")
        return first, None

    def _is_ours(self, field: tuple[bytes, bytes]) -> bool:
        name, value = field
        own = {*GATEWAY_CREDENTIALS, (self._config.key_header_name or "").encode()}
        return bool(value) and (name in own or find_credential(value) == GATEWAY)

    @cached_property
    def _others(self) -> tuple[Secret, ...]:
        """The words of the request that are keys of the gateway's store."""
        words = lookalikes(self._request.headers, self._request.query)
        if not words:
            return ()
        path = store_place(self._config.store_url, base=self._config.directory)
        known = peek_digests(path, self._config.general.key_peppers)
        if known is None:
            self._assumed.append(
                "no value is another key of this gateway: no store can be asked here"
            )
            return ()
        if known.is_partial:
            self._assumed.append(
                "no value is a key that was made with a pepper which is not here"
            )
        return tuple(Secret.from_bytes(each) for each in words if known.is_real(each))

    def _with_others(self, caller: Caller) -> Caller:
        """Note the further keys of the gateway that came along, as its server does."""
        if self._config.general.single_user:
            return caller
        others = (each for each in self._others if each != caller.secret)
        return replace(caller, others=tuple(others))

    def _recorded(
        self, key: str, record: VirtualKey, carrier: str, secret: Secret | None
    ) -> Caller | Refusal:
        found = admit_key(
            record, self._request.headers, carrier, secret, now=time.time()
        )
        if isinstance(found, Refusal):
            # The client is not told which it is. Whoever reads the store may know.
            state = "blocked" if record.blocked else "expired"
            self._warnings.append(f"the key {key} is {state}")
        return found

    def _admitted(self, caller: Caller | Refusal) -> Caller | Refusal:
        """Say whom *caller* belongs to, and refuse it where that is forbidden."""
        if isinstance(caller, Refusal):
            return caller
        team = caller.team if self._team is None else self._team
        user = caller.user if self._user is None else self._user
        belongs = self._belonging(user=user, team=team)
        for what, whom in (("user", belongs.user), ("team", belongs.team)):
            if whom is not None and whom.blocked:
                name = user if what == "user" else team
                self._warnings.append(f"the {what} {name} is blocked")
        supposed = replace(
            caller,
            team=team,
            user=user,
            tags=frozenset(self._tags) or caller.tags,
            belongs=belongs,
        )
        return admit_belonging(supposed, self._request.headers)

    def _belonging(self, *, user: str, team: str) -> Belonging:
        try:
            return belonging_of(self._config, user=user, team=team)
        except StoreUnavailable as error:
            self._warnings.append(f"user and team could not be looked up: {error}")
            return NOBODYS

    def _presented(self, presented: Presented | Refusal) -> Caller | Refusal:
        if isinstance(presented, Refusal):
            return presented
        if presented.key == self._config.master_key:
            return admit_master(
                self._request.headers,
                presented.carrier,
                presented.key,
                on_data_routes=self._config.general.master_key_on_data_routes,
            )
        self._assumed.append(
            f"the key in {presented.carrier} is valid; name it with --key"
        )
        return Caller(
            key_id="presented", carrier=presented.carrier, secret=presented.key
        )
