"""Any sequence of requests on one connection, good and bad, cut anywhere."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from byok.wire.request import ServerRequest
from tests.wire.requests import Sent, cut, cuts, invalid, valid
from tests.wire.serving import Request, Server, converse
from tests.wire.sockets import TCPSocket


def expected(sent: Sent) -> Request:
    return Request(
        method=sent.method,
        target=sent.target,
        headers=sent.headers,
        body=sent.body or b"",
    )


@settings(max_examples=150)
@given(st.lists(st.one_of(valid(), valid(), invalid), max_size=6), cuts)
def test_requests_are_served_in_order_up_to_the_first_that_is_none(sequence, points):
    before = []
    for sent in sequence:
        if sent.body is None:
            break
        before.append(expected(sent))

    outcome = converse(cut(b"".join(each.raw for each in sequence), points))

    assert outcome.requests == tuple(before)
    answered = [200] * len(before)
    refused = len(before) < len(sequence)
    assert [each.status for each in outcome.replies][: len(before)] == answered
    assert len(outcome.replies) == len(before) + refused
    assert outcome.goes_on == (not refused)


class Connection(RuleBasedStateMachine):
    """
    One connection whose handler takes its time, beside a model of it.

    What was sent and not yet answered is in `unanswered`; the server may work on
    the first of them and on no other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: list[ServerRequest] = []
        self.server = Server(handler=self.held.append)
        self.socket = self.server.connect(TCPSocket())
        self.unanswered: list[Sent] = []
        self.answered = 0
        self.refused = False
        self.unsent = b""

    def goes_on(self) -> bool:
        return not self.socket.is_over and self.socket.is_reading

    @rule(sent=valid(), points=cuts)
    def send(self, sent: Sent, points: list[int]) -> None:
        """Put a valid request on the wire, as far as it is read."""
        if not self.refused:
            self.unanswered.append(sent)
        self.deliver(sent.raw, points)

    @rule(sent=invalid, points=cuts)
    def send_invalid(self, sent: Sent, points: list[int]) -> None:
        """Send what is no request: behind it nothing counts."""
        self.refused = True
        self.deliver(sent.raw, points)

    def deliver(self, raw: bytes, points: list[int]) -> None:
        self.unsent += raw
        if self.goes_on():
            raw, self.unsent = self.unsent, b""
            for piece in cut(raw, points):
                if not self.goes_on():
                    self.unsent += piece
                else:
                    self.socket.receive(piece)

    @precondition(lambda self: self.unanswered)
    @rule(pieces=st.lists(st.binary(max_size=40), max_size=3))
    def answer(self, pieces: list[bytes]) -> None:
        """Answer the request under way, with its own number in front."""
        request = self.held[self.answered]
        sent = self.unanswered.pop(0)
        assert (request.method, request.target) == (sent.method, sent.target)
        assert request.headers == sent.headers
        assert request._reader.value() == sent.body
        self.answered += 1
        body = b"".join(pieces)
        request.respond(200, ((b"content-length", b"%d" % len(body)),))
        for piece in pieces:
            request.write(piece)
        request.finish()
        self.socket.settle()
        self.deliver(b"", [])

    @rule(seconds=st.sampled_from([0.25, 5.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass while a request is at work: nothing may come of it."""
        if self.unanswered:
            self.server.pass_time(seconds, self.socket, step=seconds)

    @invariant()
    def one_request_is_under_way_at_most(self) -> None:
        # A body that turns out to be none belongs to a request that began.
        begun = len(self.held) - self.answered
        assert begun <= 1
        assert begun == 1 or not self.unanswered

    @invariant()
    def every_answer_is_on_the_wire(self) -> None:
        assert bytes(self.socket.taken).count(b"HTTP/1.1 200 ") == self.answered

    def teardown(self) -> None:
        self.socket.lose()
        assert self.server.serving.open_connections == 0


TestConnection = Connection.TestCase
TestConnection.settings = settings(max_examples=40, stateful_step_count=20)
