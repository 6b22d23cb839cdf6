"""
The reference of the policy language, written from its schema and its code.

    python -m byok.config.policy_reference > docs/policy-reference.md
"""

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from byok.config.policy_tables import floor_rows, known_classes
from byok.policy.document import RESPONSE_ACTIONS
from byok.policy.rules import LOCKABLE, Action, Tier
from byok.resources import schema_file

_HEAD = """\
# Policy reference

Every word of the policy language, with an example of each.
[The guide](policy.md) explains it in order, [the tutorial](policy-tutorial.md) by a
case, and the [recipes](recipes/index.md) are to be copied.

This page is written by `python -m byok.config.policy_reference` from
`schemas/policy-v1.schema.json` and the code; the suite loads each example.
[Editors](editor.md) read the same schema.
An example that is a list of rules may stand under `general_settings.policies`,
`litellm_settings.policies`, `litellm_params.policies`, `teams.NAME.policies`,
`metadata.policies` of a key, or as `rules` of a document.
"""

_WINS = """\
## Who wins

Where several rules match, the narrowest tier wins; inside one tier the most severe
action does, and the order of lines and files never matters.
Among rules with `lock: true` the broadest tier wins, and locks beat plain rules.
The floor beats all, and where no rule matches a header stays here.
"""

_TIERS: Final = {
    Tier.FLOOR: "byok itself; nobody writes or moves it",
    Tier.PACK: (
        "the shipped packs in `general_settings.policy_packs`;"
        " documents with `tier: pack`, or with no tier"
    ),
    Tier.SETTINGS: (
        "the switches and `policies` of `general_settings` and `litellm_settings`,"
        " as peers; documents with `tier: settings`"
    ),
    Tier.MODEL_GROUP: (
        "`litellm_settings.model_group_settings`; documents with `tier: model_group`"
    ),
    Tier.MODEL: (
        "`policies` and `extra_headers` in `litellm_params` of a deployment;"
        " documents with `tier: model`"
    ),
    Tier.TEAM: "`teams.NAME.policies`; documents with `tier: team`",
    Tier.USER: "documents with `tier: user`",
    Tier.KEY: "`metadata.policies` of a virtual key; documents with `tier: key`",
    Tier.REQUEST: "`x-pass-NAME: value` of the request, where a rule grants it",
}
_NO_LOCK = frozenset({Tier.KEY, Tier.REQUEST})

_DOCUMENT: Final = """\
apiVersion: byok/v1
kind: Policy
metadata: {name: contractors, owner: platform, since: "2026-11"}
tier: settings
rules:
  - id: shared-key-only
    match: {team: [contractors], header: {class: ["credential.provider.*"]}}
    action: strip
"""

_RULE: Final = """\
- id: no-cookies-of-ours
  why: Our own cookies are nobody's business.
  match: {header: {name: ["x-acme-*"]}}
  unless: {host: ["*.acme.example"]}
  action: strip
  lock: true
"""

_DENIED = "action: {deny: {status: 403}}"
_STRIPPED = "action: strip"
_FORWARDED = "action: forward"

# One example for each key of a match: the key's value, and what is done there.
MATCHES: Final[Mapping[str, tuple[str, str]]] = {
    "route": ('[/v1/messages, "/v1/messages/*"]', _DENIED),
    "method": ("[POST]", _DENIED),
    "model": ('["claude-opus-*"]', _DENIED),
    "model_group": ('["claude-*"]', _DENIED),
    "deployment": ("[corp-relay]", _DENIED),
    "provider": ("[openai]", _DENIED),
    "host": ('["*.corp.example", relay.example.net]', _DENIED),
    "team": ('[contractors, "vendor-*"]', _DENIED),
    "user": ('["*@vendor.example"]', _DENIED),
    "key": ('["ci-*"]', _DENIED),
    "auth": ("[authorization]", _DENIED),
    "credential": ("[deployment]", _DENIED),
    "client_ip": ('[10.0.0.0/8, "fd00::/8"]', _DENIED),
    "stream": ("false", _DENIED),
    "tags": ("{any: [trial], none: [approved]}", _DENIED),
    "tags.any": ("{any: [trial, guest]}", _DENIED),
    "tags.all": ("{all: [trial, metered]}", _DENIED),
    "tags.none": ("{none: [approved]}", _DENIED),
    "header": ("{class: [tracing], name: [baggage]}", _STRIPPED),
    "header.name": ('{name: ["x-acme-*"]}', _FORWARDED),
    "header.class": ('{class: ["credential.provider.*"]}', _STRIPPED),
    "header.trust": ("{class: [telemetry.sdk], trust: elsewhere}", _STRIPPED),
    "header.slot": ('{class: ["credential.*"], slot: foreign}', _DENIED),
    "header.present": ("{name: [x-debug], present: true}", _DENIED),
}

# One example for each action, without the id.
ACTIONS: Final[Mapping[str, str]] = {
    "forward": "match: {header: {class: [tracing]}}\naction: forward",
    "filter": (
        "match: {header: {name: [anthropic-beta]}}\n"
        'action: {filter: {drop: ["context-1m-*"]}}'
    ),
    "inject": (
        "match: {provider: [openai]}\n"
        "action: {inject: {name: openai-organization, value: org-123, when: set}}"
    ),
    "rename": (
        "match: {header: {name: [x-request-id]}}\n"
        "action: {rename: {to: x-client-request-id}}"
    ),
    "redact": ("match: {header: {name: [x-claude-code-session-id]}}\naction: redact"),
    "strip": "match: {header: {class: [telemetry.sdk]}}\naction: strip",
    "require": (
        "match: {route: [/v1/messages]}\n"
        "action: {require: {header: x-claude-code-session-id, status: 400}}"
    ),
    "deny": (
        "match: {team: [guests], stream: true}\n"
        "action: {deny: {status: 403, type: permission_error, message: No streams.}}"
    ),
    "allow_request": (
        "match: {team: [research]}\naction: {allow_request: [tracing, x-experiment]}"
    ),
    "log": "match: {header: {class: [tracing]}}\naction: {log: full}",
}

_ABOUT: Final = {
    "filter": (
        "Works on lists that are named one by one in `match.header.name`:"
        " `accept`, `anthropic-beta`, `baggage`, `openai-beta`."
    ),
    "inject": (
        "Each name is a slot of its own. Two rules of one tier that put different"
        " values into one header for the same requests are an error (E220)."
        " `match` holds no `header`. A secret is injected by a deployment's own"
        " rules only."
    ),
    "require": "`match` holds no `header`: it is about the request.",
    "deny": (
        "With a `header` in its match the request is refused where such a header came."
    ),
    "allow_request": (
        "What a request may ask to send, as `x-pass-NAME: value`. The name is"
        " classified anew with its value, and goes through floor and locks."
        " Credentials, cookies, framing, hop-by-hop and gateway headers cannot be"
        " granted."
    ),
    "log": (
        "From the most telling: `full`, `hash`, `class`, `drop`. Inside a tier the"
        " least telling wins."
    ),
}

_INJECTED = """\
```yaml
model_list:
  - model_name: claude-*
    litellm_params:
      model: anthropic/claude-*
      api_base: https://relay.corp.example
      policies:
        - id: relay-token
          action: {inject: {name: x-relay-token, secret: os.environ/RELAY_TOKEN}}
```
"""

_PARTS = """\
## lock

A lock cannot be undone by anybody narrower. It may only take away, or put in a header
that is no credential: LOCKABLE.
A key's own rules cannot lock.

```yaml
- id: no-telemetry
  match: {header: {class: [telemetry.sdk]}}
  action: strip
  lock: true
```

## unless

A rule does not hold where its `unless` holds; it has the keys of `match`.

```yaml
- id: no-logins
  match: {header: {class: [credential.provider.anthropic.oauth]}}
  unless: {team: [research], tags: {any: [pilot]}}
  action: strip
```

## mode: shadow

Decided beside the others, recorded, and never applied; on a rule or a whole document.
`byok policy promote` shows what would change and puts a document in force.

```yaml
- id: no-logins-soon
  match: {header: {class: [credential.provider.anthropic.oauth]}}
  action: strip
  mode: shadow
```

## direction: response

About the headers of an answer. Here silence forwards; cookies, framing and what speaks
for the provider's host never go back.
There are RESPONSES.

```yaml
- id: served-by
  direction: response
  action: {inject: {name: x-served-by, value: byok}}
```

## The credential slot

Which credential leaves is decided by `credential`, in `general_settings` or on a
deployment's `litellm_params`; its keys are in
[the configuration](configuration.md#credential). `match.credential` asks for the
outcome.

```yaml
general_settings:
  credential:
    order: [client.oauth, client.api_key]
    on_client_stripped: deny
```

## assert

A sentence about all requests, in a document. It decides nothing; `byok policy prove`
proves or refutes it (P8).

"""

_ASSERT: Final = """\
apiVersion: byok/v1
kind: Policy
metadata: {name: promises}
rules: []
assert:
  - id: no-logins-to-the-relay
    never: {send: [credential.provider.anthropic.oauth], to: ["*.corp.example"]}
"""


def policy_reference() -> str:
    """Return the whole page as Markdown."""
    schema = json.loads(schema_file("policy-v1.schema.json").read_text("utf-8"))
    defs = schema["$defs"]
    parts = [
        _HEAD,
        _section("The document", _DOCUMENT, schema["properties"]),
        _section("A rule", _RULE, defs["rule"]["properties"]),
        _WINS,
        _tiers(),
        _matches(defs["match"]),
        _actions(defs["action"]["oneOf"]),
        _parts(),
        _assertions(schema["properties"]["assert"]["items"]["properties"]),
        _classes(),
        _floor(),
    ]
    return "\n".join(parts)


def _section(title: str, example: str, properties: Mapping[str, Any]) -> str:
    return "\n".join([f"## {title}", "", *_yaml(example), "", *_table(properties), ""])


def _yaml(text: str) -> list[str]:
    return ["```yaml", *text.rstrip("\n").splitlines(), "```"]


def _table(properties: Mapping[str, Any]) -> Iterator[str]:
    yield "| key | value | meaning |"
    yield "|---|---|---|"
    for name, schema in properties.items():
        yield f"| `{name}` | {_value(schema)} | {_meaning(schema)} |"
        for below, each in schema.get("properties", {}).items():
            yield f"| `{name}.{below}` | {_value(each)} | {_meaning(each)} |"


def _value(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        word = schema["$ref"].rpartition("/")[2]
        return f"[{word}](#{word})"
    if "const" in schema:
        return f"“{schema['const']}”"
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    names = {"array": "list", "object": "mapping", "string": "text"}
    if "oneOf" in schema:
        return " or ".join(_value(each) for each in schema["oneOf"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    kind = str(schema["type"])
    return names.get(kind, kind)


def _meaning(schema: Mapping[str, Any]) -> str:
    text = str(schema.get("description", ""))
    if not text and "$ref" in schema:
        text = "See there."
    if "default" in schema:
        default = schema["default"]
        shown = str(default).lower() if isinstance(default, bool) else default
        text += f" Default: `{shown}`."
    return text.replace("|", "\\|")


def _tiers() -> str:
    rows = [f"| `{tier.word}` | {_TIERS[tier]} | {_locks(tier)} |" for tier in Tier]
    heads = ["| tier | written in | may lock |", "|---|---|---|"]
    note = "From the broadest to the narrowest."
    return "\n".join(["### Tiers", "", note, "", *heads, *rows, ""])


def _locks(tier: Tier) -> str:
    if tier is Tier.FLOOR:
        return "always"
    return "no" if tier in _NO_LOCK else "yes"


def _matches(schema: Mapping[str, Any]) -> str:
    lines = ["## match", "", schema["description"], ""]
    for name, each in schema["properties"].items():
        lines += _match(name, name, each)
        for below, inner in each.get("properties", {}).items():
            lines += _match(f"{name}.{below}", name, inner)
    return "\n".join(lines)


def _match(name: str, top: str, schema: Mapping[str, Any]) -> list[str]:
    value, action = MATCHES[name]
    example = f"- id: by-{name.replace('.', '-')}\n  match: {{{top}: {value}}}\n"
    what = f"{_value(schema)}. {_meaning(schema)}"
    return [f"### {name}", "", what, "", *_yaml(f"{example}  {action}"), ""]


def _actions(schemas: Sequence[Mapping[str, Any]]) -> str:
    parameters = {
        name: each for schema in schemas for name, each in _named(schema).items()
    }
    lines = ["## action", "", "From the mildest to the most severe.", ""]
    for action in Action:
        lines += _action(action, parameters[action.word])
    return "\n".join(lines)


def _named(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "enum" not in schema:
        properties: Mapping[str, Any] = schema["properties"]
        return properties
    # The plain words share one description: `forward: ... strip: ...`.
    about = schema["description"]
    return {word: {"description": _about(about, word)} for word in schema["enum"]}


def _about(text: str, word: str) -> str:
    sentence = text.partition(f"{word}: ")[2].partition(".")[0]
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _action(action: Action, schema: Mapping[str, Any]) -> list[str]:
    word = action.word
    lines = [f"### {word}", "", schema["description"], ""]
    if word in _ABOUT:
        lines[-2] += f" {_ABOUT[word]}"
    lines += [*_yaml(_indented(word)), ""]
    if "properties" in schema:
        lines += [*_table(schema["properties"]), ""]
    if action is Action.INJECT:
        lines += [_INJECTED]
    return lines


def _indented(word: str) -> str:
    body = "\n".join(f"  {line}" for line in ACTIONS[word].splitlines())
    return f"- id: {word.replace('_', '-')}-it\n{body}"


def _parts() -> str:
    return _PARTS.replace("LOCKABLE", _listed(LOCKABLE)).replace(
        "RESPONSES", _listed(RESPONSE_ACTIONS)
    )


def _listed(actions: Collection[Action]) -> str:
    shown = [f"`{each.word}`" for each in Action if each in actions]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _assertions(properties: Mapping[str, Any]) -> str:
    return "\n".join([*_yaml(_ASSERT), "", *_table(properties), ""])


def _classes() -> str:
    lines = [
        "## Classes",
        "",
        "Every header has one class: by its value first, then by its name.",
        "A credential leaves only in the headers of the second column,",
        "and only for an origin that is trusted for it.",
        "",
        "| class | travels in | known by |",
        "|---|---|---|",
    ]
    for each in known_classes():
        cells = (f"`{each.name}`", _code(each.travels_in))
        known = _code((*each.values, *each.names)) or each.known_by
        lines.append(f"| {' | '.join(cells)} | {known} |")
    return "\n".join([*lines, ""])


def _code(words: Sequence[str]) -> str:
    return ", ".join(f"`{each}`" for each in words)


def _floor() -> str:
    lines = [
        "## The floor",
        "",
        "No rule can write, move or switch off one of these.",
        "",
        "| rule | does | what | why |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {' | '.join(rest)} |" for name, *rest in floor_rows()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(policy_reference())
