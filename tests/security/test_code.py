"""
S-08, S-12, S-21, S-50: what no module of byok does, read off the code itself.

Each rule is first shown a line that breaks it: a rule that recognises nothing would
hold for ever.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from byok.core.keys import KEY_BYTES, new_key
from tests.test_conventions import imported_by
from tests.test_secrets_in_code import MAY_REVEAL

TREE = Path(__file__).resolve().parents[2]
MODULES = sorted(
    [*(TREE / "byok").rglob("*.py"), *(TREE / "twisted" / "plugins").glob("*.py")]
)

# Modules that start programs, run what they are given, or unpack code from data.
DANGEROUS_MODULES = {
    "_posixsubprocess",
    "code",
    "codeop",
    "commands",
    "ctypes",
    "dill",
    "jinja2",
    "mako",
    "marshal",
    "multiprocessing",
    "pickle",
    "pty",
    "runpy",
    "shelve",
    "subprocess",
    "twisted.internet.process",
    "twisted.internet.utils",
    "twisted.persisted",
    "twisted.spread",
}
DANGEROUS_NAMES = {
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "execfile",
    "input",
}
DANGEROUS_ATTRIBUTES = {
    *(f"exec{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"spawn{how}" for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    "fork",
    "forkpty",
    "full_load",
    "getProcessOutput",
    "load_all",
    "popen",
    "posix_spawn",
    "posix_spawnp",
    "spawnProcess",
    "startfile",
    "system",
    "unsafe_load",
}
LOADERS = {"FullLoader", "Loader", "UnsafeLoader", "CLoader", "CFullLoader"}


def nodes_of(source: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(source))


def runs_code(source: str) -> list[str]:
    """Name everything in *source* that could run a program or foreign code."""
    found = [
        name
        for name in imported_by(source)
        if any(name == bad or name.startswith(f"{bad}.") for bad in DANGEROUS_MODULES)
    ]
    for node in nodes_of(source):
        # A field may be called `input`: giving a name is not using what has it.
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Load)
            and node.id in DANGEROUS_NAMES
        ):
            found.append(node.id)
        if isinstance(node, ast.Attribute):
            if node.attr in DANGEROUS_ATTRIBUTES:
                found.append(node.attr)
            if ast.unparse(node) in {f"yaml.{each}" for each in ("load", *LOADERS)}:
                found.append(ast.unparse(node))
    return found


def builds_sql(source: str) -> list[str]:
    """Return every statement in *source* that is not a constant or a construct."""
    found = []
    for node in nodes_of(source):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        if called not in (
            "execute",
            "executemany",
            "executescript",
            "text",
            "literal_column",
            "exec_driver_sql",
        ):
            continue
        for argument in node.args[:1]:
            is_built = isinstance(argument, ast.JoinedStr | ast.BinOp) or (
                isinstance(argument, ast.Call)
                and ast.unparse(argument.func).endswith((".format", ".join"))
            )
            if is_built:
                found.append(ast.unparse(node))
    return found


def asks_chance(source: str) -> list[str]:
    """Name the sources of chance in *source* that can be predicted."""
    bad = ("random", "numpy", "uuid.uuid1", "uuid.getnode")
    return [
        name
        for name in imported_by(source)
        if any(name == each or name.startswith(f"{each}.") for each in bad)
    ]


def compares_secrets(source: str) -> list[str]:
    """Return comparisons with == of what was revealed or digested."""
    found = []
    for node in nodes_of(source):
        if isinstance(node, ast.Compare) and any(
            isinstance(each, ast.Eq | ast.NotEq) for each in node.ops
        ):
            text = ast.unparse(node)
            if "reveal" in text or ".digest" in text.replace("config.digest", ""):
                found.append(text)
    return found


def sends(source: str) -> list[str]:
    """Return the calls in *source* that put a request on its way to a provider."""
    return sorted(
        ast.unparse(node.func)
        for node in nodes_of(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (node.func.attr == "request" and ast.unparse(node.func.value) != "self")
            or node.func.attr in ("connectTCP", "connectSSL", "getConnection")
            or (node.func.attr == "connect" and "endpoint" in ast.unparse(node.func))
        )
    )


def shows_what_came(source: str) -> list[str]:
    """Name the fields whose repr would quote what a client sent, or a secret."""
    found = []
    for node in nodes_of(source):
        if not isinstance(node, ast.ClassDef) or not any(
            "dataclass" in ast.unparse(each) for each in node.decorator_list
        ):
            continue
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and "repr=False" not in ast.unparse(
                field.value or field.target
            ):
                kind, name = ast.unparse(field.annotation), ast.unparse(field.target)
                is_raw = name in ("target", "query", "body", "digest", "raw")
                if (
                    "Headers" in kind
                    or "[bytes]" in kind
                    or (is_raw and "bytes" in kind)
                ):
                    found.append(f"{node.name}.{name}")
    return found


Rule = Callable[[str], list[str]]
BREAKING: list[tuple[Rule, str]] = [
    (runs_code, "import subprocess"),
    (runs_code, "from subprocess import run"),
    (runs_code, "def f():\n    import pickle"),
    (runs_code, "os.system('id')"),
    (runs_code, "os.execv('/bin/sh', [])"),
    (runs_code, "map(eval, x)"),
    (runs_code, "exec(x)"),
    (runs_code, "compile(x, '', 'exec')"),
    (runs_code, "yaml.load(x)"),
    (runs_code, "yaml.load(x, Loader=yaml.UnsafeLoader)"),
    (runs_code, "reactor.spawnProcess(p, 'sh')"),
    (runs_code, "from twisted.internet import utils"),
    (runs_code, "from jinja2 import Template"),
    (builds_sql, "c.execute(f'select {x}')"),
    (builds_sql, "c.execute('select ' + x)"),
    (builds_sql, "c.execute('select %s' % x)"),
    (builds_sql, "c.execute('select {}'.format(x))"),
    (builds_sql, "sa.text(f'{x}')"),
    (asks_chance, "import random"),
    (asks_chance, "from random import choice"),
    (asks_chance, "from uuid import uuid1"),
    (compares_secrets, "a.reveal() == b"),
    (compares_secrets, "found.digest != digest"),
    (shows_what_came, "@dataclass\nclass A:\n    headers: Headers"),
    (shows_what_came, "@dataclass(frozen=True)\nclass A:\n    b: Headers = ()"),
    (shows_what_came, "@dataclass()\nclass A:\n    body: bytes | None = None"),
    (shows_what_came, "@dataclass()\nclass A:\n    secrets: tuple[bytes] = ()"),
    (sends, "client.request('GET')"),
    (sends, "reactor.connectTCP('a', 1, f)"),
    (sends, "self._endpoint.connect(f)"),
]


@pytest.mark.parametrize(("rule", "source"), BREAKING)
def test_a_line_that_breaks_a_rule_is_recognised(rule, source):
    assert rule(source)


def broken(rule: Rule) -> dict[str, list[str]]:
    """Return what breaks *rule* in each module of byok."""
    found = {
        str(path.relative_to(TREE)): rule(path.read_text("utf-8")) for path in MODULES
    }
    return {path: what for path, what in found.items() if what}


def test_nothing_starts_a_program_or_runs_what_it_is_given():
    """S-12"""
    assert broken(runs_code) == {
        # A copy of the gateway itself, which runs none but its own code.
        "byok/reload/apart.py": ["fork"],
        # The gateway's own command once more, for a worker of it.
        "byok/workers/process.py": ["subprocess"],
        # The database's own tool for backups, asked for at a terminal.
        "byok/store/dump.py": ["subprocess"],
        # One call of the system, to close the process to others.
        "byok/hardening.py": ["ctypes"],
    }


def test_no_statement_is_put_together_from_text():
    """S-08"""
    assert broken(builds_sql) == {}


def test_nothing_is_made_of_chance_that_can_be_predicted():
    """S-50"""
    assert broken(asks_chance) == {}


def test_a_key_is_made_of_the_system_s_randomness():
    """S-50: by both who make one."""
    for name in ("byok/web/admin_keys.py", "byok/cli/keys.py"):
        source = (TREE / name).read_text("utf-8")
        assert "secrets.token_bytes" in source, name
    assert KEY_BYTES == 32
    assert new_key(bytes(31) + b"\1") != new_key(bytes(32))


def test_secrets_are_compared_by_their_type_alone():
    """S-51, S-52: a Secret compares in constant time; its text would not."""
    assert broken(compares_secrets) == {
        # Not whether somebody may come in: whether a record changed meanwhile.
        "byok/store/lookup.py": ["record.digest != old"],
        # The unique index, in SQL, of what was digested before.
        "byok/store/sqlkeys.py": ["_COLUMNS.digest == key.digest"],
        "byok/store/sqlpins.py": [
            # Whole, or as much of a name as somebody typed.
            "sa.func.substr(_COLUMNS.digest, 1, len(beginning)) == beginning",
            "_COLUMNS.digest == digest",
        ],
        "byok/store/memory.py": ["other.digest == key.digest"],
    }


def test_no_value_shows_what_came_by_being_shown_itself():
    """S-21: a value in a message or a traceback is its repr."""
    assert broken(shows_what_came) == {}


def test_one_place_sends_and_it_looks_first():
    """The egress guard cannot be gone around: nobody else has a way to send."""
    assert broken(sends) == {
        "byok/upstream/guard.py": ["client.request"],
        # A command's call to the gateway's own admin API.
        "byok/cli/running.py": ["connection.request", "connection.request"],
        "byok/upstream/agent.py": ["connection.request"],
        # Connects to addresses that were looked at, for the pool under that agent.
        "byok/upstream/dialling.py": ["endpoint.connect", "self._reactor.connectTCP"],
        # Makes connections to whatever endpoint it is handed.
        "byok/wire/pool.py": ["endpoint.connect"],
    }
    guard = (TREE / "byok/upstream/guard.py").read_text("utf-8")
    body = guard[guard.index("async def send") :]
    assert 0 < body.index("check(outgoing, passport, ") < body.index("client.request(")


def test_the_list_of_who_may_reveal_a_secret_is_short():
    """S-21: the list itself is held by the test beside it."""
    assert len(MAY_REVEAL) <= 21
    layers = {path.split("/")[1] for path in MAY_REVEAL}
    assert "policy" not in layers
    assert "store" not in layers
