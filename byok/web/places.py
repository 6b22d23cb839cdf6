"""Where each path leads: the one table of everything the gateway answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from byok.core.errors import Refusal
from byok.core.intake import unknown_route
from byok.core.routes import RELAYED, Dialect, without_prefix
from byok.web.health import Health
from byok.web.models import Models
from byok.web.proxy import Proxy
from byok.web.visit import Handler, Visit
from byok.web.whoami import WhoAmI

MODELS = b"/v1/models"

ANY = b"*"
"""Stands for every method in a place's handlers."""

_OPENAI_PREFIXES = (
    b"/chat/",
    b"/global/",
    b"/key/",
    b"/spend/",
    b"/team/",
    b"/user/",
    b"/v1/chat/",
    b"/v1/completions",
    b"/v1/embeddings",
    b"/v1/responses",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Where a path leads: a handler for each method, under one name in the log.

    *quiet* places are asked by machines every few seconds, and are not worth a
    line each.
    """

    route: str
    handlers: Mapping[bytes, Handler]
    dialect: Dialect = Dialect.ANTHROPIC
    quiet: bool = False

    def handler(self, method: bytes) -> Handler | None:
        """Return what answers *method* here."""
        return self.handlers.get(method) or self.handlers.get(ANY)


class Places:
    """
    Finds the place of a path; every path has one.

    *more* are asked for places that are tables of their own, one after the other.
    """

    def __init__(
        self,
        *,
        proxy: Proxy,
        models: Models,
        health: Health,
        whoami: WhoAmI,
        more: Sequence[Callable[[bytes], Place | None]] = (),
    ) -> None:
        self._shared = {
            **{
                route.id.encode(): Place(
                    route=route.id,
                    handlers={
                        route.method.encode(): partial(proxy.exchange, route=route)
                    },
                    dialect=route.dialect,
                )
                for route in RELAYED
            },
            MODELS: _get(MODELS, models.list),
            b"/": _probe(b"/", health.introduce),
            b"/api/hello": _probe(b"/api/hello", health.hello),
        }
        self._one_model = _get(MODELS + b"/{id}", models.one)
        self._own = {
            b"/health/liveliness": _probe(b"/health/liveliness", health.alive),
            b"/health/liveness": _probe(b"/health/liveness", health.alive),
            b"/health/readiness": _probe(b"/health/readiness", health.ready),
            b"/byok/whoami": _get(b"/byok/whoami", whoami.answer),
        }
        self._more = tuple(more)

    def find(self, path: bytes) -> Place:
        """Return where *path* leads, with or without the `/anthropic` prefix."""
        own = self._own.get(path)
        if own is not None:
            return own
        for find in self._more:
            place = find(path)
            if place is not None:
                return place
        plain = without_prefix(path)
        shared = self._shared.get(plain)
        if shared is not None:
            return shared
        if plain.startswith(MODELS + b"/") and plain != MODELS + b"/":
            return self._one_model
        if plain.startswith(_OPENAI_PREFIXES):
            return _NOWHERE_OPENAI
        return _NOWHERE


def _get(route: bytes, handler: Handler) -> Place:
    return Place(route=route.decode(), handlers={b"GET": handler})


def _probe(route: bytes, handler: Handler) -> Place:
    handlers = {b"GET": handler, b"HEAD": handler}
    return Place(route=route.decode(), handlers=handlers, quiet=True)


async def _say_unknown(visit: Visit) -> Refusal:
    return unknown_route(visit.path)


_NOWHERE = Place(route="unknown", handlers={ANY: _say_unknown})
_NOWHERE_OPENAI = Place(
    route="unknown", handlers={ANY: _say_unknown}, dialect=Dialect.OPENAI
)
