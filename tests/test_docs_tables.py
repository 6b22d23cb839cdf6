"""The tables of the documentation are those of the code."""

import ast
import re
from pathlib import Path
from typing import cast

import yaml

from byok.config import examine
from byok.config.litellm import LITELLM_KEYS, Section, Verdict
from byok.core.limits.limit import Metric
from byok.core.metrics import FAMILIES, Kind
from byok.policy import classes, slot
from byok.policy.floor import FLOOR
from byok.policy.rules import Action
from byok.resources import policy_files, schema_file
from byok.tap import Options
from byok.web.access import AccessRecord
from byok.web.downstream import Downstream
from tests.support.gateway import Json
from tests.support.pages import Page
from tests.support.processes import ROOT
from tests.support.transcripts import run
from tests.test_docs import EVERYWHERE, Variables, merged


def page_at(name: str) -> Page:
    return Page(ROOT / name)


def first_words(page: Page, *heads: str) -> list[str]:
    """Return the code words in the first column of a table."""
    return [
        word for row in page.rows(*heads) for word in re.findall(r"`([^`]+)`", row[0])
    ]


# -- Error codes ------------------------------------------------------------------


def codes_in_the_code() -> set[str]:
    """
    Return every code that can stand in `x-byok-error`.

    They are written in one of three ways: as `code=`, as the first argument of a
    function that refuses, and in the credential slot, which returns them.
    """
    found: set[str] = set()
    refusing = {"_refuse", "_refusal", "_provider", "refuse"}
    for path in sorted((ROOT / "byok").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        prefix = "body." if path.match("core/body.py") else ""
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                given = [each.value for each in node.keywords if each.arg == "code"]
                if called in refusing and node.args:
                    given.append(node.args[0])
                found |= {
                    prefix + str(each.value)
                    for each in given
                    if isinstance(each, ast.Constant)
                }
            elif isinstance(node, ast.Constant) and path.name == "slot.py":
                found.add(str(node.value))
    shape = re.compile(
        r"internal|(?:admin|auth|body|credential|decisions|edge|egress|gateway|http|keys"
        r"|limit"
        r"|people|policy|provider|proxy|reload|route|spend|store|stream)\.[a-z0-9-]+"
    )
    # Those of rates are named after what is counted.
    found |= {f"limit.{each.value}" for each in Metric}
    # A setting, which is what a decision names where the setting decided.
    found.discard(slot.ORDER)
    return {code for code in found if shape.fullmatch(code)}


def test_troubleshooting_has_a_row_for_each_error_code_and_no_other() -> None:
    told = first_words(page_at("docs/troubleshooting.md"), "`x-byok-error`")

    assert sorted(told) == sorted(codes_in_the_code())


# -- The policy language ----------------------------------------------------------

POLICY = page_at("docs/policy.md")


def test_the_guide_has_each_class_each_rule_of_the_floor_and_each_action() -> None:
    floor = {rule.id for rule in FLOOR} | {"floor.single-credential", "floor.plaintext"}
    schema = yaml.safe_load(schema_file("policy-v1.schema.json").read_text("utf-8"))
    match = schema["$defs"]["match"]["properties"]
    actions = first_words(POLICY, "action")

    assert set(first_words(POLICY, "class")) == classes.CLASSES
    assert set(first_words(POLICY, "rule", "takes away")) == floor
    assert set(first_words(POLICY, "key", "asks for")) == set(match)
    words = {re.split(r"\W+", word.strip("{"))[0] for word in actions}
    assert words == {action.word for action in Action}


def test_the_guide_names_every_pack() -> None:
    shipped = {path.stem for path in policy_files()}

    assert set(first_words(POLICY, "pack")) == shipped


# -- LiteLLM ----------------------------------------------------------------------

LITELLM = page_at("docs/coming-from-litellm.md")
METRICS = page_at("docs/metrics.md")


def test_the_verdicts_told_are_those_given() -> None:
    rows = list(LITELLM.rows("setting", "section", "verdict"))
    sections = {section.value: section for section in Section}

    assert rows
    for setting, section, verdict, *_ in rows:
        known = LITELLM_KEYS[sections[section.strip("`")]][setting.strip("`")]
        assert (setting, known.verdict) == (setting, verdict)


def test_what_is_called_unsafe_is_judged_so() -> None:
    unsafe = {
        name
        for section in Section
        for name, known in LITELLM_KEYS[section].items()
        if known.verdict is Verdict.UNSAFE
    }
    told = {
        word.partition(":")[0]
        for row in LITELLM.rows("LiteLLM can", "setting")
        for word in re.findall(r"`([^`]+)`", row[1])
    }

    assert told == unsafe


def test_the_table_of_the_two_sections_is_what_happens(tmp_path: Path) -> None:
    rows = list(LITELLM.rows("`general_settings`", "`litellm_settings`", "byok"))
    values = {"true": True, "false": False}

    assert len(rows) == 8
    for general, litellm, forwarded, _, said in rows:
        words = {"general_settings": general, "litellm_settings": litellm}
        switches: Json = {
            section: {"forward_llm_provider_auth_headers": values[word]}
            for section, word in words.items()
            if word in values
        }
        config = merged(EVERYWHERE, switches)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))

        found = examine(tmp_path / "config.yaml", environ=Variables()).findings
        printed = run(
            "byok explain-request -c config.yaml -H 'x-byok-api-key: <gateway>'"
            " -H 'x-api-key: <anthropic.api_key>'",
            tmp_path,
            {"BYOK_MASTER_KEY": Variables()["x"]},
        )
        line = next(each for each in printed if " x-api-key " in each)
        fate = {"FORWARD": "forwarded", "STRIP": "stripped"}[line.split()[0]]

        assert fate == forwarded
        assert {each.code for each in found} == ({said} if said else set())


# -- The log ----------------------------------------------------------------------

OPERATIONS = page_at("docs/operations.md")


class Asked:
    """As much of a client as an access record looks at."""

    method = b"GET"
    received_bytes = 0
    peer = "192.0.2.1"


def test_every_field_of_the_access_event_is_told() -> None:
    record = AccessRecord(
        cast("Downstream", Asked()),
        route="/",
        request_id="req_1",
        user=None,
        at=0.0,
        now=0.0,
    )

    fields = set(record.fields(now=1.0)) - {"event"}

    assert set(first_words(OPERATIONS, "field", "means")) == fields


def test_every_metric_is_told_with_its_labels() -> None:
    told = {
        row[0].strip("`"): tuple(re.findall(r"`([^`]+)`", row[1]))
        for row in METRICS.rows("metric", "labels", "what")
    }

    assert told == {
        f"{each.name}{'_total' * (each.kind is Kind.COUNTER)}": each.labels
        for each in FAMILIES
    }


def test_every_event_is_told() -> None:
    named = {
        name
        for path in (ROOT / "byok").rglob("*.py")
        for name in re.findall(r"event\"?[=:] ?\"([a-z-]+)\"", path.read_text("utf-8"))
    }

    assert set(first_words(OPERATIONS, "`event`", "when")) == named


def test_every_header_of_ours_that_is_promised_is_in_the_code() -> None:
    ours = re.compile(r"x-byok(?:-[a-z]+)+")
    code = {
        name
        for path in (ROOT / "byok").rglob("*.py")
        for name in ours.findall(path.read_text("utf-8"))
    }
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    promised = {
        (path.name, name)
        for path in (*pages, *(ROOT / "schemas").glob("*.json"))
        for name in ours.findall(path.read_text("utf-8"))
    }

    assert promised
    assert {each for each in promised if each[1] not in code} == set()


def test_every_option_of_twistd_byok_is_told() -> None:
    options = {
        f"--{str(name).rstrip('=')}"
        for name in Options().longOpt
        if name not in {"help", "version"}
    }

    told = {word for word in first_words(OPERATIONS, "option") if word[:2] == "--"}

    assert options <= told
