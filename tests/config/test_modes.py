"""A document put in force: one word at a time, and not a byte beside it."""

import pytest

from byok.config.modes import ModesError, enforced

DOCUMENT = """\
# What is to come.
apiVersion:   byok/v1
kind: Policy
metadata: {name: next}   # ours
mode:  shadow   # until the first of the month
rules:

  - id: one
    action: strip
  - {id: two, mode: "shadow", why: 'in shadow: shadow', action: strip}
  - id: three
    mode: 'shadow'
    action: strip
  - id: four
    mode: enforce
    action: strip
"""


def test_every_mode_is_put_in_force_and_nothing_else_is_touched():
    out = enforced(DOCUMENT.encode(), "next.yaml").decode()

    assert out == (
        DOCUMENT.replace("mode:  shadow ", "mode:  enforce ")
        .replace('mode: "shadow"', 'mode: "enforce"')
        .replace("mode: 'shadow'", "mode: 'enforce'")
    )
    assert enforced(out.encode(), "next.yaml") == out.encode()


def test_two_modes_in_one_line_are_both_put_in_force():
    text = "{mode: shadow, rules: [{id: a, mode: shadow}, {id: b, mode: shadow}]}\n"

    assert enforced(text.encode(), "x").decode() == text.replace("shadow", "enforce")


@pytest.mark.parametrize(
    "data",
    [
        DOCUMENT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + DOCUMENT.encode(),
        b"\xef\xbb\xbfmode: shadow\n",
        "why: „Schatten“\nmode: shadow".encode(),
        "{why: „Schatten“ \U0001f512, mode: shadow}".encode(),
    ],
)
def test_line_ends_marks_and_letters_stay(data):
    out = enforced(data, "x")

    expected = data
    for quote in (b"", b'"', b"'"):
        for space in (b" ", b"  "):
            before = b"mode:" + space + quote + b"shadow"
            expected = expected.replace(before, before.replace(b"shadow", b"enforce"))
    assert out == expected != data


@pytest.mark.parametrize(
    "text",
    [
        "x-mode: &m shadow\nmode: *m\n",
        "mode: !!str shadow\n",
        "mode: &m shadow\nrules: [{id: a, mode: *m}]\n",
        "mode: >-\n  shadow\n",
    ],
)
def test_a_mode_that_is_no_plain_word_is_left_to_people(text):
    with pytest.raises(ModesError, match="by hand"):
        enforced(text.encode(), "next.yaml")


def test_a_file_that_is_no_document_any_more_is_refused():
    with pytest.raises(ModesError, match=r"next\.yaml"):
        enforced(b"mode: [", "next.yaml")


def test_rules_of_the_wrong_type_are_left_alone():
    assert enforced(b"mode: shadow\nrules: [a, 1]\n", "x") == (
        b"mode: enforce\nrules: [a, 1]\n"
    )
    assert enforced(b"mode: shadow\nrules: {}\n", "x") == b"mode: enforce\nrules: {}\n"
