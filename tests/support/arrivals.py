"""What a request looks like when it arrives at the provider as it should."""

from tests.support import keys
from tests.support.http1 import Request

CREDENTIAL_NAMES = (
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"x-goog-api-key",
    b"proxy-authorization",
    b"cookie",
)
OPEN_FAMILIES = (
    b"anthropic-",
    b"x-claude-code-",
    b"x-stainless-",
    b"user-agent",
    b"x-app",
)


def credentials(request: Request) -> list[tuple[bytes, bytes]]:
    """Every credential header of *request*, names in lower case."""
    lines = ((name.lower(), value) for name, value in request.lines)
    return [(name, value) for name, value in lines if name in CREDENTIAL_NAMES]


def client_lines(request: Request) -> list[tuple[bytes, bytes]]:
    """The headers that belong to client and API, and that no gateway may change."""
    lines = ((name.lower(), value) for name, value in request.lines)
    return sorted(line for line in lines if line[0].startswith(OPEN_FAMILIES))


def assert_relayed(
    sent: Request, arrived: Request, *, name: bytes, credential: str
) -> None:
    """
    Assert that *arrived* is *sent*, less what is the gateway's.

    One credential, in its header, and the gateway's keys nowhere; target, body
    and the client's own headers as they were.
    """
    assert credentials(arrived) == [(name, credential.encode())]
    for secret in (keys.VIRTUAL_KEY, keys.MASTER_KEY):
        assert secret.encode() not in arrived.raw
    assert b"litellm" not in b" ".join(arrived.names())
    assert b"byok" not in b" ".join(arrived.names())
    assert (arrived.method, arrived.target) == (sent.method, sent.target)
    assert arrived.body_sha256 == sent.body_sha256
    assert client_lines(arrived) == client_lines(sent)
