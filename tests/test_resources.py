"""The shipped schemas and policies are found in the package, then beside it."""

from pathlib import Path

import pytest

from byok import resources
from byok.resources import ResourceMissingError

TREE = Path(__file__).resolve().parent.parent


def test_an_editable_install_finds_the_schemas_beside_the_package():
    found = resources.schema_files()

    assert found == tuple(sorted((TREE / "schemas").glob("*.json")))
    assert "config.schema.json" in {path.name for path in found}


def test_an_editable_install_finds_the_policies_beside_the_package():
    found = resources.policy_files()

    every = sorted((TREE / "policies").glob("*.yaml"))
    assert found == tuple(path for path in every if path.name != resources.CLASSES)
    assert resources.policy_file(resources.CLASSES) in every
    assert "base.yaml" in {path.name for path in found}


def test_a_file_is_found_by_its_name():
    assert resources.policy_file("base.yaml") == TREE / "policies/base.yaml"
    schema = resources.schema_file("config.schema.json")
    assert schema == TREE / "schemas/config.schema.json"


def test_what_rides_in_the_package_comes_before_what_is_beside_it(tmp_path):
    package = tmp_path / "byok"
    (package / "schemas").mkdir(parents=True)
    (tmp_path / "schemas").mkdir()

    assert resources._directory("schemas", package) == package / "schemas"


def test_an_incomplete_installation_says_where_it_looked(tmp_path):
    package = tmp_path / "byok"

    with pytest.raises(ResourceMissingError) as raised:
        resources._directory("schemas", package)

    assert str(package / "schemas") in str(raised.value)
    assert str(tmp_path / "schemas") in str(raised.value)
    assert "install it again" in str(raised.value)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../setup.cfg", "/etc/passwd", "sub/base.yaml", "no.yaml"]
)
def test_a_name_that_is_not_shipped_opens_no_other_file(name):
    with pytest.raises(ResourceMissingError, match="is not among the policies"):
        resources.policy_file(name)
