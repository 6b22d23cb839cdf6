"""
`general_settings.egress_proxy`: the proxy that requests go out through.

Nothing of the environment is read for it that the configuration does not name, so
HTTPS_PROXY and NO_PROXY have no say.
"""

import re
from ipaddress import ip_network

from byok.config import addresses
from byok.config.addresses import AddressError
from byok.config.nodes import Items, Leaf, Node, Table, is_null
from byok.config.references import References
from byok.core.egress import EgressProxy, Exemption, basic_authorization
from byok.core.secret import Secret

_PATH = "general_settings.egress_proxy"
_MAX_PORT = 65535
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]{1,5})")
_DOMAIN = re.compile(r"\*|(?:\*?\.)?(?P<domain>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?")


def read_egress_proxy(section: Table, refs: References) -> EgressProxy | None:
    """Return the proxy of *section*, or None where there is none or it is wrong."""
    node = section.get("egress_proxy")
    if node is None or is_null(node):
        return None
    table = section.table("egress_proxy")
    if isinstance(node, Leaf):
        return _proxy(node, _PATH, Table(node.mark, {}), refs)
    url = table.get("url")
    if url is None:
        return None  # which the schema has reported
    return _proxy(url, f"{_PATH}.url", table, refs)


def _proxy(url: Node, path: str, table: Table, refs: References) -> EgressProxy | None:
    text = refs.text(url, path)
    if text is None:
        return None
    try:
        host, port = addresses.parse_proxy(text)
    except AddressError as error:
        refs.findings.add(
            error.code,
            url.mark,
            path,
            f"{path} {error.message}",
            remedy=error.remedy,
        )
        return None
    password = _password(table, refs)
    return EgressProxy(
        host=host,
        port=port,
        password=password,
        authorization=_authorization(table, password, refs),
        exempt=_exempt(table, refs),
    )


def _password(table: Table, refs: References) -> Secret | None:
    node = table.get("password")
    return None if node is None else refs.secret(node, f"{_PATH}.password")


def _authorization(
    table: Table, password: Secret | None, refs: References
) -> Secret | None:
    node = table.get("username")
    username = None if node is None else refs.text(node, f"{_PATH}.username")
    if (node is None) != (table.get("password") is None):
        present, missing = (
            ("password", "username")
            if node is None
            else (
                "username",
                "password",
            )
        )
        refs.findings.add(
            "E114",
            table.entries[present].mark,
            f"{_PATH}.{missing}",
            f"{_PATH} has a {present} and no {missing}",
            remedy=f"Add `{missing}:` beside it.",
        )
    if node is None or username is None or password is None:
        return None
    if ":" in username or not username.isprintable():
        # Basic credentials end the name at the first colon.
        refs.findings.add(
            "E117",
            node.mark,
            f"{_PATH}.username",
            f"{_PATH}.username holds a colon or a control character",
            remedy="Write the name alone, and the password under password.",
        )
        return None
    return basic_authorization(username, password)


def _exempt(table: Table, refs: References) -> tuple[Exemption, ...]:
    node = table.get("no_proxy")
    out: list[Exemption] = []
    for at, each in enumerate(node.items if isinstance(node, Items) else ()):
        path = f"{_PATH}.no_proxy[{at}]"
        text = refs.text(each, path)
        if text is None:
            continue
        exemption = _exemption(text.strip().lower())
        if exemption is None:
            refs.findings.add(
                "E153",
                each.mark,
                path,
                f"{path} is neither a host, nor a network",
                remedy="Write relay.corp (with all below it), 10.0.0.0/8, or either of"
                " them with a port: relay.corp:8443. One an entry.",
            )
        else:
            out.append(exemption)
    return tuple(out)


def _exemption(text: str) -> Exemption | None:
    port = None
    found = _PORT.fullmatch(text)
    if found is not None:
        text, port = found["host"], int(found["port"])
        if not 1 <= port <= _MAX_PORT:
            return None
    in_brackets = text.startswith("[") and text.endswith("]")
    address = text[1:-1] if in_brackets else text
    try:
        return Exemption(network=ip_network(address, strict=False), port=port)
    except ValueError:
        domain = _DOMAIN.fullmatch(text)
    if domain is None or _is_number(text):
        return None
    return Exemption(domain=domain["domain"] or "*", port=port)


def _is_number(text: str) -> bool:
    """Does *text* end in a number, as addresses do and names do not?"""
    return text.rstrip(".").rpartition(".")[2].isdecimal()
