"""
LiteLLM's switches as ordinary rules with stable ids.

`general_settings` and `litellm_settings` describe the same gateway, so they are
peers of one tier: where they disagree the stricter one applies, and an explicit
false is believed. Absent says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from byok.policy import classes
from byok.policy.match import Glob, HeaderMatch, Match
from byok.policy.rules import Action, Injected, Rule, Tier, When, Where

AUTH_SWITCH = "forward_llm_provider_auth_headers"
HEADER_SWITCH = "forward_client_headers_to_llm_api"

SECTIONS = ("general_settings", "litellm_settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch as it is written: its value and its line."""

    value: bool
    where: Where


_PROVIDER_CREDENTIALS = HeaderMatch(
    cls=(Glob(classes.PROVIDER_CREDENTIAL_PREFIX + "*"),)
)
_CLIENT_HEADERS = HeaderMatch(
    name=(Glob("x-*"),),
    cls=(
        Glob(classes.UNCLASSIFIED),
        Glob(classes.TRACING),
        Glob(classes.CLIENT_IDENTITY),
    ),
)
# An explicit false takes back what the switch would have given, and leaves alone
# what the packs forward for the client's own sake.
_CLIENT_HEADERS_OFF = HeaderMatch(
    name=(Glob("x-*"),), cls=(Glob(classes.UNCLASSIFIED), Glob(classes.TRACING))
)
_OAUTH = HeaderMatch(cls=(Glob(classes.ANTHROPIC_OAUTH),))


def settings_rules(
    auth: Mapping[str, Switch],
    headers: Mapping[str, Switch],
    *,
    either: bool = False,
) -> tuple[Rule, ...]:
    """
    Turn the two switches into rules; both mappings go from section to switch.

    *either* restores LiteLLM's reading (one true is enough); the rule that won by
    it says so.
    """
    return (
        *_desugar(AUTH_SWITCH, auth, _PROVIDER_CREDENTIALS, None, either=either),
        *_desugar(
            HEADER_SWITCH, headers, _CLIENT_HEADERS, _CLIENT_HEADERS_OFF, either=either
        ),
        *_keyless_oauth(headers, either=either),
    )


def _desugar(
    name: str,
    sections: Mapping[str, Switch],
    on: HeaderMatch,
    off: HeaderMatch | None,
    *,
    either: bool,
) -> tuple[Rule, ...]:
    disagree = len({switch.value for switch in sections.values()}) > 1
    rules = []
    for section, switch in sorted(sections.items()):
        if disagree and either and not switch.value:
            continue
        # A true that is contradicted gives nothing, so it may claim no more than
        # the false takes back.
        whole = switch.value and (either or not disagree)
        rules.append(
            Rule(
                id=f"{section}.{name}",
                tier=Tier.SETTINGS,
                action=Action.FORWARD if switch.value else Action.STRIP,
                where=switch.where,
                match=Match(header=on if whole else off or on),
                compat="either" if disagree and either else "",
            )
        )
    return tuple(rules)


def _keyless_oauth(sections: Mapping[str, Switch], *, either: bool) -> tuple[Rule, ...]:
    # LiteLLM's tutorial for subscriptions: header forwarding alone, with a
    # deployment that has no key. A false in either section means it was not asked.
    on = [(name, switch) for name, switch in sorted(sections.items()) if switch.value]
    disagree = len(on) < len(sections)
    if not on or (disagree and not either):
        return ()
    section, switch = on[0]
    return (
        Rule(
            id=f"{section}.{HEADER_SWITCH}.oauth",
            tier=Tier.SETTINGS,
            action=Action.FORWARD,
            where=switch.where,
            match=Match(header=_OAUTH, deployment_key=False),
            why="a deployment without a key of its own uses the client's login",
            compat="either" if disagree else "",
        ),
    )


def model_group_rules(
    groups: Sequence[tuple[str, Where]],
    auth: Mapping[str, Switch] | None = None,
    *,
    either: bool = False,
) -> tuple[Rule, ...]:
    """
    Desugar `model_group_settings.forward_client_headers_to_llm_api`.

    That a keyless group takes the client's login is only implied by it, so an
    explicit false of the switch *auth* is believed, broader though it is.
    """
    values = {switch.value for switch in (auth or {}).values()}
    is_forbidden = False in values and not (either and True in values)
    rules: list[Rule] = []
    for group, where in groups:
        base = Rule(
            id=f"model_group_settings.{HEADER_SWITCH}.{group}",
            tier=Tier.MODEL_GROUP,
            action=Action.FORWARD,
            where=where,
            match=Match(header=_CLIENT_HEADERS, model_group=(Glob(group, exact=True),)),
        )
        rules.append(base)
        if is_forbidden:
            continue
        rules.append(
            replace(
                base,
                id=f"{base.id}.oauth",
                match=Match(
                    header=_OAUTH,
                    model_group=(Glob(group, exact=True),),
                    deployment_key=False,
                ),
            )
        )
    return tuple(rules)


def extra_header_rules(
    deployment: str, headers: Mapping[str, tuple[str, Where, str]]
) -> tuple[Rule, ...]:
    """
    Turn a deployment's `extra_headers` into injects of its tier; lists append.
    """
    return tuple(
        Rule(
            id=f"{deployment}.extra_headers.{name.lower()}",
            tier=Tier.MODEL,
            action=Action.INJECT,
            where=where,
            match=Match(deployment=(Glob(deployment, exact=True),)),
            inject=Injected(
                name=name.lower().encode(),
                value=value.encode(),
                when=When.APPEND if name.lower() in _LIST_HEADERS else When.SET,
                reference=reference,
            ),
        )
        for name, (value, where, reference) in headers.items()
    )


_LIST_HEADERS = frozenset({"anthropic-beta", "openai-beta"})


def conflicts(sections: Mapping[str, Switch]) -> bool:
    """Do the sections contradict each other (finding W101)?"""
    return len({switch.value for switch in sections.values()}) > 1
