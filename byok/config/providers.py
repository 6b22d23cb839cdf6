"""
The addresses of providers: their own, or the ones the operator vouches for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from byok.config import addresses
from byok.config.addresses import Address, AddressError
from byok.config.general import is_true
from byok.config.marks import Mark
from byok.config.model import ProviderAddress
from byok.config.nodes import Node, Table
from byok.config.references import References
from byok.core.egress import EgressProxy
from byok.core.providers import PROVIDERS, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """How addresses are read in this configuration, and who vouches for which."""

    refs: References
    plaintext_loopback: bool
    egress_proxy: EgressProxy | None
    providers: Mapping[str, ProviderAddress]
    notes: Mapping[str, str]

    @property
    def overrides(self) -> dict[str, Origin]:
        """The origins that stand under `providers`, by provider."""
        return {
            name: each.origin
            for name, each in self.providers.items()
            if each.is_overridden
        }

    def note(self, provider: str, origin: Origin) -> str:
        """
        Say which lines vouch for *origin*, to a deployment of *provider*.

        Two providers may share an address, as one relay for both. The line that is
        about the deployment's own provider then says it all.
        """
        at = {
            name: note
            for name, note in self.notes.items()
            if self.providers[name].origin == origin
        }
        return at[provider] if provider in at else " and ".join(at.values())


def read_providers(
    tree: Table,
    refs: References,
    *,
    plaintext_loopback: bool,
    egress_proxy: EgressProxy | None = None,
) -> Addresses:
    """Return every provider's address, by `providers` or by itself."""
    providers: dict[str, ProviderAddress] = {}
    notes: dict[str, str] = {}
    for name, builtin in PROVIDERS.items():
        table = tree.table("providers").table(name)
        private = is_true(table, "allow_private")
        node = table.get("api_base")
        path = f"providers.{name}.api_base"
        address = (
            read_address(
                node,
                path,
                refs,
                private=private,
                plaintext_loopback=plaintext_loopback,
            )
            if node is not None
            else None
        )
        if node is None or address is None:
            providers[name] = ProviderAddress(
                name=name,
                origin=builtin.origin,
                base_path=builtin.base_path,
                allow_private=private,
            )
            continue
        providers[name] = ProviderAddress(
            name=name,
            origin=address.origin,
            base_path=address.base_path,
            allow_private=private,
            is_overridden=True,
        )
        notes[name] = f"{path} {place(node.mark)}"
    return Addresses(
        refs=refs,
        plaintext_loopback=plaintext_loopback,
        egress_proxy=egress_proxy,
        providers=providers,
        notes=notes,
    )


def read_address(
    node: Node, path: str, refs: References, *, private: bool, plaintext_loopback: bool
) -> Address | None:
    """Return the address that *node* names, or None with a finding."""
    url = refs.text(node, path)
    if url is None:
        return None
    try:
        return addresses.parse(
            url, private=private, plaintext_loopback=plaintext_loopback
        )
    except AddressError as error:
        refs.findings.add(
            error.code,
            node.mark,
            path,
            f"{path} {error.message}",
            remedy=error.remedy,
        )
        return None


def place(mark: Mark) -> str:
    """Name the line of *mark*, as explanations do."""
    return f"{mark.file}:{mark.line}"
