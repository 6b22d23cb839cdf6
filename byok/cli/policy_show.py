"""`byok policy show`: what is built in, what is shipped, what a switch means."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import click

from byok.cli.loading import config_option, loaded
from byok.cli.render import Style, Styled, Text, out
from byok.config.policies import BASE_PACK, DEFAULT_PACKS
from byok.policy import classes, floor, names
from byok.policy.floor import FLOOR, OTHERS_IN_THE_CLEAR
from byok.policy.match import HeaderMatch, Match
from byok.policy.rules import Rule, Tier
from byok.resources import policy_files

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

# What the floor decides about the request as a whole, where no single field says it.
_WHOLE = (
    (
        floor.SINGLE_CREDENTIAL,
        "strip",
        "every credential but the one that was chosen",
        "exactly one credential leaves",
    ),
    (
        floor.PLAINTEXT,
        "deny",
        "any credential, where the destination is reached by plain http",
        OTHERS_IN_THE_CLEAR.why,
    ),
    (
        "floor.log-cap",
        "log: hash",
        "every credential, in the record of a decision",
        "no rule can make a log show one",
    ),
    (
        "floor.egress-guard",
        "drop",
        "a request that holds, by value, what may not leave",
        "the last look before anything is sent; a trip is a defect of byok",
    ),
)


@click.group(name="show")
def policy_show() -> None:
    """Show what is built in, shipped, or meant by a switch."""


@policy_show.command(name="floor")
@_json_option
def show_floor(as_json: bool) -> None:  # noqa: FBT001 - click's
    """Show the rules that nobody can write, move or switch off, and why they are."""
    rows = [
        (rule.id, rule.action.word, _box(rule.match), rule.why) for rule in FLOOR
    ] + list(_WHOLE)
    if as_json:
        keys = ("rule", "does", "what", "why")
        out().json(
            {"version": 1, "floor": [dict(zip(keys, row, strict=True)) for row in rows]}
        )
        return
    out().table(rows, heads=("rule", "does", "what", "why"))


@policy_show.command(name="packs")
@_json_option
def show_packs(as_json: bool) -> None:  # noqa: FBT001 - click's
    """List the policy documents that are shipped."""
    found = [
        {"name": path.stem, "on": _is_on(path.stem), "about": _about(path)}
        for path in policy_files()
    ]
    if as_json:
        out().json({"version": 1, "packs": found})
        return
    rows = [[str(each["name"]), str(each["on"]), str(each["about"])] for each in found]
    out().table(rows, heads=("pack", "on", "about"))


def _is_on(name: str) -> str:
    if name == BASE_PACK:
        return "always"
    return "by default" if name in DEFAULT_PACKS else "when named"


def _about(path: Path) -> str:
    """Return the comment at the head of a document, as one line."""
    lines = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "$schema=" not in line:
            lines.append(line.lstrip("# "))
    return " ".join(lines)


@policy_show.command(name="pack")
@click.argument("name")
def show_pack(name: str) -> None:
    """Print the shipped document NAME as it is, ready to be copied and changed."""
    packs = {path.stem: path for path in policy_files()}
    if name not in packs:
        near = get_close_matches(name, packs, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(packs)}"
        raise click.UsageError(f"no pack has that name; {hint}")
    out().raw(packs[name].read_text("utf-8"))


@policy_show.command(name="classes")
@_json_option
def show_classes(as_json: bool) -> None:  # noqa: FBT001 - click's
    """Show every class of headers, by what it is known, and where it may travel."""
    found = [
        {
            "class": cls,
            "values": [
                f"{shape.decode()}..."
                for shape, shaped in classes.CREDENTIAL_SHAPES
                if shaped == cls
            ],
            "names": list(_names_of(cls)),
            "travels_in": [each.decode() for each in classes.OWN_SLOTS.get(cls, {})],
        }
        for cls in sorted(classes.CLASSES)
    ]
    if as_json:
        out().json({"version": 1, "classes": found})
        return
    rows: list[list[Text]] = []
    for each in found:
        known = [*_texts(each["values"]), *_texts(each["names"])]
        travels = ", ".join(_texts(each["travels_in"]))
        known_by = ", ".join(known) or _BY_NOTHING.get(str(each["class"]), "")
        rows.append([str(each["class"]), travels, known_by])
    out().table(rows, heads=("class", "travels in", "known by"))


_BY_NOTHING = {
    classes.UNCLASSIFIED: "everything else",
    classes.AMBIGUOUS: "a name with _, a value outside ASCII",
}


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _names_of(cls: str) -> Iterable[str]:
    every = (
        names.HOP_BY_HOP
        | names.FRAMING
        | names.COOKIES
        | names.GATEWAY_CREDENTIALS
        | names.AMBIGUOUS_CREDENTIALS
        | names.NAMED_CREDENTIALS.keys()
        | names.OTHER_CREDENTIALS
        | names.CLIENT_NETWORK
        | names.CLIENT_IDENTITY
        | names.PROTOCOL
        | names.TRACING
    )
    prefixes = (
        *names.GATEWAY_CONTROL_PREFIXES,
        *names.OTHER_CREDENTIAL_PREFIXES,
        *names.CLIENT_NETWORK_PREFIXES,
        *names.CLIENT_IDENTITY_PREFIXES,
        *names.PROTOCOL_PREFIXES,
        *names.TRACING_PREFIXES,
        *names.SDK_TELEMETRY_PREFIXES,
    )
    for name in sorted(every):
        if classes.class_of_name(name) == cls:
            yield name.decode()
    for prefix in prefixes:
        if classes.class_of_name(prefix + b"any") == cls:
            yield f"{prefix.decode()}*"
    for suffix in names.OTHER_CREDENTIAL_SUFFIXES:
        if cls == classes.OTHER_CREDENTIAL:
            yield f"*{suffix.decode()}"


@policy_show.command(name="settings")
@config_option
@_json_option
def show_settings(config_path: Path, as_json: bool) -> None:  # noqa: FBT001 - click's
    """Show the rules that the switches of a configuration mean."""
    config = loaded(config_path)
    rules = [rule for rule in config.rules if _is_switch(rule)]
    if as_json:
        out().json(
            {
                "version": 1,
                "rules": [
                    {
                        "rule": rule.id,
                        "tier": rule.tier.name.lower().replace("_", "-"),
                        "action": rule.action.word,
                        "what": _box(rule.match),
                        "origin": str(rule.where),
                        "why": rule.why,
                    }
                    for rule in rules
                ],
            }
        )
        return
    if not rules:
        out().line("No switch is set: what no other rule forwards stays here.")
        return
    rows: list[list[Text]] = [
        [
            Styled(rule.action.word, Style.STRONG),
            _box(rule.match),
            rule.id,
            str(rule.where),
        ]
        for rule in rules
    ]
    out().table(rows, heads=("does", "what", "rule", "written at"))


def _is_switch(rule: Rule) -> bool:
    sections = ("general_settings.forward_", "litellm_settings.forward_")
    groups = rule.tier is Tier.MODEL_GROUP and rule.id.startswith(
        "model_group_settings."
    )
    return rule.id.startswith(sections) or groups


def _box(match: Match) -> str:
    parts = [*_header_words(match.header)]
    parts += [f"model group {each.text}" for each in match.model_group]
    if match.deployment_key is not None:
        word = "with" if match.deployment_key else "without"
        parts.append(f"at a deployment {word} a key of its own")
    return ", ".join(parts)


def _header_words(header: HeaderMatch) -> Iterable[str]:
    if header.name:
        yield "named " + " or ".join(each.text for each in header.name)
    if header.cls:
        yield "class " + " or ".join(each.text for each in header.cls)
    if header.here is not None:
        place = "trusted" if header.here else "not trusted"
        yield f"where the destination is {place} for it"
    if header.own is not None:
        place = "its own" if header.own else "another"
        yield f"in {place} header"
