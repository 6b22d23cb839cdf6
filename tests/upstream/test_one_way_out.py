"""Only the guard sends: no other module of byok may ask an agent for anything."""

import ast
from pathlib import Path

import byok

ROOT = Path(byok.__file__).parent
SENDERS = {"HTTPClient", "Agent", "ProxyAgent", "RedirectAgent", "ClientConnection"}
CONNECTORS = {"connection", "connectTCP", "connectSSL", "create_connection"}

ENDPOINTS = {
    "HostnameEndpoint",
    "TCP4ClientEndpoint",
    "TCP6ClientEndpoint",
    "SSL4ClientEndpoint",
    "UNIXClientEndpoint",
    "clientFromString",
}


def modules() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for path in ROOT.rglob("*.py")
    }


def called(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    names.add(name)
    return names


def test_only_the_guard_makes_a_treq_client():
    makers = {name for name, tree in modules().items() if "HTTPClient" in called(tree)}

    assert makers == {"upstream/guard.py"}


def test_only_the_agent_under_it_takes_a_connection_and_writes_a_request():
    users = {
        name
        for name, tree in modules().items()
        # The wire makes connections for whoever asks; this is about who asks.
        if not name.startswith("wire/")
        and called(tree) & (CONNECTORS | (SENDERS - {"HTTPClient"}))
    }

    # The second one connects to addresses that it looked at; what it connects is the
    # agent's.
    assert users == {"upstream/agent.py", "upstream/dialling.py"}


def test_nothing_makes_an_endpoint_but_the_check_of_addresses():
    makers = {name for name, tree in modules().items() if called(tree) & ENDPOINTS}

    # No request of anybody's reaches the second one: it is where limits are counted,
    # at the one address that the configuration names.
    assert makers == {"upstream/dialling.py", "counters/link.py"}


def test_only_the_guards_caller_makes_that_agent():
    makers = {
        name for name, tree in modules().items() if "ExchangeAgent" in called(tree)
    }

    assert makers == {"upstream/provider.py"}
