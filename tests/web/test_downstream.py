"""The client's side as twisted.web carries it; whole exchanges are in tests/e2e."""

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel

from byok.web.downstream import BoundedBody, Downstream, GatewaySite, WebDownstream


def taken(raw: bytes, *, limit: int = 1000) -> tuple[list[Downstream], StringTransport]:
    """Give *raw* to a site; return what its handler got, and what was written."""
    clients: list[Downstream] = []
    site = GatewaySite(clients.append, reactor=Clock(), max_body_bytes=limit)
    channel = site.buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(raw)
    channel.setTimeout(None)
    return clients, transport


def test_http_2_is_never_offered_whatever_is_installed():
    site = GatewaySite(lambda client: None, reactor=Clock())

    assert site.acceptableProtocols() == [b"http/1.1"]
    assert isinstance(site.buildProtocol(None), HTTPChannel)


def test_a_form_is_bytes_like_any_other_body():
    body = b"a=1&b=%zz"
    head = b"POST /x HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"

    (client,), _ = taken(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert client.body == body


def test_headers_are_lower_case_pairs_with_repeats_apart():
    (client,), _ = taken(
        b"GET / HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nX-A:  2\t\r\nx-b: 3\r\n\r\n"
    )

    assert client.headers == (
        (b"host", b"a"),
        (b"x-b", b"1"),
        (b"x-b", b"3"),
        (b"x-a", b"2"),
    )


def test_a_body_over_the_limit_is_dropped_and_said_so():
    head = b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n"

    (small,), _ = taken(head + b"x" * 11, limit=11)
    (large,), _ = taken(head + b"x" * 11, limit=10)

    assert (small.too_large, small.body) == (False, b"x" * 11)
    assert (large.too_large, large.body) == (True, b"")


def test_a_dropped_body_takes_no_memory_and_stays_dropped():
    body = BoundedBody(10)
    body.write(b"x" * 8)

    assert body.write(b"y" * 8) == 8
    assert body.write(b"z") == 1
    assert (body.too_large, body.getvalue()) == (True, b"")


def test_an_answer_is_what_was_given_and_nothing_beside_it():
    (client,), transport = taken(b"GET / HTTP/1.1\r\n\r\n")

    client.respond(529, ((b"x-a", b"1"), (b"content-length", b"2")))
    client.write(b"hi")
    client.finish()

    head, _, body = transport.value().partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[1:] == [b"X-A: 1", b"Content-Length: 2"]
    assert body == b"hi"


def test_after_the_client_is_gone_everything_is_quiet():
    (client,), transport = taken(b"GET / HTTP/1.1\r\n\r\n")
    gone: list[str] = []
    client.on_gone(lambda: gone.append("gone"))
    client.respond(200, ())
    assert isinstance(client, WebDownstream)

    client._lost(None)

    assert (gone, client.gone) == (["gone"], True)
    before = transport.value()
    client.write(b"more")
    client.unregister_producer()
    client.finish()
    client.abort()
    assert transport.value() == before
    assert gone == ["gone"]
