"""What a configuration allows both sides: its defaults, and figures that hurt."""

import resource
from dataclasses import fields

import pytest

from byok.assembly import client_limits, server_limits
from byok.config.findings import Findings
from byok.config.limits import Limits, _check_files, files_for, most_files
from byok.config.marks import Mark
from byok.config.nodes import Entry, Leaf, Table
from byok.config.schema import config_schema
from byok.wire.limits import ClientLimits, ServerLimits
from tests.config.files import SMALLEST, config_of, found, report_on


def with_limits(**limits):
    lines = "".join(f"  {name}: {value}\n" for name, value in limits.items())
    return f"{SMALLEST}limits:\n{lines}"


def test_the_defaults_are_those_of_the_wire():
    assert server_limits(Limits()) == ServerLimits()
    assert client_limits(Limits()) == ClientLimits()


def test_the_schema_tells_each_limit_and_its_default():
    told = config_schema()["$defs"]["limits"]["properties"]

    assert {name: each["default"] for name, each in told.items()} == {
        each.name: getattr(Limits(), each.name) for each in fields(Limits)
    }


def test_each_limit_reaches_the_wire(tmp_path):
    names = [each.name for each in fields(Limits) if each.name != "drain_s"]
    said = {name: 9_000 + at for at, name in enumerate(names)}

    limits = config_of(tmp_path, with_limits(**said)).limits

    reached = {
        getattr(part, each.name)
        for part in (server_limits(limits), client_limits(limits))
        for each in fields(part)
    }
    assert {*said.values()} <= reached
    assert {name: value for name, value, _ in limits.unusual()} == said


def test_a_limit_may_be_left_out_or_empty(tmp_path):
    text = with_limits(head_s="", connections=99)

    limits = config_of(tmp_path, text).limits

    assert limits == Limits(connections=99)
    assert list(limits.unusual()) == [("connections", 99, 10_000)]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("head_s", "'10'", "E101"),
        ("head_s", "-1", "E117"),
        ("head_s", "true", "E101"),
        ("head_s", ".inf", "E117"),
        ("head_s", ".nan", "E117"),
        ("connections", "0", "E117"),
        ("connections", "10.5", "E101"),
        ("connections", "10000000", "E117"),
        ("header_s", "10", "E102"),
    ],
)
def test_what_a_limit_cannot_be_is_told_with_its_line(tmp_path, name, value, code):
    assert found(tmp_path, with_limits(**{name: value})) == [f"{code}:8"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("head_s", "0"),
        ("idle_s", "1"),
        ("body_grace_s", "0"),
        ("body_bytes_per_s", "1000000"),
        ("stall_s", "1"),
        ("linger_s", "0"),
        ("connections_per_ip", "1"),
        ("head_bytes", "1024"),
        ("target_bytes", "100"),
        ("header_fields", "20"),
        ("header_value_bytes", "256"),
        ("body_bytes", "1048576"),
        ("body_bytes", "1000000000"),
        ("first_byte_s", "30"),
        ("stream_idle_s", "300"),
        ("drain_s", "300"),
    ],
)
def test_a_figure_that_hurts_is_taken_and_said_to_hurt(tmp_path, name, value):
    report = report_on(tmp_path, with_limits(**{name: value}))

    (finding,) = report.findings
    assert (finding.code, finding.line, finding.path) == ("W122", 8, f"limits.{name}")
    assert f"is {value}" in finding.message
    assert ("0 does not switch it off" in finding.message) is (value == "0")
    assert finding.remedy.startswith("The default is ")
    assert report.config is not None
    assert getattr(report.config.limits, name) == int(value)


def test_the_defaults_hurt_nobody(tmp_path):
    defaults = {each.name: getattr(Limits(), each.name) for each in fields(Limits)}
    defaults["connections"] = 100

    assert found(tmp_path, with_limits(**defaults)) == []


def test_connections_beyond_what_may_be_open_are_told():
    findings = Findings()
    mark = Mark("config.yaml", 8, 16)
    section = Table(mark, {"connections": Entry(mark, Leaf(mark, 600))})

    _check_files(600, 1264, section, findings)
    assert findings.all() == ()
    _check_files(600, 1263, section, findings)

    (finding,) = findings.all()
    assert (finding.code, finding.line) == ("W123", 8)
    assert "takes 1264 open files, and a process may open 1263" in finding.message
    assert "LimitNOFILE" in finding.remedy


def test_connections_are_compared_with_what_this_process_may_open(tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_bounded = hard != resource.RLIM_INFINITY and hard < files_for(1_000_000)

    codes = found(tmp_path, with_limits(connections=1_000_000))

    assert codes == (["W123:8"] if is_bounded else [])
    assert most_files() == (hard if hard != resource.RLIM_INFINITY else float("inf"))
