"""What `byok decisions` prints: a table, a summary of shadows, one decision."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from byok.cli.render import Style, Styled, Text, err, out
from byok.core.key_answers import moment
from byok.core.record_text import describe
from byok.core.records import items
from byok.core.shadows import NO_RULE

Record = Mapping[str, object]

_HEADS = ("TIME", "ID", "VERDICT", "KEY", "MODEL", "DEPLOYMENT", "PAYER", "STATUS", "")


def show_list(found: Sequence[Record], *, as_json: bool, shadow: bool) -> None:
    """Print a table of decisions, or what rules in *shadow* would change in them."""
    counts = _shadow_counts(found)
    if as_json:
        out().json({"decisions": found, "shadow": _as_data(counts)})
        return
    if not found:
        err().line("No decision was recorded that is like this.")
        return
    out().table([_row(each) for each in found], heads=_HEADS)
    if shadow:
        out().line()
        rows: list[list[Text]] = [
            [f"{count}", would, rule] for (rule, would), count in counts
        ]
        out().table(rows, heads=("COUNT", "WOULD", "RULE"))


def show_one(record: Record, *, as_json: bool) -> None:
    """Print one decision."""
    if as_json:
        out().json(record)
        return
    for line in describe(record).split("\n"):
        out().line(line)


def _row(record: Record) -> list[Text]:
    request, caller = _object(record["request"]), _object(record["caller"])
    outcome = _object(record["outcome"])
    credential = _object(record["credential"])
    return [
        moment(float(str(record["time"]))) or "",
        str(record["id"]),
        _verdict(record),
        Styled(str(caller["key"]), Style.STRONG),
        str(request["model"] or "-"),
        str(request.get("deployment") or "-"),
        str(credential.get("payer") or "-"),
        str(outcome["status"] or "-"),
        _remark(record),
    ]


def _verdict(record: Record) -> Styled:
    if record["verdict"] == "allow":
        return Styled("allow", Style.GOOD)
    return Styled("deny", Style.BAD)


def _remark(record: Record) -> Text:
    refusal = _object(record["refusal"])
    if refusal:
        rule = refusal["rule"]
        return f"{refusal['code']}  by {rule}" if rule else str(refusal["code"])
    if record["shadow"]:
        return Styled("shadow", Style.INFO)
    return str(_object(record["outcome"])["error"] or "")


def _shadow_counts(
    found: Sequence[Record],
) -> list[tuple[tuple[str, str], int]]:
    counts = Counter(
        (str(each["rule"] or NO_RULE), str(each["would"]))
        for record in found
        for each in items(record["shadow"])
    )
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _as_data(counts: Sequence[tuple[tuple[str, str], int]]) -> list[Record]:
    return [
        {"rule": rule, "would": would, "count": count}
        for (rule, would), count in counts
    ]


def _object(value: object) -> Record:
    return cast("Record", value or {})
