"""Several files into one tree, and names that lead nowhere good."""

import os

import pytest

from byok.config import examine
from byok.config.sources import changed
from tests.config.files import ENVIRON, MASTER, MODELS, found, write


def examined(directory, text):
    return examine(write(directory, text), environ=ENVIRON)


def test_lists_append_and_mappings_merge(tmp_path):
    write(tmp_path, MODELS.replace("claude-*", "gpt-*"), "models.yaml")
    write(tmp_path, "general_settings: {expose_decision_headers: true}", "more.yaml")

    config = examined(
        tmp_path, "include: [models.yaml, more.yaml]\n" + MODELS + MASTER
    ).config

    assert [each.model_group for each in config.deployments] == ["claude-*", "gpt-*"]
    assert config.general.expose_decision_headers
    assert config.master_key is not None


def test_a_value_set_in_two_files_is_an_error_that_names_both(tmp_path):
    write(tmp_path, "# one\nstore: sqlite:///other.db\n", "more.yaml")

    (finding,) = examined(
        tmp_path,
        "include: [more.yaml]\nstore: sqlite:///byok.db\n" + MODELS + MASTER,
    ).findings

    assert finding.code == "E116"
    assert (finding.file, finding.line) == (str(tmp_path / "more.yaml"), 2)
    assert f"{tmp_path / 'config.yaml'}:2" in finding.message


def test_an_empty_section_takes_what_another_file_says(tmp_path):
    write(tmp_path, MASTER, "more.yaml")

    report = examined(tmp_path, "include: [more.yaml]\ngeneral_settings:\n" + MODELS)

    assert report.findings == ()


def test_findings_in_an_included_file_name_that_file(tmp_path):
    write(tmp_path, "\nlitellm_settings:\n  jsn_logs: true\n", "deep/more.yaml")

    (finding,) = examined(
        tmp_path, "include: [deep/more.yaml]\n" + MODELS + MASTER
    ).findings

    assert str(finding).startswith(f"{tmp_path / 'deep/more.yaml'}:3:3 W114 ")
    assert finding.remedy == "Did you mean json_logs?"


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.example/models.yaml",
        "file:///etc/passwd",
        "../outside.yaml",
        "sub/../../outside.yaml",
        "/etc/passwd",
        "missing.yaml",
        "link.yaml",
        "linked/outside.yaml",
        "",
        "directory",
    ],
)
def test_an_include_stays_in_its_directory(tmp_path, name):
    home = tmp_path / "home"
    write(tmp_path, MODELS, "outside.yaml")
    (home / "sub").mkdir(parents=True)
    (home / "directory").mkdir()
    (home / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    (home / "linked").symlink_to(tmp_path)

    report = examined(home, f"include: ['{name}']\n" + MODELS + MASTER)

    assert report.config is None
    assert {each.code for each in report.findings} <= {"E115", "E117"}
    assert "E115" in {each.code for each in report.findings}


def test_a_link_inside_the_directory_is_followed(tmp_path):
    write(tmp_path, MODELS, "real.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")

    assert examined(tmp_path, "include: [link.yaml]\n" + MASTER).findings == ()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")

    assert found(tmp_path, "include: [pipe.yaml]\n" + MODELS + MASTER) == ["E115:1"]


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("include: models.yaml\n", ["E101:1"]),
        ("include: [{a: b}]\n", ["E101:1"]),
        ("include: [config.yaml]\n", ["E115:1"]),
        ("include: [a.yaml, a.yaml]\n", ["E115:1"]),
        ("include: [nested.yaml]\n", ["E115:1"]),
        ("include: [broken.yaml]\n", ["E121:1"]),
        ("include:\n", []),
    ],
)
def test_an_include_is_a_list_of_files_read_once(tmp_path, text, findings):
    write(tmp_path, "", "a.yaml")
    write(tmp_path, "include: [a.yaml]", "nested.yaml")
    write(tmp_path, "a: 'b", "broken.yaml")

    assert found(tmp_path, text + MODELS + MASTER) == findings


def test_what_was_read_is_known_by_its_digest(tmp_path):
    more = write(tmp_path, MODELS, "more.yaml")
    config = examined(tmp_path, "include: [more.yaml]\n" + MASTER).config

    assert changed(config.sources) == ()
    assert config.digest.startswith("sha256:")

    more.write_text(MODELS + "\n")
    assert [each.path for each in changed(config.sources)] == [more]

    more.unlink()
    assert [each.path for each in changed(config.sources)] == [more]
    more.write_text(MODELS)
    assert changed(config.sources) == ()


def test_a_mounted_configuration_is_a_link_among_links(tmp_path):
    """As Kubernetes mounts them, and swaps them for new ones."""
    one, two, home = tmp_path / "..one", tmp_path / "..two", tmp_path
    for generation in (one, two):
        write(generation, "include: [models.yaml]\n" + MASTER)
        write(generation, MODELS, "models.yaml")
    write(two, MODELS.replace("claude-*", "*"), "models.yaml")
    (home / "..data").symlink_to(one)
    (home / "config.yaml").symlink_to(home / "..data" / "config.yaml")
    (home / "models.yaml").symlink_to(home / "..data" / "models.yaml")

    config = examine(home / "config.yaml", environ=ENVIRON).config

    assert config is not None
    assert config.directory == home
    assert changed(config.sources) == ()

    (home / "..data").unlink()
    (home / "..data").symlink_to(two)
    assert [each.shown for each in changed(config.sources)] == [
        str(home / "models.yaml")
    ]
