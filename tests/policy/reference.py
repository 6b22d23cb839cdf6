"""
The semantics of the policy language once more: slowly, and from its description.

Rules are read here as the data they are written in, and every field is looked
at by itself; nothing is compiled, remembered or shared with the product but the
values that go in. What differs from the product is wrong in one of the two.
"""

import base64
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from byok.policy.match import Context
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy

Data = dict[str, object]
Fields = tuple[tuple[bytes, bytes], ...]

SEVERITY = {
    "deny": 6,
    "require": 6,
    "strip": 5,
    "redact": 4,
    "rename": 3,
    "inject": 3,
    "filter": 2,
    "forward": 1,
}

# Classes

ANTHROPIC = "credential.provider.anthropic."
SHAPES = {
    "sk-ant-api": ANTHROPIC + "api_key",
    "sk-ant-oat": ANTHROPIC + "oauth",
    "sk-ant-admin": ANTHROPIC + "admin",
    "sk-ant-": ANTHROPIC + "other",
    "sk-proj-": "credential.provider.openai.api_key",
    "sk-svcacct-": "credential.provider.openai.api_key",
    "sk-or-": "credential.provider.openrouter.api_key",
    "AIza": "credential.provider.google.api_key",
    "sk-byok-": "credential.gateway",
}
WORD = re.compile(r"[A-Za-z0-9_-]+")

NAMES = {
    "hop-by-hop": "connection keep-alive proxy-connection te trailer upgrade"
    " transfer-encoding proxy-authenticate http2-settings",
    "framing": "host content-length expect accept-encoding content-encoding",
    "cookie": "cookie cookie2 set-cookie",
    "credential.gateway": "x-litellm-api-key x-byok-api-key x-byok-key",
    "credential.provider.unknown": "authorization x-api-key proxy-authorization",
    "credential.provider.azure.api_key": "api-key ocp-apim-subscription-key",
    "credential.provider.google.api_key": "x-goog-api-key",
}
PATTERNS = (
    ("gateway-control", r"x-(litellm|byok|pass)-.*"),
    ("ambiguous", r".*_.*"),
    ("protocol", r"anthropic-.*|content-type|accept|openai-beta"),
    (
        "credential.other",
        r"x-amz-.*|x-vault-token|.*-(token|secret|api-key)",
    ),
    ("client-network", r"(x-forwarded|x-envoy|cf)-.*|x-original-forwarded-for"),
    ("client-network", r"(x-real|x-client|x-cluster-client|true-client|fly-client)-ip"),
    ("client-network", r"forwarded|via"),
    ("client-identity", r"user-agent|x-app|x-claude-code-.*|referer|origin"),
    (
        "tracing",
        r"traceparent|tracestate|baggage|b3|x-b3-.*|x-request-id|x-correlation-id",
    ),
    ("telemetry.sdk", r"x-stainless-.*"),
)


def texts_of(value: bytes) -> list[str]:
    """Return what may hold a credential: the value, and what Basic hides."""
    text = value.decode("latin-1")
    out = [text]
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() == "basic" and re.fullmatch(r"[A-Za-z0-9+/=_-]+", rest.strip()):
        encoded = rest.strip().replace("-", "+").replace("_", "/")
        try:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
        except ValueError:
            return out
        out.append(raw.decode("latin-1"))
    return out


def words_of(text: str) -> list[str]:
    """Return what may be a word of *text*: whole, or what follows an escape in it."""
    words = []
    for found in WORD.finditer(text):
        word, before = found.group(), text[: found.start()]
        words.append(word)
        if before.endswith("%") and re.match(r"[0-9A-Fa-f]{2}", word):
            words.append(word[2:])
        if before.endswith("\\") and word[0] in "nrt":
            words.append(word[1:])
    return words


def shape_of(value: bytes) -> str | None:
    """Return the class of the first word in *value* that is a known key."""
    for text in texts_of(value):
        for word in words_of(text):
            fitting = [p for p in SHAPES if word.startswith(p) and word != p]
            if fitting:
                return SHAPES[max(fitting, key=len)]
    return None


def holds(value: bytes, secret: bytes) -> bool:
    """Does *value* hold the gateway's *secret*?"""
    key = secret.decode("latin-1")
    if not key:
        return False
    for text in texts_of(value):
        if len(key) >= 12 and key in text:
            return True
        if re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", text, re.ASCII):
            return True
    return False


def bare(value: bytes) -> tuple[bool, str]:
    """Say whether *value* is a bearer, and what it is without that."""
    text = value.decode("latin-1").strip()
    found = re.match(r"bearer([ \t]+|$)", text, re.IGNORECASE)
    return (True, text[found.end() :].strip()) if found else (False, text)


def class_of(name: bytes, value: bytes, secrets: tuple[bytes, ...]) -> str:
    """Return the class of one field."""
    text = name.decode()
    if any(holds(value, secret) for secret in secrets):
        return "credential.gateway"
    shape = shape_of(value)
    if shape is not None:
        return shape
    by_name = next((cls for cls, words in NAMES.items() if text in words.split()), None)
    if by_name is not None and by_name.startswith("credential"):
        return by_name
    if not value.isascii():
        return "ambiguous"
    if by_name is not None:
        return by_name
    for cls, pattern in PATTERNS:
        if re.fullmatch(pattern, text):
            return cls
    return "unclassified"


def in_own_slot(name: bytes, value: bytes, cls: str) -> bool:
    """Does this credential stand where its provider reads it, and alone?"""
    is_bearer, token = bare(value)
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token):
        return False
    words = [word for word in WORD.findall(token) if shape_of(word.encode())]
    if words and not (len(words) == 1 and token.startswith(words[0])):
        return False
    place = (name, is_bearer)
    if cls == ANTHROPIC + "api_key" or cls == "credential.provider.unknown":
        return place in {(b"x-api-key", False), (b"authorization", True)}
    if cls == ANTHROPIC + "oauth":
        return place == (b"authorization", True)
    if cls.startswith(("credential.provider.openai", "credential.provider.openrouter")):
        return place == (b"authorization", True)
    if cls.startswith("credential.provider.google"):
        return place == (b"x-goog-api-key", False)
    if cls.startswith("credential.provider.azure"):
        return place == (b"api-key", False)
    return False


@dataclass
class Seen:
    """One field with everything that conditions may ask of it."""

    name: str
    cls: str
    own: bool
    here: bool


# Conditions


def listed(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]


def like(pattern: str, text: str) -> bool:
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def like_any(patterns: object, *texts: str) -> bool:
    return any(like(each, text) for each in listed(patterns) for text in texts)


def host_like(patterns: object, host: str) -> bool:
    return any(
        host.endswith(each[1:]) and host != each[1:] if each[0] == "*" else host == each
        for each in listed(patterns)
    )


def address_in(ranges: object, address: str) -> bool:
    if not address:
        return False
    parsed = ipaddress.ip_address(address.removeprefix("::ffff:"))
    return any(parsed in ipaddress.ip_network(each) for each in listed(ranges))


def tags_fit(wanted: Data, tags: frozenset[str]) -> bool:
    has = {word: [t in tags for t in listed(wanted[word])] for word in wanted}
    return (
        any(has.get("any", [True]))
        and all(has.get("all", [True]))
        and not any(has.get("none", [False]))
    )


def holds_true(match: Data, about: Seen | None, at: Context, source: str) -> bool:
    """
    Does *match* hold? *source* fills the credential slot; "" is not known yet.

    Without a field (*about* is None) nothing in a match asks about one.
    """
    tests: dict[str, Callable[[Any], bool]] = {
        "header": lambda wanted: about is None or header_fits(wanted, about),
        "tags": lambda wanted: tags_fit(wanted, at.tags),
        "stream": lambda wanted: wanted == at.stream,
        "host": lambda wanted: host_like(wanted, at.host),
        "client_ip": lambda wanted: address_in(wanted, at.client_ip),
        "credential": lambda wanted: source != "" and like_any(wanted, source),
        "key": lambda wanted: like_any(wanted, at.key, at.key_id),
        "method": lambda wanted: like_any(map(str.upper, listed(wanted)), at.method),
        "auth": lambda wanted: like_any(map(str.lower, listed(wanted)), at.auth),
    }
    return all(
        tests[key](wanted) if key in tests else like_any(wanted, getattr(at, key))
        for key, wanted in match.items()
    )


def header_fits(wanted: Data, about: Seen) -> bool:
    names = [each.lower() for each in listed(wanted.get("name", "*"))]
    return (
        like_any(names, about.name)
        and like_any(wanted.get("class", "*"), about.cls)
        and wanted.get("trust", "here" if about.here else "elsewhere")
        == ("here" if about.here else "elsewhere")
        and wanted.get("slot", "own" if about.own else "foreign")
        == ("own" if about.own else "foreign")
    )


# Who wins


@dataclass
class Line:
    """One rule: where it stands, what it says."""

    id: str
    tier: Tier
    word: str
    body: Data = field(default_factory=dict)
    match: Data = field(default_factory=dict)
    unless: Data | None = None
    lock: bool = False


def line_of(tier: Tier, item: Data) -> Line:
    action = item["action"]
    word, body = (action, {}) if isinstance(action, str) else next(iter(action.items()))  # type: ignore[attr-defined]
    return Line(
        id=str(item["id"]),
        tier=tier,
        word=word,
        body=body,
        match=dict(item.get("match", {})),  # type: ignore[call-overload]
        unless=item.get("unless"),  # type: ignore[arg-type]
        lock=bool(item.get("lock")),
    )


def winner_of(lines: list[Line]) -> tuple[Line | None, str]:
    """Section 3, word by word."""
    floor = [each for each in lines if each.tier is Tier.FLOOR]
    locks = [each for each in lines if each.lock]
    if floor:
        group, reason = floor, "floor"
    elif locks:
        broadest = min(each.tier for each in locks)
        group = [each for each in locks if each.tier == broadest]
        reason = "lock"
    elif lines:
        narrowest = max(each.tier for each in lines)
        group = [each for each in lines if each.tier == narrowest]
        reason = "narrowest tier"
    else:
        return None, "no rule matched"
    worst = max(SEVERITY[each.word] for each in group)
    return min(
        (each for each in group if SEVERITY[each.word] == worst), key=lambda e: e.id
    ), reason


def floor_lines(about: Seen, at: Context) -> list[Line]:
    """Section 5."""
    strips = {
        "floor.framing": about.cls == "framing",
        "floor.hop-by-hop": about.cls == "hop-by-hop",
        "floor.gateway-credential": about.cls == "credential.gateway",
        "floor.gateway-control": about.cls == "gateway-control",
        "floor.ambiguous": about.cls == "ambiguous",
        "floor.plaintext": about.cls == "credential.other" and at.plaintext,
    }
    if about.cls.startswith("credential.provider."):
        strips["floor.credential-host-pin"] = about.cls not in at.trusted
        strips["floor.credential-slot"] = not about.own
    out = [
        Line(id=each, tier=Tier.FLOOR, word="strip")
        for each, on in strips.items()
        if on
    ]
    if about.cls == ANTHROPIC + "admin":
        out.append(Line(id="floor.anthropic-admin-key", tier=Tier.FLOOR, word="deny"))
    return out


@dataclass
class Fate:
    """What becomes of one field."""

    word: str
    rule: str
    reason: str
    line: Line | None = None
    drops: list[str] = field(default_factory=list)


@dataclass
class Result:
    """Everything that an outcome says."""

    fates: list[Fate]
    source: str
    index: int
    refused: str
    sends: list[tuple[bytes, bytes]]
    denied: str | None


class Reference:
    """All of it for one context."""

    def __init__(
        self, at: Context, items: tuple[tuple[Tier, Data], ...], slot: CredentialPolicy
    ) -> None:
        self.at = at
        self.slot = slot
        self.lines = [line_of(tier, item) for tier, item in items]

    def _matching(self, about: Seen | None, source: str) -> list[Line]:
        return [
            each
            for each in self.lines
            if holds_true(each.match, about, self.at, source)
            and not (
                each.unless is not None
                and holds_true(each.unless, about, self.at, source)
            )
        ]

    def _fate(self, about: Seen, source: str) -> Fate:
        rules = [
            each
            for each in self._matching(about, source)
            if each.word not in {"inject", "require"}
            and not (each.word == "deny" and not each.match.get("header"))
        ]
        rules += floor_lines(about, self.at)
        line, reason = winner_of(rules)
        if line is None:
            return Fate("strip", "", reason)
        credential = about.cls.startswith("credential.")
        if credential and line.word in {"rename", "filter", "redact"}:
            return Fate("strip", "floor.credential-slot", "floor")
        drops: list[str] = []
        if line.word == "filter":
            for each in rules:
                if each.word == "filter" and each.tier == line.tier:
                    drops += listed(each.body["drop"])
        return Fate(line.word, line.id, reason, line, drops)

    def apply(
        self, headers: Fields, secrets: tuple[bytes, ...], nominated: frozenset[bytes]
    ) -> Result:
        """Decide *headers*."""
        seen = [self._see(*each, secrets, nominated) for each in headers]
        provider = [each.cls.startswith("credential.provider.") for each in seen]
        fates = [
            self._fate(each, "") if ours else None
            for each, ours in zip(seen, provider, strict=True)
        ]
        source, index, refused = self._slot(headers, seen, fates)
        final: list[Fate] = []
        for at, (each, fate) in enumerate(zip(seen, fates, strict=True)):
            if fate is None:
                final.append(self._fate(each, source))
            elif fate.word == "forward" and at != index:
                final.append(Fate("strip", "floor.single-credential", "floor"))
            else:
                final.append(fate)
        return Result(
            fates=final,
            source=source,
            index=index,
            refused=refused,
            sends=self._sends(headers, final, source),
            denied=self._denied(headers, seen, final, source),
        )

    def _see(
        self,
        name: bytes,
        value: bytes,
        secrets: tuple[bytes, ...],
        nominated: frozenset[bytes],
    ) -> Seen:
        cls = class_of(name, value, secrets)
        own = in_own_slot(name, value, cls)
        if name in nominated:
            cls, own = "hop-by-hop", False
        here = cls in self.at.trusted
        if not cls.startswith("credential.provider."):
            own, here = False, self.at.vouched
        return Seen(name.decode(), cls, own, here)

    def _slot(
        self, headers: Fields, seen: list[Seen], fates: list[Fate | None]
    ) -> tuple[str, int, str]:
        """Section 3.2: the first usable source in order, and who refuses if none."""
        offered = [
            at
            for at, fate in enumerate(fates)
            if fate is not None and bare(headers[at][1])[1]
        ]
        alive = [at for at in offered if getattr(fates[at], "word", "") == "forward"]
        lost = any(
            seen[at].own or headers[at][0] in {b"authorization", b"x-api-key"}
            for at in offered
            if at not in alive
        )
        # The provider's own header is preferred to the bearer, then the first; what
        # is written last into the dictionary stays.
        alive.sort(key=lambda at: (headers[at][0] != b"authorization", -at))
        oauth = ANTHROPIC + "oauth"
        best = {
            "client.oauth" if seen[at].cls == oauth else "client.api_key": at
            for at in alive
        }
        # What the order has no place for was taken away as well.
        lost = lost or not best.keys() <= set(self.slot.order)
        strict = lost and self.slot.on_client_stripped.value == "deny"
        usable = set(best)
        if self.at.deployment_key and not strict:
            usable.add("deployment")
        source = next((each for each in self.slot.order if each in usable), "none")
        return source, best.get(source, -1), self._refused(source, lost=lost)

    def _refused(self, source: str, *, lost: bool) -> str:
        if source != "none":
            return "floor.plaintext" if self.at.plaintext else ""
        if lost and self.slot.on_client_stripped.value == "deny":
            return "credential.client-stripped"
        if self.slot.on_missing.value == "anonymous":
            return ""
        return "credential.not-forwarded" if lost else "credential.missing"

    def _sends(
        self, headers: Fields, fates: list[Fate], source: str
    ) -> list[tuple[bytes, bytes]]:
        out: list[tuple[bytes, bytes]] = []
        for (name, value), fate in zip(headers, fates, strict=True):
            if fate.word == "forward":
                out.append((name, value))
            elif fate.word == "redact":
                out.append((name, b"[redacted]"))
            elif fate.word == "rename" and fate.line is not None:
                out.append((str(fate.line.body["to"]).encode(), value))
            elif fate.word == "filter":
                members = value.split(b",")
                kept = [
                    each
                    for each in members
                    if not like_any(fate.drops, each.strip().decode("latin-1"))
                ]
                if kept == members:
                    out.append((name, value))
                elif left := b",".join(kept).strip(b" \t"):
                    out.append((name, left))
        return self._injected(out, source)

    def _injected(
        self, out: list[tuple[bytes, bytes]], source: str
    ) -> list[tuple[bytes, bytes]]:
        lines = [e for e in self._matching(None, source) if e.word == "inject"]
        for name in sorted({str(each.body["name"]) for each in lines}):
            here = [each for each in lines if each.body["name"] == name]
            one, _ = winner_of([each for each in here if each.body["when"] != "append"])
            field_name = name.encode()
            absent = field_name not in [each[0] for each in out]
            if one is not None and (absent or one.body["when"] == "set"):
                out = [each for each in out if each[0] != field_name]
                out.append((field_name, str(one.body["value"]).encode()))
            more = [each for each in here if each.body["when"] == "append"]
            for each in sorted(more, key=lambda e: (e.tier, e.id)):
                out.append((field_name, str(each.body["value"]).encode()))
        return out

    def _denied(
        self, headers: Fields, seen: list[Seen], fates: list[Fate], source: str
    ) -> str | None:
        there = {
            name.decode()
            for (name, value), each in zip(headers, seen, strict=True)
            if value and each.cls not in {"hop-by-hop", "ambiguous"}
        }
        lines = [e.line for e in fates if e.word == "deny" and e.line is not None]
        for each in self._matching(None, source):
            if each.word == "require" and each.body["header"] not in there:
                lines.append(each)
            if each.word == "deny" and not each.match.get("header"):
                lines.append(each)
        line, _ = winner_of(lines)
        return None if line is None else line.id
