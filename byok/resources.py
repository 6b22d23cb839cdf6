"""
Where the shipped JSON Schemas and policy documents lie.

They stand at the top of the source tree and ride in the wheel as
`byok/schemas` and `byok/policies`. An editable install puts the tree itself on
the path, so there they are beside the package instead of in it.
"""

from pathlib import Path

CLASSES = "classes.yaml"
"""The document of classes, which stands among the policies and holds no rule."""

_PACKAGE = Path(__file__).resolve().parent


class ResourceMissingError(Exception):
    """A file that ships with byok is not where the installation should have it."""


def schema_file(name: str) -> Path:
    """Return the path of the JSON Schema *name*, such as `config.schema.json`."""
    return _file("schemas", name)


def policy_file(name: str) -> Path:
    """Return the path of the shipped policy document *name*, such as `base.yaml`."""
    return _file("policies", name)


def policy_files() -> tuple[Path, ...]:
    """Return the path of every shipped document of rules, sorted by name."""
    found = _directory("policies").glob("*.yaml")
    return tuple(sorted(path for path in found if path.name != CLASSES))


def schema_files() -> tuple[Path, ...]:
    """Return the path of every shipped JSON Schema, sorted by name."""
    return tuple(sorted(_directory("schemas").glob("*.json")))


def _file(kind: str, name: str) -> Path:
    """Return one file of *kind*, which is a bare name and never a path."""
    directory = _directory(kind)
    path = directory / name
    if path.parent != directory or not path.is_file():
        message = f"{name!r} is not among the {kind} shipped in {directory}"
        raise ResourceMissingError(message)
    return path


def _directory(kind: str, package: Path = _PACKAGE) -> Path:
    """Return the directory of *kind*: in the package, or else beside it."""
    inside, beside = package / kind, package.parent / kind
    for candidate in (inside, beside):
        if candidate.is_dir():
            return candidate
    message = (
        f"neither {inside} nor {beside} exists: "
        "byok is not completely installed, install it again"
    )
    raise ResourceMissingError(message)
