"""
The documentation is true: its examples are loaded and run, its names looked up.

`BYOK_DOCS=write` writes the transcripts anew; the change is then read by a
person. `tests/support/pages.py` says what the blocks of a page are for.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast

import pytest
import yaml

from byok.config import examine
from byok.config.codes import Level
from byok.config.litellm import LITELLM_KEYS, Section
from byok.config.schema import section_properties
from tests.support import keys
from tests.support.gateway import Gateway, Json, own_key_config
from tests.support.pages import Block, Page, pages
from tests.support.processes import ROOT
from tests.support.provider_process import ProviderProcess
from tests.support.sweep import exempt
from tests.support.transcripts import agree, run, shown, steps

PAGES = pages()
OTHERS = [Page(ROOT / name) for name in ("CONTRIBUTING.md", "SECURITY.md")]
SERVED = "http://localhost:4000"
RUN = "<!-- run -->"
EVERYWHERE: Json = {
    "model_list": [
        {"model_name": "claude-*", "litellm_params": {"model": "anthropic/claude-*"}}
    ],
    "general_settings": {"master_key": "os.environ/BYOK_MASTER_KEY"},
}
BIN = Path(sys.executable).parent


def named(page: Page) -> str:
    return str(page)


def with_blocks(*languages: str) -> list[Page]:
    return [page for page in PAGES if page.blocks(*languages)]


class Variables(Mapping[str, str]):
    """An environment in which every variable is set to something strong."""

    def __getitem__(self, name: str) -> str:
        return f"value-of-{name.lower()}-{'0123456789abcdef' * 2}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


# -- Configurations ---------------------------------------------------------------


@pytest.mark.parametrize("page", with_blocks("yaml"), ids=named)
def test_every_configuration_is_valid(page: Page, tmp_path: Path) -> None:
    for block in page.blocks("yaml"):
        write_named(page, tmp_path)
        config = tmp_path / (block.name or "block.yaml")
        data = whole(yaml.safe_load(block.text))
        if data is None:
            continue
        config.parent.mkdir(parents=True, exist_ok=True)
        if data.get("kind") in ("Policy", "Classes"):
            # A document is read where a configuration names it.
            config.write_text(block.text)
            data = merged(EVERYWHERE, {"policy_files": [config.name]})
            config = config.with_name("naming.yaml")
        config.write_text(yaml.safe_dump(data))
        make_named_files(block, config.parent)

        found = examine(config, environ=Variables()).findings

        # A page may show what is warned about, and then says by which code.
        text = page.path.read_text("utf-8")
        bad = [
            str(each)
            for each in found
            if each.level is Level.ERROR
            or (each.level is Level.WARNING and each.code not in text)
        ]
        assert bad == [], f"{page}:{block.first}"


def whole(data: object) -> Json | None:
    """Make a configuration of what a block holds: a part of one, rules, a document."""
    if data is None:
        return None
    if isinstance(data, list):
        data = {"general_settings": {"policies": data}}
    assert isinstance(data, dict)
    if data.get("kind") == "PolicyTest":
        return None  # the page runs it
    if data.get("kind") in ("Policy", "Classes"):
        return data
    return merged(EVERYWHERE, data)


def merged(one: Json, other: Json) -> Json:
    """Put the sections of *other* over those of *one*, one level deep."""
    config = dict(one)
    for section, value in other.items():
        before = config.get(section)
        if isinstance(before, dict) and isinstance(value, dict):
            config[section] = {**before, **value}
        else:
            config[section] = value
    return config


def write_named(page: Page, place: Path, *, before: int | None = None) -> None:
    """Write the blocks of *page* that say which file they are."""
    for block in page.blocks():
        if block.name is None or (before is not None and block.first > before):
            continue
        file = place / block.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)


def make_named_files(block: Block, place: Path) -> None:
    """Make the secrets and certificates that a block names, but that no page has."""
    for name in re.findall(r"(?:\bfile:|ca_file: )([\w./-]+)", block.text):
        file = exempt(place / name)
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(Variables()["file"])


# -- Transcripts ------------------------------------------------------------------


@pytest.fixture
def console(tmp_path: Path) -> Path:
    """A directory as a reader has it, with examples and a master key in reach."""
    place = tmp_path / "console"
    place.mkdir()
    shutil.copytree(
        ROOT / "examples", place / "examples", ignore=shutil.ignore_patterns("*.*[!l]")
    )
    return exempt(place)


def environment(place: Path) -> dict[str, str]:
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "BYOK_MASTER_KEY": keys.MASTER_KEY,
        "ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY,
    }


@pytest.mark.parametrize("page", with_blocks("console", "sh"), ids=named)
def test_every_transcript_is_what_is_printed(page: Page, console: Path) -> None:
    if is_served(page):
        if shutil.which("curl") is None:
            pytest.skip("there is no curl")
        with ProviderProcess() as provider:
            config = served_config(page, console, provider.url)
            env = {"ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY}
            with Gateway(exempt(console / "gateway"), config, env=env) as gateway:
                check_transcripts(page, console, gateway.url)
    else:
        check_transcripts(page, console, SERVED)


def is_served(page: Page) -> bool:
    """Does the page speak to a gateway that runs?"""
    return any(
        SERVED in block.text
        for block in page.blocks("console", "sh")
        if block.language == "console" or is_run(page, block)
    )


def is_run(page: Page, block: Block) -> bool:
    """Is the block one of commands to run, by the comment above it?"""
    return page.lines[block.first - 2].strip() == RUN


def served_config(page: Page, place: Path, provider_url: str) -> Json:
    """Return the page's own configuration, or the usual one, with our provider."""
    (place / "gateway").mkdir()
    write_named(page, place)
    base = own_key_config(provider_url, store=f"sqlite:///{place}/byok.db")
    file = place / "config.yaml"
    if not file.exists():
        file.write_text(yaml.safe_dump(EVERYWHERE))
        return base
    config = cast("Json", yaml.safe_load(file.read_text()))
    models = {"model_list": config.get("model_list", base["model_list"])}
    return merged(merged(config, base), models)


def check_transcripts(page: Page, place: Path, url: str) -> None:
    """Run the commands of *page* in reading order, and compare what they print."""
    fresh: list[tuple[int, int, list[str]]] = []
    env = environment(place)
    for block in page.blocks("console", "sh"):
        write_named(page, place, before=block.first)
        if block.language == "sh":
            if is_run(page, block):
                script = f"set -euo pipefail\n{block.text.replace(SERVED, url)}"
                done = subprocess.run(
                    ["bash", "-c", script],
                    cwd=place,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, f"{page}:{block.first}\n{done.stderr}"
            continue
        for step in steps(block.lines):
            printed = run(step.command.replace(SERVED, url), place, env)
            printed = [line.replace(url, SERVED) for line in printed]
            if agree(printed, step.printed):
                continue
            first = block.first + step.first
            if os.environ.get("BYOK_DOCS") != "write" or "..." in step.printed:
                text = "\n".join(printed)
                raise AssertionError(f"{page}:{first}: `{step.command}` prints\n{text}")
            lines = [shown(f"{block.indent}{line}") for line in printed]
            fresh.append((first, first + len(step.printed), lines))
    if fresh:
        lines = page.lines
        for first, end, printed in reversed(fresh):
            lines[first:end] = printed
        page.path.write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("page", with_blocks("sh"), ids=named)
def test_every_shell_block_can_be_pasted(page: Page) -> None:
    for block in page.blocks("sh"):
        read = subprocess.run(
            ["bash", "-n"],
            input=block.text,
            capture_output=True,
            text=True,
            check=False,
        )

        assert read.stderr == "", f"{page}:{block.first}"


# -- Names and links --------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=named)
def test_every_link_inside_the_repository_leads_somewhere(page: Page) -> None:
    for link in page.links():
        if "://" in link.target or link.target.startswith("mailto:"):
            continue
        name, _, anchor = link.target.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path

        assert target.exists(), f"{page}:{link.line}: {link.target}"
        if anchor:
            anchors = Page(target).anchors()
            assert anchor in anchors, f"{page}:{link.line}: {link.target}"


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Return every function, method and class of a module; methods also dotted."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
            names |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return frozenset(names)


_FILE = re.compile(
    r"`(?P<file>(?:byok|tests|policies|schemas|examples|docs|twisted)/[\w./+-]*)"
    r"(?:::(?P<name>[\w.]+))?`"
)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_and_function_that_is_named_exists(page: Page) -> None:
    for number, line in page.prose():
        for found in _FILE.finditer(line):
            file, name = ROOT / found["file"], found["name"]

            # What a running gateway writes is not in the repository.
            if file.suffix in {".key", ".db"}:
                continue
            assert file.exists(), f"{page}:{number}: {found[0]}"
            if name:
                assert name in functions_of(file), f"{page}:{number}: {found[0]}"


_SETTING = re.compile(
    r"`(?P<section>general_settings|litellm_settings|litellm_params|model_info)"
    r"\.(?P<key>[a-z0-9_]+)(?![a-z0-9_-])"
)
_SECTIONS = {
    "general_settings": Section.GENERAL,
    "litellm_settings": Section.LITELLM,
    "litellm_params": Section.PARAMS,
    "model_info": Section.INFO,
}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_setting_that_is_named_is_known(page: Page) -> None:
    for number, line in page.prose():
        for found in _SETTING.finditer(line):
            section = _SECTIONS[found["section"]]
            known = {*section_properties(section), *LITELLM_KEYS[section]}

            assert found["key"] in known, f"{page}:{number}: {found[0]}"
