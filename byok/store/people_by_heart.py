"""Who belongs to which team, by heart: requests ask no database for that."""

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from byok.core.belonging import NOBODYS, Belonging
from byok.core.errors import StoreUnavailable
from byok.core.keys import VirtualKey
from byok.core.people import Member, Team, User
from byok.store.keystore import KeyStore
from byok.store.people import Everybody, PeopleStore

RETRY_S = 1.0

_log = Logger(namespace="byok.people")


class PeopleByHeart:
    """
    Knows all teams, users and members, as they were when they were last read.

    They are read before anybody is served, and again behind the requests whenever
    something changed: one reading at a time, and one more where a change came
    meanwhile. While the store is away, what is known stays in force, and it is asked
    again every second.
    """

    def __init__(
        self,
        people: PeopleStore,
        keys: KeyStore,
        *,
        clock: IReactorTime,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = people
        self._clock = clock
        self._retry_s = retry_s
        self._known = Everybody()
        self._is_stale = False
        self._is_reading = False
        self._waiting: list[Deferred[None]] = []
        self._retry: IDelayedCall | None = None
        self._is_away = False
        self._has_stopped = False
        keys.on_change(self.changed)

    async def start(self) -> None:
        """Read all of them; raises StoreUnavailable."""
        self._is_reading = True
        try:
            await self._read()
        finally:
            self._is_reading = False
        if self._is_stale:
            self.changed()

    def of(self, record: VirtualKey) -> Belonging:
        """Return the user and the team of the key *record*."""
        return self.among(user_id=record.user_id, team_id=record.team_id)

    def among(self, *, user_id: str | None, team_id: str | None) -> Belonging:
        """Return the user and the team of these names, as far as they are known."""
        known = self._known
        user = None if user_id is None else known.users.get(user_id)
        team = None if team_id is None else known.teams.get(team_id)
        if user is None and team is None:
            return NOBODYS
        return Belonging(user=user, team=team)

    def team(self, team_id: str) -> Team | None:
        """Return the team of that id."""
        return self._known.teams.get(team_id)

    def user(self, user_id: str) -> User | None:
        """Return the user of that id."""
        return self._known.users.get(user_id)

    def member(self, team_id: str, user_id: str) -> Member | None:
        """Return what a user is in a team."""
        return self._known.members.get((team_id, user_id))

    def changed(self) -> None:
        """Read them again, behind whoever calls this."""
        self._is_stale = True
        if not self._is_reading and not self._has_stopped:
            self._is_reading = True
            Deferred.fromCoroutine(self._reread())

    async def caught_up(self) -> None:
        """Wait until a change that was told before is known, or cannot be read."""
        if self._is_reading:
            done: Deferred[None] = Deferred()
            self._waiting.append(done)
            await done

    async def stop(self) -> None:
        """Read no more; call it before the store is closed."""
        self._has_stopped = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        await self.caught_up()

    async def _read(self) -> None:
        self._known = await self._store.everybody(self._known)

    async def _reread(self) -> None:
        try:
            while self._is_stale and not self._has_stopped:
                self._is_stale = False
                await self._read()
            if self._is_away:
                _log.info("teams and users are read again")
            self._is_away = False
        except StoreUnavailable as error:
            self._is_stale = True
            if not self._is_away:
                _log.warn(
                    "teams and users stay as they are known for now: {error}",
                    error=str(error),
                )
            self._is_away = True
            self._later()
        except Exception:  # noqa: BLE001 - the next change has to be read
            _log.failure("teams and users could not be read")
            self._later()
        finally:
            self._is_reading = False
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def _later(self) -> None:
        if self._retry is None and not self._has_stopped:
            self._retry = self._clock.callLater(self._retry_s, self._again)

    def _again(self) -> None:
        self._retry = None
        self.changed()
