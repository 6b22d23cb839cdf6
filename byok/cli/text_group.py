"""A group of commands whose arguments end in the store."""

import click


class TextGroup(click.Group):
    """A group whose arguments are text, for all of them end in the store."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an argument that is no text."""
        for each in args:
            if any("\ud800" <= letter <= "\udfff" for letter in each):
                ctx.fail("An argument is not UTF-8 text.")
        return super().parse_args(ctx, args)
