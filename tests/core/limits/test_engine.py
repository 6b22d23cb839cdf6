"""All limits of a request at once or none, and nothing is held for ever."""

from math import inf

import pytest

from byok.core.limits.demand import (
    Actual,
    Demand,
    Denied,
    Fullness,
    Hold,
    Lease,
    Reservation,
    Saved,
    estimate_output,
    saved_total,
)
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Limit, Metric, Scope, limits_of
from byok.core.limits.windows import RateWindow
from byok.core.usage import floor_tokens

NOW = 1_764_000_000.0  # 2025-11-24 16:00 UTC
TOMORROW = 1_764_028_800.0


def of_key(**given) -> tuple[Limit, ...]:
    given.setdefault("budget_duration", "day" if "max_budget" in given else None)
    return limits_of(Scope.KEY, "k", **given)


def ask(limiter, limits, *, now=NOW, id="r", **given):  # noqa: A002
    return limiter.reserve(now, Demand(id=id, limits=limits, **given))


def used_of(limiter, limits, now=NOW, payer="org"):
    return [each.used_nano for each in limiter.fullness(limits, payer, now)]


# -- Rates -------------------------------------------------------------------------


def test_requests_beyond_the_rate_wait_until_the_first_is_forgotten():
    limiter = Limiter()
    limits = of_key(rpm=2)
    assert isinstance(ask(limiter, limits, id="a"), Reservation)
    assert isinstance(ask(limiter, limits, id="b", now=NOW + 30), Reservation)

    denied = ask(limiter, limits, id="c", now=NOW + 31)

    assert denied == Denied(
        limit=limits[0], retry_after_s=35, reset_at=NOW + 66, is_budget=False
    )
    assert isinstance(ask(limiter, limits, id="c", now=NOW + 65.9), Denied)
    assert isinstance(ask(limiter, limits, id="c", now=NOW + 66), Reservation)


def test_a_client_is_never_told_to_wait_for_more_than_the_window():
    limiter = Limiter()
    limits = of_key(rpm=1)
    ask(limiter, limits, id="a")

    denied = ask(limiter, limits, id="b")

    assert (denied.retry_after_s, denied.reset_at) == (60, NOW + 66)


def test_a_rate_of_nothing_lets_nobody_in():
    limits = of_key(rpm=0)

    assert ask(Limiter(), limits).retry_after_s == 60


def test_a_count_of_tokens_weighs_a_tenth_of_a_request():
    limiter = Limiter()
    limits = of_key(rpm=3, parallel=1, tpm=1, max_budget=0)

    for at in range(30):
        got = ask(limiter, limits, id=f"c{at}", counting=True, cost_nano=5)
        assert isinstance(got, Reservation)

    assert ask(limiter, limits, counting=True).limit.metric is Metric.REQUESTS
    assert {lease.holds for lease in limiter.leases()} == {()}


def test_tokens_are_reserved_by_estimate_and_settled_by_what_was_used():
    limiter = Limiter()
    limits = of_key(tpm=1000)
    ask(limiter, limits, id="a", tokens=900)
    assert isinstance(ask(limiter, limits, id="b", tokens=500), Reservation)
    assert isinstance(ask(limiter, limits, id="c", tokens=1), Denied)

    limiter.settle("a", Actual(tokens=100), NOW + 1)

    assert isinstance(
        ask(limiter, limits, id="c", tokens=801, now=NOW + 1), Reservation
    )
    assert isinstance(ask(limiter, limits, id="d", tokens=1, now=NOW + 2), Denied)


def test_a_large_request_is_let_in_while_anything_is_left():
    limiter = Limiter()
    limits = of_key(tpm=5)

    assert isinstance(ask(limiter, limits, tokens=128_000), Reservation)


def test_tokens_beyond_the_estimate_count_from_when_they_are_known():
    limiter = Limiter()
    limits = of_key(tpm=1000)
    ask(limiter, limits, id="a", tokens=10)

    limiter.settle("a", Actual(tokens=5000), NOW + 300)

    denied = ask(limiter, limits, id="b", tokens=1, now=NOW + 300)
    assert denied.reset_at == NOW + 366
    assert isinstance(ask(limiter, limits, id="b", now=NOW + 366), Reservation)


def test_what_is_given_back_of_a_part_goes_to_that_part():
    limiter = Limiter()
    limits = of_key(tpm=1000)
    ask(limiter, limits, id="a", tokens=400)
    ask(limiter, limits, id="b", tokens=400, now=NOW + 12)
    ask(limiter, limits, id="c", tokens=200, now=NOW + 24)

    limiter.settle("b", Actual(tokens=0), NOW + 30)
    limiter.settle("a", Actual(tokens=400), NOW + 31)
    limiter.settle("c", Actual(tokens=100), NOW + 100)

    assert isinstance(
        ask(limiter, limits, id="d", tokens=1, now=NOW + 100), Reservation
    )


def test_what_is_not_known_stays_as_it_was_reckoned():
    limiter = Limiter()
    limits = of_key(tpm=10, max_budget=1)
    ask(limiter, limits, tokens=10, cost_nano=7)

    limiter.settle("r", Actual(), NOW)

    assert used_of(limiter, limits) == [7]
    assert ask(limiter, limits, tokens=1).limit.metric is Metric.TOKENS


def test_a_clock_that_was_set_back_frees_nothing():
    limiter = Limiter()
    limits = of_key(rpm=1, max_budget=1)
    ask(limiter, limits, id="a", cost_nano=7)
    limiter.settle("a", Actual(cost_nano=7), NOW - 7200)

    assert isinstance(ask(limiter, limits, id="b", now=NOW - 7200), Denied)
    assert used_of(limiter, limits, now=NOW - 100_000) == [7]


# -- Requests at once --------------------------------------------------------------


@pytest.mark.parametrize("ending", ["settle", "abandon", "expire"])
def test_a_lease_comes_back_however_its_request_ends(ending):
    limiter = Limiter(expiry_s=100)
    limits = of_key(parallel=1)
    ask(limiter, limits, id="a", owner="10.0.0.1")
    (lease,) = limiter.leases()
    assert (lease.id, lease.owner, lease.since) == ("a", "10.0.0.1", NOW)
    assert lease.expires_at == NOW + 100
    assert lease.holds == (Hold(limit=limits[0], amount=1),)
    denied = ask(limiter, limits, id="b")
    assert (denied.retry_after_s, denied.is_budget) == (1, False)

    if ending == "settle":
        assert limiter.settle("a", Actual(), NOW)
    elif ending == "abandon":
        assert limiter.abandon("a", NOW)
    else:
        limiter.expire(NOW + 100)

    assert limiter.leases() == ()
    assert isinstance(ask(limiter, limits, id="b", now=NOW + 100), Reservation)


def test_settling_again_or_too_late_changes_nothing():
    limiter = Limiter(expiry_s=100)
    limits = of_key(parallel=2, max_budget=1, tpm=100)
    ask(limiter, limits, id="a", cost_nano=5)
    ask(limiter, limits, id="b", cost_nano=6)

    assert limiter.settle("a", Actual(cost_nano=1), NOW)
    assert not limiter.settle("a", Actual(cost_nano=100), NOW)
    assert not limiter.abandon("a", NOW)
    limiter.expire(NOW + 101)
    assert not limiter.settle("b", Actual(cost_nano=100), NOW + 101)
    assert not limiter.renew("b", NOW)

    # What nobody settled is taken as used.
    assert used_of(limiter, limits) == [7]
    assert limiter.leases() == ()


def test_a_request_that_goes_on_keeps_its_reservation():
    limiter = Limiter(expiry_s=100)
    limits = of_key(parallel=5)
    ask(limiter, limits, id="a")
    ask(limiter, limits, id="b", now=NOW + 1)

    assert limiter.open_ids() == ("a", "b")
    assert limiter.renew("a", NOW + 50)
    assert limiter.open_ids() == ("b", "a")
    limiter.expire(NOW + 149)

    assert [lease.id for lease in limiter.leases()] == ["a"]
    assert limiter.leases()[0].since == NOW


def test_what_a_request_holds_of_a_budget_is_listed_beside_its_lease():
    limiter = Limiter()
    limits = of_key(rpm=9, tpm=9, parallel=5, max_budget=1)
    ask(limiter, limits, id="late", now=NOW + 1, cost_nano=7, owner="u")
    ask(limiter, limits, id="early", cost_nano=10**9)

    early, late = limiter.leases()

    assert early.id == "early"
    assert late == Lease(
        id="late",
        owner="u",
        since=NOW + 1,
        expires_at=NOW + 7201,
        holds=(Hold(limit=limits[2], amount=1), Hold(limit=limits[3], amount=7)),
    )
    assert early.holds[1].amount == 10**9 - 7


def test_an_id_is_open_once():
    limiter = Limiter()
    ask(limiter, of_key(parallel=5), id="a")

    with pytest.raises(ValueError, match="open already"):
        ask(limiter, of_key(parallel=5), id="a")


# -- Budgets -----------------------------------------------------------------------


def test_a_budget_is_used_up_until_its_period_ends():
    limiter = Limiter()
    limits = of_key(max_budget=1)
    ask(limiter, limits, id="a", cost_nano=10**9)
    limiter.settle("a", Actual(cost_nano=999_999_999), NOW)
    assert isinstance(ask(limiter, limits, id="b", cost_nano=10**9), Reservation)
    limiter.settle("b", Actual(cost_nano=2), NOW)

    assert ask(limiter, limits, id="c") == Denied(
        limit=limits[0], retry_after_s=28_800, reset_at=TOMORROW, is_budget=True
    )
    assert isinstance(ask(limiter, limits, id="c", now=TOMORROW), Reservation)


def test_what_is_held_is_not_there_for_others():
    limiter = Limiter()
    limits = of_key(max_budget=1)
    ask(limiter, limits, id="a", cost_nano=10**9 - 1)
    assert isinstance(ask(limiter, limits, id="b", cost_nano=500), Reservation)
    assert isinstance(ask(limiter, limits, id="c", cost_nano=1), Denied)

    limiter.abandon("a", NOW)

    assert isinstance(ask(limiter, limits, id="c", cost_nano=1), Reservation)
    # The second got what was left, which was one.
    assert used_of(limiter, limits) == [2]


def test_with_estimates_too_low_no_more_is_overspent_than_was_under_way():
    limiter = Limiter()
    limits = of_key(max_budget=1)
    for at in range(5):
        assert isinstance(ask(limiter, limits, id=f"r{at}"), Reservation)

    for at in range(5):
        limiter.settle(f"r{at}", Actual(cost_nano=10**9), NOW)
        assert isinstance(ask(limiter, limits, id="more"), Denied)

    assert used_of(limiter, limits) == [5 * 10**9]


def test_what_began_yesterday_is_in_yesterdays_books():
    limiter = Limiter()
    limits = of_key(max_budget=1)
    ask(limiter, limits, id="a", cost_nano=5, now=TOMORROW - 60)
    ask(limiter, limits, id="b", cost_nano=6, now=TOMORROW)

    limiter.settle("a", Actual(cost_nano=50), TOMORROW)
    limiter.settle("b", Actual(cost_nano=7), TOMORROW)

    assert used_of(limiter, limits, now=TOMORROW) == [7]


def test_a_budget_that_is_held_and_not_spent_is_worth_asking_again():
    limiter = Limiter()
    limits = of_key(max_budget=1)
    ask(limiter, limits, id="a", cost_nano=10**9)

    assert ask(limiter, limits, id="b") == Denied(
        limit=limits[0], retry_after_s=1, reset_at=NOW + 1, is_budget=False
    )
    limiter.settle("a", Actual(cost_nano=10**9), NOW)
    assert ask(limiter, limits, id="b").is_budget


def test_a_budget_without_an_end_says_so():
    limits = limits_of(Scope.KEY, "k", max_budget=0)

    assert ask(Limiter(), limits) == Denied(
        limit=limits[0], retry_after_s=None, reset_at=None, is_budget=True
    )


def test_a_budget_counts_its_payers_alone():
    limiter = Limiter()
    org = of_key(max_budget=0)
    own = limits_of(
        Scope.USER,
        "u",
        max_budget=0,
        budget_duration="day",
        payers=frozenset({"user-key"}),
    )

    assert isinstance(ask(limiter, org, id="a", payer="user-key"), Reservation)
    assert isinstance(ask(limiter, org, id="b", payer="subscription"), Reservation)
    assert isinstance(ask(limiter, (*org, *own), id="c"), Denied)
    assert ask(limiter, (*org, *own), payer="user-key").limit == own[0]
    assert used_of(limiter, (*org, *own), payer="subscription") == []


def test_a_soft_budget_warns_from_its_amount_on_and_lets_in():
    limiter = Limiter()
    limits = limits_of(
        Scope.TEAM, "t", max_budget=2, soft_budget=1, budget_duration="day"
    )
    below = ask(limiter, limits, id="a", cost_nano=10**9 - 1)
    above = ask(limiter, limits, id="b", cost_nano=1)

    assert below == Reservation(id="a")
    assert above == Reservation(id="b", past_soft=limits)
    (full,) = limiter.fullness(limits, "org", NOW)
    assert full == Fullness(
        limit=limits[0],
        spent_nano=0,
        used_nano=10**9,
        fraction=0.5,
        reset_at=TOMORROW,
        past_soft=True,
    )


def test_a_budget_that_only_warns_never_refuses():
    limiter = Limiter()
    limits = limits_of(Scope.TEAM, "t", soft_budget=0, budget_duration="day")

    for at in range(3):
        got = ask(limiter, limits, id=f"r{at}", cost_nano=10**12)
        assert got.past_soft == limits

    assert limiter.fullness(limits, "org", NOW)[0].fraction == 1.0


def test_warnings_of_limits_that_are_no_budgets_are_not_given():
    limit = Limit(scope=Scope.KEY, scope_id="k", metric=Metric.TOKENS, amount=9, soft=1)

    assert ask(Limiter(), (limit,), tokens=5).past_soft == ()


def test_a_session_has_its_budget_from_the_first_request_on():
    limiter = Limiter()
    limits = limits_of(Scope.SESSION, "s", max_budget=1, budget_duration="1h")
    ask(limiter, limits, id="a", cost_nano=10**9)

    assert ask(limiter, limits, id="b", now=NOW + 3599).reset_at == NOW + 3600
    assert isinstance(ask(limiter, limits, id="b", now=NOW + 3600), Reservation)
    assert limiter.fullness(limits, "org", NOW + 3600)[0].reset_at == NOW + 7200


# -- Together ----------------------------------------------------------------------


def test_a_refusal_takes_nothing_of_any_limit():
    limiter = Limiter()
    limits = of_key(rpm=1, parallel=1, max_budget=5, tpm=50)
    blocked = limits_of(Scope.TEAM, "t", rpm=0)

    for _ in range(3):
        assert isinstance(ask(limiter, (*limits, *blocked), tokens=50), Denied)

    assert limiter.leases() == ()
    assert used_of(limiter, limits) == [0]
    assert isinstance(ask(limiter, limits, tokens=50), Reservation)


def test_of_several_the_one_that_stays_is_named():
    limiter = Limiter()
    (rate,) = limits_of(Scope.TEAM, "t", rpm=0)
    slow = Limit(
        scope=Scope.USER,
        scope_id="u",
        metric=Metric.REQUESTS,
        amount=0,
        window_s=3600 * 24 * 2,
    )
    (budget,) = of_key(max_budget=0)
    (endless,) = limits_of(Scope.MODEL, "m", max_budget=0)

    assert ask(limiter, (rate, slow)).limit == slow
    assert ask(limiter, (slow, budget, rate)).limit == budget
    assert ask(limiter, (budget, endless, slow)).limit == endless


def test_a_request_with_no_limits_is_let_in():
    limiter = Limiter()

    assert ask(limiter, ()) == Reservation(id="r")
    assert limiter.settle("r", Actual(tokens=1), NOW)


def test_to_abandon_is_as_if_nobody_had_asked():
    limiter = Limiter()
    limits = of_key(rpm=1, tpm=10, parallel=1, max_budget=1)
    ask(limiter, limits, id="a", tokens=10, cost_nano=10**9)

    limiter.abandon("a", NOW)

    assert isinstance(ask(limiter, limits, tokens=10, cost_nano=10**9), Reservation)


# -- Restarts and memory -----------------------------------------------------------


def test_a_restarted_process_goes_on_from_what_was_spent():
    limiter = Limiter()
    day = of_key(max_budget=1)
    total = limits_of(Scope.TEAM, "t", max_budget=1)
    ask(limiter, (*day, *total), id="a", cost_nano=5)
    limiter.settle("a", Actual(cost_nano=600_000_000), NOW)
    ask(limiter, (*day, *total, *of_key(rpm=1)), id="b", cost_nano=5)

    saved = limiter.snapshot(NOW)
    again = Limiter()
    again.restore(saved)

    assert [each.end for each in saved] == [TOMORROW, None]
    assert used_of(again, (*day, *total)) == [600_000_000] * 2
    assert again.leases() == ()
    assert limiter.snapshot(TOMORROW) == saved[1:]
    again.restore(saved)
    assert used_of(again, (*day, *total), now=TOMORROW) == [0, 600_000_000]


def test_the_ledgers_total_is_a_window_like_any_other():
    limits = of_key(max_budget=1)
    session = limits_of(Scope.SESSION, "s", max_budget=1, budget_duration="1h")
    limiter = Limiter()

    limiter.restore(
        [
            saved_total(limits[0], 10**9, now=NOW),
            saved_total(session[0], 10**9, now=NOW, started_at=NOW - 600),
        ]
    )

    assert isinstance(ask(limiter, limits), Denied)
    assert ask(limiter, session).reset_at == NOW + 3000


def test_to_restore_under_way_keeps_what_is_held_and_forgets_nothing():
    limits = of_key(max_budget=1)
    limiter = Limiter()
    ask(limiter, limits, id="a", cost_nano=5)
    limiter.settle("a", Actual(cost_nano=30), NOW)
    ask(limiter, limits, id="b", cost_nano=7)
    window = saved_total(limits[0], 20, now=NOW)

    limiter.restore([window, saved_total(limits[0], 999, now=NOW - 86_400)])
    assert used_of(limiter, limits) == [37]
    limiter.restore([Saved(key=window.key, start=window.start, end=1.0, spent_nano=50)])
    assert used_of(limiter, limits) == [57]
    limiter.restore([saved_total(limits[0], 3, now=TOMORROW)])
    assert used_of(limiter, limits, now=TOMORROW) == [3]


def test_windows_that_count_nothing_any_more_are_forgotten():
    limiter = Limiter()

    for at in range(5000):
        limits = limits_of(
            Scope.SESSION,
            f"s{at}",
            rpm=5,
            tpm=9,
            parallel=2,
            max_budget=1,
            budget_duration="10s",
        )
        ask(limiter, limits, id=f"r{at}", now=NOW + at, tokens=3, cost_nano=3)
        limiter.settle(f"r{at}", Actual(tokens=2, cost_nano=2), NOW + at)

    assert len(limiter) < 1000


def test_a_window_in_use_is_not_forgotten():
    limiter = Limiter()
    limits = of_key(parallel=1, max_budget=1, tpm=100)
    ask(limiter, limits, id="long", cost_nano=5, tokens=10)

    for at in range(2000):
        other = limits_of(Scope.USER, f"u{at}", parallel=1)
        ask(limiter, other, id=f"r{at}", now=NOW + at)
        limiter.settle(f"r{at}", Actual(), NOW + at)

    now = NOW + 2000
    assert isinstance(ask(limiter, of_key(parallel=1), now=now), Denied)
    # The window of its tokens was forgotten, and is made again to count the rest.
    limiter.settle("long", Actual(tokens=1000, cost_nano=6), now)
    assert used_of(limiter, limits, now=now) == [6]
    assert isinstance(ask(limiter, of_key(tpm=100), tokens=1, now=now), Denied)


def test_an_idle_rate_is_one_whose_counts_are_forgotten():
    (limit,) = of_key(rpm=9)
    window = RateWindow(limit, NOW)
    assert window.is_idle(NOW)
    assert window.grant(limit, 10, NOW + 6) == 10
    window.take(10)

    assert not window.is_idle(NOW + 71)
    assert window.is_idle(NOW + 72)


# -- Estimates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "max_tokens", "tokens"),
    [(48_000, 128_000, 16_096), (48_001, 100, 12_101), (0, None, 4096), (0, 0, 0)],
)
def test_an_estimate_has_the_body_and_some_of_the_answer(body, max_tokens, tokens):
    assert floor_tokens(body) + estimate_output(max_tokens) == tokens


def test_the_end_of_time_is_no_number_of_json():
    (limit,) = limits_of(Scope.KEY, "k", max_budget=1)

    assert limit.period.span(NOW).end == inf
    assert saved_total(limit, 1, now=NOW).end is None
