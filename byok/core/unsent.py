"""
Why a request has no credential to leave with, said to the developer who sent it.

Each sentence is about what came, and speaks of no header that did not, but to say
where to put a key.
"""

from collections.abc import Collection

from byok.core.carriers import (
    CUSTOM,
    named,
    readable,
    seen,
    shown,
    variable_of,
)
from byok.core.providers import PROVIDERS
from byok.core.routing import Deployment
from byok.policy import classes, floor, slot
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.outcome import Headers
from byok.policy.slot import CredentialDecision


def why_none_leaves(
    headers: Headers,
    found: Deployment,
    credential: CredentialDecision,
    *,
    carrier: str,
    ours: Collection[bytes],
    class_table: ClassTable = NOTHING_DECLARED,
) -> str:
    """
    Say what became of each credential in *headers*, and what to do.

    *carrier* is the header in which the caller's byok key came, and *ours* are the
    gateway's own secrets among the values.
    """
    if credential.removed:
        sentences = [
            f"The credential in {shown(each.name)} was not forwarded:"
            f" {_because(found, each)}"
            for each in credential.removed
        ]
        own = (
            f"The deployment {found.name} has no key that could be used instead."
            if found.api_key is None
            else "The deployment's own key may not be used instead."
        )
        return readable(" ".join((*sentences, own)))
    came = seen(headers, ours, class_table)
    return readable(
        f"No credential for {found.provider} came with this request"
        f" ({came}), and the deployment {found.name} has no key of its own."
        f" {_what_to_send(found.provider, carrier.encode())}"
    )


def _what_to_send(provider: str, carrier: bytes) -> str:
    if provider != "anthropic":
        return f"Send your own {provider} key as authorization: Bearer <your key>."
    holder = variable_of(carrier)
    if holder == "ANTHROPIC_API_KEY":
        # The byok key stands where Claude Code keeps the developer's own.
        return (
            f"Move the byok key to {CUSTOM}, and set ANTHROPIC_API_KEY to your own key"
            " or sign in with /login in Claude Code."
        )
    if holder == "ANTHROPIC_AUTH_TOKEN":
        # With it set, Claude Code uses no login.
        return f"Set ANTHROPIC_API_KEY to your own key; the byok key stays in {holder}."
    stays = f"; the byok key stays in {holder}" if carrier else ""
    return (
        "Sign in with /login in Claude Code, or set ANTHROPIC_API_KEY to your own"
        f" key{stays}."
    )


def _because(found: Deployment, removed: slot.Removed) -> str:
    if removed.rule == "default-deny":
        return (
            "no rule forwards it. The operator turns that on with"
            " forward_llm_provider_auth_headers: true under litellm_settings."
        )
    if removed.rule == slot.ORDER:
        return (
            "the operator's credential.order has no place for it. Send a credential"
            " of a kind that it names, or ask for this one to be added."
        )
    if removed.rule == floor.HOST_PIN:
        return _why_not_trusted(found, removed.cls)
    if removed.rule == floor.SLOT:
        return _why_not_there(removed)
    return f"the rule {removed.rule} keeps it here{_and_why(removed.why)}"


def _and_why(said: str) -> str:
    """Return what the rule's *why* adds to a sentence, with its end."""
    text = " ".join(said.split())
    if not text:
        return "."
    return f": {text}" if text[-1] in ".!?" else f": {text}."


def _why_not_trusted(found: Deployment, cls: str) -> str:
    if cls == classes.UNKNOWN_CREDENTIAL:
        return (
            f"it has no shape that tells whose it is ({floor.HOST_PIN}). The operator"
            " lets such values through with accepts_client_credential: opaque on the"
            " deployment."
        )
    if cls not in PROVIDERS[found.provider].credentials:
        return (
            f"it is {named(cls)}, which is not sent to {found.provider}"
            f" ({floor.HOST_PIN}). Send a credential that {found.provider} takes."
        )
    return (
        f"{found.origin.host} is not trusted for it ({floor.HOST_PIN}). The operator"
        " vouches for a host with trust_client_credentials on the deployment."
    )


def _why_not_there(removed: slot.Removed) -> str:
    slots = classes.OWN_SLOTS.get(removed.cls, {})
    bearer = slots.get(removed.name)
    if bearer is None:
        where = " or ".join(shown(each) for each in slots)
        return (
            f"it is {named(removed.cls)}, which its provider reads in {where}"
            f" ({removed.rule}). Send it there."
        )
    scheme = "with Bearer before it" if bearer else "without Bearer"
    return (
        f"it does not stand there as its provider reads it ({removed.rule}). Send the"
        f" key by itself, {scheme}, and without quotes, spaces or other words."
    )
