"""`byok explain-request`: where one request would go, and why each header stays."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from byok.cli.dry_run import DryRun
from byok.cli.environment import SupposedEnvironment
from byok.cli.explain_compare import show_comparison
from byok.cli.explain_past import Past, show_replay
from byok.cli.key_name import key_name
from byok.cli.loading import config_option
from byok.cli.request_input import (
    RequestInput,
    RequestInputError,
    merged,
    parse_curl,
    parse_header,
    parse_raw,
)
from byok.config import Config, ConfigError, load
from byok.core.explain_text import render
from byok.core.supposed import PLACEHOLDERS
from byok.policy.declared import ClassTable

DENIED = 3

_EPILOG = f"""\b
Examples:
  byok explain-request -c config.yaml --key dev-laptop \\
      -H 'x-api-key: <anthropic.api_key>'
  byok explain-request -c config.yaml --key dev-laptop --model claude-sonnet-5-5 \\
      -H 'authorization: <anthropic.oauth>' --json
  byok explain-request -c config.yaml --curl \\
      "curl http://localhost:4000/v1/messages -H 'x-litellm-api-key: <gateway>'"
  byok explain-request -c config.yaml --request captured.http --exit-code
  byok explain-request -c config.yaml --answer-header 'x-account: a-1'
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
@config_option
@click.option(
    "--key", callback=key_name, help="Alias or id of the virtual key that calls."
)
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
@click.option(
    "--answer-header",
    "answer_headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A header of the provider's answer; may be repeated.",
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
    answer_headers: tuple[str, ...],
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
    table = config.gateway.plans.class_table
    described = _described(
        curl, request_path, headers, route, body_path, class_table=table
    )
    answer = _described(None, None, answer_headers, None, None, class_table=table)
    given = described != RequestInput() or stream
    given = given or any((key, model, deployment, tags, answer_headers))
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
        dry_run = DryRun(by, described, client_ip=client_ip)
        dry_run.suppose(f"{name} is set" for name in environment.supposed)
        dry_run.suppose_body(model, deployment, stream=stream)
        dry_run.suppose_caller(team, user, tags)
        dry_run.suppose_answer(answer.headers)
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
    *,
    class_table: ClassTable,
) -> RequestInput:
    out = RequestInput()
    try:
        if request_path is not None:
            out = merged(out, parse_raw(request_path.read_bytes(), os.environ))
        if curl is not None:
            out = merged(out, parse_curl(curl, os.environ, class_table))
        for text in headers:
            out = merged(out, parse_header(text, os.environ, class_table))
    except RequestInputError as error:
        raise click.UsageError(str(error)) from None
    if route is not None:
        out = merged(out, RequestInput(path=route))
    if body_path is not None:
        out = merged(out, RequestInput(body=body_path.read_bytes()))
    return out
