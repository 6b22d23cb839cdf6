"""
The exchange, top to bottom: from a client's request to the provider's answer.

Each line of `exchange` is a step with a name to jump to. A step that refuses
returns its refusal, which ends the exchange; what breaks on the way is a fault
and is raised.
"""

from dataclasses import replace
from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core import explain_text
from byok.core.answer_headers import relayed_headers
from byok.core.body import MAX_BODY_BYTES
from byok.core.decision_access import asks
from byok.core.edge import check_edge, check_names
from byok.core.errors import Refusal
from byok.core.exchange import (
    Caller,
    Decided,
    Gateway,
    Planned,
    decide,
    gateway_secrets,
    lay_out,
)
from byok.core.explain import Setting, explain
from byok.core.facts import Headers, RequestFacts
from byok.core.intake import read_facts
from byok.core.routes import Route
from byok.core.usage import UsageReader
from byok.upstream.provider import Providers
from byok.web.access import AccessRecord
from byok.web.downstream import body_of
from byok.web.identity import Identity
from byok.web.last_words import last_words, silent
from byok.web.metering import Meter
from byok.web.pins import PinnedKey, Pins
from byok.web.relay import BodyRelay
from byok.web.scrub import Scrubber
from byok.web.visit import Visit
from byok.wire.answer import Answer

_FIRST_ERROR = 400
_MIB = 1024 * 1024
_NO_CONTENT = 204
_DECISION_ID = b"x-byok-decision-id"
_PLAIN = frozenset({b"", b"identity"})

_log = Logger(namespace="byok.exchange")


class Proxy:
    """Carries exchanges between clients and providers."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        identity: Identity,
        providers: Providers,
        clock: IReactorTime,
        max_body_bytes: int = MAX_BODY_BYTES,
        expose_decisions: bool = False,
        explain_each: bool = False,
        config_digest: str = "",
        records_decisions: bool = False,
        pins: Pins | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._gateway = gateway
        self._identity = identity
        self._providers = providers
        self._clock = clock
        self._too_large = _too_large(max_body_bytes)
        self._expose_decisions = expose_decisions
        self._explain_each = explain_each
        self._config_digest = config_digest
        self._records_decisions = records_decisions
        self._pins = pins
        self._meter = meter

    async def exchange(self, visit: Visit, route: Route) -> Refusal | None:
        """Relay one request, or return why it is not relayed."""
        client, record = visit.client, visit.record
        refusal = check_edge(client.headers, visit.query)
        if refusal is not None:
            return refusal
        caller = await self._identity.identify(
            client.headers, peer=client.peer, query=visit.query
        )
        if isinstance(caller, Refusal):
            return caller
        record.caller = caller
        secrets = gateway_secrets(caller, self._gateway)
        refusal = check_names(client.headers, secrets)
        if refusal is not None:
            return refusal
        body = await body_of(client, too_large=self._too_large)
        if isinstance(body, Refusal):
            return body
        facts = read_facts(
            client.method,
            client.target,
            route,
            client.headers,
            body,
            client_ip=client.peer,
            secrets=secrets,
        )
        if isinstance(facts, Refusal):
            return facts
        record.facts = facts
        decided = record.decided = decide(facts, caller, self._gateway)
        record.config_digest = self._config_digest
        self._explain(facts, caller, decided, record.request_id)
        if isinstance(decided, Refusal):
            return self._refused(visit, decided)
        if decided.refusal is not None:
            return self._refused(visit, decided.refusal)
        planned = lay_out(facts, decided)
        pinned = await self._pinned(facts, caller, planned)
        refusal = await self._admit(record, facts, planned, pinned)
        if refusal is not None:
            return self._refused(visit, refusal)
        record.planned = planned
        answer = await self._providers.send(planned, gateway_secrets=secrets)
        record.answered(answer.status, answer.fields, now=self._clock.seconds())
        if pinned is not None:
            pinned.learn(answer.status, answer.fields)
        return await self._relay(visit, planned, answer)

    async def _pinned(
        self, facts: RequestFacts, caller: Caller, planned: Planned
    ) -> PinnedKey | None:
        if self._pins is None:
            return None
        return await self._pins.check(facts, caller, planned)

    async def _admit(
        self,
        record: AccessRecord,
        facts: RequestFacts,
        planned: Planned,
        pinned: PinnedKey | None,
    ) -> Refusal | None:
        """Return why what was planned does not leave: whose key it is, or a limit."""
        if pinned is not None and pinned.refusal is not None:
            record.decided = replace(planned.decided, refusal=pinned.refusal)
            return pinned.refusal
        if self._meter is None:
            return None
        return await self._meter.admit(record, facts, planned)

    async def _relay(
        self, visit: Visit, planned: Planned, answer: Answer
    ) -> Refusal | None:
        """Give the provider's answer to the client as it comes."""
        secrets = planned.scrub if answer.status >= _FIRST_ERROR else ()
        if secrets and _is_encoded(answer):
            answer.abort()
            return _unreadable_error(answer)
        head = relayed_headers(
            answer.fields,
            nominated=answer.nominated,
            org_pays=planned.payer == "org",
            secrets=planned.scrub,
        )
        rules = planned.decided.plan.response
        if not rules.is_empty:
            shown = rules.apply(head, planned.credential.source)
            head, visit.record.answer_shadow = shown.sends, shown.shadow
        told = () if self._meter is None else self._meter.standing(visit.record, head)
        visit.client.respond(
            answer.status,
            (*head, *told, *_length_of(answer), *self._decision(visit, planned)),
        )
        body = BodyRelay(
            visit.client,
            reader=UsageReader(),
            scrubber=Scrubber(secrets) if secrets else None,
            words=last_words(
                answer, dialect=visit.dialect, request_id=visit.record.request_id
            ),
            too_silent=partial(
                silent, self._providers.idle_s, deployment=planned.deployment.name
            ),
            abort=answer.abort,
        )
        try:
            visit.record.ending = (await body.carry(answer)).value
        finally:
            visit.record.error = body.told
            visit.record.bytes_out = body.sent_bytes
            visit.record.usage = body.reader.usage()
        return None

    def _decision(self, visit: Visit, planned: Planned) -> Headers:
        decision_id = visit.record.request_id.encode("ascii")
        if not self._expose_decisions:
            asked = self._is_asked(visit)
            return ((_DECISION_ID, decision_id),) if asked else ()
        return (
            (b"x-byok-payer", planned.payer.encode("ascii")),
            (_DECISION_ID, decision_id),
            (b"x-byok-generation", self._gateway.generation.encode("ascii")),
        )

    def _is_asked(self, visit: Visit) -> bool:
        """Does the request ask for an explanation that it may and will have?"""
        caller = visit.record.caller
        return (
            self._records_decisions
            and caller is not None
            and asks(visit.client.headers, caller)
        )

    def _refused(self, visit: Visit, refusal: Refusal) -> Refusal:
        if not (self._expose_decisions or self._is_asked(visit)):
            return refusal
        named = (_DECISION_ID.decode(), visit.record.request_id)
        return replace(refusal, headers=(*refusal.headers, named))

    def _explain(
        self,
        facts: RequestFacts,
        caller: Caller,
        decided: Decided | Refusal,
        request_id: str,
    ) -> None:
        # Worked out only where somebody reads it: it is a page for each request.
        if not self._explain_each:
            return
        setting = Setting(config_digest=self._config_digest, decision_id=request_id)
        explanation = explain(facts, caller, decided, setting)
        _log.debug(
            "explain {request_id}", request_id=request_id, explanation=explanation
        )
        for line in explain_text.render(explanation).splitlines():
            _log.debug("{line}", line=line, request_id=request_id)


def _too_large(most: int) -> Refusal:
    size = f"{most // _MIB} MiB" if most % _MIB == 0 else f"{most} bytes"
    also = ", which is also what Anthropic's API takes at most"
    return Refusal(
        status=413,
        kind="request_too_large",
        code="body.too-large",
        message=f"The request body is larger than {size}"
        f"{also if most == MAX_BODY_BYTES else ''}.",
    )


def _length_of(answer: Answer) -> Headers:
    if answer.length_bytes is None or answer.status == _NO_CONTENT:
        return ()
    return ((b"content-length", b"%d" % answer.length_bytes),)


def _is_encoded(answer: Answer) -> bool:
    # Every line and every member of it: an `identity` may stand before a `gzip`.
    return any(
        name == b"content-encoding" and value.strip().lower() not in _PLAIN
        for name, value in answer.fields
    )


def _unreadable_error(answer: Answer) -> Refusal:
    return Refusal(
        status=answer.status,
        kind="api_error",
        code="provider.unreadable-error",
        message=(
            "The provider answered with an error in a compressed body. It is not shown,"
            " since it cannot be checked for the gateway's own key."
        ),
    )
