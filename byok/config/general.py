"""
The settings of the gateway itself, and who may open it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from byok.config import listeners
from byok.config.egress import read_egress_proxy
from byok.config.findings import Findings
from byok.config.listeners import Listener, ListenerError
from byok.config.metrics import read_metrics
from byok.config.model import General
from byok.config.nodes import Items, Leaf, Node, Table, is_null
from byok.config.pinning import read_pinning
from byok.config.recording import read_kept_decisions
from byok.config.references import FILE_PREFIX, References, is_reference, secret_path
from byok.core.secret import Secret
from byok.policy import classes

STRONG_LENGTH = 24
_FEW_CHARACTERS = 8
_SHORTEST_PEPPER = 16
_GENERAL = "general_settings"


def read_listeners(
    tree: Table, refs: References, override: Sequence[str] | None
) -> tuple[Listener, ...]:
    """Return what to listen on: the *override* of a command line, or the config's."""
    if override:
        return tuple(listeners.parse(each) for each in override)
    node = tree.get("listen")
    nodes = node.items if isinstance(node, Items) else [node] if node else []
    out: list[Listener] = []
    for each in nodes:
        text = refs.text(each, "listen")
        if text is None:
            continue
        try:
            out.append(listeners.parse(text))
        except ListenerError as error:
            refs.findings.add(
                "E160",
                each.mark,
                "listen",
                f"listen cannot be used: {error}",
                remedy=f"Write {listeners.DEFAULT}, for instance.",
            )
    return tuple(out) if nodes else (listeners.parse(listeners.DEFAULT),)


def read_general(tree: Table, refs: References, listen: Sequence[Listener]) -> General:
    """Return the gateway's settings; what is wrong with them is among the findings."""
    section = tree.table(_GENERAL)
    key = _read_master_key(section, refs)
    permissive = is_true(section, "dangerously_permit_weak_or_unset_master_key")
    single_user = False
    if key.secret is not None:
        if not permissive:
            _check_strength(key.secret, section.entries["master_key"].node, refs)
    elif not key.is_settled:
        single_user = permissive and all(each.is_loopback for each in listen)
        if not single_user:
            _report_no_master_key(section, refs.findings, permissive=permissive)
    return General(
        master_key=key.secret,
        master_key_file=key.file,
        single_user=single_user,
        permits_weak_keys=permissive,
        master_key_on_data_routes=is_true(
            section, "master_key_on_data_routes", default=True
        ),
        key_header_name=_header(section, "litellm_key_header_name", refs),
        key_peppers=_read_peppers(section, refs),
        user_header_name=_header(section, "user_header_name", refs),
        expose_decision_headers=is_true(section, "expose_decision_headers"),
        kept_decisions=read_kept_decisions(section),
        pinning=read_pinning(section),
        egress_proxy=read_egress_proxy(section, refs),
        allow_plaintext_loopback=is_true(section, "allow_plaintext_loopback"),
        metrics=read_metrics(tree, refs.findings),
        json_logs=is_true(tree.table("litellm_settings"), "json_logs"),
        reload_may_widen=is_true(section.table("reload"), "allow_widening"),
    )


def is_true(table: Table, key: str, *, default: bool = False) -> bool:
    """Return the switch *key* of *table*; a wrong type counts as *default*."""
    node = table.get(key)
    if isinstance(node, Leaf) and isinstance(node.value, bool):
        return node.value
    return default


@dataclass(frozen=True, slots=True)
class _MasterKey:
    """The key, or the file it will be written to; settled also if it is wrong."""

    secret: Secret | None = None
    file: Path | None = None
    is_settled: bool = True


def _read_master_key(section: Table, refs: References) -> _MasterKey:
    node = section.get("master_key")
    generate = is_true(section, "generate_master_key")
    path = f"{_GENERAL}.master_key"
    name = _file_name(node)
    if generate and name is None:
        refs.findings.add(
            "E117",
            section.entries["generate_master_key"].mark,
            f"{_GENERAL}.generate_master_key",
            "generate_master_key has no file to write the key into",
            remedy="Write `master_key: file:master.key` beside it.",
        )
    if node is None:
        return _MasterKey(is_settled=generate)
    if generate and name:
        try:
            file = secret_path(name, refs.directory)
        except OSError:
            file = None
        if file is not None and not refs.files.has_secret(name, file):
            return _MasterKey(file=file)
    secret = refs.secret(node, path)
    if secret is not None:
        _check_key(secret, node, path, refs.findings)
    return _MasterKey(secret=secret)


def _file_name(node: Node | None) -> str | None:
    if isinstance(node, Leaf) and isinstance(node.value, str):
        prefix, _, name = node.value.partition(FILE_PREFIX)
        return None if prefix or node.value == name else name
    return None


def _check_key(secret: Secret, node: Node, path: str, findings: Findings) -> None:
    check_sendable(secret, node, path, findings)
    shape = classes.find_credential(secret.reveal_bytes())
    if shape is not None and shape != classes.GATEWAY:
        findings.add(
            "E141",
            node.mark,
            path,
            f"{path} has the shape of a provider's key, which is never taken for"
            " a gateway's",
            remedy="Choose another, such as the output of: openssl rand -hex 32",
        )


def check_sendable(secret: Secret, node: Node, path: str, findings: Findings) -> None:
    """Report a *secret* that no header can carry."""
    value = secret.reveal()
    if value.isascii() and value.isprintable() and " " not in value:
        return
    findings.add(
        "E133",
        node.mark,
        path,
        f"{path} holds a space, a control character or one outside ASCII",
        remedy="Check what was put into the variable or file.",
    )


def _check_strength(secret: Secret, node: Node, refs: References) -> None:
    value = secret.reveal_bytes()
    if len(value) >= STRONG_LENGTH and len(set(value)) > _FEW_CHARACTERS:
        return
    path = f"{_GENERAL}.master_key"
    where = "" if is_reference(node) else " and stands in this file"
    refs.findings.add(
        "W303",
        node.mark,
        path,
        f"{path} can be guessed: it has {len(value)} characters{where}",
        remedy=f"Use at least {STRONG_LENGTH} random ones (openssl rand -hex 32), or"
        " silence this with dangerously_permit_weak_or_unset_master_key: true.",
    )


def _report_no_master_key(
    section: Table, findings: Findings, *, permissive: bool
) -> None:
    entry = section.entries.get("dangerously_permit_weak_or_unset_master_key")
    if permissive and entry is not None:
        message = (
            "no master key, and a listener that other machines can reach:"
            " everybody could use this gateway"
        )
        mark = entry.mark
    else:
        message = "no master key: nobody could make keys, and anybody could use none"
        mark = section.mark
    findings.add(
        "E140",
        mark,
        f"{_GENERAL}.master_key",
        message,
        remedy="Add to general_settings: `master_key: os.environ/BYOK_MASTER_KEY`, or"
        " `master_key: file:master.key` with `generate_master_key: true`.",
    )


def _read_peppers(section: Table, refs: References) -> tuple[Secret, ...]:
    node = section.get("key_pepper")
    if node is None:
        return ()
    path = f"{_GENERAL}.key_pepper"
    nodes = node.items if isinstance(node, Items) else (node,)
    out: list[Secret] = []
    for each in nodes:
        secret = refs.secret(each, path)
        if secret is None:
            continue
        if len(secret) < _SHORTEST_PEPPER:
            refs.findings.add(
                "E117",
                each.mark,
                path,
                f"{path} is shorter than {_SHORTEST_PEPPER} characters",
                remedy="Use random ones: openssl rand -hex 32",
            )
        out.append(secret)
    return tuple(out)


_NOT_CARRIERS = frozenset({classes.FRAMING, classes.HOP_BY_HOP, classes.COOKIE})


def _header(section: Table, key: str, refs: References) -> str | None:
    node = section.get(key)
    if node is None or is_null(node):
        return None
    text = refs.text(node, f"{_GENERAL}.{key}")
    if text is None:
        return None
    name = text.lower()
    cls = classes.class_of_name(name.encode("latin-1", "replace"))
    wrong = cls in _NOT_CARRIERS or name.startswith("anthropic-")
    if key == "user_header_name":
        wrong = wrong or cls.startswith("credential.")
    if wrong:
        refs.findings.add(
            "E142",
            node.mark,
            f"{_GENERAL}.{key}",
            f"{_GENERAL}.{key} names a header that means something else",
            remedy="Name one of your own, such as x-company-key."
            if key != "user_header_name"
            else "Name one of your own, such as x-litellm-user-id.",
        )
    return name
