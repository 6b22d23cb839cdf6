"""Where keys, records and the ledger are kept."""

from dataclasses import dataclass, field

from byok.config.findings import Findings
from byok.config.nodes import Node, Table, mark_of
from byok.config.references import References, is_reference
from byok.core.databases import (
    database_problem,
    is_database,
    password_in,
    with_password,
)
from byok.core.secret import Secret

_DEFAULT = "sqlite:///byok.db"
_REMEDY_FILE = (
    "Write sqlite:///byok.db, relative to this file, or sqlite:////absolute/path."
)
_REMEDY_SERVER = (
    "Write postgresql://byok@db.internal/byok, and its password by reference under"
    " store.password."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSetting:
    """The address of a store, complete, and the password in it."""

    url: str = field(repr=False)
    password: Secret | None = None


def read_store(tree: Table, refs: References) -> StoreSetting:
    """Return where the store is: an SQLite file, or a PostgreSQL database."""
    node = tree.get("store")
    section = tree.table("store")
    url_node = section.get("url") if isinstance(node, Table) else node
    text = None if url_node is None else refs.text(url_node, "store")
    if url_node is None or text is None:
        return StoreSetting(url=_DEFAULT)
    problem = _problem(text)
    if problem:
        refs.findings.add(
            "E161",
            url_node.mark,
            "store",
            f"store {problem}",
            remedy=_REMEDY_SERVER if is_database(text) else _REMEDY_FILE,
        )
        return StoreSetting(url=text)
    return _with_password(text, url_node, section.get("password"), refs)


def check_pepper(store: StoreSetting, tree: Table, findings: Findings) -> None:
    """Report a database without a pepper: there is no place beside it to keep one."""
    if is_database(store.url) and not tree.table("general_settings").get("key_pepper"):
        findings.add(
            "E161",
            mark_of(tree, ("store",)),
            "store",
            "store is a database, and no pepper is configured that its keys are kept"
            " under",
            remedy="Add general_settings.key_pepper: os.environ/BYOK_KEY_PEPPER, the"
            " same for every node; `openssl rand -hex 32` makes a good one.",
        )


def _with_password(
    url: str, node: Node, given: Node | None, refs: References
) -> StoreSetting:
    if not is_database(url):
        if given is not None:
            _refuse_password(given, "is for a database; a file has none", refs)
        return StoreSetting(url=url)
    inside = password_in(url)
    if given is None:
        if inside is not None and not is_reference(node):
            refs.findings.add(
                "W302",
                node.mark,
                "store",
                "store holds the password itself",
                remedy="Write store: {url: ..., password: os.environ/NAME} instead.",
            )
        return StoreSetting(url=url, password=inside)
    if inside is not None:
        _refuse_password(given, "stands in the address already", refs)
        return StoreSetting(url=url)
    password = refs.secret(given, "store.password")
    if password is None:
        return StoreSetting(url=url)
    return StoreSetting(url=with_password(url, password), password=password)


def _refuse_password(node: Node, why: str, refs: References) -> None:
    refs.findings.add(
        "E161",
        node.mark,
        "store.password",
        f"store.password {why}",
        remedy="Delete one of the two.",
    )


def _problem(url: str) -> str:
    if is_database(url):
        return database_problem(url)
    scheme, slashes, rest = url.partition("://")
    if not slashes or scheme != "sqlite":
        return "is not the URL of an SQLite file or a PostgreSQL database"
    name = rest.removeprefix("/")
    if rest == name or not name or name.startswith((":memory:", "file:")):
        return "names no file, and keys in memory are gone at the next start"
    if name.endswith("/") or "?" in name or "\0" in name:
        return "does not end in the name of a file"
    return ""
