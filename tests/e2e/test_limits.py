"""Requests against their limits: let in, refused in the right words, given back."""

import json
from functools import partial
from typing import Any, ClassVar

import yaml

from byok.config import examine
from tests.e2e.house import ASK, ENVIRONMENT, OURS, OWN
from tests.e2e.metered import ADMIN, ONE, SECOND, Metered
from tests.e2e.raw import request
from tests.support import keys, plays, sse

MESSAGES = "/v1/messages"
HELD = plays.stream(sse.text_stream("a word or two")).hold_before(
    b"event: message_delta", signal="go"
)
UNIFIED = "anthropic-ratelimit-unified-"


class KeyLimitTests(Metered):
    async def test_requests_beyond_the_rate_are_told_when_to_come_back(self):
        await self.change_key(rpm_limit=1)

        first, second = await self.org(), await self.org()

        self.assertEqual(first.status, 200)
        self.assert_refused(second, "limit.requests", "rate_limit_error")
        self.assertIn(int(second.value("retry-after") or ""), range(1, 61))
        self.assertIsNone(second.value("x-should-retry"))
        self.assertIn("key anna may use 1 requests a minute", second.body.decode())
        self.assertEqual(len(self.provider.requests), 1)

    async def test_a_refused_request_reserves_nothing_of_any_limit(self):
        await self.change_key(rpm_limit=5, tpm_limit=1)
        await self.org()
        refused = [await self.org() for _ in range(9)]
        await self.change_key(rpm_limit=5, tpm_limit=10**6)

        let_in = [await self.org() for _ in range(4)]

        self.assertEqual({each.status for each in refused}, {429})
        self.assertEqual([each.status for each in let_in], [200] * 4)
        self.assertEqual((await self.org()).status, 429)
        self.assertEqual(self.limiter.under_way, 0)

    async def test_tokens_count_as_the_answer_reports_them(self):
        await self.change_key(tpm_limit=20)

        first, second = await self.org(), await self.org()
        third = await self.org()

        # 19 of 20 after the first, so there was one left for the second.
        self.assertEqual((first.status, second.status), (200, 200))
        self.assert_refused(third, "limit.tokens", "rate_limit_error")

    async def test_a_slot_is_free_again_when_the_answer_has_ended(self):
        await self.change_key(max_parallel_requests=1)
        self.provider.play(MESSAGES, HELD)
        held = await self.begin(request(headers=OURS, body=_ORG))
        await held.until(b"message_start")

        refused = await self.org()
        self.provider.fire("go")
        ended = await held.end()
        await self.idle()

        self.assert_refused(refused, "limit.parallel", "rate_limit_error")
        self.assertEqual(refused.value("retry-after"), "1")
        self.assertTrue(ended.complete)
        self.assertEqual((await self.org()).status, 200)

    async def test_a_slot_is_free_again_when_the_client_hangs_up(self):
        await self.change_key(max_parallel_requests=1)
        self.provider.play(MESSAGES, HELD)
        held = await self.begin(request(headers=OURS, body=_ORG))
        await held.until(b"message_start")

        held.transport.abortConnection()
        await self.idle()

        self.assertEqual((await self.org()).status, 200)

    async def test_changed_limits_of_a_key_hold_at_once(self):
        await self.change_key(rpm_limit=1)
        self.assertEqual([(await self.org()).status for _ in range(2)], [200, 429])

        await self.change_key(rpm_limit=2)

        self.assertEqual([(await self.org()).status for _ in range(2)], [200, 429])

    async def test_two_keys_do_not_share_a_limit(self):
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="bert", rpm_limit=1)
        await self.change_key(rpm_limit=1)

        statuses = [(await self.org(each)).status for each in (OURS, SECOND)]

        self.assertEqual(statuses, [200, 200])

    async def test_a_reload_keeps_what_was_counted(self):
        await self.change_key(rpm_limit=1, max_budget=1)
        await self.org()
        path = self.service._config.path
        config = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**config, "budgets": {"fail": "open"}}))
        reloading = self.service._reloading
        assert reloading is not None
        reloading._reread = partial(
            examine, path, environ=ENVIRONMENT, listen=["tcp:0:interface=127.0.0.1"]
        )
        before = reloading.config.digest

        answer = await self.ask(request("/byok/reload", headers=ADMIN, body=b"{}"))

        self.assertEqual(answer.status, 200, answer.body)
        self.assertNotEqual(reloading.config.digest, before)
        self.assert_refused(await self.org(), "limit.requests", "rate_limit_error")

    async def test_counts_of_tokens_weigh_a_tenth_on_rates(self):
        await self.change_key(rpm_limit=1)

        statuses = [(await self.count()).status for _ in range(11)]

        self.assertEqual(statuses, [200] * 10 + [429])


class BudgetTests(Metered):
    async def test_a_spent_budget_says_stop_and_whose_it_is(self):
        await self.change_key(max_budget=ONE / 10**9, budget_duration="1d")

        first, second = await self.org(), await self.org()

        self.assertEqual(first.status, 200)
        self.assert_refused(second, "limit.budget", "billing_error")
        self.assertEqual(second.value("x-should-retry"), "false")
        self.assertGreater(int(second.value("retry-after") or ""), 0)
        self.assertIn("Spend limit reached (daily; resets ", second.body.decode())
        self.assertEqual(second.value(f"{UNIFIED}status"), "rejected")
        self.assertIsNone(second.value(f"{UNIFIED}representative-claim"))

    async def test_a_spent_budget_stops_nobody_from_counting_tokens(self):
        await self.change_key(max_budget=0)

        self.assert_refused(await self.org(), "limit.budget", "billing_error")
        self.assertEqual((await self.count()).status, 200)

    async def test_a_spent_budget_stops_nobody_who_pays_for_it(self):
        await self.change_key(max_budget=0)

        self.assertEqual((await self.message(headers=OWN, body=ASK)).status, 200)

    async def test_where_a_caller_stands_is_on_each_answer(self):
        await self.change_key(max_budget=2 * ONE / 10**9, budget_duration="1d")
        fresh = await self.org()
        used = await self.org()

        self.assertEqual(fresh.value(f"{UNIFIED}status"), "allowed")
        self.assertEqual(fresh.value(f"{UNIFIED}overage-utilization"), "0.00")
        self.assertEqual(used.value(f"{UNIFIED}overage-utilization"), "0.50")
        self.assertEqual(used.value(f"{UNIFIED}representative-claim"), "overage")
        self.assertNotIn(
            f"{UNIFIED}status", (await self.message(headers=OWN, body=ASK)).names()
        )

    async def test_errors_of_the_provider_cost_nothing_but_a_request(self):
        await self.change_key(max_budget=1, rpm_limit=2)
        self.provider.play(MESSAGES, plays.fails(529, "overloaded_error", "later"))

        failed = await self.org()
        (record,) = await self.records(1)

        self.assertEqual(failed.status, 529)
        self.assertNotIn(f"{UNIFIED}status", failed.names())
        self.assertEqual((record.cost_nano, record.status), (0, 529))
        self.assertFalse(record.estimated)
        self.assertEqual(self.spent(record.key_id), 0)
        self.assertEqual([(await self.org()).status for _ in range(2)], [200, 429])

    async def test_an_unreachable_provider_costs_not_even_that(self):
        await self.change_key(max_budget=1, rpm_limit=1)
        self.provider.play(MESSAGES, plays.hangs_up())

        broken = await self.org()
        (record,) = await self.records(1)

        self.assertEqual((broken.status, record.status), (502, 502))
        self.assertEqual((record.cost_nano, record.error), (0, "provider.broken"))
        self.assertEqual((await self.org()).status, 200)

    async def test_who_hangs_up_pays_for_what_was_written(self):
        await self.change_key(max_budget=1)
        self.provider.play(MESSAGES, HELD)
        client = await self.begin(request(headers=OURS, body=_ORG))
        await client.until(b"two")

        client.transport.abortConnection()
        await self.idle()
        (record,) = await self.records(1)

        # "a word or two" is at least four tokens.
        self.assertEqual((record.input_tokens, record.output_tokens), (12, 4))
        self.assertTrue(record.estimated)
        self.assertEqual((record.status, record.ending), (200, "client gone"))
        self.assertEqual(self.spent(record.key_id), record.cost_nano)
        self.assertEqual(record.cost_nano, 12 * 4_000 + 4 * 20_000)

    async def test_who_hangs_up_before_the_answer_pays_for_the_prompt(self):
        await self.change_key(max_budget=1)
        self.provider.play(MESSAGES, plays.hangs())
        client = await self.begin(request(headers=OURS, body=_ORG))
        await self.provider.request(0)

        client.transport.abortConnection()
        await self.idle()
        (record,) = await self.records(1)

        self.assertEqual(record.status, 499)
        self.assertEqual(record.input_tokens, -(-len(_ORG) // 4))
        self.assertTrue(record.estimated)
        self.assertEqual(self.spent(record.key_id), record.cost_nano)
        self.assertGreater(record.cost_nano, 0)

    async def test_a_stream_that_breaks_off_costs_what_came_of_it(self):
        await self.change_key(max_budget=1)
        whole = plays.stream(sse.text_stream("a word or two"))
        self.provider.play(MESSAGES, whole.cut_before(b"event: message_delta"))

        cut = await self.org()
        (record,) = await self.records(1)

        self.assertFalse(cut.complete)
        self.assertEqual(record.ending, "cut")
        self.assertEqual((record.input_tokens, record.estimated), (12, True))
        self.assertEqual(self.spent(record.key_id), record.cost_nano)

    async def test_a_page_of_some_proxy_costs_nothing(self):
        await self.change_key(max_budget=1)
        self.provider.play(MESSAGES, plays.html(200))

        await self.org()
        (record,) = await self.records(1)

        self.assertEqual((record.cost_nano, record.input_tokens), (0, None))

    async def test_nothing_is_lost_where_the_end_goes_wrong(self):
        await self.change_key(max_budget=1, max_parallel_requests=1)

        class Broken:
            version = "none"

            def find(self, *_: object, **__: object) -> object:
                raise RuntimeError("no prices")

        self.provider.play(MESSAGES, HELD)
        client = await self.begin(request(headers=OURS, body=_ORG))
        await client.until(b"message_start")
        for meter in _meters(self):
            meter._prices = Broken()
        self.provider.fire("go")
        await client.end()
        await self.idle()

        self.assertEqual(self.line()["status"], 200)
        self.assertEqual(self.ledger.counts.lost, 1)
        (lease,) = self.limiter.snapshot(0.0)
        # What was reserved is taken for what was used.
        self.assertGreater(lease.spent_nano, 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


def _meters(case: Metered):
    reloading = case.service._reloading
    assert reloading is not None
    places: Any = reloading.current.generation.places
    (meter,) = {
        handler.func.__self__._meter
        for place in places._shared.values()
        for handler in place.handlers.values()
        if hasattr(handler, "func")
    }
    return (meter,)


class ConfiguredLimitTests(Metered):
    sections: ClassVar = {
        "sessions": {"rpm_limit": 1},
        "agents": {"max_budget": ONE / 10**9, "budget_duration": "1d"},
    }
    deployed: ClassVar = {"rpm": 4}

    async def test_each_session_has_its_own_limit(self):
        first = (*OURS, ("x-claude-code-session-id", "11111111-aaaa"))
        second = (*OURS, ("x-claude-code-session-id", "22222222-bbbb"))

        statuses = [(await self.org(each)).status for each in (first, first, second)]
        refused = await self.org(second)

        self.assertEqual(statuses, [200, 429, 200])
        self.assertIn("this session may use 1 requests", refused.body.decode())
        self.assertNotIn("22222222", refused.body.decode())

    async def test_each_agent_has_its_own_budget(self):
        first = (*OURS, ("x-claude-code-agent-id", "agent-1"))
        second = (*OURS, ("x-claude-code-agent-id", "agent-2"))

        statuses = [(await self.org(each)).status for each in (first, first, second)]

        self.assertEqual(statuses, [200, 429, 200])

    async def test_a_deployment_is_limited_for_all_its_callers(self):
        await self.make_key(keys.VIRTUAL_KEY_2, key_alias="bert")
        callers = (OURS, SECOND, OURS, SECOND, OURS)

        statuses = [(await self.org(each)).status for each in callers]

        self.assertEqual(statuses, [200, 200, 200, 200, 429])


class RecordTests(Metered):
    async def test_a_record_says_all_that_is_known_of_an_exchange(self):
        headers = (
            *OURS,
            ("x-litellm-user-id", "someone"),
            ("x-claude-code-session-id", "11111111-aaaa"),
            ("x-claude-code-agent-id", "agent-1"),
        )
        await self.org(headers)
        (record,) = await self.records(1)

        self.assertEqual(record.id, self.line()["request_id"])
        self.assertEqual(
            (record.key, record.end_user, record.session, record.agent),
            ("anna", "someone", "11111111-aaaa", "agent-1"),
        )
        self.assertEqual(
            (record.method, record.route, record.model, record.upstream_model),
            ("POST", MESSAGES, "company-model", "claude-opus-5-5"),
        )
        self.assertEqual((record.payer, record.provider), ("org", "anthropic"))
        self.assertEqual((record.status, record.ending), (200, "complete"))
        self.assertEqual((record.input_tokens, record.output_tokens), (12, 7))
        self.assertEqual((record.cost_nano, record.notional_nano), (ONE, ONE))
        self.assertEqual(record.stop_reason, "end_turn")
        self.assertIn('"input_tokens":12', (record.raw_usage or "").replace(" ", ""))
        self.assertTrue(record.price_version and record.generation.startswith("g1-"))
        self.assertGreaterEqual(record.duration_ms, record.first_byte_ms or -1.0)

    async def test_what_others_pay_is_told_apart(self):
        await self.message(headers=OWN)
        (record,) = await self.records(1)

        self.assertEqual((record.payer, record.cost_nano), ("user-key", 0))
        self.assertEqual(record.notional_nano, 12 * 2_000 + 7 * 10_000)

    async def test_counting_tokens_is_recorded_and_costs_nothing(self):
        await self.count()
        (record,) = await self.records(1)

        self.assertEqual(record.route, "/v1/messages/count_tokens")
        self.assertEqual((record.input_tokens, record.cost_nano), (None, 0))

    async def test_no_credential_gets_into_a_record(self):
        for name in ("session-id", "agent-id"):
            for value in (keys.ANTHROPIC_API_KEY_2, keys.VIRTUAL_KEY, keys.JWT):
                await self.org((*OURS, (f"x-claude-code-{name}", value)))
        await self.org((*OURS, ("x-litellm-user-id", keys.VIRTUAL_KEY_2)))
        records = await self.records(7)

        self.assertEqual(len(records), 7)
        for each in keys.ALL_CANARIES:
            self.assertNotIn(each, repr(records))
            self.assertNotIn(each[-20:], repr(records))

    async def test_a_request_that_was_refused_is_no_record(self):
        await self.change_key(rpm_limit=0)
        await self.org()
        await self.change_key(rpm_limit=None)
        await self.org()

        self.assertEqual([each.status for each in await self.records(1)], [200])


class LeaseTests(Metered):
    async def test_what_is_held_is_listed_with_its_owner(self):
        await self.change_key(max_parallel_requests=3, max_budget=1)
        self.provider.play(MESSAGES, HELD)
        held = await self.begin(request(headers=OURS, body=_ORG))
        await held.until(b"message_start")

        listed = await self.ask(
            request("/byok/leases", method="GET", headers=ADMIN[:1])
        )
        told = json.loads(listed.body)
        self.provider.fire("go")
        await held.end()
        await self.idle()

        self.assertEqual(told["total"], 1)
        (lease,) = told["leases"]
        self.assertEqual(lease["owner"], "anna")
        self.assertIn(
            {"what": "slot", "of": "key", "name": "anna", "count": 1}, lease["holds"]
        )
        self.assertEqual({each["what"] for each in lease["holds"]}, {"slot", "budget"})
        again = await self.ask(request("/byok/leases", method="GET", headers=ADMIN[:1]))
        self.assertEqual(json.loads(again.body)["leases"], [])

    async def test_only_who_administers_sees_leases(self):
        for headers in ((), OURS):
            asked = request("/byok/leases", method="GET", headers=headers)
            self.assertIn((await self.ask(asked)).status, (401, 403))


_ORG = ASK.replace(b"claude-sonnet-5-5", b"company-model")
