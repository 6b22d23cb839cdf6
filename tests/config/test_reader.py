"""YAML into places, and every way in which it is not YAML we take."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.nodes import key_mark_of, mark_of, marks, plain
from byok.config.reader import MAX_BYTES, read_tree


def read(text):
    findings = Findings()
    data = text if isinstance(text, bytes) else text.encode()
    tree = read_tree(data, "c.yaml", findings)
    return tree, findings.all()


def codes(text):
    return [f"{each.code}:{each.line}:{each.col}" for each in read(text)[1]]


def test_every_key_and_value_knows_its_line_and_column():
    tree, findings = read("a:\n  - b: 1\n    c: [x, y]\n")

    assert findings == ()
    assert mark_of(tree, ("a", 0, "c", 1)) == Mark("c.yaml", 3, 12)
    assert key_mark_of(tree, ("a", 0, "c")) == Mark("c.yaml", 3, 5)


def test_a_missing_place_is_the_nearest_one_above():
    tree, _ = read("a:\n  b: 1\n")

    assert mark_of(tree, ("a", "nothing", "there")) == Mark("c.yaml", 2, 3)
    assert key_mark_of(tree, ("a", "nothing")) == Mark("c.yaml", 1, 1)
    assert key_mark_of(tree, ("a", 7)) == Mark("c.yaml", 1, 1)
    assert key_mark_of(tree, ()) == Mark("c.yaml", 1, 1)


def test_all_places_are_listed_by_path():
    tree, _ = read("a: [x]\n")

    assert marks(tree) == {
        (): Mark("c.yaml", 1, 1),
        ("a",): Mark("c.yaml", 1, 1),
        ("a", 0): Mark("c.yaml", 1, 5),
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 'x\nb: 1", "E121:1:4"),
        ("a: b: c", "E121:1:5"),
        ("a:\n\tb: 1", "E121:2:1"),
        ("a: [1, 2", "E121:1:9"),
        ("a: *x", "E121:1:4"),
        ('a: "\\q"', "E121:1:6"),
        ("- a\nb: 1", "E121:2:1"),
        ("a: @x", "E121:1:4"),
        ("a: &b 1\nc: &b 2", "E121:2:4"),
        ("a: 1\na: 2", "E122:2:1"),
        ("a: {b: 1, b: 2}", "E122:1:11"),
        ("a: &a [*a]", "E123:1:4"),
        ("? [a]\n: b", "E126:1:3"),
        ("on: 1", "E126:1:1"),
        ("1: 1", "E126:1:1"),
        ("a: !!python/object:os.system x", "E127:1:4"),
        ("a: !thing [x]", "E127:1:4"),
        ("a: 1\n---\nb: 2", "E127:2:1"),
        ("a: {<<: 1}", "E127:1:9"),
        ("a: !!int x", "E101:1:4"),
        ("a: !!bool perhaps", "E101:1:4"),
        ("- a", "E101:1:1"),
        ("just text", "E101:1:1"),
        (b"a: 1\nbcd: \xff", "E128:2:6"),
        ("a: 1\nb: x\x01y", "E128:2:5"),
        ("a: 1\nb: x\x80y", "E128:2:5"),
        ('a: 1\nb: "\\ud800"', "E128:2:4"),
        ('"\\udfffx": 1', "E128:1:1"),
        (b"a: " + b"x" * MAX_BYTES, "E124:0:0"),
        ("a: " + "[" * 50, "E125:1:43"),
    ],
)
def test_what_is_not_a_configuration_is_told_with_its_place(text, code):
    assert codes(text) == [code]


def test_a_key_written_twice_names_both_lines():
    _, (finding,) = read("x: 0\na: 1\nb: 2\na: 3\n")

    assert "line 2 and here" in finding.message
    assert finding.line == 4


def test_aliases_are_limited_in_number():
    text = "a: &a x\nb: [" + ", ".join(["*a"] * 65) + "]"

    assert [each[:4] for each in codes(text)] == ["E123"]
    assert codes("a: &a x\nb: [" + ", ".join(["*a"] * 64) + "]") == []


def test_aliases_of_aliases_do_not_fill_the_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 8)]

    assert [each[:4] for each in codes("\n".join(lines))] == ["E123"]


def test_aliases_do_not_nest_past_the_depth():
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]

    assert [each[:4] for each in codes("\n".join(lines))] == ["E125"]


def test_a_mapping_is_merged_under_the_keys_beside_it():
    tree, findings = read("d: &d {x: 1, y: 2}\ne:\n  <<: [*d, {x: 7, z: 3}]\n  y: 4\n")

    assert findings == ()
    assert plain(tree.entries["e"].node) == {"x": 1, "y": 4, "z": 3}


def test_dates_stay_the_text_they_are_written_as():
    tree, _ = read("a: 2026-11-24\nb: ~\nc: 1.5\nd: 0x10\ne: no\nf: '1'\n")

    assert plain(tree) == {
        "a": "2026-11-24",
        "b": None,
        "c": 1.5,
        "d": 16,
        "e": False,
        "f": "1",
    }


def test_an_empty_file_is_an_empty_configuration():
    for text in ("", "\n", "# nothing\n", "\ufeff"):
        tree, findings = read(text)
        assert (plain(tree), findings) == ({}, ())


def test_no_node_shows_its_value():
    tree, _ = read("a: CANARY\nb: [CANARY]\nc: {d: CANARY}\n")

    assert "CANARY" not in repr(tree)
    assert "CANARY" not in repr(tree.entries["a"].node)


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(categories=["L"])),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.text("abcdef", min_size=1), below, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1), plain_values, max_size=5))
def test_what_is_dumped_is_read_back(value):
    tree, findings = read(yaml.safe_dump(value, allow_unicode=True))

    assert findings == ()
    assert plain(tree) == value


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_told_about(text):
    tree, findings = read(text.encode("utf-8", "surrogatepass"))

    assert tree is not None or findings


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_told_about(data):
    tree, findings = read(data)

    assert tree is not None or findings
