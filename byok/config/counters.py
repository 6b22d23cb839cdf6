"""`counters`: the server in which several gateways count together."""

from dataclasses import replace

from byok.config.nodes import Leaf, Node, Table
from byok.config.references import References, is_reference
from byok.core.counters import CountersAddress, is_prefix, read_counters

_REMEDY = (
    "Write redis://counters.internal:6379, or rediss:// for TLS, and the password by"
    " reference under counters.password."
)


def read_shared(tree: Table, refs: References) -> CountersAddress | None:
    """Return where limits are counted; None where each process counts by itself."""
    section = tree.table("counters")
    node = section.get("url")
    text = None if node is None else refs.text(node, "counters.url")
    if node is None or text is None:
        return None
    address = read_counters(text)
    if isinstance(address, str):
        _refuse(node, "counters.url", address, _REMEDY, refs)
        return None
    return _certified(
        _named(_known(address, node, section.get("password"), refs), section, refs),
        section,
        refs,
    )


def _known(
    address: CountersAddress, node: Node, given: Node | None, refs: References
) -> CountersAddress:
    """Return *address* with the password that stands beside it."""
    if given is None:
        if address.password is not None and not is_reference(node):
            refs.findings.add(
                "W302",
                node.mark,
                "counters.url",
                "counters.url holds the password itself",
                remedy="Write it by reference under counters.password instead.",
            )
        return address
    if address.password is not None:
        _refuse(
            given,
            "counters.password",
            "stands in the address already",
            "Delete one of the two.",
            refs,
        )
        return address
    password = refs.secret(given, "counters.password")
    return address if password is None else address.with_password(password)


def _named(
    address: CountersAddress, section: Table, refs: References
) -> CountersAddress:
    node = section.get("prefix")
    if not isinstance(node, Leaf) or not isinstance(node.value, str):
        return address
    if not is_prefix(node.value):
        _refuse(
            node,
            "counters.prefix",
            "cannot stand before a key",
            "Write letters, digits and . : _ - alone, 64 at most.",
            refs,
        )
        return address
    return replace(address, prefix=node.value)


def _certified(
    address: CountersAddress, section: Table, refs: References
) -> CountersAddress:
    node = section.get("ca_file")
    if not isinstance(node, Leaf) or not isinstance(node.value, str):
        return address
    if not address.secure:
        _refuse(
            node,
            "counters.ca_file",
            "is for TLS, and the address is without",
            "Write rediss:// in counters.url.",
            refs,
        )
        return address
    try:
        pem = (refs.directory / node.value).read_bytes()
    except OSError as error:
        reason = error.strerror or "it is no file"
        _refuse(
            node,
            "counters.ca_file",
            f"cannot be read: {reason}",
            "Name a file with the certificate of its authority, as PEM.",
            refs,
        )
        return address
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        _refuse(
            node,
            "counters.ca_file",
            "holds no certificate",
            "Name a file with the certificate of its authority, as PEM.",
            refs,
        )
        return address
    return replace(address, ca_pem=pem)


def _refuse(node: Node, path: str, why: str, remedy: str, refs: References) -> None:
    refs.findings.add("E172", node.mark, path, f"{path} {why}", remedy=remedy)
