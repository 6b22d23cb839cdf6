"""Rules of every tier in a running gateway, seen at the provider and the client."""

from typing import ClassVar

from tests.e2e.house import OWN, House
from tests.support import keys

QUIET = {
    "id": "quiet",
    "match": {"header": {"name": "user-agent"}},
    "action": "strip",
}
OTHER = (("x-litellm-api-key", keys.VIRTUAL_KEY_2), OWN[1])


class PolicyTests(House):
    general: ClassVar = {
        "policy_packs": ["claude-code", "litellm-compat"],
        "policies": [
            {
                "id": "no-id",
                "direction": "response",
                "match": {"header": {"name": "request-id"}},
                "action": "strip",
            },
            {
                "id": "served-by",
                "direction": "response",
                "action": {"inject": {"name": "x-served-by", "value": "the gateway"}},
            },
        ],
    }

    def configuration(self):
        contractors = {
            "id": "no-byok",
            "why": "Contractors use the shared key.",
            "match": {"header": {"class": "credential.provider.*"}},
            "action": "strip",
            "lock": True,
        }
        return {
            **super().configuration(),
            "teams": {"contractors": {"policies": [contractors]}},
        }

    async def test_an_answers_headers_are_ruled_too(self):
        answer = await self.message()

        self.assertEqual(answer.value("request-id"), None)
        self.assertEqual(answer.value("x-served-by"), "the gateway")

    async def test_a_keys_own_rules_hold_for_it_alone(self):
        await self.make_key(
            keys.VIRTUAL_KEY_2, key_alias="bob", metadata={"policies": [QUIET]}
        )

        await self.message(headers=(*OWN, ("user-agent", "claude-cli/2")))
        await self.message(headers=(*OTHER, ("user-agent", "claude-cli/2")))

        first = await self.provider.request(0)
        second = await self.provider.request(1)
        self.assertEqual(first.values(b"user-agent"), (b"claude-cli/2",))
        self.assertEqual(second.values(b"user-agent"), ())

    async def test_a_teams_lock_holds_for_its_keys(self):
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="carl", team_id="contractors")

        answer = await self.message(headers=OTHER)

        self.assertEqual(answer.status, 401)
        self.assertIn("contractors.no-byok", answer.body.decode())
        self.assertEqual(self.provider.received, b"")

    async def test_a_request_may_ask_for_what_a_pack_grants(self):
        asked = (
            ("x-pass-x-team-tag", "blue"),
            ("x-pass-authorization", f"Bearer {keys.ANTHROPIC_OAUTH}"),
        )

        await self.message(headers=(*OWN, *asked))

        sent = await self.provider.request(0)
        self.assertEqual(sent.values(b"x-team-tag"), (b"blue",))
        self.assertEqual(sent.values(b"authorization"), ())
        self.assertNotIn(b"x-pass-", self.provider.received.lower())
