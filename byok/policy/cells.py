"""
The cells of the closed matcher: finitely many, each with a concrete value in it.

Every condition is a literal, a one-star glob, a range or a set of these, so the
values of one dimension fall into cells that no condition can tell apart. Whoever
tries one value of each cell has tried all values.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import product
from typing import Self

from byok.policy.match import Context, Glob, Match, Tags

_LETTERS = "xyzabcdefghijklmnopqrstuvw0123456789"
_TOKEN_ID = re.compile(r"key_[0-9A-Za-z]{22}")
_TOKEN_ID_LENGTH = 26
# One address of each family that documents are written with, and none at all.
_ADDRESSES = ("192.0.2.1", "2001:db8::1", "")

_MOST_TAG_SETS = 4096

Signature = tuple[str | None, int]
Put = Callable[[Context], Context]


class UnsettledError(Exception):
    """Not everything could be looked at: `why`, in words for whoever asked."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


class TooManyCellsError(UnsettledError):
    """There are more cells than the limit allows to look at."""


class Texts:
    """The texts that a set of patterns can tell apart."""

    def __init__(self, patterns: Iterable[Glob]) -> None:
        every = tuple(dict.fromkeys(patterns))
        self._literals = frozenset(
            each.text for each in every if each.exact or "*" not in each.text
        )
        self._globs = tuple(
            each for each in every if not each.exact and "*" in each.text
        )
        parts = [each.text.partition("*") for each in self._globs]
        self._heads = tuple(dict.fromkeys(["", *(head for head, _, _ in parts)]))
        self._tails = tuple(dict.fromkeys(["", *(tail for _, _, tail in parts)]))

    def signature(self, text: str) -> Signature:
        """Return which patterns *text* fits: texts of one signature are one cell."""
        bits = 0
        for at, glob in enumerate(self._globs):
            if glob.matches(text):
                bits |= 1 << at
        return text if text in self._literals else None, bits

    def candidates(self, *, infix: str = "") -> Iterator[str]:
        """
        Yield texts among which there is one of each cell; some cells have several.

        What a text fits is decided by the longest head it begins with, the longest
        tail it ends with, and where these overlap by how far. *infix* is put in
        the middle where there is room, for questions asked of what stands there.
        """
        yield from sorted(self._literals)
        for head, tail in product(self._heads, self._tails):
            yield head + self._after(head) + infix + self._before(tail) + tail
            for overlap in range(min(len(head), len(tail)) + 1):
                if head.endswith(tail[:overlap]):
                    yield head + tail[overlap:]

    def witnesses(self, *first: str) -> tuple[str, ...]:
        """Return one text of each cell, those in *first* where they are in it."""
        found: dict[Signature, str] = {}
        for text in (*first, *self.candidates()):
            found.setdefault(self.signature(text), text)
        return tuple(found.values())

    def sized(self, start: str, length: int) -> Iterator[str]:
        """Yield texts of *length* letters that begin with *start*, as above."""
        for head, tail in product(self._heads, self._tails):
            if head.startswith(start) or start.startswith(head):
                begin = max(head, start, key=len)
                for letter in "xyz":
                    yield begin + letter * (length - len(begin) - len(tail)) + tail

    def _after(self, head: str) -> str:
        return _beyond(head, [each for each in self._heads if each != head])

    def _before(self, tail: str) -> str:
        others = [each[::-1] for each in self._tails if each != tail]
        return _beyond(tail[::-1], others)[::-1]


def _beyond(start: str, others: Sequence[str]) -> str:
    """Return letters behind *start* that lead into none of *others*."""
    longer = [each for each in others if each.startswith(start)]
    taken = {each[len(start)] for each in longer}
    for letter in _LETTERS:
        if letter not in taken:
            return letter
    for letter in _LETTERS:
        if start + letter not in longer:
            return letter + _beyond(start + letter, longer)
    raise TooManyCellsError


def key_cells(patterns: Sequence[Glob]) -> tuple[tuple[str, str], ...]:
    """
    Return a (name, id) of each cell of callers' keys; *patterns* may fit either.

    A key without an alias is named by its id.
    """
    texts = Texts(patterns)
    ids = [
        each
        for each in (
            f"key_{'x' * 22}",
            *texts.candidates(),
            *texts.sized("key_", _TOKEN_ID_LENGTH),
        )
        if _TOKEN_ID.fullmatch(each)
    ]
    names = [each for each in texts.witnesses("any-key") if each]
    found: dict[tuple[frozenset[str | None], int], tuple[str, str]] = {}
    for token in dict.fromkeys(ids):
        of_token = texts.signature(token)
        for name in (*names, token):
            of_name = texts.signature(name)
            fits = frozenset({of_token[0], of_name[0]}), of_token[1] | of_name[1]
            found.setdefault(fits, (name, token))
    return tuple(found.values())


def tag_cells(conditions: Sequence[Tags], *always: str) -> tuple[frozenset[str], ...]:
    """
    Return a set of tags for each answer that *conditions* can give together.

    Tags are taken in one by one, and sets that no condition can tell apart any
    more are kept once. Those in *always* are in each set.
    """
    mentioned: dict[str, None] = {}
    for each in conditions:
        mentioned |= dict.fromkeys(sorted(each.any | each.all | each.none))
    start = frozenset(always)
    seen: frozenset[str] = start
    states = {_state(conditions, start, seen): start}
    for tag in mentioned:
        if tag in start:
            continue
        seen |= {tag}
        grown: dict[tuple[object, ...], frozenset[str]] = {}
        for tags in states.values():
            for grown_by in (tags, tags | {tag}):
                grown.setdefault(_state(conditions, grown_by, seen), grown_by)
        if len(grown) > _MOST_TAG_SETS:
            raise TooManyCellsError
        states = grown
    return tuple(states.values())


def _state(
    conditions: Sequence[Tags], tags: frozenset[str], seen: frozenset[str]
) -> tuple[object, ...]:
    # What of each condition is decided, once the tags in *seen* are.
    return tuple(
        (
            bool(each.any & tags),
            each.all & seen <= tags,
            bool(each.none & tags),
        )
        for each in conditions
    )


Network = IPv4Network | IPv6Network


def address_cells(networks: Iterable[Network]) -> tuple[str, ...]:
    """
    Return an address of each cell: inside each range and outside of those in it.

    Ranges lie in each other or apart. So where a range has room beside those in
    it, there is some at its beginning or right behind one of them.
    """
    every = tuple(dict.fromkeys(networks))
    found: dict[tuple[bool, ...], str] = {}
    behind = (_next(each) for each in every)
    for text in (
        *_ADDRESSES[:-1],
        *(str(each.network_address) for each in every),
        *(text for text in behind if text),
        _ADDRESSES[-1],
    ):
        address = ip_address(text) if text else None
        inside = tuple(address is not None and address in each for each in every)
        found.setdefault(inside, text)
    return tuple(found.values())


def _next(network: Network) -> str:
    last = network.broadcast_address
    if int(last) + 1 >> last.max_prefixlen:
        return ""
    return str(last + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """
    One way in which requests differ: `asks` is what of a match is about it.

    Each of `cells` puts a value of that cell into a context.
    """

    name: str
    cells: tuple[Put, ...]

    def asks(self, match: Match) -> Match:
        """Return the part of *match* that is about this dimension."""
        return _PARTS[self.name](match)


_PARTS: dict[str, Callable[[Match], Match]] = {
    "route": lambda match: Match(route=match.route, method=match.method),
    "model": lambda match: Match(model=match.model),
    "team": lambda match: Match(team=match.team),
    "user": lambda match: Match(user=match.user),
    "key": lambda match: Match(key=match.key),
    "tags": lambda match: Match(tags=match.tags),
    "auth": lambda match: Match(auth=match.auth),
    "client_ip": lambda match: Match(client_ip=match.client_ip),
    "stream": lambda match: Match(stream=match.stream),
}
DIMENSIONS = tuple(_PARTS)

_ASKS_NOTHING = Match()


def facts_of(match: Match) -> Match:
    """Return the part of *match* that a deployment decides."""
    return Match(
        model_group=match.model_group,
        deployment=match.deployment,
        provider=match.provider,
        host=match.host,
        deployment_key=match.deployment_key,
    )


def is_asked(name: str, matches: Iterable[Match]) -> bool:
    """Does one of *matches* ask about the dimension *name*?"""
    part = _PARTS[name]
    return any(part(match) != _ASKS_NOTHING for match in matches)


@dataclass(frozen=True, slots=True)
class Box:
    """A product of sets of cells, one set for each dimension, as bits."""

    sides: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Is there no cell in it?"""
        return not all(self.sides)

    @property
    def volume(self) -> int:
        """How many cells are in it."""
        out = 1
        for side in self.sides:
            out *= side.bit_count()
        return out

    def __and__(self, other: Self) -> "Box":
        """Return the cells that are in both."""
        return Box(tuple(a & b for a, b in zip(self.sides, other.sides, strict=True)))

    def __sub__(self, other: Self) -> "Iterator[Box]":
        """Yield boxes that have no cell in common, and together all not in *other*."""
        rest = list(self.sides)
        for at, side in enumerate(other.sides):
            outside = rest[at] & ~side
            if outside:
                yield Box((*rest[:at], outside, *rest[at + 1 :]))
            rest[at] &= side
            if not rest[at]:
                return

    def is_covered(self, boxes: Sequence["Box"]) -> bool:
        """Is every cell of it in one of *boxes*?"""
        if self.is_empty:
            return True
        if not boxes:
            return False
        first, *others = boxes
        return all(piece.is_covered(others) for piece in self - first)


class Grid:
    """
    The contexts around *base*, cut by what *matches* ask of them.

    A dimension that none of them asks about has one cell: this is what keeps the
    number of cells small.
    """

    def __init__(
        self,
        base: Context,
        dimensions: Sequence[Dimension],
        matches: Sequence[Match],
    ) -> None:
        self._base = base
        self._dimensions = tuple(dimensions)
        self._matches = tuple(matches)
        self._boxes = tuple(self.box(match) for match in matches)

    def box(self, match: Match) -> Box:
        """Return the cells in which *match* holds, as far as contexts go."""
        if not facts_of(match).admits(self._base):
            return Box(tuple(0 for _ in self._dimensions) or (0,))
        sides = []
        for dimension in self._dimensions:
            part = dimension.asks(match)
            side = (1 << len(dimension.cells)) - 1
            if part != _ASKS_NOTHING:
                side = sum(
                    1 << at
                    for at, put in enumerate(dimension.cells)
                    if part.admits(put(self._base))
                )
            sides.append(side)
        return Box(tuple(sides) or (1,))

    def contexts(self, limit: int) -> tuple[Context, ...]:
        """
        Return a context for each way in which the matches can hold together.

        Raises TooManyCellsError where there are more than *limit*.
        """
        alive = sum(1 << at for at, b in enumerate(self._boxes) if not b.is_empty)
        states: dict[int, Context] = {alive: self._base}
        for at, dimension in enumerate(self._dimensions):
            holding = [
                sum(
                    1 << number
                    for number, box in enumerate(self._boxes)
                    if box.sides[at] >> cell & 1
                )
                for cell in range(len(dimension.cells))
            ]
            grown: dict[int, Context] = {}
            for held, context in states.items():
                for put, here in zip(dimension.cells, holding, strict=True):
                    if held & here not in grown:
                        grown[held & here] = put(context)
                if len(grown) > limit:
                    raise TooManyCellsError
            states = grown
        return tuple(states.values())

    def signature(self, context: Context) -> int:
        """Return which matches hold in *context*: equal ones are one cell."""
        return sum(
            1 << at for at, each in enumerate(self._matches) if each.admits(context)
        )


def putting_text(name: str, text: str) -> Put:
    """Return what puts *text* into the dimension *name*."""
    put = _PUTTING[name]
    return lambda context: put(context, text)


def putting_route(route: str, method: str) -> Put:
    """Return what puts *route* into a context, with the method it is asked by."""
    return lambda context: replace(context, route=route, method=method)


def putting_tags(tags: frozenset[str]) -> Put:
    """Return what puts *tags* into a context."""
    return lambda context: replace(context, tags=tags)


def putting_key(name: str, key_id: str) -> Put:
    """Return what puts both names of a key into a context."""
    return lambda context: replace(context, key=name, key_id=key_id)


def putting_stream(*, on: bool) -> Put:
    """Return what says of a context whether a stream is asked for."""
    return lambda context: replace(context, stream=on)


_PUTTING: dict[str, Callable[[Context, str], Context]] = {
    "model": lambda context, text: replace(context, model=text),
    "team": lambda context, text: replace(context, team=text),
    "user": lambda context, text: replace(context, user=text),
    "auth": lambda context, text: replace(context, auth=text),
    "client_ip": lambda context, text: replace(context, client_ip=text),
}
