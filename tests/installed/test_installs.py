"""byok works from a wheel, and from an editable install, in a fresh environment."""

import json
import shutil
import stat
from http.client import HTTPConnection
from signal import SIGTERM

import pytest

import byok
from tests.support.gateway import bound_port
from tests.support.processes import Watched

pytestmark = [pytest.mark.installed, pytest.mark.timeout(300)]

WHERE = """
import json, byok
from byok import resources
print(json.dumps({
    "package": byok.__file__,
    "schemas": [str(path) for path in resources.schema_files()],
    "policies": sorted(
        map(str, (*resources.policy_files(), resources.policy_file(resources.CLASSES)))
    ),
}))
"""


def test_the_environment_satisfies_what_the_package_requires(installed):
    done = installed.run("python", "-m", "pip", "check")

    assert done.stdout.strip() == "No broken requirements found."
    assert done.returncode == 0


def test_twistd_lists_byok(installed):
    done = installed.run("twistd", "--help")

    assert done.returncode == 0, done.stderr
    listed = [line.split() for line in done.stdout.splitlines()]
    assert ["byok", *["Bring-your-own-key", "model", "gateway."]] in listed


def test_twistd_knows_the_options_of_byok(installed):
    done = installed.run("twistd", "byok", "--help")

    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout


def test_byok_tells_its_version(installed):
    done = installed.run("byok", "--version")

    assert done.returncode == 0, done.stderr
    assert byok.__version__ in done.stdout


def test_the_shipped_example_is_valid(installed):
    example = installed.tree / "examples/quickstart.yaml"

    done = installed.run("byok", "validate", str(example))

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_example_is_served(installed, tmp_path):
    config = shutil.copy(installed.tree / "examples/quickstart.yaml", tmp_path)
    gateway = Watched(
        [
            *(installed.bin / "twistd", "--nodaemon", "--pidfile="),
            *("byok", "-c", config, "--port", "0", "--log-format", "json"),
        ],
        cwd=tmp_path,
        env=installed.environment,
    )

    try:
        connection = HTTPConnection("127.0.0.1", gateway.wait_for(bound_port))
        connection.request("GET", "/health/readiness")
        answer = json.loads(connection.getresponse().read())
        connection.close()
    finally:
        code = gateway.stop()

    assert (answer["status"], answer["version"]) == ("healthy", byok.__version__)
    assert code == -SIGTERM, gateway.output
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert made.pop("quickstart.yaml")
    assert made["master.key"] == made["byok.db"] == 0o600
    assert made.pop("byok.db.spool") == 0o700
    assert set(made.values()) == {0o600}


def test_a_wheel_carries_its_schemas_and_policies_in_the_package(from_wheel, tree):
    found = json.loads(from_wheel.run("python", "-c", WHERE).stdout)

    package = found["package"].removesuffix("/__init__.py")
    assert package.startswith(str(from_wheel.bin.parent))
    for kind, pattern in (("schemas", "*.json"), ("policies", "*.yaml")):
        shipped = sorted(path.name for path in (tree / kind).glob(pattern))
        assert found[kind] == [f"{package}/{kind}/{name}" for name in shipped]
        assert shipped


def test_an_editable_install_uses_those_of_the_tree(from_editable, tree):
    found = json.loads(from_editable.run("python", "-c", WHERE).stdout)

    assert found["package"] == str(tree / "byok/__init__.py")
    for kind, pattern in (("schemas", "*.json"), ("policies", "*.yaml")):
        in_tree = sorted(str(path) for path in (tree / kind).glob(pattern))
        assert found[kind] == in_tree
        assert in_tree
