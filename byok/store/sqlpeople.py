"""Teams, users and members in SQL, as plain blocking calls."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from byok.core.audit import told_changes
from byok.core.people import Member, Role, Team, User
from byok.store.engine import reading, writing
from byok.store.people import (
    Everybody,
    NameTaken,
    NobodyThere,
    StillUsed,
    TeamChange,
    Teams,
    TeamsWanted,
    UserChange,
    Users,
    UsersWanted,
)
from byok.store.sqlaudit import write_audit
from byok.store.sqlkeys import SqlKeys, mark_changed
from byok.store.tables import members, teams, users

Name = TypeVar("Name")
Record = TypeVar("Record")

_T = teams.c
_U = users.c
_M = members.c


class SqlPeople:
    """Reads and writes them, each call one transaction."""

    def __init__(
        self, engine: sa.Engine, *, seconds: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._seconds = seconds
        self._keys = SqlKeys(engine, seconds=seconds)

    def everybody(self, known: Everybody) -> Everybody:
        """Read all there are; what is as in *known* is the very object of that."""
        with reading(self._engine) as connection:
            every_team = connection.execute(sa.select(teams)).all()
            every_user = connection.execute(sa.select(users)).all()
            every_member = _members(connection)
        return Everybody(
            teams=_kept(known.teams, ((row.team_id, _team(row)) for row in every_team)),
            users=_kept(known.users, ((row.user_id, _user(row)) for row in every_user)),
            members=_kept(
                known.members,
                (((each.team_id, each.user_id), each) for each in every_member),
            ),
        )

    def team(self, name: str) -> Team | None:
        """Find a team by id or alias."""
        query = sa.select(teams).where((_T.team_id == name) | (_T.team_alias == name))
        # An id goes before another team's alias.
        query = query.order_by(sa.case((_T.team_id == name, 0), else_=1))
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _team(row)

    def teams(self, wanted: TeamsWanted) -> Teams:
        """List teams."""
        here = []
        if wanted.alias is not None:
            here.append(_T.team_alias == wanted.alias)
        if wanted.of_user is not None:
            theirs = sa.select(_M.team_id).where(_M.user_id == wanted.of_user)
            here.append(_T.team_id.in_(theirs))
        rows, total = self._page(teams, _T.team_id, here, wanted.page, wanted.size)
        return Teams(teams=tuple(map(_team, rows)), total=total)

    def insert_team(self, team: Team) -> None:
        """Keep a new team, or raise NameTaken."""
        with writing(self._engine) as connection:
            if _has(connection, _T.team_id == team.team_id):
                raise NameTaken
            _check_alias(connection, team)
            connection.execute(sa.insert(teams).values(_values(team)))
            self._changed(
                connection, f"team:{team.team_id}", None, team, by=team.created_by
            )

    def update_team(self, team_id: str, change: TeamChange) -> Team | None:
        """Replace a team by what *change* makes of it; None if it is not there."""
        here = _T.team_id == team_id
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(teams).where(here)).first()
            if row is None:
                return None
            before = _team(row)
            team = replace(change(before), team_id=team_id)
            _check_alias(connection, team)
            connection.execute(sa.update(teams).where(here).values(_values(team)))
            self._changed(
                connection, f"team:{team_id}", before, team, by=team.updated_by
            )
        return team

    def delete_team(self, team_id: str, *, by: str, with_keys: bool = False) -> bool:
        """Delete a team and who is in it; False if it is not there."""
        here = _T.team_id == team_id
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(teams).where(here)).first()
            if row is None:
                return False
            self._let_go(connection, by=by, with_keys=with_keys, team_id=team_id)
            connection.execute(sa.delete(teams).where(here))
            self._changed(connection, f"team:{team_id}", _team(row), None, by=by)
        return True

    def user(self, user_id: str) -> User | None:
        """Find a user."""
        with reading(self._engine) as connection:
            row = connection.execute(
                sa.select(users).where(_U.user_id == user_id)
            ).first()
        return None if row is None else _user(row)

    def users(self, wanted: UsersWanted) -> Users:
        """List users."""
        equal = {
            _U.user_alias: wanted.alias,
            _U.user_email: wanted.email,
            _U.role: wanted.role and wanted.role.value,
        }
        here: list[sa.ColumnElement[bool]] = [
            column == value for column, value in equal.items() if value is not None
        ]
        if wanted.of_team is not None:
            theirs = sa.select(_M.user_id).where(_M.team_id == wanted.of_team)
            here.append(_U.user_id.in_(theirs))
        rows, total = self._page(users, _U.user_id, here, wanted.page, wanted.size)
        return Users(users=tuple(map(_user, rows)), total=total)

    def insert_user(self, user: User) -> None:
        """Keep a new user, or raise NameTaken."""
        with writing(self._engine) as connection:
            if _has(connection, _U.user_id == user.user_id):
                raise NameTaken
            connection.execute(sa.insert(users).values(_values(user)))
            self._changed(
                connection, f"user:{user.user_id}", None, user, by=user.created_by
            )

    def update_user(self, user_id: str, change: UserChange) -> User | None:
        """Replace a user by what *change* makes of it; None if it is not there."""
        here = _U.user_id == user_id
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(users).where(here)).first()
            if row is None:
                return None
            before = _user(row)
            user = replace(change(before), user_id=user_id)
            connection.execute(sa.update(users).where(here).values(_values(user)))
            self._changed(
                connection, f"user:{user_id}", before, user, by=user.updated_by
            )
        return user

    def delete_user(self, user_id: str, *, by: str, with_keys: bool = False) -> bool:
        """Delete a user, from teams too; False if there is none."""
        here = _U.user_id == user_id
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(users).where(here)).first()
            if row is None:
                return False
            self._let_go(connection, by=by, with_keys=with_keys, user_id=user_id)
            connection.execute(sa.delete(users).where(here))
            self._changed(connection, f"user:{user_id}", _user(row), None, by=by)
        return True

    def members(
        self, *, team_id: str | None = None, user_id: str | None = None
    ) -> tuple[Member, ...]:
        """List who is in a team, and in which teams a user is, by their names."""
        with reading(self._engine) as connection:
            return _members(connection, team_id=team_id, user_id=user_id)

    def put_member(self, member: Member) -> None:
        """Take a user into a team, or change what they are in it; or NobodyThere."""
        with writing(self._engine) as connection:
            if not (
                _has(connection, _T.team_id == member.team_id)
                and _has(connection, _U.user_id == member.user_id)
            ):
                raise NobodyThere
            found = _members(connection, **_who(member))
            if not found:
                connection.execute(sa.insert(members).values(_values(member)))
                before, after = None, member
            else:
                # Since when they are in it, and by whom, stays as it was.
                (before,) = found
                after = replace(before, role=member.role)
                connection.execute(
                    sa.update(members)
                    .where(*_is(member))
                    .values(role=member.role.value)
                )
            name = _named(member)
            self._changed(connection, name, before, after, by=member.added_by)

    def remove_member(self, team_id: str, user_id: str, *, by: str) -> bool:
        """Take a user out of a team; False if they are not in it."""
        with writing(self._engine) as connection:
            found = _members(connection, team_id=team_id, user_id=user_id)
            for member in found:
                self._remove(connection, member, by=by)
        return bool(found)

    def _remove(self, connection: sa.Connection, member: Member, *, by: str) -> None:
        connection.execute(sa.delete(members).where(*_is(member)))
        self._changed(connection, _named(member), member, None, by=by)

    def _let_go(
        self, connection: sa.Connection, *, by: str, with_keys: bool, **owner: str
    ) -> None:
        """Take away what belongs to a team or user that is about to go."""
        keys = self._keys.owned(connection, **owner)
        if keys and not with_keys:
            raise StillUsed(len(keys))
        self._keys.delete_within(connection, keys, by=by)
        for member in _members(connection, **owner):
            self._remove(connection, member, by=by)

    def _page(
        self,
        table: sa.Table,
        name: sa.Column[Any],
        here: Sequence[sa.ColumnElement[bool]],
        page: int,
        size: int,
    ) -> tuple[Sequence[sa.Row[Any]], int]:
        query = (
            sa.select(table)
            .where(*here)
            .order_by(table.c.created_at.desc(), name)
            .limit(size)
            .offset((page - 1) * size)
        )
        count = sa.select(sa.func.count()).select_from(table).where(*here)
        with reading(self._engine) as connection:
            return connection.execute(query).all(), connection.scalar(count) or 0

    def _changed(
        self,
        connection: sa.Connection,
        subject: str,
        before: Team | User | Member | None,
        after: Team | User | Member | None,
        *,
        by: str | None,
    ) -> None:
        """Have others notice a change, and write down who made it."""
        mark_changed(connection)
        was, now = told_changes(before, after)
        if before is not None and after is not None and not now:
            return
        what = "create" if before is None else "delete" if after is None else "update"
        kind, _, _ = subject.partition(":")
        write_audit(
            connection,
            at=self._seconds(),
            actor=by,
            action=f"{kind}.{what}",
            subject=subject,
            before=was,
            after=now,
        )


def _kept(
    known: Mapping[Name, Record], found: Iterable[tuple[Name, Record]]
) -> dict[Name, Record]:
    """Return what was *found*, with what is *known* in the place of its equals."""
    kept = {}
    for name, record in found:
        before = known.get(name)
        kept[name] = before if before is not None and before == record else record
    return kept


def _named(member: Member) -> str:
    return f"member:{member.team_id}/{member.user_id}"


def _who(member: Member) -> dict[str, str]:
    return {"team_id": member.team_id, "user_id": member.user_id}


def _is(member: Member) -> list[sa.ColumnElement[bool]]:
    return [_M[name] == value for name, value in _who(member).items()]


def _members(
    connection: sa.Connection,
    *,
    team_id: str | None = None,
    user_id: str | None = None,
) -> tuple[Member, ...]:
    query = sa.select(members).order_by(_M.team_id, _M.user_id)
    if team_id is not None:
        query = query.where(_M.team_id == team_id)
    if user_id is not None:
        query = query.where(_M.user_id == user_id)
    return tuple(map(_member, connection.execute(query)))


def _has(connection: sa.Connection, here: sa.ColumnElement[bool]) -> bool:
    return connection.scalar(sa.select(sa.literal(1)).where(here)) is not None


def _check_alias(connection: sa.Connection, team: Team) -> None:
    if team.team_alias is not None and _has(
        connection, (_T.team_alias == team.team_alias) & (_T.team_id != team.team_id)
    ):
        raise NameTaken


def _values(record: Team | User | Member) -> dict[str, Any]:
    values = asdict(record)
    if not isinstance(record, Member):
        values["models"] = list(record.models)
    if not isinstance(record, Team):
        values["role"] = record.role.value
    return values


def _team(row: sa.Row[Any]) -> Team:
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    return Team(**values | {"models": tuple(values["models"])})


def _user(row: sa.Row[Any]) -> User:
    values = dict(row._mapping)  # noqa: SLF001
    role = Role(values["role"])
    return User(**values | {"models": tuple(values["models"]), "role": role})


def _member(row: sa.Row[Any]) -> Member:
    values = dict(row._mapping)  # noqa: SLF001
    return Member(**values | {"role": Role(values["role"])})
