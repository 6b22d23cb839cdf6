"""What an answer must have used at the least that does not say so itself."""

from dataclasses import replace

from byok.core.usage import Usage, floor_tokens


def at_least(usage: Usage, *, asked_bytes: int, answered_bytes: int) -> Usage:
    """
    Return *usage* with what is missing in it reckoned from the sizes of the bodies.

    Some streams have no figures, and who hangs up before they come has used the
    prompt all the same: it would cost nothing to hang up a moment early.
    """
    if usage.input_tokens is not None:
        return usage
    output = usage.output_tokens
    return replace(
        usage,
        input_tokens=floor_tokens(asked_bytes),
        output_tokens=floor_tokens(answered_bytes) if output is None else output,
        estimated=True,
    )
