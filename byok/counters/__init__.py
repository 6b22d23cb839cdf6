"""
Limits that several gateways share: the counts are in a Valkey or Redis server.

The rules are those of `byok.core.limits`, as one script each, so that all limits of a
request are one question. While the server is away each gateway counts by itself.
"""
