"""What a rule asks of a request: each dimension by itself, and the box they make."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy import classes
from byok.policy.classes import Classified, How
from byok.policy.match import Glob, HeaderMatch, HostGlob, Match, Tags
from tests.policy.rulesets import PLAIN

OAUTH = Classified(cls=classes.ANTHROPIC_OAUTH, how=How.SHAPE, own_slot=True)
PLAIN_KIND = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)

letters = st.text(alphabet="ab*", max_size=6)


@given(letters, letters, letters)
def test_a_star_stands_for_any_characters(head, middle, tail):
    head, tail = head.replace("*", ""), tail.replace("*", "")

    assert Glob(f"{head}*{tail}").matches(head + middle + tail)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("claude", "claude", True),
        ("claude", "claude-x", False),
        ("claude-*", "claude-", True),
        ("claude-*", "claude", False),
        ("*", "", True),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("*-5", "claude-5", True),
        ("*-5", "claude-55", False),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_a_glob_is_a_literal_or_holds_one_star(pattern, value, fits):
    assert Glob(pattern).matches(value) is fits


def test_an_exact_glob_takes_its_star_as_a_letter():
    assert Glob("claude-*", exact=True).matches("claude-*")
    assert not Glob("claude-*", exact=True).matches("claude-sonnet")


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("api.anthropic.com", "api.anthropic.com", True),
        ("api.anthropic.com", "xapi.anthropic.com", False),
        ("*.example.net", "relay.example.net", True),
        ("*.example.net", "a.b.example.net", True),
        ("*.example.net", "example.net", False),
        ("*.example.net", ".example.net", False),
        ("*.example.net", "evilexample.net", False),
        ("*.example.net", "example.net.evil", False),
    ],
)
def test_a_host_is_exact_or_below_a_suffix(pattern, host, fits):
    assert HostGlob(pattern).matches(host) is fits


@pytest.mark.parametrize(
    ("tags", "has", "fits"),
    [
        (Tags(), set(), True),
        (Tags(any=frozenset({"a", "b"})), {"b"}, True),
        (Tags(any=frozenset({"a", "b"})), {"c"}, False),
        (Tags(all=frozenset({"a", "b"})), {"a", "b", "c"}, True),
        (Tags(all=frozenset({"a", "b"})), {"a"}, False),
        (Tags(none=frozenset({"a"})), {"b"}, True),
        (Tags(none=frozenset({"a"})), {"a"}, False),
    ],
)
def test_tags_are_asked_for_any_all_or_none(tags, has, fits):
    assert tags.matches(frozenset(has)) is fits


@pytest.mark.parametrize(
    ("dimension", "good", "bad"),
    [
        ("route", "/v1/*", "/v2/*"),
        ("method", "POST", "GET"),
        ("model", "claude-*", "gpt-*"),
        ("model_group", "claude-*", "gpt-*"),
        ("deployment", "main", "relay"),
        ("provider", "anthropic", "openai"),
        ("team", "growth", "core"),
        ("user", "ann", "bob"),
        ("key", "dev-laptop", "ci"),
        ("auth", "x-litellm-api-key", "authorization"),
    ],
)
def test_every_dimension_has_to_hold_and_any_item_is_enough(dimension, good, bad):
    def asking(*patterns: str) -> Match:
        asked: dict[str, Any] = {dimension: tuple(map(Glob, patterns))}
        return Match(**asked)

    assert asking(good).admits(PLAIN)
    assert asking(bad, good).admits(PLAIN)
    assert not asking(bad).admits(PLAIN)


def test_a_key_is_known_by_its_alias_and_by_its_id():
    assert Match(key=(Glob("dev-laptop"),)).admits(PLAIN)
    assert Match(key=(Glob("key_1"),)).admits(PLAIN)
    assert not Match(key=(Glob("key_2"),)).admits(PLAIN)


def test_the_other_dimensions():
    assert Match(host=(HostGlob("*.anthropic.com"),)).admits(PLAIN)
    assert not Match(host=(HostGlob("api.openai.com"),)).admits(PLAIN)
    assert Match(stream=False).admits(PLAIN)
    assert not Match(stream=True).admits(PLAIN)
    assert Match(deployment_key=False).admits(PLAIN)
    assert not Match(deployment_key=True).admits(PLAIN)
    assert not Match(tags=Tags(any=frozenset({"x"}))).admits(PLAIN)
    assert Match().admits(PLAIN)


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("fd00::1", True),
        ("fe80::1%eth0", False),
        ("", False),
        ("somewhere", False),
    ],
)
def test_an_address_is_matched_by_range_in_either_family(address, fits):
    match = Match(client_ip=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))

    assert match.admits(replace(PLAIN, client_ip=address)) is fits


def test_a_header_is_asked_for_name_class_trust_and_slot():
    def holds(kind=OAUTH, context=PLAIN, **parts) -> bool:
        return HeaderMatch(**parts).matches("authorization", kind, context)

    elsewhere = replace(PLAIN, trusted=frozenset(), vouched=False)
    assert holds()
    assert holds(name=(Glob("auth*"),), cls=(Glob("credential.*"),), own=True)
    assert not holds(name=(Glob("x-*"),))
    assert not holds(cls=(Glob("cookie"),))
    assert not holds(own=False)
    assert holds(here=True)
    assert not holds(here=True, context=elsewhere)
    assert holds(here=False, context=elsewhere)
    # Trust is in the very class, and for other fields in the provider's own.
    assert not holds(here=True, context=replace(elsewhere, vouched=True))
    assert holds(kind=PLAIN_KIND, here=True, context=replace(elsewhere, vouched=True))
    assert HeaderMatch().is_empty
    assert not HeaderMatch(own=False).is_empty
    assert not HeaderMatch(here=False).is_empty


def test_a_box_that_asks_for_the_credential_waits_until_it_is_chosen():
    match = Match(credential=(Glob("client.*"),))

    assert not match.holds("x-a", PLAIN_KIND, PLAIN, None)
    assert match.holds("x-a", PLAIN_KIND, PLAIN, "client.oauth")
    assert not match.holds("x-a", PLAIN_KIND, PLAIN, "deployment")


def test_a_box_holds_as_a_whole():
    match = Match(team=(Glob("core"),), header=HeaderMatch(name=(Glob("x-a"),)))

    assert not match.holds("x-a", PLAIN_KIND, PLAIN, "none")
    assert match.holds("x-a", PLAIN_KIND, replace(PLAIN, team="core"), "none")
    assert not match.holds("x-b", PLAIN_KIND, replace(PLAIN, team="core"), "none")
