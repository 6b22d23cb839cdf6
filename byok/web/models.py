"""The list of models, in the shape that clients fill their pickers from."""

from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import Caller, what_is_served
from byok.core.providers import PROVIDERS
from byok.core.routing import Deployment, DeploymentTable
from byok.web.identity import Identity
from byok.web.visit import Visit

# Anthropic's own convention for "not known".
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"


class Models:
    """
    Lists the model names that a caller may send.

    A wildcard is no name and is left out; models behind it can be asked for all
    the same, and those that the caller's key names are listed. One list serves the
    clients of both dialects: each reads the fields it knows. It is short, so it is
    never cut into pages.
    """

    def __init__(self, *, table: DeploymentTable, identity: Identity) -> None:
        self._table = table
        self._identity = identity

    async def list(self, visit: Visit) -> Refusal | None:
        """Answer with all models that the caller may use."""
        caller = await self._caller(visit)
        if isinstance(caller, Refusal):
            return caller
        entries = [
            _entry(name, deployment)
            for name in dict.fromkeys((*self._table.groups, *caller.model_names))
            if (deployment := self._served(name, caller))
        ]
        visit.say_json(
            200,
            {
                "data": entries,
                "has_more": False,
                "first_id": entries[0]["id"] if entries else None,
                "last_id": entries[-1]["id"] if entries else None,
                "object": "list",
            },
        )
        return None

    async def one(self, visit: Visit) -> Refusal | None:
        """Answer with the model named by the path, if the caller may use it."""
        caller = await self._caller(visit)
        if isinstance(caller, Refusal):
            return caller
        name = visit.path.removeprefix(b"/v1/models/").decode("ascii")
        found = self._served(name, caller)
        if found is None:
            return Refusal(
                status=404,
                kind="not_found_error",
                code="route.unknown-model",
                message=(
                    "This gateway serves no such model to this key."
                    f" {what_is_served(caller, self._table)}"
                ),
            )
        visit.say_json(200, _entry(name, found))
        return None

    def _served(self, name: str, caller: Caller) -> Deployment | None:
        found = self._table.find(name) if caller.may_use(name) else None
        # Names of providers that are not supported yet are taken, but not served.
        return found if found and found.provider in PROVIDERS else None

    async def _caller(self, visit: Visit) -> Caller | Refusal:
        refusal = check_edge(visit.client.headers, visit.query)
        if refusal is not None:
            return refusal
        caller = await self._identity.identify(
            visit.client.headers, peer=visit.client.peer
        )
        if isinstance(caller, Caller):
            visit.record.caller = caller
        return caller


def _entry(name: str, deployment: Deployment) -> dict[str, object]:
    return {
        "type": "model",
        "id": name,
        "display_name": deployment.display_name or name,
        "created_at": _UNKNOWN_TIME,
        "object": "model",
        "created": 0,
        "owned_by": deployment.provider,
    }
