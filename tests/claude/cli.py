"""Runs Claude Code without a terminal, in a home of its own."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from tests.support.processes import ROOT, Watched
from tests.support.sweep import exempt, note

INSTALLED = Path(os.environ.get("BYOK_CLAUDE_CLI", ROOT / ".claude-cli")) / "claude"
TIMEOUT_S = 90


def custom_headers(*lines: str) -> dict[str, str]:
    """`ANTHROPIC_CUSTOM_HEADERS`, one header a line."""
    return {"ANTHROPIC_CUSTOM_HEADERS": "\n".join(lines)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one run printed, how it ended, and how long the user waited."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def report(self) -> dict[str, object]:
        """The object that `--output-format json` prints."""
        report: dict[str, object] = json.loads(self.stdout)
        return report

    @property
    def said(self) -> object:
        """The text the user reads: the answer, or the error."""
        return self.report["result"]


class Claude:
    """
    One developer's Claude Code: a home, a project, and an environment.

    Nothing of the environment that runs the tests comes through, so no
    credential of the person who runs them can take part.
    """

    def __init__(self, binary: Path, base_url: str, place: Path) -> None:
        self._binary = binary
        # What the client keeps of its own credentials is its own affair.
        self.home = exempt(place / "home")
        self.project = place / "project"
        self.home.mkdir(parents=True)
        self.project.mkdir()
        self._env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "ANTHROPIC_BASE_URL": base_url,
            # Without it the client sends the custom headers, and in them the
            # gateway key, straight to Anthropic.
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }

    def log_in_to_console(self, key: str) -> None:
        """Leave what `/login` with a Console account leaves: an API key."""
        state = {"primaryApiKey": key, "hasCompletedOnboarding": True}
        (self.home / ".claude.json").write_text(json.dumps(state))

    def log_in_to_claude_ai(self, token: str) -> Path:
        """Leave what `/login` with a plan leaves, and return the file."""
        tomorrow_ms = int((time() + 86400) * 1000)
        login = {
            "accessToken": token,
            "refreshToken": "sk-ant-ort01-worthless",
            "expiresAt": tomorrow_ms,
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
        }
        file = self._settings / ".credentials.json"
        file.write_text(json.dumps({"claudeAiOauth": login}))
        return file

    def take_key_from_helper(self, key: str) -> None:
        """Set an `apiKeyHelper`, a command that prints the key."""
        settings = {"apiKeyHelper": f"echo {key}"}
        (self._settings / "settings.json").write_text(json.dumps(settings))

    @property
    def _settings(self) -> Path:
        directory = self.home / ".claude"
        directory.mkdir(exist_ok=True)
        return directory

    def ask(self, prompt: str, *arguments: str, env: Mapping[str, str]) -> Ran:
        """Run `claude -p` to its end."""
        begun = monotonic()
        done = subprocess.run(
            self._command(prompt, "--output-format", "json", *arguments),
            env={**self._env, **env},
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=TIMEOUT_S,
        )
        note("what Claude Code printed", done.stdout + done.stderr)
        return Ran(
            code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            seconds=monotonic() - begun,
        )

    def watch(self, prompt: str, *arguments: str, env: Mapping[str, str]) -> Watched:
        """Start `claude -p`, which prints a JSON line for every event it gets."""
        streaming = ("--output-format", "stream-json", "--verbose")
        return Watched(
            self._command(prompt, *streaming, "--include-partial-messages", *arguments),
            env={**self._env, **env},
            cwd=self.project,
        )

    def _command(self, prompt: str, *arguments: str) -> list[str]:
        return [str(self._binary), "-p", prompt, *arguments]
