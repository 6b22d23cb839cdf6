"""The environment, for commands that have to know of secrets and not know them."""

import os
from collections.abc import Iterator, Mapping

from byok.core.secret import Secret


class SupposedEnvironment(Mapping[str, str]):
    """
    The environment, with a stand-in for each variable that is not set.

    A dry run needs to know that there is a key and never the key itself, and who
    makes a virtual key need not hold the provider's: such commands work where the
    secrets are not, on a laptop, in a review, in CI.
    """

    def __init__(self) -> None:
        self.supposed: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = os.environ.get(name)
        if value:
            return value
        return self.supposed.setdefault(name, f"supposed-{name.lower()}-{'x' * 32}")

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def variable_behind(self, secret: Secret) -> str | None:
        """Return the variable that *secret* stands in for, or None if it is real."""
        for name, value in self.supposed.items():
            if secret == Secret(value):
                return name
        return None
