"""S-05 to S-09 and S-52 to S-54: who is calling, and what trying teaches."""

import dataclasses
import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime

from byok.core.carriers import CARRIERS, Presented
from byok.core.errors import Refusal
from byok.core.exchange import SINGLE_USER, Caller
from byok.core.keys import VirtualKey, new_key
from byok.service import StartFailed
from byok.web.identity import Identity
from tests.e2e.house import ASK, ASK_ORG, MODEL, OURS
from tests.e2e.raw import Answer, Pairs, request
from tests.security.estate import Estate, secrets_in
from tests.store.test_secrecy import traced
from tests.support import keys

ALIKE = "sk-" + "the-same-beginning-of-both-keys-"


def in_carrier(carrier: bytes, value: str) -> tuple[str, str]:
    """*value* as a client would put it into *carrier*."""
    scheme = "Bearer " if carrier == b"authorization" else ""
    return carrier.decode(), scheme + value


def kept(answer: Answer) -> tuple[object, ...]:
    """What a caller learns of an answer, less the id that is new each time."""
    headers = tuple(
        (name.lower(), value)
        for name, value in answer.headers
        if name.lower() not in ("date", "request-id")
    )
    (request_id,) = answer.values("request-id")
    body = answer.body.replace(request_id.encode(), b"<id>")
    return answer.status, answer.reason, headers, body


class CarrierTests(Estate):
    """S-05: one carrier decides, by an order that a client cannot change."""

    async def test_a_wrong_key_is_not_rescued_by_a_right_one_behind_it(self):
        for first, second in combinations(CARRIERS, 2):
            headers = (in_carrier(first, "sk-wrong"), in_carrier(second, OURS[0][1]))
            for shuffled in (headers, headers[::-1]):
                answer = await self.message(headers=shuffled, body=ASK_ORG)

                self.assertEqual(answer.status, 401, (first, second))
                self.assertEqual(answer.value("x-byok-error"), "auth.invalid-key")
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_a_right_key_is_not_spoilt_by_a_wrong_one_behind_it(self):
        for first, second in combinations(CARRIERS, 2):
            headers = (in_carrier(first, OURS[0][1]), in_carrier(second, "sk-wrong"))

            answer = await self.message(headers=headers[::-1], body=ASK_ORG)

            self.assertEqual(answer.status, 200, (first, second))
            whole = b"".join(sent.raw for sent in self.since((0, 0, 0)))
            self.assertNotIn(b"sk-wrong", whole)
        self.assertEqual(secrets_in(self.since((0, 0, 0))), {"deployment key"})

    async def test_the_header_that_authenticated_is_the_one_that_is_told(self):
        for carrier in CARRIERS:
            answer = await self.ask(
                request(
                    "/byok/whoami",
                    method="GET",
                    headers=(in_carrier(carrier, OURS[0][1]),),
                )
            )

            self.assertEqual(json.loads(answer.body)["carrier"], carrier.decode())


class Nobody:
    """A store in which there is nobody."""

    async def maybe(self, key: bytes, *, peer: str) -> VirtualKey | Refusal | None:
        """Find nobody."""
        return None

    async def ours_among(
        self, words: Sequence[bytes], *, peer: str
    ) -> tuple[bytes, ...] | Refusal:
        """Know nobody."""
        return ()


class IdentityTests(Estate):
    """S-07: there is no caller by default, and nothing that could be taken for one."""

    def test_a_caller_is_never_made_of_nothing(self):
        kinds: tuple[Any, ...] = (Caller, Presented, Refusal)
        for kind in kinds:
            with pytest.raises(TypeError):
                kind()
        required = [
            field.name
            for field in dataclasses.fields(Caller)
            if field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
        assert required == ["key_id"]
        assert not hasattr(Caller, "__bool__")
        assert not hasattr(Caller, "__len__")

    async def test_whoever_is_not_found_is_refused(self):
        identity = Identity(lookup=Nobody(), master_key=self.service._config.master_key)

        for headers in (
            (),
            ((b"authorization", b""),),
            ((b"authorization", b"Bearer"),),
            ((b"authorization", b"Bearer sk-"),),
            ((b"x-litellm-api-key", b"sk-nobody"),),
            ((b"x-api-key", b"None"),),
            ((b"x-api-key", b"single-user"),),
            ((b"x-api-key", b"master"),),
        ):
            found = await identity.identify(headers, peer="192.0.2.1")

            self.assertIsInstance(found, Refusal, headers)

    async def test_without_a_master_key_and_without_leave_nothing_starts(self):
        """The single user exists only where the configuration asked for one."""
        config = self.service._config
        general = dataclasses.replace(config.general, master_key=None)
        self.service._config = dataclasses.replace(config, general=general)

        with self.assertRaisesRegex(StartFailed, "no master key"):
            self.service._with_master_key()

        self.assertFalse(general.single_user)
        self.assertEqual(SINGLE_USER.secret, None)


class KeyTests(Estate):
    async def setUp(self):
        # The store's connections are told to trace when they are opened.
        self.statements = self.enterContext(traced())
        await super().setUp()

    async def test_a_presented_key_is_in_no_statement(self):
        """S-08: not as a parameter either, whatever it is made of."""
        hostile = "sk-' OR '1'='1' --; DROP TABLE virtual_keys"
        made_up = new_key(bytes(32)).reveal()
        for key in (hostile, made_up, keys.VIRTUAL_KEY, keys.VIRTUAL_KEY_2):
            await self.message(headers=(("x-litellm-api-key", key),))
            for path in ("/key/list", f"/v1/models/{MODEL}"):
                headers = (("authorization", f"Bearer {key}"),)
                await self.ask(request(path, method="GET", headers=headers))

        seen = "\n".join(self.statements).lower()
        # Parameters are in it: the alias of the key that was made is one.
        self.assertIn("'anna'", seen)
        presented = (made_up, keys.VIRTUAL_KEY, keys.VIRTUAL_KEY_2, "or '1'='1'")
        for key in presented:
            self.assertNotIn(key.lower(), seen)
            self.assertNotIn(key.encode().hex(), seen)

    async def test_keys_that_begin_alike_are_two_people(self):
        """S-09"""
        for name in ("anne", "bert"):
            await self.make_key(ALIKE + name, key_alias=name)

        for name in ("anne", "bert", "anne"):
            answer = await self.ask(
                request(
                    "/byok/whoami",
                    method="GET",
                    headers=(("x-litellm-api-key", ALIKE + name),),
                )
            )
            self.assertEqual(json.loads(answer.body)["key"], name)
        answer = await self.message(headers=(("x-litellm-api-key", ALIKE),))
        self.assertEqual(answer.status, 401)

    async def test_a_key_of_any_bytes_is_a_wrong_key(self):
        """S-52: comparing what is not ASCII is no fault of the gateway."""
        for value in ("sk-schl\xfcssel", "\xff\xfe", "sk-\xa0", "\xc3\xa4" * 40):
            for carrier in CARRIERS:
                headers = (in_carrier(carrier, value),)
                for raw in (
                    request(headers=headers, body=ASK),
                    request("/key/list", method="GET", headers=headers),
                ):
                    answer = await self.ask(raw)
                    self.assertEqual(answer.status, 401, (carrier, value))
        self.assertEqual(self.mark(), (0, 0, 0))


class UniformTests(Estate):
    """S-53: one answer for every key that opens nothing."""

    async def setUp(self):
        await super().setUp()
        self.useless = {
            "unknown": "sk-nobody-ever-made-this-key-here",
            "unknown, well formed": new_key(bytes(32)).reveal(),
            "malformed": "sk-byok-mistyped",
            "not a key": "hunter2",
            "blocked": "sk-blocked-key-of-some-length",
            "expired": "sk-expired-key-of-some-length",
            "deleted": "sk-deleted-key-of-some-length",
            "rotated": "sk-rotated-key-of-some-length",
        }
        for state in ("blocked", "expired", "deleted", "rotated"):
            await self.make_key(self.useless[state], key_alias=state)
            await self.message(headers=self.carrying(state))
        await self.admin("/key/block", {"key": "blocked"})
        store = self.service._store
        assert store is not None
        expired = await store.keys.maybe_by_name("expired")
        assert expired is not None
        await store.keys.update(
            expired.token_id, lambda key: dataclasses.replace(key, expires_at=1.0)
        )
        await self.admin("/key/delete", {"key_aliases": ["deleted"]})
        await self.admin("/key/rotated/regenerate", {})

    def carrying(self, state: str) -> Pairs:
        return (("x-litellm-api-key", self.useless[state]),)

    async def admin(self, path: str, body: dict[str, object]) -> None:
        headers = (
            ("authorization", f"Bearer {keys.MASTER_KEY}"),
            ("content-type", "application/json"),
        )
        answer = await self.ask(
            request(path, headers=headers, body=json.dumps(body).encode())
        )
        self.assertEqual(answer.status, 200, answer.body)

    async def test_every_useless_key_gets_the_same_bytes(self):
        for method, path, body in (
            ("POST", "/v1/messages", ASK),
            ("POST", "/v1/chat/completions", ASK),
            ("POST", "/v1/messages/count_tokens", b"not even JSON"),
            ("GET", "/v1/models", b""),
            ("GET", f"/v1/models/{MODEL}", b""),
            ("GET", "/byok/whoami", b""),
        ):
            answers = {
                state: kept(
                    await self.ask(
                        request(
                            path,
                            method=method,
                            headers=self.carrying(state),
                            body=body,
                        )
                    )
                )
                for state in self.useless
            }

            self.assertEqual(answers["unknown"][0], 401)
            for state, answer in answers.items():
                self.assertEqual(answer, answers["unknown"], state)
        self.assertEqual(self.mark(), (0, 0, 0))

    async def test_where_only_the_master_key_opens_no_key_is_told_from_another(self):
        for path in ("/key/list", "/key/info?key=blocked"):
            answers = {
                kept(
                    await self.ask(
                        request(path, method="GET", headers=self.carrying(state))
                    )
                )
                for state in self.useless
            }

            self.assertEqual(len(answers), 1)


class GuessingTests(Estate):
    """S-54: what somebody who guesses can make the store do."""

    async def test_guesses_reach_the_store_a_bounded_number_of_times(self):
        store = self.service._store
        assert store is not None
        asked: list[object] = []
        at_work = store.peppers.digests(keys.VIRTUAL_KEY.encode())
        find = store.keys.maybe_by_digest

        async def counted(digests, *, now):
            asked.extend([digests] if digests != at_work else [])
            return await find(digests, now=now)

        self.patch(store.keys, "maybe_by_digest", counted)
        guesses: list[int] = []
        clock = IReactorTime(reactor)
        # The clock that turns are given back by, so that neither can run ahead.
        began_at = clock.seconds()

        def prove(line):
            for number in range(400):
                guesses.append(line.ask(asking_as(f"sk-guess-{number:016}")).status)
                if number % 100 == 0:
                    # Who is at work behind the same address is not stopped.
                    self.assertEqual(line.ask(asking_as(keys.VIRTUAL_KEY)).status, 200)

        await self.holds(prove)

        self.assertEqual(set(guesses), {401, 429})
        # The burst, and what is given back for each second that went by.
        self.assertLessEqual(len(asked), 20 + 1 + 2 * (clock.seconds() - began_at))


def asking_as(key: str) -> bytes:
    headers = (("x-litellm-api-key", key),)
    return request("/v1/models", method="GET", headers=headers, close=False)
