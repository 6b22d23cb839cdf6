"""A configuration with policies and tests of them, for the commands around these."""

from pathlib import Path

from click.testing import CliRunner, Result

from byok.cli import main
from tests.support.sweep import exempt

CONFIG = """\
model_list:
- model_name: claude-*
  litellm_params: {model: anthropic/claude-*, api_key: os.environ/ORG_KEY}
  model_info: {id: main}
- model_name: cheap
  litellm_params:
    model: anthropic/claude-haiku-5-5
    api_base: https://relay.example.net
    api_key: os.environ/RELAY_KEY
  model_info: {id: relay}
- model_name: gpt-*
  litellm_params: {model: openai/gpt-*, api_key: os.environ/OPENAI_KEY}
  model_info: {id: gpt}
general_settings:
  master_key: os.environ/BYOK_MASTER_KEY
litellm_settings:
  forward_llm_provider_auth_headers: true
"""

CONTRACTORS = """\
apiVersion: byok/v1
kind: Policy
metadata: {name: contractors}
tier: team
rules:
  # They use the shared key.
  - id: no-byok
    match: {team: [contractors], header: {class: ["credential.provider.*"]}}
    unless: {tags: {any: [approved]}}
    action: strip
    lock: true
  - id: never-met
    match: {team: [nobody]}
    action: {inject: {name: x-tag, value: "1", when: default}}
"""

NEXT = """\
apiVersion: byok/v1
kind: Policy
metadata: {name: next}   # to come
mode:   shadow   # as of now
rules:
- id: no-login
  match: {header: {class: [credential.provider.anthropic.oauth]}}
  action: strip
  lock: true
"""

TESTS = """\
apiVersion: byok/v1
kind: PolicyTest
config: ../config.yaml
tests:
  - name: a contractor's key stays here
    given:
      deployment: main
      team: contractors
      headers: {x-api-key: <anthropic.api_key>}
    expect:
      header: {x-api-key: {verdict: strip, by: contractors.no-byok}}
      credential: {source: deployment}
  - name: an approved one's does not
    given:
      deployment: main
      team: contractors
      tags: [approved]
      headers: {x-api-key: <anthropic.api_key>}
    expect: {header: {x-api-key: forward}}
forall:
  - headers: {authorization: <any credential>}
    expect: {never_sends_class_to_untrusted: true}
"""

FAILING = """\
apiVersion: byok/v1
kind: PolicyTest
config: ../config.yaml
tests:
  - name: logins leave
    given: {deployment: main, headers: {authorization: <anthropic.oauth>}}
    expect: {header: {authorization: forward}}
  - name: "logins # never\\tleave"
    given: {deployment: main, headers: {authorization: <anthropic.oauth>}}
    expect: {header: {authorization: {verdict: strip, by: contractors.no-byk}}}
"""


def house(place: Path, **files: str) -> Path:
    """Write a configuration below *place* and return its directory."""
    named = {"contractors": CONTRACTORS, "next": NEXT, **files}
    policies = [name for name in named if not name.endswith("_test")]
    (place / "policies").mkdir()
    for name, text in named.items():
        exempt(place / f"policies/{name}.yaml").write_text(text, "utf-8")
    listed = ", ".join(f"policies/{name}.yaml" for name in policies)
    (place / "config.yaml").write_text(f"{CONFIG}policy_files: [{listed}]\n", "utf-8")
    return place


def run(*arguments: str | Path) -> Result:
    """Run `byok` with *arguments*."""
    return CliRunner().invoke(main, [str(each) for each in arguments])
