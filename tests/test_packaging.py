"""
What the package says of itself agrees with the tree.

The lists in setup.cfg are written by hand, because no finder of setuptools sees
both twisted.plugins and the directories mapped in from the top level. So each is
compared with what is there. That the built package works is the matter of
tests/installed.
"""

import ast
import re
import tomllib
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import byok

TREE = Path(__file__).resolve().parent.parent
LOCKS = ("runtime.txt", "dev.txt")
LOCKED_EXTRAS = ("test", "dev", "e2e", "postgresql", "valkey", "metrics")


def setup_cfg() -> ConfigParser:
    parser = ConfigParser()
    parser.read(TREE / "setup.cfg", encoding="utf-8")
    return parser


def pyproject():
    return tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))


def lines_of(text: str) -> list[str]:
    """Return the entries of a setup.cfg value that has one a line."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def sources_of(package: str) -> Path:
    mapped = dict(
        entry.split(" = ") for entry in lines_of(setup_cfg()["options"]["package_dir"])
    )
    return TREE / mapped.get(package, package.replace(".", "/"))


def directories_with(suffix: str, top: Path) -> set[Path]:
    return {path.parent for path in top.rglob(f"*{suffix}")}


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Return what the lock *name* pins, with the hashes of each."""
    text = (TREE / "requirements" / name).read_text(encoding="utf-8")
    entries = re.sub(r"\\\n", "", text).splitlines()
    pins: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in entries:
        if not entry or entry.lstrip().startswith("#"):
            continue
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        parsed = Requirement(requirement)
        pins[canonicalize_name(parsed.name)] = (parsed, hashes)
    return pins


def test_the_packages_listed_by_hand_are_those_in_the_tree():
    listed = lines_of(setup_cfg()["options"]["packages"])

    in_tree = {
        ".".join(directory.relative_to(TREE).parts)
        for top in ("byok", "twisted")
        for directory in directories_with(".py", TREE / top)
    }
    assert set(listed) == in_tree | {"byok.schemas", "byok.policies"}
    assert listed == sorted(listed)


def test_every_data_file_of_a_package_is_declared():
    declared = setup_cfg()["options.package_data"]

    forgotten = [
        str(path.relative_to(TREE))
        for package in lines_of(setup_cfg()["options"]["packages"])
        for path in sources_of(package).iterdir()
        if path.is_file()
        and path.suffix not in {".py", ".pyc"}
        and path.name != "dropin.cache"
        and not any(
            fnmatch(path.name, pattern)
            for pattern in re.split(r"[,\s]+", declared.get(package, ""))
        )
    ]
    assert forgotten == []


def test_twisted_is_a_namespace_or_twistd_would_miss_the_plugin():
    assert (TREE / "twisted/plugins/byok_plugin.py").is_file()
    assert list((TREE / "twisted").rglob("__init__.py")) == []


def test_the_plugin_imports_nothing_of_byok():
    plugin = ast.parse((TREE / "twisted/plugins/byok_plugin.py").read_text("utf-8"))

    imports = [
        node
        for node in ast.walk(plugin)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert [ast.unparse(node) for node in imports] == [
        "from twisted.application.service import ServiceMaker"
    ]


def test_no_project_table_hides_the_metadata_of_setup_cfg():
    assert "project" not in pyproject()


def test_the_version_is_of_the_calendar():
    assert re.fullmatch(r"\d\d\.(1[0-2]|[1-9])\.\d+", byok.__version__)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_exact_and_has_hashes(lock):
    pins = locked(lock)

    assert len(pins) > 20
    for requirement, hashes in pins.values():
        operators = [specifier.operator for specifier in requirement.specifier]
        assert operators == ["=="], requirement
        assert hashes, requirement
        for digest in hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest), requirement


def test_a_developer_runs_on_the_releases_that_users_get():
    runtime, dev = locked("runtime.txt"), locked("dev.txt")

    for name, (requirement, _) in runtime.items():
        assert dev[name][0] == requirement


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("runtime.txt", ()), ("dev.txt", LOCKED_EXTRAS)],
)
def test_the_lock_holds_what_setup_cfg_asks_for(lock, extras):
    parser, pins = setup_cfg(), locked(lock)
    wanted = lines_of(parser["options"]["install_requires"])
    for extra in extras:
        wanted += lines_of(parser["options.extras_require"][extra])

    for line in wanted:
        requirement = Requirement(line)
        pin, _ = pins[canonicalize_name(requirement.name)]
        version = next(iter(pin.specifier)).version
        assert requirement.specifier.contains(version), f"run make lock: {line}"


def test_the_locked_extras_are_all_there_are_but_one():
    # The last is for what others wrote, in an environment of its own.
    extras = set(setup_cfg()["options.extras_require"])
    assert extras == {*LOCKED_EXTRAS, "bench"}


def test_environments_build_byok_with_what_its_build_asks_for():
    asked = pyproject()["build-system"]["requires"]

    listed = lines_of((TREE / "requirements/build.in").read_text("utf-8"))
    assert listed == asked
