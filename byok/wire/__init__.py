"""
HTTP/1.1 over Twisted transports, both sides, on llhttp.

It knows nothing of the gateway and could be a library of its own: `ServerFactory`
gives each request to a handler once its head is complete, `Pool` lends connections
that carry one request after the other. Bytes stay bytes, headers stay pairs in
their order, and whatever two readers could take for two things is refused.
"""
