"""Specimens: every field that a client can send has one of its kind."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from byok.core.edge import check_edge
from byok.core.specimens import (
    GATEWAY_KEY,
    NoSpecimenError,
    same_cell,
    specimens,
)
from byok.policy import classes, names
from byok.policy.classes import classify
from byok.policy.declared import ClassTable, DeclaredName, DeclaredShape
from byok.policy.match import Glob
from byok.policy.passing import PREFIX
from tests.policy.hostile import HEADER_NAMES, shaped

PATTERNS = (
    "*",
    "x-*",
    "*-key",
    "*_*",
    "x_*",
    "*-token",
    "x-amz-*",
    "anthropic-*",
    "anthropic-beta",
    "authorization",
    "x-pass-*",
    "x-pass-x-*",
    "x-a*b",
    "auth*ion",
    "b3",
    "proxy-*",
    "cookie",
    "x-custom",
    "*t",
)
OWN_NAMES = (b"x-company-key", b"anthropic-own", b"te", b"x-pass-own", b"user-agent")
letters = st.text(alphabet="abxy-_1", max_size=5).map(str.encode)
known_parts = sorted(
    {
        *names.GATEWAY_CONTROL_PREFIXES,
        *names.PROTOCOL_PREFIXES,
        *names.OTHER_CREDENTIAL_PREFIXES,
        *names.CLIENT_NETWORK_PREFIXES,
        *names.CLIENT_IDENTITY_PREFIXES,
        *names.TRACING_PREFIXES,
        *names.SDK_TELEMETRY_PREFIXES,
        *names.OTHER_CREDENTIAL_SUFFIXES,
        b"x-",
        b"",
    }
)
parts = st.sampled_from(known_parts)
made_up_names = st.builds(
    lambda *some: b"".join(some), st.sampled_from([b"", PREFIX]), parts, letters, parts
).filter(bool)
header_names = st.one_of(
    st.sampled_from(HEADER_NAMES), made_up_names, st.sampled_from(OWN_NAMES)
)
schemes = st.sampled_from([b"", b"Bearer ", b"bearer  ", b"see ", b"Bearer see ", b"="])
tokens = st.one_of(
    shaped().map(lambda found: found[0]),
    st.sampled_from([GATEWAY_KEY.encode(), b"opaque", b"a b", "\u00fc".encode(), b""]),
)
values = st.builds(bytes.__add__, schemes, tokens).map(bytes.strip)


@settings(max_examples=400)
@example([], set(), b"x-pass-x-pass-anthropic-", b"opaque")
@given(
    st.lists(st.sampled_from(PATTERNS), max_size=3, unique=True),
    st.sets(st.sampled_from(OWN_NAMES), max_size=1),
    header_names,
    values,
)
def test_every_field_that_can_be_sent_has_a_specimen_of_its_cell(
    patterns, own_names, name, value
):
    # What is refused at the edge is no field that policy ever sees.
    assume(check_edge(((name, value),), b"") is None)
    globs = tuple(map(Glob, patterns))
    gateway_names = names.GATEWAY_CREDENTIALS | own_names
    kind = classify(
        name,
        value,
        gateway_names=gateway_names,
        gateway_secrets=(GATEWAY_KEY.encode(),),
    )
    cell = same_cell(globs, gateway_names)
    found = specimens(
        globs,
        gateway_names=gateway_names,
        wanted=lambda _: True,
        passing=name.startswith(PREFIX),
    )

    assert cell(name, kind) in {cell(each.name, each.kind) for each in found}


DECLARED = ClassTable(
    [
        DeclaredName(name=Glob("x-corp-ticket"), cls=classes.OTHER_CREDENTIAL),
        DeclaredName(name=Glob("x-corp-*"), cls=classes.TRACING),
        DeclaredName(name=Glob("*-corp-key"), cls=classes.GATEWAY),
    ],
    [
        DeclaredShape(prefix="corp_other_", cls=classes.OTHER_CREDENTIAL),
        DeclaredShape(prefix="corp_azure_", cls=classes.AZURE_API_KEY),
        DeclaredShape(prefix="corp_anth_", cls=classes.ANTHROPIC_API_KEY, length=40),
    ],
)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True),
    st.sampled_from(
        [b"x-corp-ticket", b"x-corp-id", b"my-corp-key", b"x-api-key", b"api-key"]
    )
    | header_names,
    st.sampled_from([b"corp_other_", b"corp_azure_", b"corp_anth_", b"x"]),
    schemes,
)
def test_what_is_declared_has_a_specimen_of_its_cell_too(patterns, name, begin, scheme):
    value = scheme + begin + b"f" * 40
    assume(check_edge(((name, value),), b"") is None)
    globs = tuple(map(Glob, patterns))
    own = names.GATEWAY_CREDENTIALS
    kind = DECLARED.classify(
        name, value, gateway_names=own, gateway_secrets=(GATEWAY_KEY.encode(),)
    )
    cell = same_cell(globs, own, DECLARED)
    found = specimens(
        globs,
        gateway_names=own,
        wanted=lambda _: True,
        passing=name.startswith(PREFIX),
        class_table=DECLARED,
    )

    assert cell(name, kind) in {cell(each.name, each.kind) for each in found}


def test_every_class_that_a_field_can_have_has_a_specimen():
    found = specimens(
        (), gateway_names=names.GATEWAY_CREDENTIALS, wanted=lambda _: True
    )

    assert {each.kind.cls for each in found} == classes.CLASSES


def test_what_a_class_may_be_in_its_slot_or_out_of_it_has_a_specimen():
    found = specimens(
        (), gateway_names=names.GATEWAY_CREDENTIALS, wanted=lambda _: True
    )
    in_slot = {each.kind.cls for each in found if each.kind.own_slot}

    assert in_slot == set(classes.OWN_SLOTS)
    assert in_slot <= {each.kind.cls for each in found if not each.kind.own_slot}


def test_a_wanted_class_of_which_nothing_can_be_made_up_is_said_and_not_skipped(
    monkeypatch,
):
    monkeypatch.setattr(classes, "CLASSES", classes.CLASSES | {"credential.new"})

    with pytest.raises(NoSpecimenError, match=r"of the class credential\.new"):
        specimens((), gateway_names=(), wanted=lambda cls: cls.startswith("credential"))

    found = specimens((), gateway_names=(), wanted=lambda cls: cls == classes.COOKIE)
    assert {each.kind.cls for each in found} == {classes.COOKIE}
