"""`byok explain-request`: where one request would go, and why each header stays."""

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import click

from byok.cli.environment import SupposedEnvironment
from byok.cli.explain_compare import show_comparison
from byok.cli.explain_past import Past, show_replay
from byok.cli.request_input import (
    RequestInput,
    RequestInputError,
    merged,
    parse_curl,
    parse_header,
    parse_raw,
)
from byok.config import Config, ConfigError, load
from byok.core.admission import admit_key, admit_master, admit_single_user
from byok.core.carriers import Presented, carriers, find_key
from byok.core.errors import Refusal
from byok.core.exchange import Caller, Decided, decide
from byok.core.explain import Setting, explain
from byok.core.explain_text import render
from byok.core.facts import RequestFacts
from byok.core.intake import check_head, read_facts, route_of
from byok.core.keys import VirtualKey
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.core.supposed import PLACEHOLDERS, body_for, supposed_model
from byok.policy.rules import Rule
from byok.store.location import store_path
from byok.store.peek import peek_key

DENIED = 3

_EPILOG = f"""\b
Examples:
  byok explain-request -c config.yaml --key dev-laptop \\
      -H 'x-api-key: <anthropic.api_key>'
  byok explain-request -c config.yaml --key dev-laptop --model claude-sonnet-4-5 \\
      -H 'authorization: <anthropic.oauth>' --json
  byok explain-request -c config.yaml --curl \\
      "curl http://localhost:4000/v1/messages -H 'x-litellm-api-key: <gateway>'"
  byok explain-request -c config.yaml --request captured.http --exit-code
  byok explain-request -c config.yaml --diff new.yaml --request captured.http
  byok explain-request -c config.yaml --from-log req_2fdd8a4cb3e04fd1a53a7c0e
  byok explain-request -c new.yaml --log config.yaml --replay last:1000

\b
Placeholders stand for made-up values, so that no real secret need be typed:
  {" ".join(f"<{word}>" for word in PLACEHOLDERS)}
  @env:NAME takes the value of an environment variable.

\b
Exit codes: 0 explained; 1 the config is not valid; 2 the request cannot be read;
  3 the request would be refused, or something differs (with --exit-code).
"""


@click.command("explain-request", epilog=_EPILOG)
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="config.yaml",
    show_default=True,
    help="The gateway's configuration.",
)
@click.option("--key", help="Alias or id of the virtual key that calls.")
@click.option("--team", help="The caller's team, instead of the key's own.")
@click.option("--user", help="The caller's user, instead of the key's own.")
@click.option("--tag", "tags", multiple=True, help="A tag of the caller; repeatable.")
@click.option("--model", help="The model that the client asks for.")
@click.option("--deployment", help="Decide for this entry instead of the one found.")
@click.option(
    "--route", help="Path of the request.  [default: /v1/messages]", metavar="PATH"
)
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A header of the request; may be repeated.",
)
@click.option("--stream", is_flag=True, help="The client asks for a stream.")
@click.option("--curl", metavar="'curl ...'", help="The request as a curl command.")
@click.option(
    "--request",
    "request_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The request as a raw HTTP file.",
)
@click.option(
    "--body",
    "body_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the JSON body.",
)
@click.option("--client-ip", default="", help="Address the client connects from.")
@click.option(
    "--from-log", metavar="ID", help="Explain a recorded decision, made once more."
)
@click.option(
    "--replay",
    metavar="last:N",
    help="Say which of the N latest decisions this config would make differently.",
)
@click.option(
    "--diff",
    "other_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare with what this other configuration does.",
)
@click.option(
    "--log",
    "log_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration whose gateway recorded the decisions.  [default: --config]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (explain-v1).")
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit with 3 where it is refused, or where something differs.",
)
def explain_request(  # noqa: PLR0917 - one parameter for each option
    config_path: Path,
    key: str | None,
    team: str | None,
    user: str | None,
    tags: tuple[str, ...],
    model: str | None,
    deployment: str | None,
    route: str | None,
    headers: tuple[str, ...],
    stream: bool,  # noqa: FBT001
    curl: str | None,
    request_path: Path | None,
    body_path: Path | None,
    client_ip: str,
    from_log: str | None,
    replay: str | None,
    other_path: Path | None,
    log_path: Path | None,
    as_json: bool,  # noqa: FBT001
    exit_code: bool,  # noqa: FBT001
) -> None:
    """
    Explain one request: what would leave, to where, who pays, and by which line.

    Nothing is sent and no server is needed. The same code decides as in the
    running gateway.
    """
    environment = SupposedEnvironment()
    config = _config(config_path, environment)
    described = _described(curl, request_path, headers, route, body_path)
    given = described != RequestInput() or stream or any((key, model, deployment, tags))
    if (from_log or replay) and (given or (from_log and replay)):
        raise click.UsageError("a recorded request is explained as it was, and alone")
    log = Past(config if log_path is None else _config(log_path, environment))
    if replay is not None:
        differs = show_replay(log, replay, config, as_json=as_json)
        sys.exit(DENIED if exit_code and differs else 0)
    record = None if from_log is None else log.named(from_log)

    def explained(by: Config) -> dict[str, object]:
        if record is not None:
            return log.explained(record, by)
        dry_run = _DryRun(by, described, client_ip=client_ip)
        dry_run.suppose(f"{name} is set" for name in environment.supposed)
        dry_run.suppose_body(model, deployment, stream=stream)
        dry_run.suppose_caller(team, user, tags)
        return dry_run.explain(key, deployment)

    if other_path is not None:
        both = explained(config), explained(_config(other_path, environment))
        names = str(config_path), str(other_path)
        differs = show_comparison(*both, names=names, as_json=as_json)
        sys.exit(DENIED if exit_code and differs else 0)
    explanation = explained(config)
    if as_json:
        click.echo(json.dumps(explanation, indent=2))
    else:
        click.echo(render(explanation))
    if exit_code and explanation["verdict"] == "deny":
        sys.exit(DENIED)


def _config(path: Path, environment: Mapping[str, str]) -> Config:
    try:
        return load(path, environ=environment)
    except ConfigError as error:
        click.echo(f"{path} is not valid; nothing can be explained by it.", err=True)
        for finding in error.findings:
            if finding.level == "error":
                click.echo(str(finding), err=True)
        click.echo(f"Run: byok validate {path}", err=True)
        sys.exit(1)


def _described(
    curl: str | None,
    request_path: Path | None,
    headers: tuple[str, ...],
    route: str | None,
    body_path: Path | None,
) -> RequestInput:
    out = RequestInput()
    try:
        if request_path is not None:
            out = merged(out, parse_raw(request_path.read_bytes(), os.environ))
        if curl is not None:
            out = merged(out, parse_curl(curl, os.environ))
        for text in headers:
            out = merged(out, parse_header(text, os.environ))
    except RequestInputError as error:
        raise click.UsageError(str(error)) from None
    if route is not None:
        out = merged(out, RequestInput(path=route))
    if body_path is not None:
        out = merged(out, RequestInput(body=body_path.read_bytes()))
    return out


def _asks_for_address(rule: Rule) -> bool:
    asked = (rule.match, rule.unless)
    return any(match is not None and match.client_ip for match in asked)


class _DryRun:
    """One request on its way through the gateway's own functions."""

    def __init__(
        self, config: Config, described: RequestInput, *, client_ip: str
    ) -> None:
        self._config = config
        self._gateway = config.gateway
        self._request = described
        self._client_ip = client_ip
        self._assumed: list[str] = []
        self._warnings = list(described.warnings)
        self._team: str | None = None
        self._user: str | None = None
        self._tags: tuple[str, ...] = ()

    def suppose(self, statements: Iterable[str]) -> None:
        """Note what was taken for granted."""
        self._assumed.extend(statements)

    def suppose_body(
        self, model: str | None, deployment: str | None, *, stream: bool
    ) -> None:
        """Put a body in where none was given."""
        if self._request.body is not None and model is None:
            return
        if model is None:
            model = self._default_model(deployment)
        body = body_for(model, stream=stream)
        self._request = merged(self._request, RequestInput(body=body))

    def suppose_caller(
        self, team: str | None, user: str | None, tags: tuple[str, ...]
    ) -> None:
        """Say who calls, where the record of the key does not say it."""
        self._team, self._user, self._tags = team, user, tags

    def _default_model(self, deployment: str | None) -> str:
        model = supposed_model(self._gateway.table, self._named(deployment))
        self._assumed.append(f"model={model}; name another one with --model")
        return model

    def _named(self, deployment: str | None) -> Deployment | None:
        if deployment is None:
            return None
        found = self._gateway.table.named(deployment)
        if found is None:
            names = ", ".join(each.name for each in self._gateway.table.deployments)
            raise click.UsageError(f"no deployment has that name; there are: {names}")
        return found

    def explain(self, key: str | None, deployment: str | None) -> dict[str, object]:
        """Return the explanation of the request, refused or not."""
        request = self._request
        caller: Caller | None = None
        facts: RequestFacts | None = None
        result = self._checked()
        if result is None:
            identity = self._caller(key)
            if isinstance(identity, Refusal):
                result = identity
            else:
                caller = self._as_supposed(identity)
                read = self._facts()
                if isinstance(read, Refusal):
                    result = read
                else:
                    facts = read
                    result = decide(
                        facts, caller, self._gateway, deployment=self._named(deployment)
                    )
        if not self._client_ip and any(map(_asks_for_address, self._config.rules)):
            self._assumed.append("client_ip is unknown; name it with --client-ip")
        return explain(
            facts,
            caller,
            result,
            Setting(
                config_digest=self._config.digest,
                method=request.method or "POST",
                path=request.path or "/v1/messages",
                assumed=tuple(self._assumed),
                warnings=tuple(self._warnings),
            ),
        )

    @property
    def _target(self) -> bytes:
        path = (self._request.path or "/v1/messages").encode("utf-8", "surrogateescape")
        return path + (b"?" + self._request.query if self._request.query else b"")

    @property
    def _method(self) -> bytes:
        return (self._request.method or "POST").encode("utf-8", "replace")

    def _checked(self) -> Decided | Refusal | None:
        refusal = check_head(self._target, self._request.headers)
        if refusal is not None:
            return refusal
        route = route_of(self._method, self._target)
        if not isinstance(route, Refusal):
            return None
        if route.code == "route.unknown":
            self._warnings.append(
                "what the gateway answers by itself is not explained here: keys,"
                " models, health"
            )
        return route

    def _facts(self) -> RequestFacts | Refusal:
        route = route_of(self._method, self._target)
        if isinstance(route, Refusal):
            return route
        return read_facts(
            self._method,
            self._target,
            route,
            self._request.headers,
            self._request.body or b"",
            client_ip=self._client_ip,
        )

    def _caller(self, key: str | None) -> Caller | Refusal:
        headers = self._request.headers
        if self._config.general.single_user:
            return admit_single_user(headers)
        order = carriers(self._config.key_header_name)
        presented = find_key(headers, order)
        if key is None:
            return self._presented(presented)
        carrier = order[0].decode()
        if isinstance(presented, Presented):
            carrier = presented.carrier
        else:
            self._assumed.append(f"the key {key} came in {carrier}")
        secret = presented.key if isinstance(presented, Presented) else None
        if not key.isprintable():
            raise click.UsageError("--key is no alias and no id of a key.")
        record = peek_key(
            store_path(self._config.store_url, base=self._config.directory), key
        )
        if record is not None:
            return self._recorded(key, record, carrier, secret)
        self._assumed.append(
            f"no record of the key {key} was found; it may use every model"
        )
        return Caller(key_id=key, alias=key, carrier=carrier, secret=secret)

    def _recorded(
        self, key: str, record: VirtualKey, carrier: str, secret: Secret | None
    ) -> Caller | Refusal:
        found = admit_key(
            record, self._request.headers, carrier, secret, now=time.time()
        )
        if isinstance(found, Refusal):
            # The client is not told which it is. Whoever reads the store may know.
            state = "blocked" if record.blocked else "expired"
            self._warnings.append(f"the key {key} is {state}")
        return found

    def _as_supposed(self, caller: Caller) -> Caller:
        return replace(
            caller,
            team=caller.team if self._team is None else self._team,
            user=caller.user if self._user is None else self._user,
            tags=frozenset(self._tags) or caller.tags,
        )

    def _presented(self, presented: Presented | Refusal) -> Caller | Refusal:
        if isinstance(presented, Refusal):
            return presented
        if presented.key == self._config.master_key:
            return admit_master(
                self._request.headers,
                presented.carrier,
                presented.key,
                on_data_routes=self._config.general.master_key_on_data_routes,
            )
        self._assumed.append(
            f"the key in {presented.carrier} is valid; name it with --key"
        )
        return Caller(
            key_id="presented", carrier=presented.carrier, secret=presented.key
        )
