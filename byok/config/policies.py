"""
All rules of one configuration: packs, policy files, switches, inline lists.

What a rule means is decided in `byok.policy`; here its text is found, and what is
wrong with it is told with the line it stands on.
"""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from byok.config.class_files import check_shipped, class_table, read_classes
from byok.config.deployments import Entry
from byok.config.findings import Findings
from byok.config.marks import Mark, dotted
from byok.config.marks import Path as Steps
from byok.config.nodes import Items, Leaf, Node, Table, key_mark_of, mark_of, plain
from byok.config.reader import read_tree
from byok.config.references import References, is_reference
from byok.config.sources import Source, read_bytes, source_of
from byok.config.switches import switch_rules
from byok.core.clashes import clashes
from byok.core.routing import DeploymentTable
from byok.policy import classes
from byok.policy.actions import writable_name
from byok.policy.assertions import Assertion, read_assertions
from byok.policy.class_document import Declared, is_class_document
from byok.policy.declared import ClassTable
from byok.policy.document import read_document, read_rules, with_secrets
from byok.policy.match import Glob, Match
from byok.policy.reader import Problem
from byok.policy.rules import Rule, Tier, Where
from byok.policy.settings import SECTIONS, extra_header_rules
from byok.resources import policy_files as shipped_files

BASE_PACK = "base"
DEFAULT_PACKS = (BASE_PACK, "claude-code")


class _Locator:
    """Turns paths in one tree into places, for rules and for findings."""

    def __init__(self, tree: Node) -> None:
        self._tree = tree

    def where(self, path: Steps) -> Where:
        mark = mark_of(self._tree, path)
        return Where(file=mark.file, line=mark.line)

    def report(
        self, problems: Iterable[Problem], findings: Findings, *, prefix: str = ""
    ) -> None:
        for each in problems:
            name = dotted(each.path)
            findings.add(
                each.code,
                key_mark_of(self._tree, each.path),
                f"{prefix}{name}",
                f"{prefix}{name or 'policy'}: {each.message}",
                remedy=each.remedy,
            )


def read_policies(
    tree: Table, entries: Sequence[Entry], refs: References
) -> tuple[tuple[Rule, ...], tuple[Source, ...], tuple[Assertion, ...], ClassTable]:
    """
    Return every rule in force, the files read for them, what they assert and declare.
    """
    findings = refs.findings
    check_shipped(findings)
    documents, sources, assertions, declared = _documents(tree, refs)
    rules = (
        *_packs(tree, findings),
        *documents,
        *switch_rules(tree, findings),
        *_inline(tree, entries, findings),
        *_extra_headers(entries, refs),
    )
    rules = with_secrets(rules, partial(_looked_up, refs))
    _check_ids(rules, findings)
    for clash in clashes(rules, DeploymentTable([e.deployment for e in entries])):
        example = f" (both hold for {clash.example})" if clash.example else ""
        findings.add(
            "E220",
            _mark(clash.other.where),
            clash.other.id,
            "two rules put different values into one header: here and at"
            f" {clash.one.where}{example}",
            remedy="Delete one of the two, or let it except what the other is about,"
            " with unless.",
        )
    return rules, sources, assertions, class_table(declared, findings)


def _looked_up(refs: References, reference: str, where: Where) -> bytes | None:
    mark = _mark(where)
    secret = refs.secret(
        Leaf(mark=mark, value=reference, text=reference), f"{where}: the secret"
    )
    if secret is None:
        return None
    value = secret.reveal_bytes()
    if value.isascii() and value.decode("ascii").isprintable():
        return value
    refs.findings.add(
        "E109",
        mark,
        "policies",
        "a secret that is injected here cannot stand in a header",
        remedy="It has to be one line of plain ASCII text.",
    )
    return None


def _packs(tree: Table, findings: Findings) -> Iterator[Rule]:
    shipped = {each.stem: each for each in shipped_files()}
    node = tree.table("general_settings").get("policy_packs")
    names = [BASE_PACK]
    if node is None:
        names = [*DEFAULT_PACKS]
    for each in node.items if isinstance(node, Items) else ():
        if not isinstance(each, Leaf) or not isinstance(each.value, str):
            continue
        if each.value in shipped:
            names.append(each.value)
            continue
        near = get_close_matches(each.value, list(shipped), n=1)
        findings.add(
            "E221",
            each.mark,
            "general_settings.policy_packs",
            "general_settings.policy_packs names a pack that is not shipped",
            remedy=f"Did you mean {near[0]}?"
            if near
            else f"Shipped are {', '.join(sorted(shipped))};"
            " documents of your own stand under policy_files.",
        )
    for name in dict.fromkeys(names):
        yield from _document(shipped[name], f"policies/{name}.yaml", findings)


def _document(path: Path, shown: str, findings: Findings) -> tuple[Rule, ...]:
    tree = read_tree(read_bytes(path), shown, findings)
    return () if tree is None else _rules_of(tree, findings)[0]


def _rules_of(
    tree: Table, findings: Findings
) -> tuple[tuple[Rule, ...], tuple[Assertion, ...]]:
    locator, data = _Locator(tree), plain(tree)
    rules, problems = read_document(data, locate=locator.where)
    assertions, others = read_assertions(data, locate=locator.where)
    locator.report((*problems, *others), findings)
    return rules, assertions


def _documents(
    tree: Table, refs: References
) -> tuple[tuple[Rule, ...], tuple[Source, ...], tuple[Assertion, ...], list[Declared]]:
    declared: list[Declared] = []
    rules: list[Rule] = []
    assertions: list[Assertion] = []
    sources: list[Source] = []
    for node in tree.items("policy_files"):
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            continue
        path = refs.files.find(
            node.value,
            refs.directory,
            at=node.mark,
            setting="policy_files",
            findings=refs.findings,
        )
        if path is None:
            continue
        shown = str(Path(node.mark.file).parent / node.value)
        try:
            data = refs.files.read(node.value, path)
        except OSError:
            refs.findings.add(
                "E115",
                node.mark,
                "policy_files",
                "policy_files names a file that cannot be read",
                remedy="Check its permissions, and that it is a regular file.",
            )
            continue
        sources.append(source_of(refs.directory / node.value, shown, data))
        document = read_tree(data, shown, refs.findings)
        if document is None:
            continue
        if is_class_document(plain(document)):
            locator = _Locator(document)
            report = partial(locator.report, findings=refs.findings)
            declared.append(read_classes(document, locate=locator.where, report=report))
        else:
            found, said = _rules_of(document, refs.findings)
            rules += found
            assertions += said
    return tuple(rules), tuple(sources), tuple(assertions), declared


def _inline(
    tree: Table, entries: Sequence[Entry], findings: Findings
) -> Iterator[Rule]:
    for section in SECTIONS:
        node = tree.table(section).get("policies")
        if node is not None:
            yield from _list(tree, node, (section, "policies"), Tier.SETTINGS, findings)
    for entry in entries:
        node = entry.params.get("policies")
        if node is not None:
            name = entry.deployment.name
            yield from _list(
                tree,
                node,
                ("model_list", entry.at, "litellm_params", "policies"),
                Tier.MODEL,
                findings,
                namespace=name,
                bound=Match(deployment=(Glob(name, exact=True),)),
            )
    for name, team in tree.table("teams").entries.items():
        node = team.node.get("policies") if isinstance(team.node, Table) else None
        if node is not None:
            yield from _list(
                tree,
                node,
                ("teams", name, "policies"),
                Tier.TEAM,
                findings,
                namespace=name,
                bound=Match(team=(Glob(name, exact=True),)),
            )


def _list(
    tree: Table,
    node: Node,
    path: Steps,
    tier: Tier,
    findings: Findings,
    *,
    namespace: str | None = None,
    bound: Match | None = None,
) -> tuple[Rule, ...]:
    if not isinstance(node, Items):
        return ()  # of the wrong type, which the schema has reported
    locator = _Locator(tree)
    rules, problems = read_rules(
        plain(node),
        tier=tier,
        locate=locator.where,
        namespace=str(path[0]) if namespace is None else namespace,
        path=path,
        bound=bound,
    )
    locator.report(problems, findings)
    return rules


def _extra_headers(entries: Sequence[Entry], refs: References) -> Iterator[Rule]:
    for entry in entries:
        headers: dict[str, tuple[str, Where, str]] = {}
        path = f"model_list[{entry.at}].litellm_params.extra_headers"
        for name, each in entry.params.table("extra_headers").entries.items():
            if not writable_name(name):
                refs.findings.add(
                    "E113",
                    each.mark,
                    path,
                    f"{path} names a header that a deployment may not write",
                    remedy="A credential belongs into api_key; framing is byok's own.",
                )
                continue
            value = refs.text(each.node, path)
            if value is not None and _is_plain(value, each.node.mark, path, refs):
                where = Where(file=each.mark.file, line=each.mark.line)
                headers[name] = (value, where, _reference(each.node))
        yield from extra_header_rules(entry.deployment.name, headers)


def _reference(node: Node) -> str:
    return node.text if isinstance(node, Leaf) and is_reference(node) else ""


def _is_plain(value: str, mark: Mark, path: str, refs: References) -> bool:
    if not value.isascii() or not value.isprintable():
        refs.findings.add(
            "E109",
            mark,
            path,
            f"{path} holds a value that is not one line of ASCII text",
            remedy="Remove line breaks and characters outside ASCII.",
        )
        return False
    if classes.find_credential(value.encode()):
        refs.findings.add(
            "E210",
            mark,
            path,
            f"{path} holds a value of a credential's shape",
            remedy="Write it as api_key, by reference.",
        )
        return False
    return True


def _check_ids(rules: Sequence[Rule], findings: Findings) -> None:
    # Within one list the policy language has looked; this is across files.
    seen: dict[tuple[Tier, str], Rule] = {}
    for rule in rules:
        first = seen.setdefault((rule.tier, rule.id), rule)
        if first.where.file != rule.where.file:
            findings.add(
                "E201",
                _mark(rule.where),
                "policies",
                f"this rule has the id of the one at {first.where}",
                remedy="Ids are unique in one tier; rename one of the two.",
            )


def _mark(where: Where) -> Mark:
    return Mark(where.file, where.line, 1 if where.line else 0)
