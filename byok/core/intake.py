"""
From bytes to facts: the checks that need no caller, in the order they are made.

A request's path and headers are checked before anybody asks who sent it, its
body only after: whoever may not come in makes no parser work.
"""

from collections.abc import Collection

from byok.core.body import read_head
from byok.core.edge import check_edge, check_query_bytes, names_a_key
from byok.core.errors import Refusal
from byok.core.facts import RequestFacts
from byok.core.routes import (
    Route,
    check_path,
    relayed_route,
    split_target,
    without_prefix,
)
from byok.policy.classes import find_credential, holds_gateway_credential
from byok.policy.outcome import Headers


def check_head(target: bytes, headers: Headers) -> Refusal | None:
    """Refuse a path, header or query that two servers could read differently."""
    path, query = split_target(target)
    return check_path(path) or check_query_bytes(query) or check_edge(headers, query)


def route_of(method: bytes, target: bytes) -> Route | Refusal:
    """Return the relayed route that *target* names, or a refusal that helps."""
    path = without_prefix(split_target(target)[0])
    route = relayed_route(path)
    if route is None:
        return unknown_route(path)
    if method.decode("latin-1") != route.method:
        return Refusal(
            status=405,
            kind="invalid_request_error",
            code="route.method",
            message=f"{route.id} takes {route.method} only.",
            headers=(("allow", route.method),),
        )
    return route


def unknown_route(path: bytes) -> Refusal:
    """Return the 404 for *path*, with a hint where its cause is known."""
    if path.startswith(b"/v1/v1/"):
        message = (
            "This path has /v1 twice: the client adds it by itself. Set"
            " ANTHROPIC_BASE_URL to the gateway's address without /v1."
        )
    else:
        message = (
            "There is nothing here. The gateway serves /v1/messages,"
            " /v1/messages/count_tokens, /v1/chat/completions and /v1/models."
        )
    return Refusal(
        status=404, kind="not_found_error", code="route.unknown", message=message
    )


def _check_model(model: str, secrets: Collection[bytes]) -> Refusal | None:
    # A model's name is recorded and shown as it came, and whether a word is a key
    # that an admin chose is not known here.
    text = model.encode("utf-8", "replace")
    if not (
        names_a_key(text)
        or find_credential(text)
        or holds_gateway_credential(text, secrets)
    ):
        return None
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="body.model",
        message=(
            "The model's name holds what looks like a key. Name a model, and replace"
            " the key if it was a real one."
        ),
    )


def read_facts(
    method: bytes,
    target: bytes,
    route: Route,
    headers: Headers,
    body: bytes,
    *,
    client_ip: str = "",
    secrets: Collection[bytes] = (),
) -> RequestFacts | Refusal:
    """
    Read the head of *body* and put all facts together.

    A credential, or one of the gateway's own *secrets*, is no name of a model.
    """
    head = read_head(body)
    if isinstance(head, Refusal):
        return head
    refusal = _check_model(head.model or "", secrets)
    if refusal is not None:
        return refusal
    return RequestFacts(
        method=method.decode("latin-1"),
        route=route,
        query=split_target(target)[1],
        headers=headers,
        head=head,
        body=body,
        client_ip=client_ip,
    )
