"""S-03, S-48, S-55: which secret arrives where, for every header and deployment."""

import json
from itertools import product
from typing import ClassVar

from byok.core.errors import Refusal
from byok.core.exchange import Caller, Planned, decide, lay_out
from byok.core.facts import Headers, RequestFacts
from byok.core.intake import read_facts
from byok.core.routes import MESSAGES
from byok.core.secret import Secret
from tests.e2e.house import ASK, OURS
from tests.e2e.raw import Pairs, request
from tests.security.estate import (
    COMPANY,
    OPAQUE,
    OPENAI,
    OPENAI_COMPANY,
    OWN,
    STRANGER,
    STRANGER_COMPANY,
    VOUCHED,
    Estate,
    secrets_in,
)
from tests.support import keys

SECRETS = {
    "anthropic api key": keys.ANTHROPIC_API_KEY,
    "anthropic oauth token": keys.ANTHROPIC_OAUTH,
    "anthropic admin key": keys.ANTHROPIC_ADMIN,
    "openai api key": keys.OPENAI_API_KEY,
    "openrouter key": keys.OPENROUTER,
    "google key": keys.GOOGLE,
    "azure key": keys.AZURE_KEY,
    "jwt": keys.JWT,
    "opaque token": keys.OPAQUE_TOKEN,
    "virtual key": keys.VIRTUAL_KEY,
    "master key": keys.MASTER_KEY,
    "cookie": keys.COOKIE,
}
HEADERS = (
    "Authorization",
    "X-Api-Key",
    "api-key",
    "x-goog-api-key",
    "Proxy-Authorization",
    "x-custom",
    "anthropic-custom",
    "x-auth-token",
    "Cookie",
)
ORIGINS = {
    OWN: "anthropic",
    COMPANY: "anthropic",
    STRANGER: "stranger",
    STRANGER_COMPANY: "stranger",
    VOUCHED: "stranger",
    OPAQUE: "stranger",
    OPENAI: "openai",
    OPENAI_COMPANY: "openai",
}
COMPANYS = {
    COMPANY: "deployment key",
    STRANGER_COMPANY: "second deployment key",
    OPENAI_COMPANY: "openai deployment key",
}

# Every pair of secret and header that may leave as the credential of a request, for
# each deployment. What is not here stays; the deployment's own key leaves where
# nothing of the client's does.
ANTHROPICS = {
    ("anthropic api key", "X-Api-Key"),
    ("anthropic api key", "Authorization"),
    ("anthropic oauth token", "Authorization"),
}
# A value without a shape is anybody's: only the operator of the one deployment that
# says so takes it, in the headers where that API reads its keys.
WITHOUT_SHAPE = ("azure key", "jwt", "opaque token", "cookie")
MAY_LEAVE: dict[str, set[tuple[str, str]]] = {
    OWN: ANTHROPICS,
    COMPANY: ANTHROPICS,
    STRANGER: set(),
    STRANGER_COMPANY: set(),
    VOUCHED: {pair for pair in ANTHROPICS if pair[0] == "anthropic api key"},
    OPAQUE: {
        (secret, header)
        for secret in WITHOUT_SHAPE
        for header in ("X-Api-Key", "Authorization")
    },
    OPENAI: {("openai api key", "Authorization")},
    OPENAI_COMPANY: {("openai api key", "Authorization")},
}
# Under these names it is not even recognisable as anything but the client's words:
# the operator has the one forwarded, and the other is Anthropic's to define.
WORDS = {
    "x-custom": set(ORIGINS.values()),
    "anthropic-custom": {"anthropic", "stranger"},
}


def expected(model: str, secret: str, header: str) -> set[str] | None:
    """Name the secrets that arrive; None where the request itself does not."""
    if secret == "anthropic admin key":
        return None
    arriving = {COMPANYS[model]} if model in COMPANYS else set()
    if (secret, header) in MAY_LEAVE[model]:
        arriving = {secret}
    if not arriving:
        return None
    if secret in WITHOUT_SHAPE and ORIGINS[model] in WORDS.get(header, ()):
        arriving |= {secret}
    return arriving


CLOSING = (b"\r\nContent-Length", b"\r\nConnection: close\r\nContent-Length")


def carrying(secret: str, header: str) -> Pairs:
    """*secret* in *header*, beside the virtual key where that is another one."""
    value = SECRETS[secret]
    if header in ("Authorization", "Proxy-Authorization"):
        value = f"Bearer {value}"
    return (("x-litellm-api-key", keys.VIRTUAL_KEY), (header, value))


def asking(model: str, headers: Pairs) -> bytes:
    path = "/v1/chat/completions" if ORIGINS[model] == "openai" else "/v1/messages"
    body = json.dumps({"model": model, "messages": []}).encode()
    return request(path, headers=headers, body=body, close=False)


class MatrixTests(Estate):
    timeout = 60

    async def test_a_secret_arrives_where_it_belongs_and_nowhere_else(self):
        wrong: list[tuple[object, ...]] = []

        def prove(line):
            for model, secret, header in product(ORIGINS, SECRETS, HEADERS):
                mark = self.mark()
                answer = line.ask(asking(model, carrying(secret, header)))
                came = self.since(mark)
                arrived = secrets_in(came) if came else None
                if arrived != expected(model, secret, header):
                    wrong.append((model, secret, header, answer.status, arrived))
                elif came and self.where(mark) != [ORIGINS[model]]:
                    wrong.append((model, secret, header, self.where(mark)))

        await self.holds(prove)

        self.assertEqual(wrong, [])
        self.assertEqual(self.guard_trips, 0)

    def where(self, mark):
        """Name the providers to which something came since *mark*."""
        names = ("anthropic", "openai", "stranger")
        changes = zip(names, mark, self.mark(), strict=True)
        return [name for name, before, after in changes if after > before]


class AttemptTests(Estate):
    """S-48: each attempt is decided anew, from what the client sent."""

    def attempt(self, deployment: str, headers: Headers) -> Planned | Refusal:
        """Decide one request for *deployment*, as an attempt after another one."""
        gateway = self.service._config.gateway
        body = ASK.replace(OWN.encode(), COMPANY.encode())
        facts = read_facts(b"POST", b"/v1/messages", MESSAGES, headers, body)
        assert isinstance(facts, RequestFacts)
        caller = Caller(key_id="key_1", carrier="x-litellm-api-key")
        found = gateway.table.named(deployment)
        decided = decide(facts, caller, gateway, deployment=found)
        if isinstance(decided, Refusal):
            return decided
        return decided.refusal or lay_out(facts, decided)

    async def test_a_fallback_carries_nothing_of_the_attempt_before_it(self):
        headers = (
            (b"x-api-key", keys.ANTHROPIC_API_KEY.encode()),
            (b"anthropic-beta", b"oauth-2025-04-20,other"),
            (b"user-agent", b"claude-cli/2"),
        )

        first, second, third, again = (
            self.attempt(name, headers)
            for name in (COMPANY, STRANGER_COMPANY, STRANGER, COMPANY)
        )

        assert isinstance(first, Planned)
        assert isinstance(second, Planned)
        self.assertIn(headers[0], first.headers)
        self.assertEqual(first.payer, "user-key")
        ours = (b"x-api-key", keys.DEPLOYMENT_KEY_2.encode())
        self.assertEqual([h for h in second.headers if h[0] == b"x-api-key"], [ours])
        self.assertNotIn(keys.ANTHROPIC_API_KEY.encode(), repr(second.headers).encode())
        self.assertNotIn(headers[2], second.headers)
        self.assertEqual(
            (second.payer, second.scrub), ("org", (Secret(ours[1].decode()),))
        )
        assert isinstance(third, Refusal)
        self.assertEqual(third.status, 401)
        self.assertEqual(again, first)


class SwitchTests(Estate):
    """What the two switches give, and that neither given nothing is."""

    SENT: ClassVar[dict[str, tuple[str, str]]] = {
        "anthropic api key": ("x-api-key", keys.ANTHROPIC_API_KEY),
        "anthropic oauth token": ("authorization", f"Bearer {keys.ANTHROPIC_OAUTH}"),
    }
    switches: ClassVar[dict[str, object]] = {}
    leaving: ClassVar[set[tuple[str, str]]] = set()

    def configuration(self):
        return {**super().configuration(), "litellm_settings": self.switches}

    async def test_what_leaves_is_what_was_switched_on(self):
        left = set()
        models = [model for model in ORIGINS if ORIGINS[model] != "openai"]
        for model, (secret, header) in product(models, self.SENT.items()):
            mark = self.mark()
            await self.ask(asking(model, (*OURS, header)).replace(*CLOSING))
            arrived = secrets_in(self.since(mark))
            if secret in arrived:
                left.add((model, secret))
            else:
                own = {COMPANYS[model]} if model in COMPANYS else set()
                self.assertEqual(arrived, own)

        self.assertEqual(left, self.leaving)


class LoginSwitchTests(SwitchTests):
    """Headers alone: a login goes to deployments without a key, as in LiteLLM."""

    switches: ClassVar = {"forward_client_headers_to_llm_api": True}
    leaving: ClassVar = {(OWN, "anthropic oauth token")}


class CredentialSwitchTests(SwitchTests):
    switches: ClassVar = {"forward_llm_provider_auth_headers": True}
    leaving: ClassVar = {
        (OWN, "anthropic api key"),
        (OWN, "anthropic oauth token"),
        (COMPANY, "anthropic api key"),
        (COMPANY, "anthropic oauth token"),
        (VOUCHED, "anthropic api key"),
    }


class OwnCarrierTests(Estate):
    """A header of the operator's choice for keys of the gateway."""

    general: ClassVar = {"litellm_key_header_name": "X-Corp-Key"}

    async def test_nothing_in_it_leaves(self):
        for value in (*SECRETS.values(), "sk-whatever", "Bearer hello"):
            for headers in (
                (*OURS, ("X-Corp-Key", value)),
                (("x-corp-key", keys.VIRTUAL_KEY), ("X-CORP-KEY", value)),
                (("x-corp-key", keys.VIRTUAL_KEY), ("x_corp_key", value)),
            ):
                mark = self.mark()
                await self.ask(asking(COMPANY, headers).replace(*CLOSING))

                arrived = self.since(mark)
                self.assertLessEqual(secrets_in(arrived), {"deployment key"}, value)
                for sent in arrived:
                    self.assertNotIn(b"corp", sent.raw.lower())

    async def test_it_comes_before_the_usual_ones(self):
        headers = (("X-Corp-Key", "sk-wrong"), *OURS)

        answer = await self.ask(asking(COMPANY, headers).replace(*CLOSING))

        self.assertEqual(answer.status, 401)
        self.assertEqual(self.mark(), (0, 0, 0))
