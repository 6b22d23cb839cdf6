"""What a test expects, read: of a request, or of the answer to one."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from byok.core.policy_tests.cases import Expected, HeaderExpected, ShadowExpected
from byok.policy import slot
from byok.policy.reader import Path, Reader
from byok.policy.rules import Action

EXPECT_KEYS: Final = (
    "verdict",
    "status",
    "code",
    "rule",
    "header",
    "credential",
    "sends",
    "never_sends",
    "never_sends_class",
    "never_sends_class_to_untrusted",
    "shadow",
)
HEADER_KEYS: Final = ("verdict", "by", "sent_as", "class")
CREDENTIAL_KEYS: Final = ("source", "payer")
SHADOW_KEYS: Final = ("would", "by")
ANSWER_KEYS: Final = ("header", "kept", "stripped", "added", "shadow")
_OF_REQUEST: Final = ("header:NAME", "out:NAME", "credential", "request")
_OF_ANSWER: Final = ("answer:NAME",)
VERDICTS: Final = ("allow", "deny")
FATES: Final = tuple(
    each.word
    for each in (
        Action.FORWARD,
        Action.STRIP,
        Action.REDACT,
        Action.RENAME,
        Action.FILTER,
        Action.DENY,
    )
)
BACK: Final = tuple(
    each.word for each in (Action.FORWARD, Action.STRIP, Action.REDACT, Action.RENAME)
)
SOURCES: Final = (*slot.SOURCES, slot.NONE)
PAYERS: Final = tuple(dict.fromkeys(slot.PAYERS.values()))


class ExpectedReading:
    """One reading of what one test expects of what it gives: headers by *names*."""

    def __init__(self, reader: Reader, names: Sequence[str]) -> None:
        self.reader = reader
        self._names_given = tuple(names)

    def answer(self, value: object, path: Path) -> Expected:
        """Read what is expected of an answer."""
        data = self.reader.mapping(value, path, ANSWER_KEYS)
        self._asks_something(value, path)
        kept, stripped = (self._names(data, path, key) for key in ("kept", "stripped"))
        for key, names in (("kept", kept), ("stripped", stripped)):
            for name in names:
                self._is_given(name, (*path, key))
        return Expected(
            headers=self._header(data.get("header", {}), (*path, "header"), BACK),
            kept=kept,
            stripped=stripped,
            added=self._added(data, path),
            shadow=self._shadow(data["shadow"], (*path, "shadow"), _OF_ANSWER)
            if "shadow" in data
            else None,
        )

    def _added(
        self, data: Mapping[str, object], path: Path
    ) -> tuple[tuple[str, str | None], ...]:
        """Return the names that are put in, with the value where one is said."""
        value = data.get("added", {})
        if not isinstance(value, Mapping):
            return tuple((name, None) for name in self._names(data, path, "added"))
        at = (*path, "added")
        return tuple(
            (str(name).lower(), self.reader.text(text, (*at, str(name))))
            for name, text in value.items()
        )

    def request(self, value: object, path: Path) -> Expected:
        """Read what is expected of a request."""
        reader = self.reader
        data = reader.mapping(value, path, EXPECT_KEYS)
        self._asks_something(value, path)
        credential = reader.mapping(
            data.get("credential", {}), (*path, "credential"), CREDENTIAL_KEYS
        )
        untrusted = data.get("never_sends_class_to_untrusted", False)
        return Expected(
            verdict=self._word(data, path, "verdict", VERDICTS),
            status=self._status(data, path),
            code=self._text(data, path, "code"),
            rule=self._text(data, path, "rule"),
            headers=self._header(data.get("header", {}), (*path, "header"), FATES),
            source=self._word(credential, (*path, "credential"), "source", SOURCES),
            payer=self._word(credential, (*path, "credential"), "payer", PAYERS),
            sends=self._names(data, path, "sends"),
            never_sends=self._names(data, path, "never_sends"),
            never_sends_class=reader.globs(
                data["never_sends_class"], (*path, "never_sends_class")
            )
            if "never_sends_class" in data
            else (),
            never_to_untrusted=reader.boolean(
                untrusted, (*path, "never_sends_class_to_untrusted")
            )
            or False,
            shadow=self._shadow(data["shadow"], (*path, "shadow"), _OF_REQUEST)
            if "shadow" in data
            else None,
        )

    def _asks_something(self, value: object, path: Path) -> None:
        if isinstance(value, Mapping) and not value:
            self.reader.problem("E114", path, "a test expects something")

    def _is_given(self, name: str, path: Path) -> None:
        if name in self._names_given:
            return
        near = get_close_matches(name, self._names_given, n=1)
        self.reader.problem(
            "E231",
            path,
            "this header is expected and not given",
            f"did you mean {near[0]}?"
            if near
            else "write it into headers, with the value it comes with",
        )

    def _word(
        self, data: Mapping[str, object], path: Path, key: str, words: Sequence[str]
    ) -> str:
        if key not in data:
            return ""
        return self.reader.one_of(data[key], (*path, key), words) or ""

    def _text(self, data: Mapping[str, object], path: Path, key: str) -> str:
        return self.reader.text(data.get(key, ""), (*path, key))

    def _names(
        self, data: Mapping[str, object], path: Path, key: str
    ) -> tuple[str, ...]:
        if key not in data:
            return ()
        return tuple(
            name.lower() for name in self.reader.texts(data[key], (*path, key))
        )

    def _status(self, data: Mapping[str, object], path: Path) -> int:
        status = data.get("status", 0)
        if isinstance(status, int) and not isinstance(status, bool):
            return status
        self.reader.problem("E101", (*path, "status"), "a number is needed here")
        return 0

    def _header(
        self, value: object, path: Path, fates: Sequence[str]
    ) -> tuple[HeaderExpected, ...]:
        if not isinstance(value, Mapping):
            self.reader.problem("E101", path, "a mapping is needed here")
            return ()
        out: list[HeaderExpected] = []
        for key, said in value.items():
            name, at = str(key).lower(), (*path, str(key))
            self._is_given(name, at)
            # A bare word is the verdict.
            data = (
                {"verdict": said}
                if isinstance(said, str)
                else self.reader.mapping(said, at, HEADER_KEYS)
            )
            out.append(
                HeaderExpected(
                    name=name,
                    verdict=self._word(data, at, "verdict", fates),
                    by=self._text(data, at, "by"),
                    sent_as=self._text(data, at, "sent_as").lower(),
                    cls=self._text(data, at, "class"),
                )
            )
        return tuple(out)

    def _shadow(
        self, value: object, path: Path, slots: Sequence[str]
    ) -> tuple[ShadowExpected, ...]:
        if not isinstance(value, Mapping):
            self.reader.problem("E101", path, "a mapping is needed here")
            return ()
        out: list[ShadowExpected] = []
        for key, said in value.items():
            at = (*path, str(key))
            kind, _, name = str(key).partition(":")
            if f"{kind}:NAME" not in slots if name else str(key) not in slots:
                self.reader.problem("E105", at, f"{' or '.join(slots)} is needed here")
            data = (
                {"would": said}
                if isinstance(said, str)
                else self.reader.mapping(said, at, SHADOW_KEYS)
            )
            out.append(
                ShadowExpected(
                    slot=str(key).lower(),
                    would=self._text(data, at, "would"),
                    by=self._text(data, at, "by"),
                )
            )
        return tuple(out)
