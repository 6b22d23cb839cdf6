"""The outermost command: it meets the standard streams as they happen to be."""

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from byok.cli.lazy import LazyGroup


class Program(LazyGroup):
    """
    The group that is the program itself.

    A disk may be full, a stream closed, a terminal limited to ASCII. None of it is
    a fault of the program, so none of it ends in a traceback.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, and have all it says written."""
        _prepare_streams()
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except OSError as error:
            # What could not be written is not tried again at the very end.
            sys.stdout = _nowhere()
            if error.errno != errno.EPIPE:
                click.echo(f"byok: {_said(error)}", err=True)
            sys.exit(1)


def _prepare_streams() -> None:
    if sys.stderr is None:
        sys.stderr = _nowhere()
    if sys.stdout is None:
        # Before anything is done: a new key would be shown to nobody.
        click.echo("byok: standard output is closed", err=True)
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _said(error: OSError) -> str:
    return f"{error.filename or 'cannot write the output'}: {error.strerror}"


def _nowhere() -> io.TextIOWrapper:
    return Path(os.devnull).open("w", encoding="utf-8")
