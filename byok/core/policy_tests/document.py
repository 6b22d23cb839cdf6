"""
Test data into cases: the reading of documents of `kind: PolicyTest`.

As with policies the input is plain data, and every problem is collected.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from byok.core.policy_tests.cases import Case, Expected, Given, Suite
from byok.core.policy_tests.expected_document import PAYERS, ExpectedReading
from byok.core.policy_tests.wide import WIDE
from byok.core.supposed import PLACEHOLDERS, UnknownPlaceholderError, filled
from byok.policy.document import read_direction
from byok.policy.reader import Locate, Path, Problem, Reader, holds_credential
from byok.policy.rules import Direction, Tier

DOCUMENT_KEYS: Final = (
    "apiVersion",
    "kind",
    "metadata",
    "config",
    "defaults",
    "tests",
    "forall",
)
TEST_KEYS: Final = ("name", "direction", "given", "expect")
FORALL_KEYS: Final = ("name", "direction", "headers", "given", "expect")
GIVEN_KEYS: Final = (
    "route",
    "model",
    "deployment",
    "key",
    "team",
    "user",
    "tags",
    "client_ip",
    "stream",
    "payer",
    "headers",
    "body",
)
METADATA_KEYS: Final = ("name", "owner", "description")

_TEXTS = ("route", "model", "deployment", "key", "team", "user", "client_ip")


def read_suite(
    data: object, *, file: str, locate: Locate
) -> tuple[Suite, tuple[Problem, ...]]:
    """Read one document of tests, the content of *file*."""
    reading = _Reading(Reader(Tier.PACK, locate, ""))
    return reading.suite(data, file), tuple(reading.reader.problems)


class _Reading:
    """One reading of one document."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def suite(self, data: object, file: str) -> Suite:
        reader = self.reader
        document = reader.mapping(data, (), DOCUMENT_KEYS)
        reader.one_of(document.get("apiVersion"), ("apiVersion",), ("byok/v1",))
        reader.one_of(document.get("kind"), ("kind",), ("PolicyTest",))
        metadata = document.get("metadata", {})
        for key, value in reader.mapping(
            metadata, ("metadata",), METADATA_KEYS
        ).items():
            reader.text(value, ("metadata", key))
        config = reader.text(document.get("config", ""), ("config",))
        defaults = self._given(document.get("defaults", {}), ("defaults",))
        cases: list[Case] = []
        for key in ("tests", "forall"):
            for at, item in enumerate(self._items(document.get(key, []), (key,))):
                cases.append(self._case(item, (key, at), defaults))
        if not cases and not reader.problems:
            reader.problem("E114", (), "a document needs tests or forall")
        return Suite(file=file, config=config, cases=tuple(cases))

    def _items(self, value: object, path: Path) -> Sequence[object]:
        if isinstance(value, list | tuple):
            return value
        self.reader.problem("E101", path, "a list is needed here")
        return ()

    def _case(self, item: object, path: Path, defaults: Given) -> Case:
        every = path[0] == "forall"
        data = self.reader.mapping(item, path, FORALL_KEYS if every else TEST_KEYS)
        direction = read_direction(self.reader, data, path)
        is_answer = direction is Direction.RESPONSE
        # Headers that requests have by default are none of an answer.
        defaults = replace(defaults, headers=()) if is_answer else defaults
        given = self._given(data.get("given", {}), (*path, "given"), wide=every)
        if "headers" in data and every:
            headers = self._headers(data["headers"], (*path, "headers"), wide=True)
            given = replace(given, headers=(*given.headers, *headers))
        if given.payer is not None and not is_answer:
            self.reader.problem(
                "E205",
                (*path, "given", "payer"),
                "who pays for a request is said by the credentials that it brings",
                "give headers, or make it a test of an answer with direction: response",
            )
        whole = given.over(defaults)
        expected = Expected()
        if "expect" in data:
            names = tuple(name for name, _ in whole.headers)
            reading = ExpectedReading(self.reader, names)
            read = reading.answer if is_answer else reading.request
            expected = read(data["expect"], (*path, "expect"))
        elif isinstance(item, Mapping):
            self.reader.problem("E114", path, "a test needs expect")
        return Case(
            name=self._name(data, path, given) if data else "",
            where=self.reader.locate(path),
            given=given if every else whole,
            expected=expected,
            every=every,
            defaults=defaults,
            direction=direction,
        )

    def _name(self, data: Mapping[str, object], path: Path, given: Given) -> str:
        if path[0] == "forall" and "name" not in data:
            return "for all: " + ", ".join(
                f"{n}: {value}" for n, value in given.headers
            )
        name = self.reader.text(data.get("name", ""), (*path, "name"))
        if not name:
            self.reader.problem("E202", path, "a test needs a name")
        return name

    # -- what is given

    def _given(self, value: object, path: Path, *, wide: bool = False) -> Given:
        reader = self.reader
        data = reader.mapping(value, path, GIVEN_KEYS)
        texts = {
            key: reader.text(data[key], (*path, key)) for key in _TEXTS if key in data
        }
        given = Given(
            route=texts.get("route"),
            model=texts.get("model"),
            deployment=texts.get("deployment"),
            key=texts.get("key"),
            team=texts.get("team"),
            user=texts.get("user"),
            client_ip=texts.get("client_ip"),
            deployment_at=reader.locate((*path, "deployment")),
        )
        if "payer" in data:
            payer = reader.one_of(data["payer"], (*path, "payer"), PAYERS)
            given = replace(given, payer=payer)
        if "tags" in data:
            # No tags at all is something to say of a caller.
            tags = data["tags"]
            read = () if tags == [] else reader.texts(tags, (*path, "tags"))
            given = replace(given, tags=read)
        if "stream" in data:
            stream = reader.boolean(data["stream"], (*path, "stream"))
            given = replace(given, stream=stream)
        if "headers" in data:
            headers = self._headers(data["headers"], (*path, "headers"), wide=wide)
            given = replace(given, headers=headers)
        if "body" in data:
            given = replace(given, body=self._body(data["body"], (*path, "body")))
            for key in ("model", "stream"):
                if key in data:
                    reader.problem(
                        "E205", (*path, key), f"the body says what {key} is", "give one"
                    )
        return given

    def _body(self, value: object, path: Path) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return self._without_credential(text, path)

    def _headers(
        self, value: object, path: Path, *, wide: bool
    ) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, Mapping):
            self.reader.problem("E101", path, "a mapping is needed here")
            return ()
        out: list[tuple[str, str]] = []
        for name, given in value.items():
            lines = given if isinstance(given, list | tuple) else [given]
            for line in lines:
                text = self._value(
                    line, str(name).lower(), (*path, str(name)), wide=wide
                )
                out.append((str(name).lower(), text))
        return tuple(out)

    def _value(self, value: object, name: str, path: Path, *, wide: bool) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.reader.problem(
                "E101", path, "a text or a list of texts is needed here"
            )
            return ""
        text = self._without_credential(str(value), path)
        bare = text
        for word in WIDE:
            bare = bare.replace(f"<{word}>", "")
        if bare != text and not wide:
            self.reader.problem(
                "E232",
                path,
                "a word for many credentials stands in forall only",
                "write one of them, such as <anthropic.api_key>",
            )
        try:
            filled(name, bare)
        except UnknownPlaceholderError as error:
            near = get_close_matches(error.word, [*PLACEHOLDERS, *WIDE], n=1)
            known = ", ".join(f"<{each}>" for each in PLACEHOLDERS)
            self.reader.problem(
                "E232",
                path,
                "this stands for nothing that can be made up",
                f"did you mean <{near[0]}>?" if near else f"known are {known}",
            )
            return ""
        return text

    def _without_credential(self, text: str, path: Path) -> str:
        if not holds_credential(text):
            return text
        self.reader.problem(
            "E210",
            path,
            "this is the shape of a credential; a test may not hold one",
            "write a placeholder such as <anthropic.api_key>",
        )
        return ""
