"""What is in the wheel and in the sdist."""

import tarfile
import zipfile
from pathlib import Path

import pytest

import byok

pytestmark = [pytest.mark.installed, pytest.mark.timeout(300)]


def shipped_from(tree: Path) -> set[str]:
    """Return the wheel's files as the tree has them, metadata aside."""
    code = {*(tree / "byok").rglob("*.py"), *(tree / "twisted").rglob("*.py")}
    data = {
        tree / "byok/py.typed",
        *(tree / "byok").rglob("*.mako"),
        *(tree / "byok/counters").glob("*.lua"),
        *(tree / "byok/prices").glob("*.json"),
        *(tree / "byok/prices").glob("LICENSE.*"),
    }
    moved = {
        f"byok/{path.relative_to(tree)}"
        for path in {*(tree / "schemas").iterdir(), *(tree / "policies").iterdir()}
        if path.is_file()
    }
    return {str(path.relative_to(tree)) for path in code | data} | moved


def test_the_wheel_holds_the_package_and_nothing_else(built, tree):
    names = zipfile.ZipFile(built.wheel).namelist()

    metadata = f"byok-{byok.__version__}.dist-info/"
    payload = {name for name in names if not name.startswith(metadata)}
    assert payload == shipped_from(tree)
    assert f"{metadata}licenses/LICENSE" in names


def test_the_wheel_hides_no_plugin_and_brings_no_test_or_cache(built):
    names = zipfile.ZipFile(built.wheel).namelist()

    assert "twisted/plugins/byok_plugin.py" in names
    assert [name for name in names if name.startswith("twisted/")] == [
        "twisted/plugins/byok_plugin.py"
    ]
    assert [name for name in names if name.startswith("tests/")] == []
    for unwanted in ("dropin.cache", ".pyc", "twisted/__init__.py"):
        assert [name for name in names if unwanted in name] == []


def test_the_sdist_can_be_built_tested_and_read(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for wanted in (
        "LICENSE",
        "Makefile",
        "README.md",
        "SECURITY.md",
        ".ci/run",
        "pyproject.toml",
        "requirements/runtime.txt",
        "requirements/dev.txt",
        "requirements/build.in",
        "tests/test_packaging.py",
        "tests/installed/conftest.py",
        "twisted/plugins/byok_plugin.py",
    ):
        assert wanted in names
    for unwanted in ("dropin.cache", ".pyc", ".venv", "node_modules", ".claude-cli"):
        assert [name for name in names if unwanted in name] == []
