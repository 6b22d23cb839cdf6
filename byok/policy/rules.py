"""
A rule: a box of requests, what happens to a field in it, and where that stands.

Tiers and actions are closed sets. What a combination may do (who may lock, what
may be renamed) is checked where rules are read, in `document.py`.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from byok.policy.match import Glob, Match


class Tier(IntEnum):
    """Where a rule is written, from the broadest to the narrowest."""

    FLOOR = 0
    PACK = 1
    SETTINGS = 2
    MODEL_GROUP = 3
    MODEL = 4
    TEAM = 5
    USER = 6
    KEY = 7
    REQUEST = 8

    @property
    def word(self) -> str:
        """What a document calls it (`tier: model_group`), and whatever is printed."""
        return self.name.lower()


class Action(Enum):
    """What a rule does, with its severity: inside one tier the most severe wins."""

    FORWARD = ("forward", 1)
    FILTER = ("filter", 2)
    INJECT = ("inject", 3)
    RENAME = ("rename", 3)
    REDACT = ("redact", 4)
    STRIP = ("strip", 5)
    REQUIRE = ("require", 6)
    DENY = ("deny", 6)
    # These two have slots of their own and never meet the others.
    ALLOW_REQUEST = ("allow_request", 1)
    LOG = ("log", 1)

    def __init__(self, word: str, severity: int) -> None:
        self.word = word
        self.severity = severity


# A lock may only take away: nobody broad can force a leak on somebody narrow.
LOCKABLE = frozenset(
    {Action.STRIP, Action.REDACT, Action.DENY, Action.REQUIRE, Action.INJECT}
)


class Direction(Enum):
    """Which way the fields travel that a rule is about."""

    REQUEST = "request"
    RESPONSE = "response"


class LogLevel(Enum):
    """How a field may stand in the record of a decision, the least telling last."""

    FULL = ("full", 0)
    HASH = ("hash", 1)
    CLASS = ("class", 2)
    DROP = ("drop", 3)

    def __init__(self, word: str, rank: int) -> None:
        self.word = word
        self.rank = rank


class When(Enum):
    """How an injected field meets one that is there already."""

    SET = "set"
    DEFAULT = "default"
    APPEND = "append"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A place in a file; line 0 means the file as a whole, or built in."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


BUILT_IN = Where(file="built-in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """
    A field that a rule puts into the outgoing head.

    `reference` names where a secret value is found; `value` is empty until whoever
    may read secrets has looked it up.
    """

    name: bytes
    value: bytes = field(repr=False)
    when: When
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """The answer that a deny or require rule gives."""

    status: int = 403
    kind: str = "permission_error"
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of policy."""

    id: str
    tier: Tier
    action: Action
    where: Where = BUILT_IN
    match: Match = field(default_factory=Match)
    unless: Match | None = None
    lock: bool = False
    why: str = ""
    drop: tuple[Glob, ...] = ()
    rename_to: bytes = b""
    inject: Injected | None = None
    require: bytes = b""
    denial: Denial = field(default_factory=Denial)
    grant: tuple[Glob, ...] = ()
    log: LogLevel = LogLevel.CLASS
    direction: Direction = Direction.REQUEST
    # Evaluated and recorded, never applied.
    shadow: bool = False
    # When its document was written, as the document says.
    since: str = ""
    # Set where a compatibility word and not the rule's own tier let it win.
    compat: str = ""

    @property
    def severity(self) -> tuple[int, int]:
        """How much the rule takes away: inside one tier the most severe decides."""
        return self.action.severity, self.log.rank
