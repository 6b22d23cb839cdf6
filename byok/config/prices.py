"""
`prices`, and LiteLLM's words for what a deployment's tokens cost, into a price table.

Numbers are taken as they were written, digit for digit: a price of 3e-06 is no binary
fraction that is almost that.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from byok.config.deployments import Entry
from byok.config.findings import Findings
from byok.config.nodes import Leaf, Node, Table
from byok.config.providers import place
from byok.core.price import ATTO, MILLION, ONE, Kind, Rate, Rates
from byok.core.price_list import PriceList
from byok.core.prices import FREE, HIGHEST, Override, Overrides, PriceTable
from byok.core.providers import PROVIDERS

_SECTION = "prices"
_LONG = 200_000
# Smaller powers of ten are zero by any measure, and take long to write out.
_LEAST = -40
# When what stands in for an unknown model is named: by the latest prices.
_LATEST = 10**6

# LiteLLM's words, in dollars a token.
_COSTS: Mapping[Kind, str] = {
    Kind.INPUT: "input_cost_per_token",
    Kind.OUTPUT: "output_cost_per_token",
    Kind.CACHE_READ: "cache_read_input_token_cost",
    Kind.CACHE_WRITE_5M: "cache_creation_input_token_cost",
    Kind.CACHE_WRITE_1H: "cache_creation_input_token_cost_above_1hr",
    Kind.THINKING: "output_cost_per_reasoning_token",
}
_ABOVE = "_above_200k_tokens"


def read_prices(
    tree: Table, entries: Sequence[Entry], listed: PriceList, findings: Findings
) -> PriceTable:
    """Return what requests cost, by what is *listed* and what *tree* says of it."""
    reader = _Reader(listed, findings)
    section = tree.table(_SECTION)
    said = Overrides(
        models=tuple(reader.models(section.table("models"))),
        deployments=tuple(
            (each.deployment.name, override)
            for each in entries
            if (override := reader.deployment(tree, each)) is not None
        ),
        multiplier=reader.factor(section, _SECTION) or ONE,
        fallback=reader.fallback(section),
    )
    table = PriceTable(listed, said)
    _tell_unknown(entries, table, findings)
    return table


class _Reader:
    """Reads what is said of prices, and reports what cannot be used of it."""

    def __init__(self, listed: PriceList, findings: Findings) -> None:
        self._listed = listed
        self._findings = findings

    def models(self, table: Table) -> Iterator[tuple[str, Override]]:
        for name, entry in table.entries.items():
            path = f"{_SECTION}.models"
            provider, _, model = name.partition("/")
            if provider not in PROVIDERS or not model or model.count("*") > 1:
                self._findings.add(
                    "E170",
                    entry.mark,
                    path,
                    f"a key of {path} names no model of a provider that is known",
                    remedy="Write provider/model, with one * at most:"
                    " anthropic/claude-opus-*.",
                )
                continue
            below = table.table(name)
            yield (
                name,
                Override(
                    rates=self._rates(below, path),
                    like=self._like(below, "like", path, provider),
                    multiplier=self.factor(below, path),
                    source=place(entry.mark),
                ),
            )

    def deployment(self, tree: Table, each: Entry) -> Override | None:
        """Return what a `model_list` entry says in LiteLLM's words, if anything."""
        entry = tree.items("model_list")[each.at]
        info = entry.table("model_info") if isinstance(entry, Table) else each.params
        path = f"model_list[{each.at}]"
        provider = each.deployment.provider
        found = {
            kind: rate
            for kind in _COSTS
            if (rate := self._cost(kind, each.params, info, path)) is not None
        }
        like = self._like(info, "base_model", f"{path}.model_info", provider)
        if not found and not like:
            return None
        return Override(rates=Rates(**found), like=like, source=place(each.params.mark))

    def factor(self, table: Table, path: str) -> Fraction | None:
        node = table.get("multiplier")
        number = None if node is None else self._number(node, f"{path}.multiplier")
        return None if number is None else Fraction(number)

    def fallback(self, section: Table) -> str:
        node = section.get("fallback")
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            return HIGHEST
        if node.value in {HIGHEST, FREE} or self._is_listed(node.value):
            return node.value
        self._findings.add(
            "E170",
            node.mark,
            f"{_SECTION}.fallback",
            f"{_SECTION}.fallback names no model whose price is known",
            remedy=f"Write {HIGHEST}, {FREE}, or provider/model of one that is listed:"
            " anthropic/claude-opus-5-5.",
        )
        return HIGHEST

    def _rates(self, table: Table, path: str) -> Rates:
        above = table.table("above")
        start = above.get("tokens")
        found: dict[str, Rate] = {}
        for kind in Kind:
            base = self._amount(table, kind, path)
            tier = self._amount(above, kind, f"{path}.above")
            if base is None:
                if tier is not None:
                    self._say_lonely(above, kind, f"{path}.above", kind)
                continue
            tiers: tuple[tuple[int, int], ...] = ()
            if (
                tier is not None
                and isinstance(start, Leaf)
                and type(start.value) is int
            ):
                tiers = ((start.value, tier),)
            mark = table.entries[kind].mark
            found[kind] = Rate(each=base, tiers=tiers, source=place(mark))
        return Rates(**found)

    def _amount(self, table: Table, kind: Kind, path: str) -> int | None:
        node = table.get(kind)
        if node is None:
            return None
        return self._atto(
            node, f"{path}.{kind}", 1 if kind is Kind.WEB_SEARCH else MILLION
        )

    def _cost(self, kind: Kind, params: Table, info: Table, path: str) -> Rate | None:
        word = _COSTS[kind]
        base, node = self._first(word, params, info, path)
        tier, long_node = self._first(word + _ABOVE, params, info, path)
        if base is None or node is None:
            if long_node is not None and node is None:
                self._findings.add(
                    "E170",
                    long_node.mark,
                    f"{path}.{word}{_ABOVE}",
                    f"{word}{_ABOVE} stands without {word}",
                    remedy=f"Write {word} too.",
                )
            return None
        tiers = () if tier is None else ((_LONG, tier),)
        return Rate(each=base, tiers=tiers, source=place(node.mark))

    def _first(
        self, word: str, params: Table, info: Table, path: str
    ) -> tuple[int | None, Node | None]:
        """Return a price from the first of two places that has it, as LiteLLM does."""
        for table, below in ((params, "litellm_params"), (info, "model_info")):
            node = table.get(word)
            if node is not None:
                return self._atto(node, f"{path}.{below}.{word}", 1), node
        return None, None

    def _like(self, table: Table, key: str, path: str, provider: str) -> str:
        node = table.get(key)
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            return ""
        name = node.value if "/" in node.value else f"{provider}/{node.value}"
        if self._is_listed(name):
            return name
        self._findings.add(
            "E170",
            node.mark,
            f"{path}.{key}",
            f"{path}.{key} names no model whose price is known",
            remedy="Write provider/model of one that is listed:"
            " anthropic/claude-opus-5-5.",
        )
        return ""

    def _is_listed(self, name: str) -> bool:
        provider, _, model = name.partition("/")
        return self._listed.find(provider, model) is not None

    def _atto(self, node: Node, path: str, per: int) -> int | None:
        """Return a price in attodollars, for one of what it is for *per* of."""
        number = self._number(node, path)
        if number is None:
            return None
        exact = Fraction(number) * ATTO / per
        if exact.denominator != 1:
            self._findings.add(
                "E170",
                node.mark,
                path,
                f"{path} has more digits than are kept: 18 after the point,"
                " of the price of one",
                remedy="Round it.",
            )
            return None
        return exact.numerator

    def _number(self, node: Node, path: str) -> Decimal | None:
        """Return the number as it was written; one of another type has a finding."""
        if not isinstance(node, Leaf) or isinstance(node.value, bool):
            return None
        try:
            number = Decimal(node.text.replace("_", ""))
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and 0 <= number <= MILLION and number.adjusted() > _LEAST:
            return number
        self._findings.add(
            "E170",
            node.mark,
            path,
            f"{path} is no price: a number from 0 to {MILLION} is needed",
            remedy="Write a decimal number, such as 3, 0.25 or 3e-06.",
        )
        return None

    def _say_lonely(self, table: Table, key: str, path: str, base: str) -> None:
        self._findings.add(
            "E170",
            table.entries[key].mark,
            f"{path}.{key}",
            f"{path}.{key} stands without the price of shorter prompts",
            remedy=f"Write {base} outside of `above` too.",
        )


def _tell_unknown(
    entries: Sequence[Entry], table: PriceTable, findings: Findings
) -> None:
    """Say of which models nothing is known, and what becomes of their costs."""
    for each in entries:
        found = each.deployment
        if (
            found.provider not in PROVIDERS
            or "*" in found.upstream_model
            or table.is_listed(
                found.provider, found.upstream_model, deployment=found.name
            )
        ):
            continue
        node = each.params.get("model")
        path = f"model_list[{each.at}].litellm_params.model"
        findings.add(
            "W130",
            each.params.mark if node is None else node.mark,
            path,
            f"no price is known for the model of model_list[{each.at}]:"
            f" {_consequence(found.provider, table)}",
            remedy="Say what it costs under prices.models, or that it costs as much as"
            " another: `like: anthropic/claude-opus-5-5`.",
        )


def _consequence(provider: str, table: PriceTable) -> str:
    if table.said.fallback == FREE:
        return "what it uses counts nothing (prices.fallback: free)"
    standing_in = table.fallback_of(provider, _LATEST)
    name = "" if standing_in is None else f" {standing_in.model}"
    return f"it is priced like{name} (prices.fallback: {table.said.fallback})"
