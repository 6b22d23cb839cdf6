"""What each route under /key/ does, in LiteLLM's shapes."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from twisted.logger import Logger

from byok.core.errors import Refusal
from byok.core.key_answers import NOTHING, Spent, shown
from byok.core.key_requests import (
    KeyChange,
    bad_field,
    changed,
    grace_end,
    new_record,
    read_change,
    read_given_key,
    refuse_unknown,
    strangers,
    weak_key_warning,
)
from byok.core.keys import (
    KEY_BYTES,
    TOKEN_ID_BYTES,
    Peppers,
    VirtualKey,
    composed,
    is_raw_key,
    is_well_formed,
    new_key,
    new_token_id,
    rotated,
)
from byok.core.secret import Secret
from byok.store.faults import AliasTaken, KeyTaken
from byok.store.keystore import KeyStore, Selection
from byok.store.people_by_heart import PeopleByHeart
from byok.store.usage import By, DaysWanted, UsageStore

BY = "master-key"
PAGE_SIZE = 10
MAX_PAGE_SIZE = 100

_log = Logger(namespace="byok.keys")

Document = dict[str, object]

LIST_PARAMETERS = (
    "page",
    "size",
    "user_id",
    "team_id",
    "key_alias",
    "key_hash",
    "return_full_object",
)


class KeyAdmin:
    """
    Makes, shows, changes and ends virtual keys.

    A key is named by token id or alias, in a body also by itself; it is shown
    once, by the answer that made it. Every change leaves a line in the log with
    alias and id.
    """

    def __init__(
        self,
        store: KeyStore,
        peppers: Peppers,
        *,
        seconds: Callable[[], float],
        master_key: Secret | None,
        usage: UsageStore | None = None,
        warn_weak_keys: bool = True,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        people: PeopleByHeart | None = None,
    ) -> None:
        self._store = store
        self._peppers = peppers
        self._seconds = seconds
        self._master_key = master_key
        self._usage = usage
        self._warn_weak_keys = warn_weak_keys
        self._random_bytes = random_bytes
        self._people = people

    async def generate(self, body: Document) -> Document | Refusal:
        """Make a key, or keep the one that is given."""
        now = self._seconds()
        given = body.pop("key", None)
        change = read_change(body, now=now)
        if isinstance(change, Refusal):
            return change
        key = await self._key(given)
        if isinstance(key, Refusal):
            return key
        record = new_record(
            change,
            key,
            self._peppers,
            token_id=new_token_id(self._random_bytes(TOKEN_ID_BYTES)),
            now=now,
            by=BY,
        )
        try:
            await self._store.insert(record)
        except (KeyTaken, AliasTaken) as fault:
            return _taken(fault)
        self._note("made", record)
        return self._with_key(key, shown(record), change)

    async def info(self, query: Mapping[str, str]) -> Document | Refusal:
        """Show one key."""
        if "key" not in query:
            return bad_field("key: say which, as ?key=<token id or alias>.")
        record = await self._named(query["key"])
        if isinstance(record, Refusal):
            return record
        return {"key": record.token_id, "info": await self._shown(record)}

    async def list(self, query: Mapping[str, str]) -> Document | Refusal:
        """List keys, the newest first: their ids, or all of them on request."""
        selection = _selection(query)
        if isinstance(selection, Refusal):
            return selection
        full = query.get("return_full_object", "false").lower()
        if full not in {"true", "false"}:
            return bad_field("return_full_object: true or false.")
        page = await self._store.page(selection)
        keys: list[object] = [record.token_id for record in page.keys]
        if full == "true":
            spent = await self.spent(page.keys)
            keys = [
                shown(record, spent.get(record.token_id, NOTHING))
                for record in page.keys
            ]
        return {
            "keys": keys,
            "total_count": page.total,
            "current_page": selection.page,
            "total_pages": -(-page.total // selection.size),
        }

    async def update(self, body: Document) -> Document | Refusal:
        """Change the fields that are given; null empties one."""
        record = await self._found(body.pop("key", None))
        if isinstance(record, Refusal):
            return record
        now = self._seconds()
        change = read_change(body, now=now)
        if isinstance(change, Refusal):
            return change
        after = await self._change(
            record, lambda found: changed(found, change, now=now, by=BY)
        )
        if isinstance(after, Refusal):
            return after
        self._note("changed", after)
        return {
            "key": after.token_id,
            **await self._shown(after),
            "warnings": [*change.warnings, *self._strangers(change)],
        }

    async def block(self, body: Document) -> Document | Refusal:
        """Refuse the key from now on."""
        return await self._set_blocked(body, blocked=True)

    async def unblock(self, body: Document) -> Document | Refusal:
        """Accept the key again."""
        return await self._set_blocked(body, blocked=False)

    async def delete(self, body: Document) -> Document | Refusal:
        """Delete all that are named, or none if one of them is not there."""
        named: list[object] = []
        for field in ("keys", "key_aliases"):
            given = body.pop(field, None)
            if given is not None and not isinstance(given, list):
                return bad_field(f"{field}: a list.")
            named += given or []
        refusal = _refuse_rest(body, ("keys", "key_aliases"))
        if refusal is not None:
            return refusal
        if not named:
            return bad_field("keys: say which, by key, token id or alias.")
        records = []
        for number, name in enumerate(named, start=1):
            record = await self._found(name)
            if isinstance(record, Refusal):
                # The entry may be a key, so it is counted and not quoted.
                return replace(
                    record,
                    message=f"Nothing was deleted. Entry {number}: {record.message}",
                )
            records.append(record)
        # One may be named twice, by itself and by its alias.
        records = list({each.token_id: each for each in records}.values())
        ids = [record.token_id for record in records]
        if not await self._store.delete(ids, by=BY):
            return _NOT_FOUND
        for record in records:
            self._note("deleted", record)
        return {"deleted_keys": ids}

    async def regenerate(
        self, body: Document, *, name: str | None = None
    ) -> Document | Refusal:
        """
        Put a new key in the place of one, which ends at once or after a grace.

        *name* is the key in the URL, where there is one.
        """
        given = body.pop("key", None)
        if name is not None and given is not None:
            return bad_field("key: it stands in the URL already.")
        record = await (self._found(given) if name is None else self._named(name))
        if isinstance(record, Refusal):
            return record
        now = self._seconds()
        grace = body.pop("grace_period", None)
        grace_until = grace_end(grace, now) if isinstance(grace, str) else None
        if not isinstance(grace, str | None):
            return bad_field("grace_period: a text, as in 24h.")
        if isinstance(grace_until, Refusal):
            return grace_until
        wanted = body.pop("new_key", None)
        change = read_change(body, now=now)
        if isinstance(change, Refusal):
            return change
        key = await self._key(wanted)
        if isinstance(key, Refusal):
            return key

        def rotate(found: VirtualKey) -> VirtualKey:
            return rotated(
                changed(found, change, now=now, by=BY),
                key,
                self._peppers,
                now=now,
                grace_until=grace_until,
            )

        after = await self._change(record, rotate)
        if isinstance(after, Refusal):
            return after
        self._note("regenerated", after)
        return self._with_key(key, await self._shown(after), change)

    async def _set_blocked(
        self, body: Document, *, blocked: bool
    ) -> Document | Refusal:
        name = body.pop("key", None)
        refusal = _refuse_rest(body, ("key",))
        if refusal is not None:
            return refusal
        record = await self._found(name)
        if isinstance(record, Refusal):
            return record
        now = self._seconds()
        after = await self._change(
            record,
            lambda found: replace(
                found, blocked=blocked, updated_at=now, updated_by=BY
            ),
        )
        if isinstance(after, Refusal):
            return after
        self._note("blocked" if blocked else "unblocked", after)
        return await self._shown(after)

    async def _key(self, given: object) -> Secret | Refusal:
        """Return the key to use: the one *given*, or a new one."""
        if given is None:
            return new_key(self._random_bytes(KEY_BYTES))
        if not isinstance(given, str):
            return bad_field("key: a text.")
        key = read_given_key(given, master_key=self._master_key)
        if isinstance(key, Refusal):
            return key
        digests = self._peppers.digests(key.reveal_bytes())
        if await self._store.maybe_by_digest(digests, now=self._seconds()):
            return _taken(KeyTaken())
        return key

    async def _found(self, name: object) -> VirtualKey | Refusal:
        """Find a key by itself, its token id or its alias, as a body may name it."""
        if not isinstance(name, str) or not name:
            return bad_field("key: say which, by key, token id or alias.")
        if not is_raw_key(name):
            return await self._by_name(name)
        key = name.strip().encode()
        if not is_well_formed(key):
            return _NOT_FOUND
        digests = self._peppers.digests(key)
        found = await self._store.maybe_by_digest(digests, now=self._seconds())
        return found or _NOT_FOUND

    async def _named(self, name: str) -> VirtualKey | Refusal:
        """Find a key by token id or alias, as a URL may name it."""
        if is_raw_key(name) or (
            self._master_key is not None and Secret(name) == self._master_key
        ):
            return KEY_IN_URL
        return await self._by_name(name)

    async def _by_name(self, name: str) -> VirtualKey | Refusal:
        found = await self._store.maybe_by_name(name)
        if found is None and composed(name) != name:
            found = await self._store.maybe_by_name(composed(name))
        return found or _NOT_FOUND

    async def _change(
        self, record: VirtualKey, change: Callable[[VirtualKey], VirtualKey]
    ) -> VirtualKey | Refusal:
        try:
            return await self._store.update(record.token_id, change) or _NOT_FOUND
        except (KeyTaken, AliasTaken) as fault:
            return _taken(fault)

    async def _shown(self, record: VirtualKey) -> Document:
        spent = await self.spent((record,))
        return shown(record, spent.get(record.token_id, NOTHING))

    async def spent(self, records: Sequence[VirtualKey]) -> dict[str, Spent]:
        """Return what the ledger has of each of *records*, by token id."""
        if self._usage is None or not records:
            return {}
        ids = tuple(record.token_id for record in records)
        totals = await self._usage.totals(DaysWanted(key_ids=ids), (By.KEY,))
        return {
            str(total.group[0]): Spent(
                real_nano=total.figures.cost_nano,
                notional_nano=total.figures.notional_nano,
            )
            for total in totals
        }

    def _with_key(self, key: Secret, document: Document, change: KeyChange) -> Document:
        weak = weak_key_warning(key) if self._warn_weak_keys else None
        return {
            "key": key.reveal(),
            **document,
            "warnings": [
                *([weak] if weak else []),
                *change.warnings,
                *self._strangers(change),
            ],
        }

    def _strangers(self, change: KeyChange) -> tuple[str, ...]:
        people, given = self._people, change.fields
        if people is None:
            return ()
        user, team = given.user_id, given.team_id
        return strangers(
            change,
            is_user=isinstance(user, str) and people.user(user) is not None,
            is_team=isinstance(team, str) and people.team(team) is not None,
        )

    def _note(self, action: str, record: VirtualKey) -> None:
        _log.info(
            "key {action}: {key_alias} ({token_id})",
            event="key-change",
            action=action,
            key_alias=record.key_alias,
            token_id=record.token_id,
        )


def _selection(query: Mapping[str, str]) -> Selection | Refusal:
    page = _number(query.get("page", "1"), at_most=10**9)
    size = _number(query.get("size", str(PAGE_SIZE)), at_most=MAX_PAGE_SIZE)
    if page is None:
        return bad_field("page: a number from 1 on.")
    if size is None:
        return bad_field(f"size: a number from 1 to {MAX_PAGE_SIZE}.")
    if any(is_raw_key(value) for value in query.values()):
        return KEY_IN_URL
    alias = query.get("key_alias")
    return Selection(
        page=page,
        size=size,
        user_id=query.get("user_id"),
        team_id=query.get("team_id"),
        key_alias=None if alias is None else composed(alias),
        token_id=query.get("key_hash"),
    )


def _number(text: str, *, at_most: int) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(at_most)):
        return None
    return int(text) if 1 <= int(text) <= at_most else None


def _refuse_rest(body: Document, known: Sequence[str]) -> Refusal | None:
    return refuse_unknown(list(body), known)


def _taken(fault: KeyTaken | AliasTaken) -> Refusal:
    if isinstance(fault, AliasTaken):
        message = "key_alias: another key has this alias; choose one of its own."
    else:
        message = "key: this key is in use already; leave it out and byok makes one."
    return Refusal(
        status=409,
        kind="invalid_request_error",
        code="keys.taken",
        message=message,
    )


_NOT_FOUND = Refusal(
    status=404,
    kind="not_found_error",
    code="keys.not-found",
    message="There is no such key. GET /key/list has the token ids of all.",
)
KEY_IN_URL = Refusal(
    status=400,
    kind="invalid_request_error",
    code="keys.key-in-url",
    message=(
        "A key stands in the URL, and URLs end in logs. Name it by its token id or "
        "alias, which GET /key/list shows; and replace the key if others can read "
        "those logs."
    ),
)
