"""Whether a value is one of our keys is known by heart, and as fresh as the keys."""

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from byok.core.errors import StoreUnavailable
from byok.core.keys import Peppers, rotated
from byok.core.secret import Secret
from byok.store.known import KnownKeys
from byok.store.memory import MemoryKeyStore
from tests.store.records import NOW, PEPPER, PEPPERS, record
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2

KEY = VIRTUAL_KEY.encode()
SHORT = "sk-12345"


class SlowStore(MemoryKeyStore):
    """Counts how often all digests are read, and holds that up when told to."""

    def __init__(self):
        super().__init__()
        self.read = 0
        self.held: list[Deferred[None]] | None = None
        self.away = False

    async def every_digest(self) -> frozenset[bytes]:
        """Read all digests, now or later."""
        self.read += 1
        if self.away:
            raise StoreUnavailable("away")
        found = await super().every_digest()
        if self.held is not None:
            waiting: Deferred[None] = Deferred()
            self.held.append(waiting)
            await waiting
        return found


class KnownKeysTests(SynchronousTestCase):
    """One reading a change, however many questions."""

    def setUp(self):
        self.store = SlowStore()
        self.known = KnownKeys(self.store, PEPPERS)

    def keep(self, key):
        self.successResultOf(Deferred.fromCoroutine(self.store.insert(key)))

    def ask(self, key):
        return Deferred.fromCoroutine(self.known.is_real(key))

    def is_real(self, key):
        return self.successResultOf(self.ask(key))

    def test_the_store_is_read_once_and_only_when_asked(self):
        self.keep(record())
        assert self.store.read == 0

        for number in range(100):
            assert self.is_real(KEY)
            assert not self.is_real(b"sk-nobodys-%d" % number)

        assert self.store.read == 1

    def test_what_can_be_no_key_is_not_asked_about(self):
        assert not self.is_real(b"hunter2")
        assert not self.is_real(b"sk-byok-x")

        assert self.store.read == 0

    def test_a_new_key_is_known_at_once_and_a_deleted_one_no_more(self):
        assert not self.is_real(SHORT.encode())

        self.keep(record(SHORT))
        assert self.is_real(SHORT.encode())

        gone = self.store.delete([record(SHORT).token_id])
        self.successResultOf(Deferred.fromCoroutine(gone))
        assert not self.is_real(SHORT.encode())

    def test_blocked_expired_and_former_keys_are_ours(self):
        former = rotated(
            record(SHORT, 1), Secret("sk-new"), PEPPERS, now=NOW, grace_until=NOW
        )
        self.keep(record(blocked=True))
        self.keep(replace(former, expires_at=NOW - 1))

        assert self.is_real(KEY)
        assert self.is_real(b"sk-new")
        assert self.is_real(SHORT.encode())

    def test_a_key_under_a_former_pepper_is_ours(self):
        self.keep(record())
        self.known = KnownKeys(self.store, Peppers(Secret("another pepper"), PEPPER))

        assert self.is_real(KEY)
        assert not self.is_real(VIRTUAL_KEY_2.encode())

    def test_questions_that_come_together_share_one_reading(self):
        self.store.held = []
        first, second = self.ask(KEY), self.ask(b"sk-other")
        (waiting,) = self.store.held

        waiting.callback(None)

        assert (self.successResultOf(first), self.successResultOf(second)) == (
            False,
            False,
        )
        assert self.store.read == 1

    def test_what_was_read_before_a_change_is_not_kept(self):
        self.store.held = []
        early = self.ask(KEY)
        (waiting,), self.store.held = self.store.held, None
        self.keep(record())

        late = self.ask(KEY)
        self.assertNoResult(late)
        waiting.callback(None)

        assert self.successResultOf(early) is False
        assert self.successResultOf(late) is True

    def test_a_store_that_is_away_gives_no_answer_and_then_one(self):
        self.keep(record())
        self.store.away = True
        self.failureResultOf(self.ask(KEY), StoreUnavailable)

        self.store.away = False

        assert self.is_real(KEY)

    def test_what_is_known_needs_no_store(self):
        self.keep(record())
        assert self.is_real(KEY)
        self.store.away = True

        assert self.is_real(KEY)
        assert not self.is_real(b"sk-nobodys")
