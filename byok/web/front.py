"""
Every request's way in: to its place, and out again with exactly one answer.

A path that two servers could read differently is refused before anything else
is asked of the request. Whatever goes wrong in a handler ends here.
"""

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from byok.core.edge import check_query_bytes
from byok.core.errors import ByokError, Refusal, StoreUnavailable
from byok.core.facts import Headers
from byok.core.harmless import Harmless
from byok.core.routes import check_path, split_target, without_prefix
from byok.core.secret import Secret
from byok.logs.live import LiveSecrets
from byok.policy.classes import COOKIE, without_scheme
from byok.web import answers
from byok.web.downstream import Downstream, refusal_of
from byok.web.generation import Current, Generation
from byok.web.last_words import STOPPING
from byok.web.places import Place
from byok.web.visit import Visit
from byok.wire.errors import Unreadable

_UNREADABLE = Place(route="unreadable", handlers={})

_log = Logger(namespace="byok.web")


class Front:
    """Takes in requests and sees each of them to its end."""

    def __init__(self, current: Current, *, live: LiveSecrets) -> None:
        self._current = current
        self._live = live
        self._harmless, self._secret = Harmless(), Harmless()
        self._classify = current.generation.classify
        self._answering: set[Deferred[None]] = set()
        self._is_stopping = False

    @property
    def answering(self) -> int:
        """How many exchanges are under way."""
        return len(self._answering)

    def take(self, client: Downstream) -> None:
        """Start answering *client*; it is given up if the client hangs up first."""
        answering = Deferred.fromCoroutine(self._answer(client))
        client.on_gone(answering.cancel)
        answering.addErrback(self._ended_badly)
        self._answering.add(answering)
        answering.addCallback(lambda _: self._answering.discard(answering))

    async def stop(self) -> None:
        """
        End every exchange; return when the line of each is written.

        A client that has no answer yet gets a 503, one that reads a stream an event.
        Whoever asks on a connection that is still open gets a 503 too.
        """
        self._is_stopping = True
        for answering in tuple(self._answering):
            answering.cancel()
        await gatherResults(tuple(self._answering))

    def refuse(self, unreadable: Unreadable, peer: str) -> tuple[Headers, bytes]:
        """Word the answer to what came from *peer* and is no request."""
        request_id = answers.new_request_id()
        refusal = refusal_of(unreadable)
        with self._current.visit() as generation:
            record = generation.access.open(
                _Nobody(peer), route=_UNREADABLE.route, request_id=request_id
            )
            record.refused(refusal)
            headers, body = answers.worded(
                answers.of_generation(refusal, generation.exposed),
                dialect=_UNREADABLE.dialect,
                request_id=request_id,
            )
            record.bytes_out = len(body)
            generation.access.close(record)
        return headers, body

    async def _answer(self, client: Downstream) -> None:
        # While a request is here no line of the log can show what it carries.
        secrets = self._credentials_in(client.headers)
        for secret in secrets:
            self._live.add(secret)
        try:
            with self._current.visit() as generation:
                await self._visit(client, generation)
        finally:
            for secret in secrets:
                self._live.remove(secret)

    def _credentials_in(self, headers: Headers) -> Sequence[Secret]:
        """Return every value that is somebody's credential or cookie, sans scheme."""
        classify = self._current.generation.classify
        if classify is not self._classify:
            # What is harmless by one configuration may be a key by the next.
            self._classify = classify
            self._harmless, self._secret = Harmless(), Harmless()
        found = []
        for field in self._harmless.unknown(headers):
            name, value = field
            if self._secret.unknown((field,)):
                kind = classify(name, value)
                if not value or not (kind.is_credential or kind.cls == COOKIE):
                    self._harmless.note(field)
                    continue
                self._secret.note(field)
            found.append(Secret.from_bytes(without_scheme(value)))
        return found

    async def _visit(self, client: Downstream, generation: Generation) -> None:
        path, query = split_target(client.target)
        unreadable = check_path(path) or check_query_bytes(query)
        place = _UNREADABLE if unreadable else generation.places.find(path)
        record = generation.access.open(
            client, route=place.route, request_id=answers.new_request_id()
        )
        visit = Visit(
            client=client,
            path=without_prefix(path),
            query=query,
            dialect=place.dialect,
            record=record,
            generation=generation.exposed,
        )
        try:
            refusal = STOPPING if self._is_stopping else unreadable
            refusal = refusal or await self._handled(visit, place)
            if refusal is not None:
                visit.refuse(refusal)
        except CancelledError:
            self._gave_up(visit)
            raise
        finally:
            generation.access.close(record, quiet=place.quiet)

    def _gave_up(self, visit: Visit) -> None:
        if visit.client.gone_because or not self._is_stopping:
            visit.record.left()
        elif visit.client.responded:
            visit.client.abort()
            visit.record.stopped()
        else:
            visit.refuse(STOPPING)

    async def _handled(self, visit: Visit, place: Place) -> Refusal | None:
        """Let the place answer; return a refusal in place of its fault."""
        handler = place.handler(visit.client.method)
        if handler is None:
            return _method_not_allowed(place)
        try:
            return await handler(visit)
        except CancelledError:
            raise
        except Exception as fault:  # noqa: BLE001 - the last who can answer for it
            if not isinstance(fault, ByokError):
                _log.failure("a request failed")
            if isinstance(fault, StoreUnavailable):
                # The client is told that it failed; why is the operator's to know.
                _log.warn("the key store cannot be used: {why}", why=str(fault))
            planned = visit.record.planned
            where = planned.deployment.name if planned else None
            refusal = answers.refusal_of(fault, deployment=where)
            if not visit.client.responded:
                return refusal
            # Something of an answer is out there: cut it, so that nobody takes
            # it for the whole.
            visit.client.abort()
            visit.record.broke_off(refusal)
            return None

    def _ended_badly(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            _log.failure("a request could not be answered", failure)


class _Nobody:
    """Who sent what could not be read: an address, and nothing else that is known."""

    method = b"-"
    headers: Headers = ()
    gone_because = ""
    received_bytes = 0

    def __init__(self, peer: str) -> None:
        self.peer = peer


def _method_not_allowed(place: Place) -> Refusal:
    allowed = ", ".join(sorted(method.decode() for method in place.handlers))
    return Refusal(
        status=405,
        kind="invalid_request_error",
        code="route.method",
        message=f"{place.route} takes {allowed} only.",
        headers=(("allow", allowed),),
    )
