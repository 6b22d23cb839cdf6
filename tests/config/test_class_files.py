"""Documents of classes among the policy files, and the one that is shipped."""

import pytest
import yaml

from byok.config import class_files
from byok.config.class_files import check_shipped
from byok.config.findings import Findings
from byok.policy import classes
from byok.resources import CLASSES, policy_file, policy_files
from tests.config.files import SMALLEST, config_of, found, report_on, write
from tests.support import keys

HEAD = """\
apiVersion: byok/v1
kind: Classes
metadata: {name: corp}
"""
SHAPE = HEAD + "shapes:\n  - {prefix: corp_live_, class: credential.gateway}\n"
NAMES = HEAD + "names:\n  - {class: tracing, names: [x-corp-trace]}\n"


def naming(*files: str) -> str:
    return f"{SMALLEST}policy_files: [{', '.join(files)}]\n"


def test_what_documents_declare_is_what_requests_are_judged_by(tmp_path):
    write(tmp_path, SHAPE, "a.yaml")
    write(tmp_path, NAMES, "b.yaml")

    config = config_of(tmp_path, naming("a.yaml", "b.yaml"))

    table = config.gateway.plans.class_table
    assert table.find_declared(b"corp_live_12345678") == classes.GATEWAY
    assert table.class_of_name(b"x-corp-trace") == classes.TRACING
    assert str(table.shapes[0].where).endswith("a.yaml:5")
    assert str(table.names[0].where).endswith("b.yaml:5")
    # A changed document is another configuration.
    write(tmp_path, NAMES.replace("x-corp-trace", "x-corp"), "b.yaml")
    again = config_of(tmp_path, naming("a.yaml", "b.yaml"))
    assert again.digest != config.digest


def test_a_problem_is_told_with_file_line_and_remedy(tmp_path):
    write(tmp_path, NAMES.replace("x-corp-trace", "x-api-key"), "a.yaml")

    report = report_on(tmp_path, naming("a.yaml"))

    (finding,) = report.findings
    assert report.config is None
    assert str(finding).startswith(str(tmp_path / "a.yaml") + ":5:")
    assert "x-api-key is credential.provider.unknown, and that is built in" in str(
        finding
    )
    assert finding.remedy.startswith("what is built in stays")


def test_two_documents_may_not_contradict_each_other(tmp_path):
    write(tmp_path, SHAPE, "a.yaml")
    write(tmp_path, SHAPE.replace("gateway", "other"), "b.yaml")

    report = report_on(tmp_path, naming("a.yaml", "b.yaml"))

    (finding,) = report.findings
    assert finding.code == "E243"
    assert "b.yaml:5" in str(finding)
    assert "a.yaml:5" in finding.message


@pytest.mark.parametrize(
    ("cls", "codes"),
    [("credential.gateway", []), ("credential.other", ["E141:6"])],
)
def test_the_master_key_must_still_open_the_gateway(tmp_path, cls, codes):
    prefix = keys.MASTER_KEY[:14]
    text = SHAPE.replace("corp_live_", prefix).replace("credential.gateway", cls)
    write(tmp_path, text, "a.yaml")

    assert found(tmp_path, naming("a.yaml")) == codes


def test_without_a_master_key_there_is_none_to_lock_out(tmp_path):
    write(tmp_path, SHAPE, "a.yaml")
    text = naming("a.yaml").replace(
        "master_key: os.environ/MASTER_KEY",
        "dangerously_permit_weak_or_unset_master_key: true",
    )

    config = config_of(tmp_path, text + 'listen: "tcp:4000:interface=127.0.0.1"\n')

    assert config.master_key is None


# The shipped document


def test_the_shipped_document_says_what_is_built_in():
    findings = Findings()

    check_shipped(findings)

    assert findings.all() == ()


def test_the_shipped_document_is_no_policy():
    assert CLASSES not in [path.name for path in policy_files()]
    assert policy_file(CLASSES).is_file()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data["shapes"].pop(),
        lambda data: data["names"].pop(),
        lambda data: data["names"][0]["names"].append("x-more"),
        lambda data: data["shapes"][0].update({"class": "tracing"}),
        lambda data: data.pop("shapes"),
        lambda data: data.update(names="none"),
        lambda data: data["names"][0].update(names="none"),
    ],
)
def test_a_damaged_installation_is_not_used(tmp_path, monkeypatch, damage):
    data = yaml.safe_load(policy_file(CLASSES).read_text("utf-8"))
    damage(data)
    path = write(tmp_path, yaml.safe_dump(data), "classes.yaml")
    monkeypatch.setattr(class_files, "policy_file", lambda _: path)

    assert found(tmp_path, SMALLEST) == ["E244:1"]


@pytest.mark.parametrize("text", ["a: [", "- 1\n"])
def test_a_shipped_document_that_is_none_is_told(tmp_path, monkeypatch, text):
    path = write(tmp_path, text, "classes.yaml")
    monkeypatch.setattr(class_files, "policy_file", lambda _: path)

    report = report_on(tmp_path, SMALLEST)

    assert report.config is None
    assert {each.file for each in report.findings} == {"policies/classes.yaml"}
