"""The whole line, set up and taken down: tap, gateway, provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.gateway import Gateway, own_key_config
from tests.support.http1 import Request
from tests.support.provider_process import ProviderProcess
from tests.support.wiretap import Wiretap


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A client talks to `tap`, and `provider` sees what comes out of `gateway`."""

    tap: Wiretap
    gateway: Gateway
    provider: ProviderProcess

    def pairs(self, path: str) -> list[tuple[Request, Request]]:
        """
        Each request for *path* as the client sent it and as it arrived.

        Matched by body, since requests sent at once may arrive in any order;
        fails where one has no counterpart.
        """
        sent = sorted(self.tap.requests_for(path), key=by_body)
        arrived = sorted(self.provider.requests_for(path), key=by_body)
        return list(zip(sent, arrived, strict=True))


def by_body(request: Request) -> bytes:
    return request.body


@contextmanager
def staged(directory: Path, **sections: object) -> Iterator[Stage]:
    """
    Run everything in *directory*, with one virtual key made.

    *sections* are laid over the configuration (`own_key_config`).
    At the end no planted secret may be in what the gateway printed or wrote.
    """
    with ProviderProcess() as provider:
        config = own_key_config(provider.url, **sections)
        with Gateway(directory, config) as gateway:
            gateway.make_key(key_alias="anna")
            with Wiretap(gateway.port) as tap:
                yield Stage(tap=tap, gateway=gateway, provider=provider)
