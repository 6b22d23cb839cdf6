"""Metrics are switched on, and opened, in LiteLLM's words."""

import pytest

import byok.config.metrics
from tests.config.files import SMALLEST, config_of, report_on


def setting(directory, text):
    return config_of(directory, f"{SMALLEST}litellm_settings:\n{text}").general.metrics


@pytest.mark.parametrize(
    "text",
    [
        "  callbacks: [prometheus]",
        "  success_callback: [langfuse, prometheus]",
        "  failure_callback: prometheus",
    ],
)
def test_the_word_in_any_of_the_lists_switches_them_on(tmp_path, text):
    found = setting(tmp_path, text)

    assert (found.is_on, found.anybody) == (True, False)


@pytest.mark.parametrize(
    "text", ["  callbacks: [otel]", "  callbacks:", "  json_logs: true"]
)
def test_without_the_word_they_are_off(tmp_path, text):
    assert not setting(tmp_path, text).is_on


@pytest.mark.parametrize(("word", "anybody"), [("true", False), ("false", True)])
def test_they_are_for_everybody_where_that_is_said(tmp_path, word, anybody):
    text = f"  callbacks: [prometheus]\n  require_auth_for_metrics_endpoint: {word}"

    assert setting(tmp_path, text).anybody is anybody


def test_what_they_are_written_with_has_to_be_there(tmp_path, monkeypatch):
    monkeypatch.setattr(byok.config.metrics, "_NEEDED", "no_such_module")

    report = report_on(
        tmp_path, f"{SMALLEST}litellm_settings:\n  callbacks: [prometheus]"
    )

    (finding,) = report.findings
    assert report.config is None
    assert (finding.code, finding.line) == ("E164", 8)
    assert "pip install 'byok[metrics]'" in finding.remedy
