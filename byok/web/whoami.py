"""What the gateway makes of a caller's credentials, told to the caller alone."""

from byok.core.body import BodyHead
from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import (
    Caller,
    Decided,
    Gateway,
    decide,
    gateway_secrets,
)
from byok.core.facts import Headers, RequestFacts
from byok.core.routes import CHAT_COMPLETIONS, MESSAGES
from byok.core.secret import fingerprint
from byok.web.identity import Identity
from byok.web.visit import Visit


class WhoAmI:
    """
    Answers who the caller is, which credentials came, and who pays for what.

    Each model is decided as an exchange would be, with the headers of this very
    request. Credentials appear as class, length and fingerprint.
    """

    def __init__(self, *, gateway: Gateway, identity: Identity) -> None:
        self._gateway = gateway
        self._identity = identity

    async def answer(self, visit: Visit) -> Refusal | None:
        """Answer with what is seen of the caller's credentials."""
        headers = visit.client.headers
        refusal = check_edge(headers, visit.query)
        if refusal is not None:
            return refusal
        caller = await self._identity.identify(headers, peer=visit.client.peer)
        if isinstance(caller, Refusal):
            return caller
        visit.record.caller = caller
        visit.say_json(
            200,
            {
                "key": caller.name,
                "carrier": caller.carrier or None,
                "user": caller.user or None,
                "team": caller.team or None,
                "credentials": _seen(headers, caller, self._gateway),
                "models": [
                    self._model(visit, caller, name)
                    for name in self._names()
                    if caller.may_use(name)
                ],
            },
        )
        return None

    def _names(self) -> list[str]:
        groups = (each.model_group for each in self._gateway.table.deployments)
        return list(dict.fromkeys(groups))

    def _model(self, visit: Visit, caller: Caller, name: str) -> dict[str, object]:
        decided = self._decide(visit, caller, name)
        if isinstance(decided, Refusal):
            return {"id": name, "refused": decided.code, "why": decided.message}
        credential = decided.outcome.credential
        shown: dict[str, object] = {
            "id": name,
            "deployment": decided.deployment.name,
            "payer": credential.payer,
            "credential": credential.cls or credential.source,
            "header": credential.name or None,
        }
        via = decided.deployment.via
        if via is not None:
            shown["via"] = str(via)
        if decided.refusal is not None:
            shown |= {
                "payer": None,
                "refused": decided.refusal.code,
                "why": decided.refusal.message,
            }
        return shown

    def _decide(self, visit: Visit, caller: Caller, name: str) -> Decided | Refusal:
        found = self._gateway.table.find(name)
        is_openai = found is not None and found.provider == "openai"
        head = BodyHead(model=name, stream=False, model_span=None, max_tokens=None)
        facts = RequestFacts(
            method="POST",
            route=CHAT_COMPLETIONS if is_openai else MESSAGES,
            query=b"",
            headers=visit.client.headers,
            head=head,
            client_ip=visit.client.peer,
        )
        return decide(facts, caller, self._gateway)


def _seen(
    headers: Headers, caller: Caller, gateway: Gateway
) -> list[dict[str, object]]:
    plans, secrets = gateway.plans, gateway_secrets(caller, gateway)
    credentials: list[dict[str, object]] = []
    for name, value in headers:
        kind = plans.class_table.classify(
            name, value, gateway_names=plans.gateway_names, gateway_secrets=secrets
        )
        if kind.is_credential and value:
            credentials.append(
                {
                    "header": name.decode("latin-1"),
                    "class": kind.cls,
                    "recognised_by": kind.how.value,
                    "length": len(value),
                    "fingerprint": fingerprint(value),
                }
            )
    return credentials
