"""From a presented key to its record, and how seldom the store is asked."""

from collections.abc import Sequence
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from byok.core.errors import Refusal, StoreUnavailable
from byok.core.keys import Peppers, VirtualKey, new_key, rotated
from byok.core.secret import Secret
from byok.core.throttle import LookupThrottle
from byok.store.lookup import KeyLookup
from byok.store.memory import MemoryKeyStore
from tests.store.records import NOW, PEPPER, PEPPERS, record, records
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2

HOME = "192.0.2.1"
KEY = VIRTUAL_KEY.encode()


class CountingStore(MemoryKeyStore):
    """Counts look-ups, and answers them when told to."""

    def __init__(self):
        super().__init__()
        self.asked = 0
        self.held: list[Deferred[None]] | None = None
        self.away = False

    async def maybe_by_digest(
        self, digests: Sequence[bytes], *, now: float
    ) -> VirtualKey | None:
        """Look up, now or later."""
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        found = await super().maybe_by_digest(digests, now=now)
        if self.held is not None:
            waiting: Deferred[None] = Deferred()
            self.held.append(waiting)
            await waiting
        return found

    async def update(self, token_id, change):
        """Change a record, unless the store is away."""
        if self.away:
            raise StoreUnavailable("away")
        return await super().update(token_id, change)


class LookupCase(SynchronousTestCase):
    """A look-up over a store that counts, at a time that stands still."""

    def setUp(self):
        self.now = NOW
        self.store = CountingStore()
        self.lookup = self.lookup_with(PEPPERS)

    def lookup_with(self, peppers, **parts):
        return KeyLookup(self.store, peppers, seconds=lambda: self.now, **parts)

    def keep(self, key):
        self.successResultOf(Deferred.fromCoroutine(self.store.insert(key)))

    def start(self, key=KEY, peer=HOME):
        return Deferred.fromCoroutine(self.lookup.maybe(key, peer=peer))

    def maybe(self, key=KEY, peer=HOME):
        return self.successResultOf(self.start(key, peer))


class JudgementTests(LookupCase):
    """Who is known, and who is nobody."""

    def test_a_key_in_force_is_its_record(self):
        self.keep(record())

        assert self.maybe() == record()

    def test_unknown_blocked_expired_and_malformed_keys_are_all_nobody(self):
        blocked, expired, fine = records(3)
        self.keep(replace(blocked, blocked=True))
        self.keep(replace(expired, expires_at=NOW))
        self.keep(fine)
        keys = [f"sk-{number:030}".encode() for number in range(4)]

        assert [self.maybe(key) for key in keys] == [None, None, fine, None]
        assert [self.maybe(key) for key in keys] == [None, None, fine, None]

    def test_a_key_with_a_letter_outside_ascii_is_nobody_and_no_error(self):
        for key in ("sk-schlüssel".encode(), b"sk-\xff\xfe", b"\xff", b""):
            assert self.maybe(key) is None

    def test_keys_that_begin_alike_are_different_keys(self):
        one = record("sk-aaaaaaaaaaaaaaaaaaaaaaaa-one")
        two = record("sk-aaaaaaaaaaaaaaaaaaaaaaaa-two", 1)
        self.keep(one)
        self.keep(two)

        assert self.maybe(b"sk-aaaaaaaaaaaaaaaaaaaaaaaa-one") == one
        assert self.maybe(b"sk-aaaaaaaaaaaaaaaaaaaaaaaa-two") == two
        assert self.maybe(b"sk-aaaaaaaaaaaaaaaaaaaaaaaa-tw") is None

    def test_a_clock_that_is_set_back_does_not_keep_a_new_key_unknown(self):
        passed = [100.0]
        self.lookup = self.lookup_with(PEPPERS, steady=lambda: passed[0])
        assert self.maybe() is None
        self.keep(record())
        self.now -= 3600
        passed[0] += 6

        assert self.maybe() == record()

    def test_a_key_known_by_heart_expires_on_time(self):
        self.keep(record(expires_at=NOW + 1))
        assert self.maybe() is not None

        self.now = NOW + 1

        assert self.maybe() is None
        assert self.store.asked == 1

    def test_a_former_key_known_by_heart_ends_with_its_grace_period(self):
        new = new_key(bytes(32))
        self.keep(rotated(record(), new, PEPPERS, now=NOW, grace_until=NOW + 60))
        assert self.maybe() is not None
        assert self.maybe(new.reveal_bytes()) is not None

        self.now = NOW + 60

        assert self.maybe() is None
        assert self.maybe(new.reveal_bytes()) is not None

    def test_a_store_that_is_away_fails_for_new_keys_only(self):
        self.keep(record())
        self.maybe()
        self.store.away = True

        assert self.maybe() == record()
        self.failureResultOf(self.start(b"sk-another"), StoreUnavailable)


class OwnershipTests(LookupCase):
    """Is this value one of our keys at all?"""

    def is_real(self, key):
        asking = Deferred.fromCoroutine(self.lookup.is_real(key))
        return self.successResultOf(asking)

    def test_a_key_is_real_whether_it_is_in_force_or_not(self):
        self.keep(record())
        self.keep(replace(record(VIRTUAL_KEY_2, 1), blocked=True))

        assert self.is_real(KEY)
        assert self.is_real(VIRTUAL_KEY_2.encode())
        assert not self.is_real(b"sk-nobodys")
        assert not self.is_real(b"no key at all")

    def test_asking_takes_no_turns_of_the_address(self):
        self.keep(record())
        for number in range(100):
            assert not self.is_real(b"sk-other-%d" % number)

        assert self.maybe() == record()


class WordsTests(LookupCase):
    """Which words beside a caller's own key are keys of ours."""

    def ours_among(self, *words, peer=HOME):
        asking = Deferred.fromCoroutine(self.lookup.ours_among(words, peer=peer))
        return self.successResultOf(asking)

    def test_keys_are_told_from_words(self):
        self.keep(record())

        assert self.ours_among(b"sk-word", KEY, b"hunter2") == (KEY,)

    def test_new_words_take_turns_of_their_address(self):
        words = [b"sk-guess-%d" % number for number in range(20)]
        assert self.ours_among(*words) == ()

        refusal = self.ours_among(b"sk-guess-20")

        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.code) == (429, "auth.too-many-words")
        assert dict(refusal.headers).keys() == {"retry-after"}
        assert self.ours_among(b"sk-guess-21", peer="192.0.2.2") == ()
        self.now += 1
        assert self.ours_among(b"sk-guess-22") == ()

    def test_a_guess_without_a_turn_is_refused_whether_right_or_wrong(self):
        self.keep(record())
        self.ours_among(*(b"sk-guess-%d" % number for number in range(20)))

        for _ in range(2):
            assert self.ours_among(KEY) == self.ours_among(b"sk-wrong")

    def test_words_that_were_met_and_keys_take_none(self):
        self.keep(record())
        for _ in range(100):
            assert self.ours_among(b"sk-of-nobody", KEY) == (KEY,)

        words = [b"sk-guess-%d" % number for number in range(19)]
        assert self.ours_among(*words) == ()

    def test_what_can_be_no_key_takes_none(self):
        assert self.ours_among(*(b"word-%d" % number for number in range(100))) == ()
        assert self.ours_among(b"sk-word") == ()

    def test_words_met_are_remembered_within_bounds(self):
        self.lookup = self.lookup_with(
            PEPPERS, throttle=LookupThrottle(burst=20_000, per_second=0.001)
        )
        words = [b"sk-word-%d" % number for number in range(10_001)]
        assert self.ours_among(*words) == ()

        assert len(self.lookup._met) == 10_000


class HotPathTests(LookupCase):
    """A request asks no database."""

    def test_a_key_is_asked_for_once(self):
        self.keep(record())

        for _ in range(100):
            assert self.maybe() == record()

        assert self.store.asked == 1

    def test_a_malformed_key_never_reaches_the_store(self):
        wrong = new_key(bytes(32)).reveal_bytes()[:-1] + b"!"

        for key in (wrong, b"hunter2", b"sk-byok-", b"Basic abc"):
            assert self.maybe(key) is None

        assert self.store.asked == 0

    def test_a_change_is_seen_at_once(self):
        self.keep(record())
        self.maybe()

        self.successResultOf(
            Deferred.fromCoroutine(
                self.store.update(
                    record().token_id, lambda key: replace(key, blocked=True)
                )
            )
        )

        assert self.maybe() is None

    def test_a_key_that_was_unknown_works_as_soon_as_it_is_made(self):
        assert self.maybe() is None

        self.keep(record())

        assert self.maybe() == record()

    def test_an_answer_from_before_a_change_is_not_remembered(self):
        self.keep(record())
        self.store.held = []
        early = self.start()
        (waiting,), self.store.held = self.store.held, None
        self.successResultOf(
            Deferred.fromCoroutine(
                self.store.update(
                    record().token_id, lambda key: replace(key, blocked=True)
                )
            )
        )

        waiting.callback(None)

        self.successResultOf(early)
        assert self.maybe() is None

    def test_many_requests_with_one_new_key_ask_a_few_times_and_all_succeed(self):
        self.keep(record())
        self.store.held = []
        started = [self.start() for _ in range(100)]
        held, self.store.held = self.store.held, None

        for waiting in held:
            waiting.callback(None)

        assert [self.successResultOf(one) for one in started] == [record()] * 100
        assert self.store.asked == 4

    def test_a_whole_office_behind_one_address_gets_in_at_once(self):
        office = records(50)
        for key in office:
            self.keep(key)

        found = [self.maybe(f"sk-{number:030}".encode()) for number in range(50)]

        assert found == office

    def test_a_request_that_is_given_up_lets_the_next_ones_ask(self):
        self.keep(record())
        self.store.held = []
        started = [self.start(f"sk-{number}".encode()) for number in range(10)]
        for one in started:
            one.cancel()
        for one in started:
            self.failureResultOf(one, CancelledError)
        self.store.held = None

        assert self.maybe() == record()


class GuessingTests(LookupCase):
    """Somebody tries keys."""

    def test_ten_thousand_bad_keys_reach_the_store_a_bounded_number_of_times(self):
        answers = [self.maybe(b"sk-guess-%d" % number) for number in range(10_000)]

        assert self.store.asked == 20
        assert answers[:20] == [None] * 20
        assert {type(answer) for answer in answers[20:]} == {Refusal}

    def test_one_bad_key_again_and_again_reaches_the_store_once(self):
        for _ in range(10_000):
            assert self.maybe(b"sk-mistyped") is None

        assert self.store.asked == 1

    def test_those_at_work_behind_the_same_address_are_not_stopped(self):
        self.keep(record())
        self.maybe()
        for number in range(100):
            self.maybe(b"sk-guess-%d" % number)

        assert self.maybe() == record()

    def test_a_change_of_some_key_does_not_put_them_behind_the_guesses(self):
        self.keep(record())
        self.maybe()
        for number in range(100):
            self.maybe(b"sk-guess-%d" % number)
        self.keep(record(VIRTUAL_KEY_2, 1))

        assert self.maybe() == record()
        assert isinstance(self.maybe(b"sk-guess-0"), Refusal)

    def test_a_key_that_was_deleted_is_a_guess_like_any_other(self):
        self.keep(record())
        self.maybe()
        deleting = self.store.delete([record().token_id])
        self.successResultOf(Deferred.fromCoroutine(deleting))
        assert self.maybe() is None
        for number in range(100):
            self.maybe(b"sk-guess-%d" % number)
        self.keep(record(VIRTUAL_KEY_2, 1))

        assert isinstance(self.maybe(), Refusal)

    def test_a_new_key_behind_that_address_works_after_the_time_that_was_told(self):
        for number in range(100):
            self.maybe(b"sk-guess-%d" % number)
        self.keep(record())
        refusal = self.maybe()
        assert isinstance(refusal, Refusal)
        assert refusal.status == 429
        self.now += float(dict(refusal.headers)["retry-after"])

        assert self.maybe() == record()

    def test_guesses_from_many_addresses_are_each_bounded(self):
        self.lookup = self.lookup_with(
            PEPPERS, throttle=LookupThrottle(burst=2, capacity=100)
        )

        for number in range(1000):
            self.maybe(b"sk-guess-%d" % number, peer=f"192.0.2.{number % 10}")

        assert self.store.asked == 20


class PepperRotationTests(LookupCase):
    """The pepper is changed while keys are in use."""

    new_pepper = Secret("a new pepper of good length")

    def setUp(self):
        super().setUp()
        self.keep(record())
        self.both = Peppers(self.new_pepper, PEPPER)

    def test_a_key_from_before_works_and_moves_to_the_new_pepper(self):
        self.lookup = self.lookup_with(self.both)

        assert self.maybe() is not None
        assert self.maybe() is not None

        self.lookup = self.lookup_with(Peppers(self.new_pepper))
        found = self.maybe()
        assert isinstance(found, VirtualKey)
        assert found.pepper_id == self.both.current_id

    def test_the_other_keys_stay_with_the_former_pepper(self):
        self.keep(record(VIRTUAL_KEY_2, 1))
        self.lookup = self.lookup_with(self.both)
        self.maybe()

        self.lookup = self.lookup_with(PEPPERS)

        assert self.maybe(VIRTUAL_KEY_2.encode()) is not None

    def test_a_rotated_key_works_under_its_former_pepper_until_the_grace_ends(self):
        new = new_key(bytes(32))
        self.successResultOf(
            Deferred.fromCoroutine(
                self.store.update(
                    record().token_id,
                    lambda key: rotated(
                        key, new, self.both, now=NOW, grace_until=NOW + 60
                    ),
                )
            )
        )
        self.lookup = self.lookup_with(self.both)

        assert self.maybe() is not None
        assert self.maybe(new.reveal_bytes()) is not None

    def test_a_store_that_cannot_be_written_stops_nobody(self):
        self.lookup = self.lookup_with(self.both)
        self.store.held = []
        early = self.start()
        (waiting,), self.store.held = self.store.held, None
        self.store.away = True

        waiting.callback(None)

        assert self.successResultOf(early) == record()

    def test_a_rotation_in_between_is_not_undone(self):
        self.lookup = self.lookup_with(self.both)
        new = new_key(bytes(32))
        self.store.held = []
        early = self.start()
        (waiting,), self.store.held = self.store.held, None
        self.successResultOf(
            Deferred.fromCoroutine(
                self.store.update(
                    record().token_id,
                    lambda key: rotated(key, new, self.both, now=NOW),
                )
            )
        )

        waiting.callback(None)

        assert self.successResultOf(early) is None
        assert self.maybe() is None
        assert self.maybe(new.reveal_bytes()) is not None


class ClosedTests(TestCase):
    """Twisted's cancellation through the real queue."""

    async def test_waiting_requests_do_not_block_each_other_for_ever(self):
        store = CountingStore()
        await store.insert(record())
        lookup = KeyLookup(store, PEPPERS, seconds=lambda: NOW)
        store.held = []
        blocked = [
            Deferred.fromCoroutine(lookup.maybe(b"sk-%d" % number, peer=HOME))
            for number in range(4)
        ]
        waiting = Deferred.fromCoroutine(lookup.maybe(KEY, peer=HOME))
        held, store.held = store.held, None

        for answer in held:
            answer.callback(None)

        assert await waiting == record()
        assert [await one for one in blocked] == [None] * 4
