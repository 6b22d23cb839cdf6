"""`byok policy prove`: sentences about all requests, each proved or refuted."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from byok.cli.loading import config_option, loaded
from byok.cli.render import Renderer, Style, Styled, out
from byok.config import Config
from byok.core.carriers import carriers
from byok.core.counterexample import command, command_with_file, raw
from byok.core.key_policies import FIELD
from byok.core.prove import (
    PROPERTIES,
    Counterexample,
    Proof,
    Property,
    Question,
    Status,
    prove,
)
from byok.core.walk import LIMIT, Subject
from byok.store.location import store_place
from byok.store.peek import peek_keys

FAILED = 1
COMPARING = "P6"

_STYLES = {
    Status.PASS: Style.GOOD,
    Status.FAIL: Style.BAD,
    Status.UNSETTLED: Style.WARN,
}
# The kinds beyond these are counted.
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A proof, and how long it took."""

    proof: Proof
    milliseconds: float


_EPILOG = """\b
Examples:
  byok policy prove
  byok policy prove --strict --json
  byok policy prove --property P1 --property P8 --requests found
  byok policy prove --against old.yaml

\b
Exit codes: 0 all holds; 1 something does not (with --strict: or is not settled);
  2 wrong usage, or a configuration cannot be used.
"""


@click.command(name="prove", epilog=_EPILOG)
@config_option
@click.option(
    "--against",
    "old_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The configuration that this one replaces: nothing new may leave (P6).",
)
@click.option(
    "--property",
    "wanted",
    multiple=True,
    type=click.Choice([each.id for each in PROPERTIES], case_sensitive=False),
    help="Prove this one alone; may be repeated.",
)
@click.option(
    "--cells",
    type=click.IntRange(min=1),
    default=LIMIT,
    show_default=True,
    help="Look at this many cells for a property at most.",
)
@click.option(
    "--requests",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each counterexample into a file there, for explain-request.",
)
@click.option("--strict", is_flag=True, help="Fail where something is not settled.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def policy_prove(  # noqa: PLR0917 - one parameter for each option
    config_path: Path,
    old_path: Path | None,
    wanted: tuple[str, ...],
    cells: int,
    directory: Path | None,
    strict: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """
    Prove what policies say of all requests, or show a request that refutes it.

    Requests are tried one of each kind that policy can tell apart, through the same
    decision as the gateway's. Nothing is sent, and no secret has to be there.
    """
    config = loaded(config_path)
    question = Question(
        subject=subject_of(config),
        against=None if old_path is None else subject_of(loaded(old_path)),
        assertions=config.assertions,
    )
    chosen = wanted or tuple(
        each.id for each in PROPERTIES if each.id != COMPARING or old_path
    )
    if COMPARING in chosen and old_path is None:
        raise click.UsageError(
            f"{COMPARING} compares two configurations: name the old one with --against"
        )
    results = [
        _timed(each, question, cells) for each in PROPERTIES if each.id in chosen
    ]
    printer = _Printer(question.subject, str(config_path), directory)
    if as_json:
        out().json(printer.data(results))
    else:
        printer.print(out(), results)
    if any(_is_failure(each.proof, strict=strict) for each in results):
        sys.exit(FAILED)


def subject_of(config: Config) -> Subject:
    """Return what *config* lets be asked, with the keys whose rules are their own."""
    known = peek_keys(store_place(config.store_url, base=config.directory)) or ()
    return Subject(
        gateway=config.gateway,
        carriers=carriers(config.key_header_name),
        single_user=config.general.single_user,
        records=tuple(each for each in known if FIELD in each.metadata),
    )


def _timed(wanted: Property, question: Question, cells: int) -> Timed:
    begin = time.perf_counter()
    proof = prove(wanted, question, limit=cells)
    return Timed(proof=proof, milliseconds=(time.perf_counter() - begin) * 1000)


def _is_failure(proof: Proof, *, strict: bool) -> bool:
    return proof.status is Status.FAIL or (strict and proof.status is Status.UNSETTLED)


class _Printer:
    """Shows proofs, with requests as commands on *config* that can be pasted."""

    def __init__(self, subject: Subject, config: str, directory: Path | None) -> None:
        self._subject = subject
        self._config = config
        self._directory = directory

    def print(self, screen: Renderer, results: Sequence[Timed]) -> None:
        for each in results:
            proof = each.proof
            note = f"  ({proof.note})" if proof.note else ""
            screen.line(
                Styled(f"{proof.status.value:<9}", _STYLES[proof.status]),
                f" {proof.id}  {proof.title}",
                Styled(
                    f"  {proof.cells} cells, {each.milliseconds:.0f} ms{note}",
                    Style.FAINT,
                ),
            )
        for each in results:
            found = each.proof.counterexamples
            for number, one in enumerate(found[:_SHOWN], start=1):
                self._print_one(screen, each.proof, number, one)
            if len(found) > _SHOWN:
                screen.line()
                screen.line(
                    f"{each.proof.id}: {len(found) - _SHOWN} more of other kinds"
                    " (--json lists them)"
                )

    def _print_one(
        self, screen: Renderer, proof: Proof, number: int, one: Counterexample
    ) -> None:
        screen.line()
        screen.line(Styled(f"{proof.id} #{number}", Style.STRONG), f"  {one.message}")
        if one.rule is not None:
            screen.line(f"    by  {one.rule.id}  {one.rule.where}")
        screen.line(f"    try {self._command(proof, number, one)}")

    def _command(self, proof: Proof, number: int, one: Counterexample) -> str:
        request, subject, answer = one.request, self._subject, one.answer
        if self._directory is None:
            return command(request, subject, self._config, answer)
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / f"{proof.id}-{number}.http"
        file.write_text(raw(request), "utf-8")
        return command_with_file(request, subject, self._config, str(file), answer)

    def data(self, results: Sequence[Timed]) -> dict[str, object]:
        return {
            "version": 1,
            "ok": all(each.proof.status is Status.PASS for each in results),
            "properties": [
                {
                    "id": each.proof.id,
                    "title": each.proof.title,
                    "status": each.proof.status.value.lower(),
                    "cells": each.proof.cells,
                    "milliseconds": round(each.milliseconds, 1),
                    "note": each.proof.note or None,
                    "counterexamples": [
                        self._one_data(each.proof, number, one)
                        for number, one in enumerate(
                            each.proof.counterexamples, start=1
                        )
                    ],
                }
                for each in results
            ],
        }

    def _one_data(
        self, proof: Proof, number: int, one: Counterexample
    ) -> dict[str, object]:
        return {
            "message": one.message,
            "rule": one.rule.id if one.rule else None,
            "origin": str(one.rule.where) if one.rule else None,
            "deployment": one.request.place.deployment.name,
            "command": self._command(proof, number, one),
            "request": raw(one.request),
        }
