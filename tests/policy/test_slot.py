"""Which credential fills upstream's authentication, who pays, and who refuses."""

import pytest

from byok.policy import classes, floor
from byok.policy.slot import (
    CLIENT_API_KEY,
    CLIENT_OAUTH,
    DEPLOYMENT,
    NONE,
    ORDER,
    Candidate,
    CredentialDecision,
    CredentialPolicy,
    OnClientStripped,
    OnMissing,
    Removed,
    choose,
)

API_KEY = Candidate(index=0, name=b"x-api-key", cls=classes.ANTHROPIC_API_KEY)
OAUTH = Candidate(index=1, name=b"authorization", cls=classes.ANTHROPIC_OAUTH)
BEARER = Candidate(index=2, name=b"authorization", cls=classes.ANTHROPIC_API_KEY)
OPAQUE = Candidate(index=3, name=b"x-api-key", cls=classes.UNKNOWN_CREDENTIAL)
LOST = Removed(name=b"x-api-key", cls=classes.ANTHROPIC_API_KEY, rule="team.no-keys")

DENY = OnClientStripped.DENY


def decision(
    *candidates: Candidate,
    lost: tuple[Removed, ...] = (),
    deployment_key: bool = True,
    plaintext: bool = False,
    **policy,
) -> CredentialDecision:
    return choose(
        candidates,
        lost,
        CredentialPolicy(**policy),
        deployment_key=deployment_key,
        plaintext=plaintext,
    )


@pytest.mark.parametrize(
    ("candidates", "source", "payer"),
    [
        ((OAUTH,), CLIENT_OAUTH, "subscription"),
        ((API_KEY,), CLIENT_API_KEY, "user-key"),
        ((BEARER,), CLIENT_API_KEY, "user-key"),
        ((OPAQUE,), CLIENT_API_KEY, "user-key"),
        ((API_KEY, OAUTH), CLIENT_OAUTH, "subscription"),
        ((), DEPLOYMENT, "org"),
    ],
)
def test_the_clients_credential_is_preferred_and_says_who_pays(
    candidates, source, payer
):
    found = decision(*candidates)

    assert (found.source, found.payer, found.denied) == (source, payer, "")


def test_the_chosen_field_is_named():
    found = decision(API_KEY)

    assert (found.index, found.name, found.cls) == (
        0,
        "x-api-key",
        classes.ANTHROPIC_API_KEY,
    )
    assert [(each.candidate, each.because) for each in found.rejected] == [
        ("deployment", "client.api_key was chosen")
    ]


def test_of_the_same_key_in_two_headers_the_providers_own_is_taken():
    found = decision(BEARER, API_KEY)

    assert found.index == API_KEY.index
    assert [(each.candidate, each.because) for each in found.rejected] == [
        ("header:authorization", "client.api_key was chosen"),
        ("deployment", "client.api_key was chosen"),
    ]


@pytest.mark.parametrize("name", [b"x-api-key", b"api-key", b"x-goog-api-key"])
def test_so_it_is_with_every_providers_own_header(name):
    own = Candidate(index=7, name=name, cls=classes.GOOGLE_API_KEY)

    assert decision(BEARER, own).index == 7
    assert decision(own, BEARER).index == 7


def test_of_two_in_headers_alike_the_first_is_taken():
    assert decision(OPAQUE, API_KEY).index == OPAQUE.index


def test_the_order_is_the_operators():
    assert decision(OAUTH, order=(DEPLOYMENT, CLIENT_OAUTH)).source == DEPLOYMENT
    assert decision(OAUTH, API_KEY, order=(CLIENT_API_KEY,)).index == API_KEY.index
    only = decision(OAUTH, order=(CLIENT_API_KEY,))
    assert (only.source, only.denied) == (NONE, "credential.not-forwarded")
    assert only.rejected[0].because == "client.oauth is not in the order"


def test_a_removed_credential_falls_back_to_the_deployments():
    found = decision(lost=(LOST,))

    assert (found.source, found.payer, found.denied) == (DEPLOYMENT, "org", "")
    assert [(each.candidate, each.because) for each in found.rejected] == [
        ("header:x-api-key", "team.no-keys removed it")
    ]


def test_without_a_deployment_key_a_removed_credential_is_what_is_missed():
    found = decision(lost=(LOST,), deployment_key=False)

    assert (found.source, found.denied) == (NONE, "credential.not-forwarded")
    assert found.removed == (LOST,)


def test_nothing_at_all_is_missed_unless_anonymous_is_allowed():
    missing = decision(deployment_key=False)
    anonymous = decision(deployment_key=False, on_missing=OnMissing.ANONYMOUS)

    assert missing.denied == "credential.missing"
    assert missing.rejected == ()
    assert decision(deployment_key=False, on_client_stripped=DENY).denied == (
        "credential.missing"
    )
    assert (anonymous.source, anonymous.payer, anonymous.denied) == (NONE, "org", "")
    assert anonymous.index == -1
    removed = decision(
        lost=(LOST,), deployment_key=False, on_missing=OnMissing.ANONYMOUS
    )
    assert removed.denied == ""


def test_where_a_removed_credential_denies_nobody_elses_is_spent():
    found = decision(lost=(LOST,), on_client_stripped=DENY)

    assert (found.source, found.denied) == (NONE, "credential.client-stripped")
    anonymous = decision(
        lost=(LOST,), on_client_stripped=DENY, on_missing=OnMissing.ANONYMOUS
    )
    assert anonymous.denied == "credential.client-stripped"


def test_a_client_that_brought_none_uses_the_deployments_key_even_so():
    assert decision(on_client_stripped=DENY).source == DEPLOYMENT


def test_a_second_credential_that_survived_is_used_instead():
    found = decision(OAUTH, lost=(LOST,), on_client_stripped=DENY)

    assert (found.source, found.denied) == (CLIENT_OAUTH, "")
    shared_first = decision(
        OAUTH,
        lost=(LOST,),
        on_client_stripped=DENY,
        order=(DEPLOYMENT, CLIENT_OAUTH),
    )
    assert shared_first.source == CLIENT_OAUTH


def test_without_a_deployment_key_none_is_rejected():
    assert decision(OAUTH, deployment_key=False).rejected == ()


def test_a_survivor_that_the_order_does_not_take_is_no_leave_to_spend_the_shared_key():
    found = decision(
        OAUTH,
        lost=(LOST,),
        on_client_stripped=DENY,
        order=(CLIENT_API_KEY, DEPLOYMENT),
    )

    assert (found.source, found.denied) == (NONE, "credential.client-stripped")


@pytest.mark.parametrize("candidates", [(), (API_KEY,), (OAUTH,)])
def test_nothing_fills_the_slot_of_a_destination_in_the_clear(candidates):
    assert decision(*candidates, plaintext=True).denied == floor.PLAINTEXT


def test_nobodys_credential_may_go_in_the_clear():
    found = decision(
        deployment_key=False, plaintext=True, on_missing=OnMissing.ANONYMOUS
    )

    assert (found.source, found.denied) == (NONE, "")


def test_a_credential_that_the_order_leaves_out_was_taken_away():
    order = (CLIENT_API_KEY, DEPLOYMENT)

    refused = decision(OAUTH, order=order, on_client_stripped=DENY)
    instead = decision(OAUTH, order=order)
    alone = decision(OAUTH, order=(CLIENT_API_KEY,))

    assert (refused.source, refused.denied) == (NONE, "credential.client-stripped")
    assert (instead.source, instead.denied) == (DEPLOYMENT, "")
    assert alone.denied == "credential.not-forwarded"
    for found in (refused, instead, alone):
        assert found.removed[0].rule == ORDER
        assert found.rejected[0].because == "client.oauth is not in the order"


def test_whoever_prefers_the_shared_key_has_taken_nothing_away():
    order = (DEPLOYMENT, CLIENT_API_KEY)

    assert decision(API_KEY, order=order, on_client_stripped=DENY).source == DEPLOYMENT


@pytest.mark.parametrize("order", [(DEPLOYMENT, CLIENT_API_KEY), (DEPLOYMENT,)])
def test_no_order_spends_the_shared_key_where_a_client_was_stripped(order):
    found = decision(lost=(LOST,), order=order, on_client_stripped=DENY)

    assert (found.source, found.denied) == (NONE, "credential.client-stripped")
