"""
An explanation: what was decided about one request, as plain data without values.

It is read off the decision itself, so it says what the gateway does and not what
somebody thinks it does. A value appears as its length and its fingerprint.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from byok.core.errors import Refusal
from byok.core.exchange import Caller, Decided, credential_field, lay_out
from byok.core.facts import RequestFacts
from byok.core.secret import fingerprint
from byok.policy import classes, floor, passing, slot
from byok.policy.outcome import Difference, HeaderDecision, Injection, Verdict
from byok.policy.plan import DEFAULT_DENY, drop_values, sent_field
from byok.policy.rules import Action, Rule, Tier
from byok.policy.tiers import Overridden

VERSION = 1

UNCHANGED = "nothing to drop"
"""What is noted of a field that a filter was about and found nothing in."""

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    What an explanation says of its circumstances, beside the decision.

    `method` and `path` are shown of a request that was refused before it was read.
    """

    config_digest: str = ""
    decision_id: str = ""
    method: str = ""
    path: str = ""
    assumed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def explain(
    facts: RequestFacts | None,
    caller: Caller | None,
    result: Decided | Refusal | None,
    setting: Setting,
) -> dict[str, object]:
    """
    Return the explanation of *result* as JSON data (schemas/explain-v1.schema.json).

    *facts* or *caller* are None where the request was refused before they were
    known; *result* is None where the gateway answers by itself.
    """
    refusal = result.refusal if isinstance(result, Decided) else result
    out: dict[str, object] = {
        "version": VERSION,
        "decision_id": setting.decision_id or None,
        "config_digest": setting.config_digest or None,
        "request": _request(facts, result, setting),
        "caller": _caller(caller),
        "verdict": "local" if result is None else "deny" if refusal else "allow",
        "refusal": _refusal(refusal),
        "slots": [],
        "injections": [],
        "credential": None,
        "shadow": [],
        "sends": [],
        "assumed": list(setting.assumed),
        "warnings": list(setting.warnings),
    }
    if isinstance(result, Decided) and facts is not None:
        outcome = result.outcome
        out["slots"] = [
            _slot(each, result, _sent_as(facts, result, each))
            for each in outcome.decisions
        ]
        out["injections"] = [injection_shown(each) for each in outcome.injections]
        out["credential"] = _credential(facts, result)
        out["shadow"] = [
            shadow_shown(each)
            for each in outcome.shadow
            if each.slot == "request" or each.slot.startswith("out:")
        ]
        if refusal is None:
            sent = lay_out(facts, result).headers
            out["sends"] = sorted({name.decode("latin-1") for name, _ in sent})
    return out


def _request(
    facts: RequestFacts | None, result: Decided | Refusal | None, setting: Setting
) -> Json:
    request: dict[str, object] = {
        "method": facts.method if facts else setting.method or None,
        "route": facts.route.id if facts else setting.path or None,
        "model": facts.head.model if facts and facts.head else None,
    }
    if isinstance(result, Decided):
        found = result.deployment
        request |= {
            "model_group": found.model_group,
            "deployment": found.name,
            "provider": found.provider,
            "upstream_model": result.upstream_model,
            "scheme": found.origin.scheme,
            "host": found.origin.host,
            "origin": str(found.origin),
        }
        if found.via is not None:
            request["via"] = str(found.via)
    return request


def destination(request: Json) -> str:
    """Say where the *request* of an explanation goes, or nothing if nowhere."""
    origin, via = request.get("origin"), request.get("via")
    return f"{origin or ''} via {via}" if via else str(origin or "")


def _caller(caller: Caller | None) -> Json | None:
    if caller is None:
        return None
    return {
        "key": caller.name,
        "team": caller.team or None,
        "user": caller.user or None,
        "auth_header": caller.carrier or None,
    }


def _refusal(refusal: Refusal | None) -> Json | None:
    if refusal is None:
        return None
    return {
        "status": refusal.status,
        "type": refusal.kind,
        "code": refusal.code,
        "rule": refusal.rule,
        "message": refusal.message,
    }


def _sent_as(
    facts: RequestFacts, result: Decided, decision: HeaderDecision
) -> str | None:
    if result.refusal is not None:
        return None
    outcome = result.outcome
    if decision.index == outcome.credential.index:
        field = credential_field(facts, result)
    else:
        field = sent_field(outcome.headers[decision.index], decision.verdict)
    return None if field is None else field[0].decode("latin-1")


def _slot(decision: HeaderDecision, result: Decided, sent_as: str | None) -> Json:
    outcome = result.outcome
    value = outcome.headers[decision.index][1]
    verdict = decision.verdict
    shown: dict[str, object] = {"length": len(value)}
    if decision.kind.is_credential and value:
        shown["fingerprint"] = fingerprint(value)
    return {
        "slot": f"header:{decision.name}",
        "class": decision.kind.cls,
        "classified_by": decision.kind.how.value,
        "value": shown,
        "verdict": verdict.action.word,
        "sent_as": sent_as,
        "drops": [glob.text for glob in verdict.drop],
        "reason": _reason(verdict.rule, verdict.reason.value),
        "determining": [rule_shown(rule) for rule in (verdict.rule, *verdict.beside)]
        if verdict.rule
        else [{"rule": DEFAULT_DENY, "tier": None, "origin": None, "why": ""}],
        "overridden": [overridden_shown(each) for each in verdict.over],
        "shadow": [
            shadow_shown(each)
            for each in outcome.shadow
            if each.index == decision.index
        ],
        "note": _note(decision, result, sent_as),
    }


def _reason(rule: Rule | None, reason: str) -> str:
    return f"compat:{rule.compat}" if rule is not None and rule.compat else reason


def rule_shown(rule: Rule) -> Json:
    """Return what is said of a rule that decides."""
    return {
        "rule": rule.id,
        "tier": rule.tier.word,
        "origin": str(rule.where),
        "why": rule.why,
    }


def overridden_shown(each: Overridden) -> Json:
    """Return what is said of a rule that did not decide."""
    return {
        "rule": each.rule.id,
        "would": each.rule.action.word,
        "origin": str(each.rule.where),
        "because": each.because,
    }


def shadow_shown(each: Difference) -> Json:
    """Return what is said of a difference that rules in shadow would make."""
    rule = each.rule
    # A field that no rule decides is denied; the other slots have no such default.
    nothing = DEFAULT_DENY if each.index >= 0 else None
    return {
        "slot": each.slot,
        "would": each.would,
        "rule": nothing if rule is None else rule.id,
        "origin": None if rule is None else str(rule.where),
    }


def _note(decision: HeaderDecision, result: Decided, sent_as: str | None) -> str:
    rule = decision.verdict.rule
    host = result.deployment.origin.host
    cls = decision.kind.cls.removeprefix(classes.PROVIDER_CREDENTIAL_PREFIX)
    if rule is None and decision.kind.is_provider_credential:
        return "set forward_llm_provider_auth_headers: true to forward it"
    if rule is None:
        return ""
    if decision.verdict.sent_as:
        return f"as {decision.verdict.sent_as.decode('latin-1')}, {rule.why}"
    asked = passing.asked_name(decision.name.encode("latin-1"), decision.kind)
    if asked and rule.tier is Tier.FLOOR:
        # `x-pass-NAME`, which stays here like anything that speaks to the gateway.
        able = passing.is_grantable(asked)
        name = asked.decode("latin-1")
        return f"no rule grants {name}" if able else f"{name} is not grantable"
    if rule.id == floor.HOST_PIN:
        return f"{host} is not trusted for {cls}"
    if rule.id == floor.SLOT:
        slots = sorted(classes.OWN_SLOTS.get(decision.kind.cls, {}))
        where = " or ".join(name.decode() for name in slots) or "no header"
        return f"{cls} travels only in {where}, and alone"
    if rule.id == floor.SINGLE_CREDENTIAL:
        return f"the credential slot chose {result.outcome.credential.source}"
    if decision.verdict.action is Action.FILTER:
        return _dropped(result.outcome.headers[decision.index][1], decision.verdict)
    return _changed(decision.name, rule, sent_as)


def _changed(name: str, rule: Rule, sent_as: str | None) -> str:
    if rule.action is Action.RENAME:
        return f"as {rule.rename_to.decode('latin-1')}"
    if sent_as in (None, name):
        return rule.why
    # The credential, on a route where its provider reads another header.
    return ", ".join(filter(None, (f"as {sent_as}", rule.why)))


def _dropped(value: bytes, verdict: Verdict) -> str:
    """Say what a filter took from the list *value*, by its patterns alone."""
    taken = [glob.text for glob in verdict.drop if drop_values(value, (glob,)) != value]
    if not taken:
        return UNCHANGED
    rest = "" if drop_values(value, verdict.drop) else ", so nothing is left of it"
    return f"without {', '.join(taken)}{rest}"


def injection_shown(each: Injection) -> Json:
    """Return what is said of a field that is put in, or would have been."""
    inject = each.rule.inject
    return {
        "slot": f"out:{each.name}",
        "when": inject.when.value if inject else None,
        "applied": each.applied,
        "determining": [rule_shown(each.rule)],
        "overridden": [overridden_shown(over) for over in each.over],
    }


def _credential(facts: RequestFacts, result: Decided) -> Json:
    credential = result.outcome.credential
    field = None if result.refusal else credential_field(facts, result)
    return {
        "source": credential.source,
        "header": credential.name or None,
        "sent_as": None if field is None else field[0].decode("latin-1"),
        "class": credential.cls or None,
        "payer": None if credential.source == slot.NONE else credential.payer,
        "policy": str(credential.where),
        "rejected": [
            {"candidate": each.candidate, "because": each.because}
            for each in credential.rejected
        ],
        "shadow": [
            shadow_shown(each)
            for each in result.outcome.shadow
            if each.slot == "credential"
        ],
        "trust": result.deployment.trust_note or None,
    }
