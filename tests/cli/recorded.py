"""Configurations with a store in which decisions were recorded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from byok.cli import main
from byok.config import load
from byok.core.exchange import Caller, Decided, decide, lay_out
from byok.core.facts import Headers
from byok.core.record_writer import RecordWriter
from byok.core.records import Deciding, End
from byok.store.decisions import Entry
from byok.store.engine import make_engine
from byok.store.schema import upgrade
from byok.store.sqldecisions import SqlDecisions
from tests.core.asking import API_KEY, DEVELOPER, GATEWAY_KEY, facts
from tests.support import keys

NOW = 1_800_000_000.0
BEFORE = """\
model_list:
  - model_name: claude-sonnet-4-5
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/BYOK_TEST_DEPLOYMENT_KEY
litellm_settings:
  forward_llm_provider_auth_headers: true
general_settings:
  master_key: os.environ/BYOK_TEST_MASTER_KEY
"""
AFTER = BEFORE.replace("_headers: true", "_headers: false")
SHADOWED = BEFORE + (
    "  policies:\n"
    "    - {id: later, mode: shadow, match: {header: {name: x-api-key}},"
    " action: strip}\n"
)
ENVIRON = {
    "BYOK_TEST_DEPLOYMENT_KEY": keys.DEPLOYMENT_KEY,
    "BYOK_TEST_MASTER_KEY": keys.MASTER_KEY,
}


class Desk:
    """A directory with configurations, and a store full of decisions."""

    def __init__(self, directory: Path, text: str = BEFORE) -> None:
        self.directory = directory
        self.config = self.write("config.yaml", text)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        return path

    def record(
        self,
        headers: Headers = (GATEWAY_KEY, API_KEY),
        *,
        number: int = 1,
        model: str = "claude-sonnet-4-5",
        caller: Caller = DEVELOPER,
        end: End | None = None,
    ) -> str:
        """Decide a request by the first configuration, and record that."""
        gateway = load(self.config, environ=ENVIRON).gateway
        asked = facts(*headers, model=model)
        result = decide(asked, caller, gateway)
        allowed = isinstance(result, Decided) and result.refusal is None
        deciding = Deciding(
            id=f"req_{number:024x}",
            at=NOW + number,
            facts=asked,
            caller=caller,
            result=result,
            sent=lay_out(asked, result).headers
            if isinstance(result, Decided) and allowed
            else (),
            config_digest="sha256:1",
            end=end or End(status=200 if allowed else 403),
        )
        engine = make_engine(self.directory / "byok.db", connections=1)
        try:
            upgrade(engine)
            entry = Entry.of(deciding, RecordWriter().write(deciding))
            SqlDecisions(engine).append([entry], keep=1000)
        finally:
            engine.dispose()
        return deciding.id

    def run(self, words: Sequence[str], *, code: int = 0) -> Result:
        """Run `byok` and expect the exit code."""
        result = CliRunner().invoke(main, [str(each) for each in words])
        assert result.exit_code == code, result.output
        return result

    def decisions(self, *words: str, code: int = 0) -> Result:
        """Run `byok decisions`."""
        command, *rest = words
        config = ["-c", str(self.config)]
        return self.run(["decisions", command, *config, *rest], code=code)

    def explain(self, *words: str, code: int = 0) -> Result:
        """Run `byok explain-request`."""
        config = ["-c", str(self.config)]
        return self.run(["explain-request", *config, *words], code=code)

    def json(self, result: Result) -> Any:
        """Read what was printed."""
        return json.loads(result.stdout)
