"""An explanation as the table that people read: words and columns, no decisions."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from byok.core.explain import UNCHANGED, Json, destination
from byok.policy import slot
from byok.policy.rules import Action, When

_PAD = " " * 9


def render(explanation: Json) -> str:
    """
    Return the explanation as the table that people read; no final newline.

    Names that a client chose may hold anything: what would move a terminal's
    cursor or begin a line of its own is shown as a question mark.
    """
    lines = [_headline(explanation)]
    caller = explanation["caller"]
    if isinstance(caller, Mapping):
        lines.append(_caller_line(caller))
    if explanation["verdict"] == "local":
        lines.append(f"{'LOCAL':<9}byok answers this itself, and nothing leaves")
    refusal = explanation["refusal"]
    if isinstance(refusal, Mapping):
        lines += _refusal_lines(refusal)
    for each in _items(explanation["slots"]):
        lines += _slot_lines(each)
    forwarded = {each["sent_as"] for each in _items(explanation["slots"])}
    for each in _items(explanation["injections"]):
        lines += _injection_lines(each, forwarded)
    lines += [_shadow_line(each) for each in _items(explanation["shadow"])]
    credential = explanation["credential"]
    if isinstance(credential, Mapping):
        lines += _credential_lines(credential)
    sends = _texts(explanation["sends"])
    if sends:
        lines.append(f"{'sends':<11}{', '.join(sends)}")
    answer = explanation.get("answer")
    if isinstance(answer, Mapping):
        lines += _answer_lines(answer)
    lines += [f"{'assumed':<11}{each}" for each in _texts(explanation["assumed"])]
    lines += [f"{'warning':<11}{each}" for each in _texts(explanation["warnings"])]
    return "\n".join(map(_printable, lines))


def _answer_lines(answer: Json) -> list[str]:
    lines = [f"{'answer':<11}(payer: {answer['payer']})"]
    for each in _items(answer["slots"]):
        lines += _slot_lines(each)
    there = {each["sent_as"] for each in _items(answer["slots"])}
    for each in _items(answer["injections"]):
        lines += _injection_lines(each, there)
    lines += [_shadow_line(each) for each in _items(answer["shadow"])]
    returns = ", ".join(_texts(answer["sends"])) or "nothing of it"
    return [*lines, f"{'returns':<11}{returns}"]


def render_slot(each: Json) -> str:
    """Return what an explanation says of one field, as it stands in the table."""
    return "\n".join(map(_printable, _slot_lines(each)))


def _printable(line: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in line)


def _items(value: object) -> Sequence[Json]:
    return cast("Sequence[Json]", value)


def _texts(value: object) -> Sequence[str]:
    return cast("Sequence[str]", value)


def _headline(explanation: Json) -> str:
    request = cast("Json", explanation["request"])
    # A path that the gateway answers may have been named without a method.
    method = request.get("method") or ("" if explanation["verdict"] == "local" else "?")
    parts = [f"{method} {request.get('route') or '?'}".lstrip()]
    if request.get("model"):
        parts.append(f"model={request['model']}")
    if request.get("deployment"):
        parts.append(f"deployment={request['deployment']} -> {destination(request)}")
    return "  ".join(parts)


def _caller_line(caller: Json) -> str:
    parts = [f"key={caller['key']}"]
    parts += [f"{word}={caller[word]}" for word in ("team", "user") if caller[word]]
    if caller["auth_header"]:
        parts.append(f"auth={caller['auth_header']}")
    return f"{'caller':<11}{' '.join(parts)}"


def _refusal_lines(refusal: Json) -> list[str]:
    rule = f"  by {refusal['rule']}" if refusal["rule"] else ""
    return [
        f"{'DENY':<9}{refusal['status']} {refusal['code']}  ({refusal['type']}){rule}",
        f"{_PAD}{refusal['message']}",
    ]


def _slot_lines(each: Json) -> list[str]:
    value = each["value"]
    size = ""
    if isinstance(value, Mapping) and "fingerprint" in value:
        size = f"  [len={value['length']} fp={value['fingerprint']}]"
    name = str(each["slot"]).removeprefix("header:")
    # Whoever reads the table asks what leaves; a filter that took nothing changed none.
    word = Action.FORWARD.word if each["note"] == UNCHANGED else str(each["verdict"])
    verdict = word.upper()
    lines = [f"{verdict:<9}{name:<26} {each['class']} ({each['classified_by']}){size}"]
    for rule in _items(each["determining"]):
        origin = f"  {rule['origin']}" if rule["origin"] else ""
        note = f": {each['note']}" if each["note"] else ""
        lines.append(f"{_PAD}by {rule['rule']}{origin}  ({each['reason']}{note})")
    lines += [_over_line(over) for over in _items(each["overridden"])]
    for shadow in _items(each["shadow"]):
        origin = f"  {shadow['origin']}" if shadow["origin"] else ""
        would = str(shadow["would"]).upper()
        lines.append(f"{_PAD}shadow {shadow['rule']} would {would}{origin}")
    return lines


def _shadow_line(shadow: Json) -> str:
    """Say what rules in shadow would do to the request, or put into it."""
    name = str(shadow["slot"]).removeprefix("out:")
    what = "the request" if name == "request" else name
    if what.startswith("answer:"):
        what = f"{what.removeprefix('answer:')} of the answer"
    would = str(shadow["would"]).upper()
    if shadow["rule"] is None:
        return f"{'shadow':<9}would {would} {what}"
    return f"{'shadow':<9}{shadow['rule']} would {would} {what}  {shadow['origin']}"


def _over_line(over: Json) -> str:
    return (
        f"{_PAD}over {over['rule']}={over['would']}  {over['origin']}"
        f"  ({over['because']})"
    )


def _injection_lines(each: Json, forwarded: Collection[object]) -> list[str]:
    name = str(each["slot"]).removeprefix("out:")
    verdict = "INJECT" if each["applied"] else "KEEP"
    lines = [f"{verdict:<9}{name}"]
    reason = "" if each["applied"] else "  (already there)"
    if each["applied"] and each["when"] == When.SET.value and name in forwarded:
        reason = "  (in place of the one above)"
    lines += [
        f"{_PAD}by {rule['rule']}  {rule['origin']}{reason}"
        for rule in _items(each["determining"])
    ]
    lines += [_over_line(over) for over in _items(each["overridden"])]
    return lines


def _credential_lines(credential: Json) -> list[str]:
    source = str(credential["source"])
    if source == slot.DEPLOYMENT:
        what = "deployment api_key"
    elif source == slot.NONE:
        what = "none"
    else:
        what = f"client {credential['header']}"
    payer = f"  (payer: {credential['payer']})" if credential["payer"] else ""
    lines = [f"{'credential':<11}{what}{payer}"]
    lines += [
        f"{' ' * 11}not {each['candidate']}: {each['because']}"
        for each in _items(credential["rejected"])
    ]
    lines += [
        f"{' ' * 11}shadow would be {each['would']}"
        for each in _items(credential["shadow"])
    ]
    if credential["trust"] and source not in (slot.DEPLOYMENT, slot.NONE):
        lines.append(f"{' ' * 11}host trusted by {credential['trust']}")
    return lines
