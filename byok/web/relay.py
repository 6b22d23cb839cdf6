"""
Copies a provider's answer to the client, byte for byte, at the slower one's pace.

What reads along reads only: nothing here waits for the usage reader, and nothing
it says changes a byte. An answer that broke off upstream breaks off downstream, with
nothing added; one that we end has an event that says so, if it is a stream of events.
"""

from collections.abc import Callable
from enum import Enum
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from byok.core.errors import Refusal
from byok.core.usage import UsageReader
from byok.web.downstream import Downstream
from byok.web.last_words import STOPPING, LastWords
from byok.web.scrub import Scrubber
from byok.wire.answer import Answer
from byok.wire.errors import AnswerTimedOut


class Ending(Enum):
    """How an answer ended."""

    COMPLETE = "complete"
    CUT = "cut"
    IDLE = "idle"


class BodyRelay(Protocol):
    """
    One body on its way from the provider's connection to the client's.

    *words* are for where we end it: because the provider is *too_silent*, or because
    the gateway stops, which is when a relay is cancelled whose client is still there.

    The provider's connection is the producer: a client that reads slowly pauses
    it, so no more than a socket's worth of an answer is ever in this process.
    """

    def __init__(
        self,
        client: Downstream,
        *,
        reader: UsageReader,
        scrubber: Scrubber | None,
        words: LastWords | None,
        too_silent: Callable[[], Refusal],
        abort: Callable[[], None],
    ) -> None:
        self._client = client
        self.reader = reader
        self._scrubber = scrubber
        self._words = words
        self._too_silent = too_silent
        self._abort = abort
        self._done: Deferred[Ending] = Deferred(lambda _: self._give_up())
        self.sent_bytes = 0
        self.told: str | None = None

    async def carry(self, answer: Answer) -> Ending:
        """Carry the body of *answer* over; return when the client's has ended."""
        answer.deliverBody(self)
        # What has not come with the head may take its time.
        self._client.flush()
        return await self._done

    def connectionMade(self) -> None:
        """Let the client steer the provider's connection."""
        self._client.register_producer(cast(IPushProducer, self.transport))

    def dataReceived(self, data: bytes) -> None:
        """Pass one piece on, and let the reader see it."""
        self.reader.feed(data)
        if self._words is not None:
            self._words.passed(data)
        self._write(data if self._scrubber is None else self._scrubber.feed(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the client's answer as the provider's ended."""
        self._client.unregister_producer()
        if self._done.called:
            return
        if reason.check(AnswerTimedOut):
            self._tell(self._too_silent())
            self._end(Ending.IDLE)
            return
        if self._scrubber is not None:
            self._write(self._scrubber.end())
        # A body that ends with its connection is complete only if it says so.
        whole = reason.check(ResponseDone) or (
            reason.check(PotentialDataLoss) and self.reader.usage().saw_terminal
        )
        self._end(Ending.COMPLETE if whole else Ending.CUT)

    def _write(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        self._client.write(data)

    def _give_up(self) -> None:
        # The exchange was cancelled: its client is gone, or we are about to be. What
        # the provider still sends would only be paid for.
        self._abort()
        if not self._client.gone:
            self._client.unregister_producer()
            self._tell(STOPPING)
            self._client.abort()

    def _tell(self, refusal: Refusal) -> None:
        # After an answer's own last event, an error would make it a failure.
        if self._words is None or self.reader.usage().saw_terminal:
            return
        self.told = refusal.code
        self._write(self._words.say(refusal))

    def _end(self, ending: Ending) -> None:
        if ending is Ending.COMPLETE:
            self._client.finish()
        else:
            self._client.abort()
        self._done.callback(ending)
