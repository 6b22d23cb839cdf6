"""
Virtual keys: the record, the text of a key, its digest, and what it may do.

A key's text exists in the hands of its owner alone. Here it is a keyed digest,
so a stolen store is of no use without the pepper, and a look-up compares
nothing that depends on the secret.
"""

import hmac
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from unicodedata import normalize

from byok.core.carriers import refuse_key
from byok.core.errors import Refusal
from byok.core.secret import Secret
from byok.policy.outcome import Headers

PREFIX = "sk-byok-"
"""What a generated key begins with; scanners for leaked keys look for it."""

KEY_BYTES = 32
TOKEN_ID_BYTES = 16
STRONG_LENGTH = 24
"""A given key shorter than this can be guessed, and is warned about."""

ALL_PROXY_MODELS = "all-proxy-models"
ALL_TEAM_MODELS = "all-team-models"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE62 = frozenset(_ALPHABET)
_BODY_LENGTH = 43  # the least that carries 256 bits: 62**43 > 2**256
_CHECKSUM_LENGTH = 6  # and 32 bits: 62**6 > 2**32
_TOKEN_ID_PREFIX = "key_"  # noqa: S105 - a public name, no secret
_TOKEN_ID_LENGTH = 22  # 128 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualKey:
    """
    One virtual key as the store keeps it: everything but the key itself.

    *token_id* is its public name, random and not derived from the key. Times
    are seconds of the epoch. *previous_digest* is the key before a rotation,
    accepted until *previous_expires_at*. *pepper_id* says which pepper the
    digest was made with. Limits and budgets are None where there is none.
    """

    token_id: str
    digest: bytes = field(repr=False)
    pepper_id: str
    key_name: str
    created_at: float
    updated_at: float
    created_by: str | None = None
    updated_by: str | None = None
    key_alias: str | None = None
    models: tuple[str, ...] = ()
    expires_at: float | None = None
    blocked: bool = False
    metadata: Mapping[str, object] = field(default_factory=dict, hash=False)
    tags: tuple[str, ...] = ()
    user_id: str | None = None
    team_id: str | None = None
    max_budget: float | None = None
    soft_budget: float | None = None
    budget_duration: str | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None
    permissions: Mapping[str, object] = field(default_factory=dict, hash=False)
    spend: float = 0.0
    previous_digest: bytes | None = field(default=None, repr=False)
    previous_expires_at: float | None = None

    def has_digest(self, digest: bytes, *, now: float) -> bool:
        """Is *digest* this key's, or its former one within the grace period?"""
        if compare_digest(self.digest, digest):
            return True
        return (
            self.previous_digest is not None
            and self.previous_expires_at is not None
            and now < self.previous_expires_at
            and compare_digest(self.previous_digest, digest)
        )


class Peppers:
    """
    The secrets that key digests are made with: the current one, then former ones.

    A stored digest made with any of them is found, so a pepper is changed by
    putting the new one first and dropping the old one when no key needs it.
    """

    __slots__ = ("_ids", "_values")

    def __init__(self, current: Secret, *former: Secret) -> None:
        self._values = (current, *former)
        self._ids = tuple(pepper_id(value) for value in self._values)

    @property
    def current_id(self) -> str:
        """The name of the pepper that new digests are made with."""
        return self._ids[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of all that are accepted, the current one first."""
        return self._ids

    def digest(self, key: bytes) -> bytes:
        """Digest *key* with the current pepper."""
        return digest(key, self._values[0])

    def digests(self, key: bytes) -> tuple[bytes, ...]:
        """Digest *key* with each pepper, the current one first."""
        return tuple(digest(key, value) for value in self._values)


def pepper_id(pepper: Secret) -> str:
    """Name a pepper by 12 hex digits that are the same in every process."""
    return digest(b"byok pepper id", pepper).hex()[:12]


def digest(key: bytes, pepper: Secret) -> bytes:
    """
    Return what the store knows *key* by: its HMAC-SHA-256 under *pepper*.

    Keyed, because a plain hash of a short imported key is undone by trying.
    """
    return hmac.digest(pepper.reveal_bytes(), key, "sha256")


def new_key(random_bytes: bytes) -> Secret:
    """Make a key of 32 *random_bytes*: prefix, 43 characters of them, checksum."""
    if len(random_bytes) != KEY_BYTES:
        raise ValueError("a key is made of 32 random bytes")
    body = _base62(int.from_bytes(random_bytes), _BODY_LENGTH)
    return Secret(PREFIX + body + _checksum(body))


def new_token_id(random_bytes: bytes) -> str:
    """Make a public name for a key of 16 *random_bytes*."""
    if len(random_bytes) != TOKEN_ID_BYTES:
        raise ValueError("a token id is made of 16 random bytes")
    return _TOKEN_ID_PREFIX + _base62(int.from_bytes(random_bytes), _TOKEN_ID_LENGTH)


def is_token_id(text: str) -> bool:
    """Has *text* the shape of a token id?"""
    body = text.removeprefix(_TOKEN_ID_PREFIX)
    return body != text and len(body) == _TOKEN_ID_LENGTH and _BASE62.issuperset(body)


def is_raw_key(text: str) -> bool:
    """
    Could *text* be a key itself, and not the name of one?

    All keys begin with `sk-`, generated or given, and no name does: that is
    how a key in a URL or on a command line is told from an alias.
    """
    return text.lstrip()[:3].lower() == "sk-"


def composed(name: str) -> str:
    """
    Return *name* as Unicode composes it (NFC): what looks the same is the same.

    One keyboard writes an umlaut as one character, another as a letter and a mark.
    """
    return name if name.isascii() else normalize("NFC", name)


def is_well_formed(key: bytes) -> bool:
    """
    Can *key* be in the store at all? Answered without asking it.

    A mistyped or made-up `sk-byok-` key fails its checksum. Given keys have no
    checksum; of those only the first letters are known.
    """
    if not key.startswith(b"sk-"):
        return False
    if not key.startswith(PREFIX.encode()):
        return True
    rest = key.removeprefix(PREFIX.encode())
    if len(rest) != _BODY_LENGTH + _CHECKSUM_LENGTH or not rest.isalnum():
        return False
    body, checksum = rest[:_BODY_LENGTH], rest[_BODY_LENGTH:]
    return compare_digest(_checksum(body.decode("ascii")).encode(), checksum)


def display_name(key: Secret) -> str:
    """
    Return what lists show of *key*: `sk-...` and its last four characters.

    Of a key too short to be strong nothing is shown: four letters would be most
    of it.
    """
    tail = key.reveal()[-4:] if len(key) >= STRONG_LENGTH else ""
    return f"sk-...{tail}"


def is_in_force(record: VirtualKey | None, now: float) -> bool:
    """Is this a key that exists, is not blocked and has not expired?"""
    return (
        record is not None
        and not record.blocked
        and (record.expires_at is None or now < record.expires_at)
    )


def check(
    record: VirtualKey | None, now: float, *, headers: Headers, carrier: str
) -> Refusal | None:
    """
    Refuse a key that is unknown, blocked or expired; all three alike.

    One answer for all, so that nobody learns from it whether a key exists.
    *carrier* is the header of *headers* that it came in.
    """
    return None if is_in_force(record, now) else refuse_key(headers, carrier)


def check_model(
    record: VirtualKey, model: str, *, team_models: tuple[str, ...] = ()
) -> Refusal | None:
    """Refuse a model that the key does not open."""
    if may_use_model(record, model, team_models=team_models):
        return None
    # A list of names cannot show what a wildcard opens.
    families = [each for each in record.models if "*" in each]
    opened = f"It opens {', '.join(families)} and what GET /v1/models lists"
    return Refusal(
        status=403,
        kind="permission_error",
        code="auth.model-not-allowed",
        message=(
            "This byok key does not open the requested model."
            f" {opened if families else 'GET /v1/models lists those it opens'};"
            " an admin changes that with `models` on the key."
        ),
    )


def named_models(record: VirtualKey) -> tuple[str, ...]:
    """Return the models that the key opens by their names, not by a pattern."""
    return model_names(record.models)


def model_names(models: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of a list of *models* that are names, and no patterns."""
    words = (ALL_PROXY_MODELS, ALL_TEAM_MODELS)
    return tuple(each for each in models if "*" not in each and each not in words)


def opens_model(models: tuple[str, ...], model: str) -> bool:
    """Does a list of *models* open *model*? One that is empty opens every model."""
    return not models or _opens(models, model)


def may_use_model(
    record: VirtualKey, model: str, *, team_models: tuple[str, ...] = ()
) -> bool:
    """
    May the key ask for *model*, under the name that the client uses?

    No list means every model, as in LiteLLM, and so does `all-proxy-models`.
    `all-team-models` stands for *team_models* under the same reading; on a key
    without a team it opens nothing. `*` stands for any characters.
    """
    if not record.models:
        return True
    for allowed in record.models:
        if allowed == ALL_TEAM_MODELS:
            if record.team_id is not None and opens_model(team_models, model):
                return True
        elif _opens((allowed,), model):
            return True
    return False


def rotated(
    record: VirtualKey,
    key: Secret,
    peppers: Peppers,
    *,
    now: float,
    grace_until: float | None = None,
) -> VirtualKey:
    """
    Give *record* the new *key*; the old one still works until *grace_until*.

    One former key at most is accepted: rotating twice within a grace period
    ends the first key's.
    """
    return replace(
        record,
        digest=peppers.digest(key.reveal_bytes()),
        pepper_id=peppers.current_id,
        key_name=display_name(key),
        previous_digest=record.digest if grace_until is not None else None,
        previous_expires_at=grace_until,
        updated_at=now,
    )


def _opens(patterns: tuple[str, ...], model: str) -> bool:
    return any(
        pattern == ALL_PROXY_MODELS or _matches(pattern, model) for pattern in patterns
    )


def _matches(pattern: str, text: str) -> bool:
    """
    Compare with `*` as the only wildcard, in time linear in the text.

    Each literal piece is taken at its leftmost place, which is always as good
    as any later one; no pattern makes this slow, as a regex's could.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)
