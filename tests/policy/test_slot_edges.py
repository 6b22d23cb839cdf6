"""The words of the credential slot, and what stands there when nothing does."""

from byok.policy.slot import (
    DEPLOYMENT,
    NONE,
    CredentialDecision,
    CredentialPolicy,
    OnClientStripped,
    OnMissing,
    choose,
)


def test_settings_have_the_words_that_configurations_use():
    assert {each.value for each in OnClientStripped} == {"fallback", "deny"}
    assert {each.value for each in OnMissing} == {"deny", "anonymous"}


def test_a_slot_that_nothing_fills_is_empty_in_every_part():
    empty = CredentialDecision(source=NONE)
    found = choose(
        (),
        (),
        CredentialPolicy(on_missing=OnMissing.ANONYMOUS),
        deployment_key=False,
        plaintext=False,
    )

    assert found == empty
    assert (empty.cls, empty.name, empty.index, empty.denied) == ("", "", -1, "")


def test_the_deployments_credential_has_no_field_of_the_clients():
    found = choose((), (), CredentialPolicy(), deployment_key=True, plaintext=False)

    assert found == CredentialDecision(source=DEPLOYMENT)


def test_a_deployment_key_outside_of_the_order_was_not_beaten_by_none():
    found = choose(
        (),
        (),
        CredentialPolicy(order=("client.oauth",)),
        deployment_key=True,
        plaintext=False,
    )

    assert (found.source, found.rejected) == (NONE, ())
