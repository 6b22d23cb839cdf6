"""A wheel, an sdist, and an environment for each way of installing them."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sweep import exempt

TREE = Path(__file__).resolve().parents[2]
NOT_SOURCES = (
    ".git",
    ".venv*",
    ".claude-cli",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "*.egg-info",
    "_trial_temp*",
    "node_modules",
    "build",
    "dist",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What `make dist` makes of the tree."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A fresh environment that holds byok and what it needs, nothing else."""

    bin: Path
    tree: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a program of it finds in its environment: nothing of the tests."""
        return {"HOME": str(self.home), "PATH": os.defpath, "COLUMNS": "200"}

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run *program* of the environment, far away from the source tree."""
        return subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """
    Return a copy of the source tree, in a directory with spaces in its name.

    Building leaves files behind that the next build would take up; and a tree
    that twistd has run from has a plugin cache, which must not be packaged.
    """
    # The tests are part of it, and with them the planted keys.
    copy = exempt(tmp_path_factory.mktemp("sources")) / "a tree of byok"
    shutil.copytree(TREE, copy, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    (copy / "twisted/plugins/dropin.cache").write_bytes(b"stale")
    return copy


@pytest.fixture(scope="session")
def built(tree, tmp_path_factory) -> Built:
    """Build the sdist, and the wheel from the sdist: so it has to be complete."""
    out = exempt(tmp_path_factory.mktemp("dist"))
    must([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree])
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    return Built(wheel=wheel, sdist=sdist)


@pytest.fixture(scope="session")
def from_wheel(tree, built, tmp_path_factory) -> Installed:
    environment = fresh_environment(tree, tmp_path_factory.mktemp("wheel"))
    pip(environment, "install", "--no-deps", built.wheel)
    pip(environment, "check")
    return environment


@pytest.fixture(scope="session")
def from_editable(tree, tmp_path_factory) -> Installed:
    environment = fresh_environment(tree, tmp_path_factory.mktemp("editable"))
    options = ("--no-deps", "--no-build-isolation")
    pip(environment, "install", *options, "--editable", tree)
    pip(environment, "check")
    return environment


@pytest.fixture(params=["wheel", "editable"])
def installed(request) -> Installed:
    """Return byok installed in each of the two ways."""
    return request.getfixturevalue(f"from_{request.param}")


def fresh_environment(tree: Path, where: Path) -> Installed:
    """Create an environment with what the lock for users names."""
    must([sys.executable, "-m", "venv", exempt(where / "venv")])
    home = where / "home"
    home.mkdir()
    environment = Installed(bin=where / "venv/bin", tree=tree, home=home)
    lock = tree / "requirements/runtime.txt"
    options = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
    pip(environment, "install", *options, "-r", lock)
    return environment


def pip(environment: Installed, *arguments: str | Path) -> None:
    """Run the environment's pip."""
    options = ("--quiet", "--disable-pip-version-check")
    must([environment.bin / "python", "-m", "pip", *options, *arguments])


def must(command: list[str | Path]) -> None:
    """Run *command*, and show what it printed if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
