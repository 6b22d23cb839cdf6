import dataclasses

import pytest

from byok.core import errors
from byok.core.errors import ByokError, ProviderFault, Refusal


def test_a_refusal_is_a_value():
    def made():
        return Refusal(
            status=401,
            kind="authentication_error",
            code="auth.missing-key",
            message="no gateway key in this request",
        )

    assert made() == made()
    assert (made().rule, made().headers) == (None, ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made(), "status", 200)  # noqa: B010


@pytest.mark.parametrize(
    "fault",
    [
        errors.ProviderUnreachable,
        errors.ProviderOutOfReach,
        errors.ProxyRefused,
        errors.ProxyFailed,
        errors.ProviderTimedOut,
        errors.ProviderBroken,
        errors.ClientGone,
        errors.StoreUnavailable,
        errors.EgressViolation,
    ],
)
def test_every_fault_is_ours_and_its_docstring_is_a_sentence(fault):
    assert issubclass(fault, ByokError)
    assert not issubclass(fault, ValueError)
    assert fault.__doc__.endswith(".")
    assert issubclass(fault, ProviderFault) == fault.__name__.startswith(
        ("Provider", "Proxy")
    )
