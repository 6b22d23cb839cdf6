"""The routes of administration: a guard before each, and one table of them all."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.routes import Dialect
from byok.core.secret import Secret
from byok.web.admin_guard import check_admin
from byok.web.admin_input import TOO_LARGE, read_object, read_query
from byok.web.admin_keys import LIST_PARAMETERS, Document, KeyAdmin
from byok.web.admin_reload import Refused, ReloadAdmin
from byok.web.admin_teams import LIST_PARAMETERS as TEAM_LIST_PARAMETERS
from byok.web.admin_teams import TeamAdmin
from byok.web.admin_users import LIST_PARAMETERS as USER_LIST_PARAMETERS
from byok.web.admin_users import UserAdmin
from byok.web.downstream import body_of
from byok.web.places import Place
from byok.web.visit import Handler, Visit

# The one route with a name in its path.
_NAMED = re.compile(rb"/key/[^/]+/regenerate")

_Answered = Document | tuple[Mapping[str, object], ...] | Refusal | Refused
_Answer = Awaitable[_Answered]


class Admin:
    """Lets the holder of the master key through to what they asked for."""

    def __init__(
        self,
        keys: KeyAdmin,
        *,
        master_key: Secret | None,
        carriers: Sequence[bytes],
        reload: ReloadAdmin | None = None,
        leases: Callable[[Mapping[str, str]], _Answer] | None = None,
        teams: TeamAdmin | None = None,
        users: UserAdmin | None = None,
    ) -> None:
        self._keys = keys
        self._master_key = master_key
        self._carriers = carriers
        self._regenerate = _place(
            "/key/{key}/regenerate", b"POST", self._regenerate_named
        )
        posts: dict[str, Callable[[Document], _Answer]] = {
            "/key/generate": keys.generate,
            "/key/update": keys.update,
            "/key/delete": keys.delete,
            "/key/block": keys.block,
            "/key/unblock": keys.unblock,
            "/key/regenerate": keys.regenerate,
        }
        if reload is not None:
            posts["/byok/reload"] = reload.reload
        gets: dict[
            str, tuple[Callable[[Mapping[str, str]], _Answer], Sequence[str]]
        ] = {
            "/key/info": (keys.info, ("key",)),
            "/key/list": (keys.list, LIST_PARAMETERS),
        }
        if leases is not None:
            gets["/byok/leases"] = (leases, ())
        if teams is not None:
            posts |= {
                "/team/new": teams.new,
                "/team/update": teams.update,
                "/team/delete": teams.delete,
                "/team/block": teams.block,
                "/team/unblock": teams.unblock,
                "/team/member_add": teams.member_add,
                "/team/member_delete": teams.member_delete,
                "/team/member_update": teams.member_update,
            }
            gets["/team/info"] = teams.info, ("team_id",)
            gets["/team/list"] = teams.list, TEAM_LIST_PARAMETERS
        if users is not None:
            posts |= {
                "/user/new": users.new,
                "/user/update": users.update,
                "/user/delete": users.delete,
            }
            gets["/user/info"] = users.info, ("user_id",)
            gets["/user/list"] = users.list, USER_LIST_PARAMETERS
        self._places = {
            **{
                route.encode(): _place(route, b"POST", self._posting(act))
                for route, act in posts.items()
            },
            **{
                route.encode(): _place(route, b"GET", self._getting(act, parameters))
                for route, (act, parameters) in gets.items()
            },
        }

    def find(self, path: bytes) -> Place | None:
        """Return the place of administration that *path* leads to, if any."""
        place = self._places.get(path)
        if place is None and _NAMED.fullmatch(path):
            return self._regenerate
        return place

    def _posting(self, act: Callable[[Document], _Answer]) -> Handler:
        async def handle(visit: Visit) -> Refusal | None:
            body = self._admitted(visit) or await _body_of(visit)
            return body if isinstance(body, Refusal) else _say(visit, await act(body))

        return handle

    def _getting(
        self, act: Callable[[Mapping[str, str]], _Answer], parameters: Sequence[str]
    ) -> Handler:
        async def handle(visit: Visit) -> Refusal | None:
            query = self._admitted(visit) or read_query(visit.query, parameters)
            return (
                query if isinstance(query, Refusal) else _say(visit, await act(query))
            )

        return handle

    async def _regenerate_named(self, visit: Visit) -> Refusal | None:
        body = self._admitted(visit) or await _body_of(visit)
        if isinstance(body, Refusal):
            return body
        name = visit.path.split(b"/")[2].decode("ascii")
        return _say(visit, await self._keys.regenerate(body, name=name))

    def _admitted(self, visit: Visit) -> Refusal | None:
        headers = visit.client.headers
        # The query is left to the routes: they know which key it may name.
        return check_edge(headers, b"") or check_admin(
            headers, master_key=self._master_key, order=self._carriers
        )


def _place(route: str, method: bytes, handler: Handler) -> Place:
    return Place(route=route, handlers={method: handler}, dialect=Dialect.OPENAI)


async def _body_of(visit: Visit) -> Document | Refusal:
    if visit.query:
        refusal = read_query(visit.query, ())
        if isinstance(refusal, Refusal):
            return refusal
    body = await body_of(visit.client, too_large=TOO_LARGE)
    if isinstance(body, Refusal):
        return body
    return read_object(visit.client.headers, body)


def _say(visit: Visit, answer: _Answered) -> Refusal | None:
    if isinstance(answer, Refusal):
        return answer
    if isinstance(answer, Refused):
        visit.refuse(answer.refusal, beside=answer.document)
        return None
    visit.say_json(200, answer)
    return None
