"""
`model_list` into deployments: where requests go, and with whose key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from byok.config.addresses import Address
from byok.config.findings import Findings
from byok.config.general import check_sendable, is_true
from byok.config.litellm import KNOWN_PROVIDERS
from byok.config.marks import Mark
from byok.config.nodes import Items, Leaf, Node, Table
from byok.config.providers import Addresses, place, read_address
from byok.config.schema import suggestion
from byok.core.egress import EgressProxy
from byok.core.providers import PROVIDERS, TRUST_WORDS, Origin, trusted_at
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.policy.rules import Where

_NOWHERE = Origin(scheme="https", host="not-supported.invalid", port=443)
_OPENAI_NAMES = ("gpt-", "o1", "o3", "o4", "chatgpt-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `model_list` entry with its deployment, for what is read from it later."""

    at: int
    params: Table = field(repr=False)
    deployment: Deployment


def read_models(tree: Table, known: Addresses) -> Iterator[Entry]:
    """Yield a deployment for each entry of `model_list` that can be used."""
    names: dict[str, Mark] = {}
    for at, node in enumerate(tree.items("model_list")):
        if isinstance(node, Table):
            entry = _Reader(at, node, known).read(names)
            if entry is not None:
                yield entry


class _Reader:
    """Reads one entry of `model_list`."""

    def __init__(self, at: int, table: Table, known: Addresses) -> None:
        self._at = at
        self._table = table
        self._params = table.table("litellm_params")
        self._known = known
        self._refs = known.refs
        self._findings: Findings = known.refs.findings

    def read(self, names: dict[str, Mark]) -> Entry | None:
        """Return the entry, or None with findings; *names* are those taken so far."""
        group = self._text(self._table, "model_name", "model_name")
        model = self._text(self._params, "model", "litellm_params.model")
        if group is None or model is None:
            return None
        found = self._provider(model)
        if found is None:
            return None
        provider, upstream = found
        if not self._check_stars(group, upstream):
            return None
        name = self._name(group, names)
        where = Where(file=self._table.mark.file, line=self._table.mark.line)
        if provider not in PROVIDERS:
            deployment = Deployment(
                name=name,
                model_group=group,
                upstream_model=upstream,
                provider=provider,
                origin=_NOWHERE,
                where=where,
            )
            return Entry(at=self._at, params=self._params, deployment=deployment)
        address, api_key = self._address(provider), self._api_key()
        if address is None:
            return None
        trusted, note = self._trust(name, provider, address.origin)
        deployment = Deployment(
            name=name,
            model_group=group,
            upstream_model=upstream,
            provider=provider,
            origin=address.origin,
            base_path=address.base_path,
            api_key=api_key,
            trusted=trusted,
            trust_note=note,
            plaintext_ok=self._known.plaintext_loopback and address.origin.is_loopback,
            allow_private=self._private(provider),
            via=self._via(address.origin),
            ca_file=self._ca_file(),
            connect_timeout_s=self._connect_timeout(),
            display_name=self._text(
                self._table.table("model_info"), "display_name", "model_info"
            )
            or "",
            where=where,
        )
        return Entry(at=self._at, params=self._params, deployment=deployment)

    def _path(self, rest: str) -> str:
        return f"model_list[{self._at}].{rest}"

    def _text(self, table: Table, key: str, rest: str) -> str | None:
        node = table.get(key)
        return None if node is None else self._refs.text(node, self._path(rest))

    def _mark(self, table: Table, key: str) -> Mark:
        node = table.get(key)
        return table.mark if node is None else node.mark

    def _name(self, group: str, names: dict[str, Mark]) -> str:
        info = self._table.table("model_info")
        given = self._text(info, "id", "model_info.id")
        if given is None:
            name, number = group, 1
            while name in names:
                number += 1
                name = f"{group}#{number}"
            names[name] = self._table.mark
            return name
        mark = self._mark(info, "id")
        if given in names:
            self._findings.add(
                "E162",
                mark,
                self._path("model_info.id"),
                f"this id names the deployment on line {names[given].line} already",
                remedy="Give each deployment an id of its own, or none.",
            )
        names.setdefault(given, mark)
        return given

    def _provider(self, model: str) -> tuple[str, str] | None:
        """Return the provider of *model*, and what that provider calls it."""
        path = self._path("litellm_params.model")
        mark = self._mark(self._params, "model")
        prefix, slash, rest = model.partition("/")
        said = self._text(
            self._params, "custom_llm_provider", "litellm_params.custom_llm_provider"
        )
        provider, upstream = _split(model, said)
        if provider in PROVIDERS and upstream:
            if model == "*":
                self._findings.add(
                    "W118",
                    mark,
                    path,
                    f"{path} names no provider: every model goes to Anthropic",
                    remedy="Write anthropic/*.",
                )
            return provider, upstream
        if provider in KNOWN_PROVIDERS and upstream:
            self._findings.add(
                "W113",
                mark,
                path,
                f"the provider {provider} is not supported yet:"
                " requests for this model are refused",
                remedy=f"Supported are {', '.join(PROVIDERS)}.",
            )
            return provider, upstream
        near = suggestion(prefix, frozenset(PROVIDERS) | KNOWN_PROVIDERS)
        self._findings.add(
            "E163",
            mark,
            path,
            f"{path} names no provider that is known",
            remedy=f"Did you mean {near}/...?"
            if near and slash and rest
            else "Write provider/model: anthropic/claude-sonnet-5-5.",
        )
        return None

    def _check_stars(self, group: str, upstream: str) -> bool:
        mark = self._mark(self._table, "model_name")
        if group.count("*") > 1 or upstream.count("*") > 1:
            self._findings.add(
                "E103",
                mark,
                self._path("model_name"),
                "a model name holds one * at most",
                remedy="Write one entry for each family: claude-*, gpt-*.",
            )
            return False
        if "*" in upstream and "*" not in group:
            self._findings.add(
                "E103",
                self._mark(self._params, "model"),
                self._path("litellm_params.model"),
                "a * here stands for what the * of model_name stood for,"
                " and there is none",
                remedy="Write the provider's name of the model.",
            )
            return False
        return True

    def _private(self, provider: str) -> bool:
        return is_true(self._params, "allow_private") or (
            self._base() is None and self._known.providers[provider].allow_private
        )

    def _via(self, origin: Origin) -> EgressProxy | None:
        proxy = self._known.egress_proxy
        return proxy if proxy is not None and proxy.takes(origin) else None

    def _base(self) -> tuple[str, Node] | None:
        for key in ("api_base", "base_url"):
            node = self._params.get(key)
            if node is not None:
                return key, node
        return None

    def _address(self, provider: str) -> Address | None:
        base = self._base()
        if base is None:
            known = self._known.providers[provider]
            return Address(origin=known.origin, base_path=known.base_path)
        key, node = base
        if key == "api_base" and self._params.get("base_url") is not None:
            self._findings.add(
                "E116",
                self._mark(self._params, "base_url"),
                self._path("litellm_params.base_url"),
                "base_url is another name of api_base, and both are set",
                remedy="Delete one of the two.",
            )
        return read_address(
            node,
            self._path(f"litellm_params.{key}"),
            self._refs,
            private=is_true(self._params, "allow_private"),
            plaintext_loopback=self._known.plaintext_loopback,
        )

    def _api_key(self) -> Secret | None:
        node = self._params.get("api_key")
        if node is None:
            return None
        path = self._path("litellm_params.api_key")
        secret = self._refs.secret(node, path)
        if secret is not None:
            check_sendable(secret, node, path, self._findings)
        return secret

    def _trust(
        self, name: str, provider: str, origin: Origin
    ) -> tuple[frozenset[str], str]:
        node = self._params.get("trust_client_credentials")
        words = node.items if isinstance(node, Items) else ()
        vouched = {
            TRUST_WORDS[each.value]
            for each in words
            if isinstance(each, Leaf)
            and isinstance(each.value, str)
            and each.value in TRUST_WORDS
        }
        opaque = self._params.get("accepts_client_credential") is not None
        trusted = trusted_at(
            origin, self._known.overrides, vouched=vouched, opaque=opaque
        )
        if node is not None and vouched:
            return trusted, f"{name}.trust_client_credentials {place(node.mark)}"
        return trusted, self._known.note(provider, origin)

    def _ca_file(self) -> str | None:
        text = self._text(self._params, "ca_file", "litellm_params.ca_file")
        if text is None:
            return None
        file = self._refs.directory / text
        if not file.is_file():
            self._findings.add(
                "E115",
                self._mark(self._params, "ca_file"),
                self._path("litellm_params.ca_file"),
                "ca_file names a file that is not there",
                remedy="Name a PEM file; a relative name starts at this directory.",
            )
        return str(file)

    def _connect_timeout(self) -> float:
        node = self._params.get("connect_timeout")
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return 10.0


def _split(model: str, said: str | None) -> tuple[str, str]:
    """Return provider and model name; either is empty where it is not known."""
    prefix, slash, rest = model.partition("/")
    if said is not None:
        return said, rest if slash and prefix == said else model
    if slash and (prefix in PROVIDERS or prefix in KNOWN_PROVIDERS):
        return prefix, rest
    if slash:
        return "", model
    if model.startswith("claude") or model == "*":
        return "anthropic", model
    if model.startswith(_OPENAI_NAMES):
        return "openai", model
    return "", model
