"""
What is wrong with the rules that somebody wants to give to a key.

It is asked when they are set, so that an exchange meets no list that cannot be read.
"""

from collections.abc import Mapping, Sequence

from byok.core.clashes import clashes_somewhere
from byok.core.key_policies import FIELD, dotted, read_key_policies
from byok.policy.cells import UnsettledError
from byok.policy.rules import Rule


def problem_of_policies(metadata: Mapping[str, object]) -> str | None:
    """Say what is wrong with the rules in a key's *metadata*, or nothing."""
    if FIELD not in metadata:
        return None
    rules, problems = read_key_policies(metadata[FIELD])
    if not problems:
        return _problem_of_clashes(rules)
    first = problems[0]
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    remedy = f"; {first.remedy}" if first.remedy else ""
    end = "" if remedy.endswith("?") else "."
    return f"{dotted(first.path)}: {first.message}{remedy}{end}{more}"


def _problem_of_clashes(rules: Sequence[Rule]) -> str | None:
    try:
        found = clashes_somewhere(rules)
    except UnsettledError:
        # What is put in is settled by the ids; that it was meant was not looked at.
        return None
    if not found:
        return None
    one, other = found[0].one, found[0].other
    example = f" (both hold for {found[0].example})" if found[0].example else ""
    place = other.where.file.removeprefix("key:")
    return (
        f"{place}: puts another value into one header than"
        f" {one.where.file.removeprefix('key:')} does{example}; delete one of the two,"
        " or let it except what the other is about, with unless."
    )
