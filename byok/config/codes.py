"""
Every finding that reading a configuration can have, and what it means.

E1xx: the file cannot be used as it stands. E2xx: a policy cannot. W1xx and I1xx:
the file can be used, and two parts of it disagree or one does less than it seems
to. W3xx: hygiene of secrets. A code never changes its meaning; a new meaning gets
a new code.
"""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding; the letter it begins with says its level."""

    name: str
    meaning: str

    @property
    def level(self) -> Level:
        """The level that the first letter stands for."""
        return level_of(self.name)


def level_of(code: str) -> Level:
    """Return the level that the first letter of *code* stands for."""
    return {"E": Level.ERROR, "W": Level.WARNING}.get(code[:1], Level.INFO)


CODES: dict[str, Code] = {
    name: Code(name, meaning)
    for name, meaning in (
        ("E100", "the file cannot be read"),
        ("E101", "a value of the wrong type"),
        ("E102", "an unknown key in one of byok's own sections or in a policy"),
        ("E103", "a pattern that cannot be used"),
        ("E104", "a switch that is neither true nor false"),
        ("E105", "a word that is not one of those allowed"),
        ("E106", "a policy's address range that is none"),
        ("E107", "a header class that does not exist"),
        ("E108", "an action that a policy cannot take"),
        ("E109", "a policy's text that cannot stand in a header"),
        ("E110", "a policy that filters something other than a list"),
        ("E111", "a status that a policy cannot answer with"),
        ("E112", "a header name that is none"),
        ("E113", "a header that a policy may not write"),
        ("E114", "a required key is missing"),
        ("E115", "a file named here may not or cannot be read"),
        ("E116", "a value set in two files"),
        ("E117", "a number out of range, or a text of the wrong form"),
        ("E121", "the file is not YAML"),
        ("E122", "a key is written twice"),
        ("E123", "too many aliases, or they expand too far"),
        ("E124", "the file is larger than 1 MiB"),
        ("E125", "the file is nested deeper than 40 levels"),
        ("E126", "a key is not text"),
        ("E127", "YAML that a configuration has no use for: a tag, a second document"),
        ("E128", "the file is not UTF-8 text"),
        ("E129", "the file lost its indentation"),
        ("E130", "a reference that is not written as one"),
        ("E131", "an environment variable that is not set"),
        ("E132", "a secret file that cannot be read"),
        ("E133", "a secret that cannot be sent in a header"),
        ("E140", "no master key"),
        ("E141", "a gateway key of a provider's shape"),
        ("E142", "a header that cannot carry a gateway key"),
        ("E150", "an address that cannot be used"),
        ("E151", "plain http to somewhere else than this machine"),
        ("E152", "an address in a private network or on this machine"),
        ("E153", "a proxy, or an exception from it, that cannot be used"),
        ("E160", "a listener that cannot be used"),
        ("E161", "a store that cannot be used"),
        ("E162", "a deployment id used twice"),
        ("E163", "an unknown provider"),
        ("E164", "metrics without what they are written with"),
        ("E170", "a price that cannot be used"),
        ("E171", "a limit of use that cannot hold"),
        ("E172", "a server of counters that cannot be used"),
        ("E201", "two rules of one tier with one id"),
        ("E202", "a rule without an id, or a document without a name"),
        ("E203", "a rule without an action"),
        ("E204", "a lock on what gives, or on an inject that gives way"),
        ("E205", "a rule that asks for what its place already says"),
        ("E206", "a rule about the request that asks for a header which came"),
        ("E207", "a lock in a key's own rules, below which there is nobody"),
        ("E208", "an action that cannot be taken on the way back"),
        ("E209", "a secret that would be put into an answer"),
        ("E210", "a credential in a policy"),
        ("E211", "a secret injected by other rules than a deployment's own"),
        ("E212", "an injection with a value and a secret"),
        ("E213", "a secret that is not named by reference"),
        ("E214", "a grant of what no request may ask for"),
        ("E220", "two rules that put different values into one header"),
        ("E221", "a policy pack that does not exist"),
        ("E240", "a class that nothing can be added to"),
        ("E241", "a name that has another class, which is built in"),
        ("E242", "a credential's prefix that cannot be one, or is built in"),
        ("E243", "a name or a prefix that is declared twice, in two ways"),
        ("E244", "a shipped document of classes that is not what is built in"),
        ("E230", "a policy test that fails"),
        ("E231", "a policy test that expects a header which it does not give"),
        ("E232", "a placeholder in a policy test that stands for nothing"),
        ("E233", "a policy test that cannot be run"),
        ("W101", "the two settings sections disagree"),
        ("I102", "both settings sections say the same"),
        ("I103", "the two settings sections disagree, settled by policy_compat"),
        ("W110", "several entries with one model_name"),
        ("W111", "no small model for Claude Code"),
        ("W112", "no model at all"),
        ("W113", "a provider that is not supported yet"),
        ("W114", "an unknown key in one of LiteLLM's sections"),
        ("W115", "a setting in the wrong section"),
        ("W116", "a LiteLLM setting that is unsafe here"),
        ("W117", "a protection that is accepted and does nothing here"),
        ("W118", "a model without a provider"),
        ("I119", "a LiteLLM setting that works differently here"),
        ("I120", "a limit that is accepted and not yet enforced"),
        ("W121", "a LiteLLM setting that is written in another way here"),
        ("W122", "a limit that will hurt"),
        ("W123", "more connections than files may be open"),
        ("W124", "a renewed certificate that cannot be used"),
        ("W130", "a model whose price is not known"),
        ("W302", "a secret written into the file"),
        ("W303", "a master key that can be guessed"),
        ("W304", "a secret file that others on this machine can read"),
    )
}
