"""One request by two configurations, side by side."""

from collections.abc import Mapping

from byok.cli.render import Style, Styled, out
from byok.core.explain_diff import AFTER, BEFORE, compared
from byok.core.replay import changes

_STYLES = {BEFORE: Style.BAD, AFTER: Style.GOOD}


def show_comparison(
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    names: tuple[str, str],
    as_json: bool,
) -> bool:
    """Print both explanations with what differs; return whether anything does."""
    found = changes(before, after)
    screen = out()
    if as_json:
        screen.json(
            {
                "before": before,
                "after": after,
                "changes": [each.shown() for each in found],
            }
        )
        return bool(found)
    for mark, name in zip((BEFORE, AFTER), names, strict=True):
        screen.line(Styled(f"{mark * 3} {name}", Style.STRONG))
    for line in compared(before, after):
        style = _STYLES.get(line.mark, Style.PLAIN)
        screen.line(Styled(f"{line.mark} {line.text}".rstrip(), style))
    screen.line()
    if not found:
        screen.line("Both do the same.")
    for each in found:
        screen.line(Styled("changed    ", Style.STRONG), str(each))
    return bool(found)
