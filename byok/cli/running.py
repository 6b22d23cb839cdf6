"""A gateway that runs: how commands find it, prove who they are, and ask it."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import click

from byok.cli.render import Style, Styled, err
from byok.config import examine, master_key_in, secret_at
from byok.core.secret import Secret

UNUSABLE = 2
NO_MASTER_KEY = "admin.no-master-key"
_TIMEOUT_S = 300.0
_URL = "--url is http://host:port or https://host:port."

_Command = TypeVar("_Command", bound=Callable[..., Any])


def of_gateway(command: _Command) -> _Command:
    """Give *command* the options by which a gateway and its master key are named."""
    for option in (
        click.option(
            "-c",
            "--config",
            "config_path",
            type=click.Path(dir_okay=False, path_type=Path),
            default="config.yaml",
            show_default=True,
            help="The configuration that says where the master key is.",
        ),
        click.option(
            "--key-from",
            metavar="REFERENCE",
            help="Where its master key is: os.environ/NAME or file:PATH."
            "  [default: where the configuration says]",
        ),
        click.option(
            "--url",
            default="http://127.0.0.1:4000",
            show_default=True,
            help="Where the gateway is.",
        ),
    ):
        command = option(command)
    return command


def master_key(
    key_from: str | None, config_path: Path, *, without_one: str = ""
) -> Secret:
    """
    Return the key that *key_from* or the configuration leads to, or say it is missing.

    *without_one* is said where the gateway is one that has none.
    """
    if key_from is None:
        key = master_key_in(config_path, os.environ)
        where = f"{config_path} leads to none: name it with --key-from"
    else:
        key = secret_at(key_from, os.environ)
        where = "--key-from leads to none: write os.environ/NAME or file:PATH"
    if key is None:
        if key_from is None:
            report = examine(config_path)
            for each in report.findings:
                err().line(str(each))
            if report.config is not None and report.config.general.single_user:
                end_at(f"{config_path} has no master key. {without_one}".rstrip())
        end_at(f"The gateway's master key is needed, and {where}.")
    return key


def ask(
    url: str, path: str, key: Secret, body: Mapping[str, object] | None = None
) -> tuple[int, Any]:
    """Ask the gateway at *url* for *path*; return the status and what it said."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        end_at(_URL)
    if parts.scheme not in {"http", "https"} or not host or parts.username:
        end_at(_URL)
    if parts.scheme == "http" and not _is_here(host):
        err().line(
            Styled("The master key goes to another machine in the clear.", Style.WARN)
        )
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = kind(host, port, timeout=_TIMEOUT_S)
        with closing(connection):
            return _answer(connection, parts.path.rstrip("/") + path, key, body)
    except (OSError, HTTPException, ValueError) as error:
        # A ValueError may quote what could not be sent, and that may be the key.
        why = error.strerror if isinstance(error, OSError) else None
        end_at(f"No gateway answers at {host}: {why or type(error).__name__}.")


def refusal_in(
    status: int, body: Any, url: str, *, without_master_key: str = ""
) -> str:
    """Return in words what was answered in place of what was asked for."""
    said = body.get("error") if isinstance(body, dict) else None
    message = said.get("message") if isinstance(said, dict) else None
    if isinstance(said, dict) and said.get("code") == NO_MASTER_KEY:
        host = urlsplit(url).hostname
        return f"The gateway at {host} has no master key. {without_master_key}".rstrip()
    return f"{message or 'What answers there is no gateway.'} (status {status})"


def end_at(message: str) -> NoReturn:
    """Say *message*, and that nothing could be done."""
    err().line(message)
    sys.exit(UNUSABLE)


def _answer(
    connection: HTTPConnection,
    path: str,
    key: Secret,
    body: Mapping[str, object] | None,
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key.reveal()}"}
    if body is None:
        connection.request("GET", path, headers=headers)
    else:
        headers["Content-Type"] = "application/json"
        connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
