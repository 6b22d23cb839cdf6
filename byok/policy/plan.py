"""
A plan: the rules that matter in one context, compiled, and applied to headers.

What the server sends and what `explain-request` prints are two readings of the
one `Outcome` that `Plan.apply` returns, so they cannot disagree.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from byok.policy import classes, floor, names, passing
from byok.policy.classes import Classified, How, without_scheme
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.floor import FLOOR
from byok.policy.injections import inject
from byok.policy.match import Context, Glob
from byok.policy.outcome import (
    Denied,
    Difference,
    Headers,
    Outcome,
    Ruling,
    Verdict,
)
from byok.policy.responses import ResponsePlan
from byok.policy.rules import Action, Direction, LogLevel, Rule
from byok.policy.shapes import Shapes
from byok.policy.slot import (
    Candidate,
    CredentialDecision,
    CredentialPolicy,
    Removed,
    choose,
)
from byok.policy.tiers import Overridden, Reason, losers, resolve

REDACTED = b"[redacted]"

# Names come from clients, so what is remembered of them has a bound; past it a
# field is judged anew each time.
_MAX_CELLS = 4096


class Plan:
    """The rules that can matter in one context, with the verdicts met so far."""

    __slots__ = (
        "_cells",
        "_gateway_names",
        "_grants",
        "_injects",
        "_logs",
        "_requests",
        "_rules",
        "_shapes",
        "_twin",
        "class_table",
        "context",
        "credential_policy",
        "response",
    )

    def __init__(
        self,
        context: Context,
        rules: Sequence[Rule],
        credential_policy: CredentialPolicy,
        gateway_names: Collection[bytes] = names.GATEWAY_CREDENTIALS,
        class_table: ClassTable = NOTHING_DECLARED,
    ) -> None:
        self.context = context
        self.class_table = class_table
        self.credential_policy = credential_policy
        self._gateway_names = gateway_names
        base = (*FLOOR, floor.OTHERS_IN_THE_CLEAR) if context.plaintext else FLOOR
        able = [rule for rule in (*base, *rules) if rule.match.admits(context)]
        in_force = [rule for rule in able if not rule.shadow]
        self.response = ResponsePlan(
            context,
            [r for r in able if r.direction is Direction.RESPONSE],
            class_table,
        )
        asked = [r for r in in_force if r.direction is Direction.REQUEST]
        self._injects = tuple(r for r in asked if r.action is Action.INJECT)
        self._grants = tuple(r for r in asked if r.action is Action.ALLOW_REQUEST)
        self._logs = tuple(r for r in asked if r.action is Action.LOG)
        self._requests = tuple(r for r in asked if _asks_of_request(r))
        self._rules = tuple(
            r for r in asked if r.action not in _OTHER_SLOTS and not _asks_of_request(r)
        )
        # What would be if the shadow rules were in force, where there are any.
        self._twin: Plan | None = None
        if any(r.shadow and r.direction is Direction.REQUEST for r in able):
            self._twin = Plan(
                context,
                [replace(rule, shadow=False) for rule in rules],
                credential_policy,
                gateway_names,
                class_table,
            )
        self._shapes = Shapes(
            self.decide,
            drop_values=drop_values,
            gateway_names=gateway_names,
            class_table=class_table,
        )
        self._cells: dict[tuple[bytes, str, bool, str | None], Verdict] = {}

    def apply(
        self,
        headers: Headers,
        *,
        gateway_secrets: Collection[bytes] = (),
        nominated: Collection[bytes] = (),
    ) -> Outcome:
        """
        Decide *headers*, from memory where a request of their shape was met.

        What `Connection` has *nominated* belongs to this hop and is stripped.
        """
        if nominated:
            return self.decide(headers, gateway_secrets, nominated)
        return self._shapes.apply(headers, gateway_secrets)

    def decide(
        self,
        headers: Headers,
        gateway_secrets: Collection[bytes],
        nominated: Collection[bytes] = (),
    ) -> Outcome:
        """
        Decide every field of *headers*, the credential, and what is put in.

        Credentials are decided first, since rules may ask which one leaves.
        """
        kinds = [
            _NOMINATED
            if name in nominated
            else self.class_table.classify(
                name,
                value,
                gateway_names=self._gateway_names,
                gateway_secrets=gateway_secrets,
            )
            for name, value in headers
        ]
        first = {
            index: self.judge(headers[index][0], kind, None)
            for index, kind in enumerate(kinds)
            if kind.is_provider_credential
        }
        credential = self._fill_slot(headers, kinds, first)
        verdicts = self._verdicts(headers, kinds, first, credential)
        source = credential.source
        sends, injections = inject(
            _outgoing(headers, verdicts),
            [r for r in self._injects if self._holds_for_injection(r, source)],
        )
        ruling = Ruling(
            kinds=tuple(kinds),
            verdicts=tuple(verdicts),
            injections=injections,
            credential=credential,
            denied=self._denied(headers, kinds, verdicts, source),
        )
        outcome = Outcome(ruling, headers, sends)
        if self._twin is None:
            return outcome
        other = self._twin.decide(headers, gateway_secrets, nominated)
        ruling = replace(ruling, shadow=differences(outcome, other))
        return Outcome(ruling, headers, sends)

    def judge(self, name: bytes, kind: Classified, source: str | None) -> Verdict:
        """
        Return the fate of the field *name*; *source* fills the credential slot.

        It is None while that is yet to be chosen, as for credentials themselves.
        """
        cell = (name, kind.cls, kind.own_slot, source)
        verdict = self._cells.get(cell)
        if verdict is None:
            verdict = self._judge(name, kind, source)
            if len(self._cells) < _MAX_CELLS:
                self._cells[cell] = verdict
        return verdict

    def _judge(self, name: bytes, kind: Classified, source: str | None) -> Verdict:
        asked = passing.asked_name(name, kind)
        if asked:
            verdict = self._judge_asked(asked, source)
            if verdict is not None:
                return verdict
        return self._judge_as(name.decode("latin-1"), kind, source)

    def _judge_asked(self, name: bytes, source: str | None) -> Verdict | None:
        """Judge what `x-pass-` asks to send as *name*; None where nothing grants it."""
        text = name.decode("latin-1")
        kind = Classified(cls=self.class_table.class_of_name(name), how=How.NAME)
        matching = [r for r in self._grants if self._holds(r, text, kind, source)]
        grants = passing.granting(matching, text, kind)
        if not grants:
            return None
        verdict = self._judge_as(text, kind, source, passing.asking_rule(grants))
        return replace(verdict, sent_as=name)

    def _judge_as(
        self, text: str, kind: Classified, source: str | None, *more: Rule
    ) -> Verdict:
        matching = [r for r in self._rules if self._holds(r, text, kind, source)]
        matching += more
        rule, reason = resolve(matching)
        if rule is None:
            return Verdict(action=Action.STRIP, reason=reason)
        if kind.is_credential and rule.action in _RESHAPING:
            # A credential under another name or in parts is out of its slot, and
            # what stands there in its place would be taken for a second one.
            return Verdict(
                action=Action.STRIP,
                reason=Reason.FLOOR,
                rule=_OUT_OF_SLOT,
                over=losers(matching, _OUT_OF_SLOT, Reason.FLOOR),
            )
        beside = _filters_beside(matching, rule)
        return Verdict(
            action=rule.action,
            reason=reason,
            rule=rule,
            beside=beside,
            over=losers(
                [each for each in matching if each not in beside], rule, reason
            ),
            drop=tuple(glob for each in (rule, *beside) for glob in each.drop),
        )

    def log_level(self, name: bytes, kind: Classified, source: str) -> LogLevel:
        """
        Say how much of the field a record of the decision may show.

        Credentials are never shown, whatever a rule says.
        """
        text = name.decode("latin-1")
        matching = [r for r in self._logs if self._holds(r, text, kind, source)]
        rule, _ = resolve(matching)
        least = LogLevel.HASH if kind.is_credential else LogLevel.FULL
        if rule is None:
            return LogLevel.HASH if kind.is_credential else LogLevel.CLASS
        return max(rule.log, least, key=lambda level: level.rank)

    def _holds(
        self, rule: Rule, name: str, kind: Classified, source: str | None
    ) -> bool:
        if not rule.match.holds(name, kind, self.context, source):
            return False
        unless = rule.unless
        return unless is None or not unless.holds(name, kind, self.context, source)

    def _fill_slot(
        self,
        headers: Headers,
        kinds: Sequence[Classified],
        first: dict[int, Verdict],
    ) -> CredentialDecision:
        candidates: list[Candidate] = []
        removed: list[Removed] = []
        for index, verdict in first.items():
            name, value = headers[index]
            # An empty value is an absent credential, not one that was taken away.
            if not without_scheme(value):
                continue
            cls = kinds[index].cls
            if verdict.action is Action.FORWARD:
                candidates.append(Candidate(index=index, name=name, cls=cls))
            elif _is_offered(name, kinds[index]):
                removed.append(
                    Removed(
                        name=name,
                        cls=cls,
                        rule=verdict.rule.id if verdict.rule else DEFAULT_DENY,
                        why=verdict.rule.why if verdict.rule else "",
                    )
                )
        return choose(
            candidates,
            removed,
            self.credential_policy,
            deployment_key=self.context.deployment_key,
            plaintext=self.context.plaintext,
        )

    def _verdicts(
        self,
        headers: Headers,
        kinds: Sequence[Classified],
        first: dict[int, Verdict],
        credential: CredentialDecision,
    ) -> list[Verdict]:
        source = credential.source
        verdicts: list[Verdict] = []
        for index, kind in enumerate(kinds):
            verdict = first.get(index) or self.judge(headers[index][0], kind, source)
            if (
                index in first
                and verdict.action is Action.FORWARD
                and index != credential.index
            ):
                verdict = _not_chosen(verdict)
            verdicts.append(verdict)
        return verdicts

    def _holds_for_injection(self, rule: Rule, source: str) -> bool:
        name = rule.inject.name.decode("latin-1") if rule.inject else ""
        return self._holds(rule, name, _INJECTED, source)

    def _denied(
        self,
        headers: Headers,
        kinds: Sequence[Classified],
        verdicts: Sequence[Verdict],
        source: str,
    ) -> Denied | None:
        denying = [
            verdict.rule
            for verdict in verdicts
            if verdict.action is Action.DENY and verdict.rule is not None
        ]
        if self._requests:
            present = {
                name
                for (name, value), kind in zip(headers, kinds, strict=True)
                if value and kind.cls not in _NEVER_SENT
            }
            denying += [
                rule
                for rule in self._requests
                if rule.require not in present
                and self._asks(rule, headers, kinds, source)
            ]
        rule, _ = resolve(denying)
        return None if rule is None else Denied(rule=rule, denial=rule.denial)

    def _asks(
        self,
        rule: Rule,
        headers: Headers,
        kinds: Sequence[Classified],
        source: str,
    ) -> bool:
        """Does a rule about the request hold, which may ask whether a field came?"""
        wanted = rule.match.header.present
        if wanted is None:
            return self._holds(rule, "", _INJECTED, source)
        found = any(
            bool(value) and self._holds(rule, name.decode("latin-1"), kind, source)
            for (name, value), kind in zip(headers, kinds, strict=True)
        )
        return found is wanted


def differences(real: Outcome, other: Outcome) -> tuple[Difference, ...]:
    """Return where *other*, decided with the shadow rules in force, differs."""
    out: list[Difference] = []
    for index, (name, _) in enumerate(real.headers):
        ours, theirs = real.verdicts[index], other.verdicts[index]
        if (ours.action, ours.drop, ours.sent_as) != (
            theirs.action,
            theirs.drop,
            theirs.sent_as,
        ):
            out.append(
                Difference(
                    slot=f"header:{name.decode('latin-1')}",
                    would=theirs.action.word,
                    rule=theirs.rule,
                    index=index,
                )
            )
    if real.credential.source != other.credential.source:
        out.append(
            Difference(slot="credential", would=other.credential.source, rule=None)
        )
    before = {(each.name, each.applied, each.rule.inject) for each in real.injections}
    out += [
        Difference(slot=f"out:{each.name}", would="inject", rule=each.rule)
        for each in other.injections
        if (each.name, each.applied, each.rule.inject) not in before
    ]
    denied = real.denied.rule.id if real.denied else None
    would = other.denied.rule.id if other.denied else None
    if denied != would:
        out.append(
            Difference(
                slot="request",
                would="deny" if other.denied else "allow",
                rule=other.denied.rule if other.denied else None,
            )
        )
    return tuple(out)


DEFAULT_DENY = "default-deny"
_OTHER_SLOTS = frozenset({Action.INJECT, Action.ALLOW_REQUEST, Action.LOG})

_OFFERING = frozenset({b"authorization", b"x-api-key"})
_RESHAPING = frozenset({Action.RENAME, Action.FILTER, Action.REDACT})
_OUT_OF_SLOT = next(rule for rule in FLOOR if rule.id == floor.SLOT)
_NEVER_SENT = frozenset({classes.HOP_BY_HOP, classes.AMBIGUOUS})
_NOMINATED = Classified(cls=classes.HOP_BY_HOP, how=How.NAME)
_INJECTED = Classified(cls=classes.UNCLASSIFIED, how=How.DEFAULT)
ONE_LEAVES = "one credential leaves"
_SINGLE_CREDENTIAL = Rule(
    id=floor.SINGLE_CREDENTIAL,
    tier=_OUT_OF_SLOT.tier,
    action=Action.STRIP,
    why="exactly one credential leaves",
)


def drop_values(value: bytes, drop: Sequence[Glob]) -> bytes | None:
    """
    Return the comma list *value* without the members that *drop* names.

    Nothing is reordered or respelt: where no member goes, the bytes are the same.
    None means that none is left.
    """
    if not any(glob.text.partition("*")[0].encode() in value for glob in drop):
        return value
    members = value.split(b",")
    kept = [
        member
        for member in members
        if not any(glob.matches(member.strip().decode("latin-1")) for glob in drop)
    ]
    if len(kept) == len(members):
        return value
    return b",".join(kept).strip(b" \t") or None


def _outgoing(
    headers: Headers, verdicts: Sequence[Verdict]
) -> list[tuple[bytes, bytes]]:
    out: list[tuple[bytes, bytes]] = []
    asked: list[tuple[bytes, bytes]] = []
    for field, verdict in zip(headers, verdicts, strict=True):
        if verdict.sent_as:
            sent = sent_field(field, verdict)
            asked += [sent] if sent is not None else []
        elif verdict.action is Action.FORWARD:
            out.append(field)
        elif verdict.action is not Action.STRIP:
            sent = sent_field(field, verdict)
            if sent is not None:
                out.append(sent)
    if asked:
        # What was asked for by name takes the place of what came under it.
        replaced = {name for name, _ in asked}
        out = [each for each in out if each[0] not in replaced] + asked
    return out


def sent_field(
    field: tuple[bytes, bytes], verdict: Verdict
) -> tuple[bytes, bytes] | None:
    """Return what leaves of the inbound *field*, or None where nothing does."""
    name, value = verdict.sent_as or field[0], field[1]
    action = verdict.action
    if action is Action.FORWARD:
        return name, value
    if action is Action.REDACT:
        return name, REDACTED
    if action is Action.RENAME and verdict.rule is not None:
        return verdict.rule.rename_to, value
    if action is Action.FILTER:
        kept = drop_values(value, verdict.drop)
        return None if kept is None else (name, kept)
    return None


def _asks_of_request(rule: Rule) -> bool:
    # A deny without a header condition, and every require, decide the request.
    # So does a deny that asks whether a field came at all.
    header = rule.match.header
    return rule.action is Action.REQUIRE or (
        rule.action is Action.DENY and (header.is_empty or header.present is not None)
    )


def _is_offered(name: bytes, kind: Classified) -> bool:
    # A key in its provider's own header was meant as this request's credential.
    # The same key in some other header is a mistake, not an offer to pay, and
    # Proxy-Authorization speaks to a proxy on the way.
    return kind.own_slot or name in _OFFERING


def _not_chosen(verdict: Verdict) -> Verdict:
    rule = verdict.rule
    first = () if rule is None else (Overridden(rule=rule, because=ONE_LEAVES),)
    return Verdict(
        action=Action.STRIP,
        reason=Reason.FLOOR,
        rule=_SINGLE_CREDENTIAL,
        over=(*first, *verdict.over),
    )


def _filters_beside(matching: Sequence[Rule], winner: Rule) -> tuple[Rule, ...]:
    if winner.action is not Action.FILTER:
        return ()
    return tuple(
        rule
        for rule in sorted(matching, key=lambda r: r.id)
        if rule.action is Action.FILTER
        and rule.tier is winner.tier
        and rule is not winner
    )
