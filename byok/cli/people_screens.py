"""What `byok teams` and `byok users` print: tables for people, JSON for scripts."""

import json
from collections.abc import Iterable, Sequence

from byok.cli.render import Style, Styled, Text, err, out
from byok.core.people import Member, Team, User
from byok.core.people_answers import team_shown, user_shown

_TEAM_HEADS = ("TEAM", "ALIAS", "STATE", "MEMBERS", "MODELS", "LIMITS")
_USER_HEADS = ("USER", "EMAIL", "ROLE", "STATE", "TEAMS", "MODELS", "LIMITS")
_MEMBER_HEADS = ("TEAM", "USER", "ROLE")
# How a limit is written in a table.
_LIMITS = (
    ("max_budget", "${:g}"),
    ("soft_budget", "soft ${:g}"),
    ("rpm_limit", "{}/min"),
    ("tpm_limit", "{} tokens/min"),
    ("max_parallel_requests", "{} at once"),
)


def show_teams(
    found: Sequence[Team], members: Sequence[Member], *, as_json: bool
) -> None:
    """Print a table of teams."""
    of = {team.team_id: _of_team(members, team) for team in found}
    if as_json:
        out().json({"teams": [team_shown(team, of[team.team_id]) for team in found]})
    elif found:
        out().table(
            [
                [
                    Styled(team.team_id, Style.STRONG),
                    team.team_alias or "-",
                    _state(team),
                    str(len(of[team.team_id])),
                    ",".join(team.models) or "all",
                    _limits(team),
                ]
                for team in found
            ],
            heads=_TEAM_HEADS,
        )
    else:
        err().line("There are no teams. `byok teams create NAME` makes one.")


def show_users(
    found: Sequence[User], members: Sequence[Member], *, as_json: bool
) -> None:
    """Print a table of users."""
    of = {user.user_id: _of_user(members, user) for user in found}
    if as_json:
        out().json({"users": [user_shown(user, of[user.user_id]) for user in found]})
    elif found:
        out().table(
            [
                [
                    Styled(user.user_id, Style.STRONG),
                    user.user_email or "-",
                    user.role.value,
                    _state(user),
                    ",".join(each.team_id for each in of[user.user_id]) or "-",
                    ",".join(user.models) or "all",
                    _limits(user),
                ]
                for user in found
            ],
            heads=_USER_HEADS,
        )
    else:
        err().line("There are no users. `byok users create NAME` makes one.")


def show_team(
    team: Team, members: Sequence[Member], *, as_json: bool, keys: int | None = None
) -> None:
    """Print one team."""
    _show(team, team_shown(team, members), keys, as_json=as_json)


def show_user(
    user: User, members: Sequence[Member], *, as_json: bool, keys: int | None = None
) -> None:
    """Print one user."""
    _show(user, user_shown(user, members), keys, as_json=as_json)


def show_members(found: Sequence[Member], *, as_json: bool) -> None:
    """Print who is in a team."""
    if as_json:
        told = [
            {"team_id": each.team_id, "user_id": each.user_id, "role": each.role.value}
            for each in found
        ]
        out().json({"members": told})
    elif found:
        out().table(
            [
                [each.team_id, Styled(each.user_id, Style.STRONG), each.role.value]
                for each in found
            ],
            heads=_MEMBER_HEADS,
        )
    else:
        err().line("Nobody is in it. `byok teams members add TEAM USER` adds somebody.")


def warn(warnings: Iterable[str]) -> None:
    """Print *warnings* where they are in nobody's way."""
    for warning in warnings:
        err().line(Styled("warning ", Style.WARN), warning)


def _show(
    record: Team | User, shown: dict[str, object], keys: int | None, *, as_json: bool
) -> None:
    if keys is not None:
        shown["keys"] = keys
    if as_json:
        out().json(shown)
        return
    rows: list[list[Text]] = [["state", _state(record)]]
    for name, value in shown.items():
        if name != "blocked" and value not in (None, [], {}):
            rows.append([Styled(name, Style.FAINT), _text(value)])
    out().table(rows)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_item, value))
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    )


def _item(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['user_id']} ({value['role']})"
    return str(value)


def _state(record: Team | User) -> Styled:
    if record.blocked:
        return Styled("blocked", Style.BAD)
    return Styled("active", Style.GOOD)


def _limits(record: Team | User) -> str:
    told = [
        form.format(value)
        for name, form in _LIMITS
        if (value := getattr(record, name)) is not None
    ]
    return ", ".join(told) or "-"


def _of_team(members: Sequence[Member], team: Team) -> list[Member]:
    return [each for each in members if each.team_id == team.team_id]


def _of_user(members: Sequence[Member], user: User) -> list[Member]:
    return [each for each in members if each.user_id == user.user_id]
