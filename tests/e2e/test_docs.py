"""Every code block of the documentation is executed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from markdown_it import MarkdownIt

from noxden.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))
pytestmark = pytest.mark.e2e


class Block(NamedTuple):
    language: str
    file: str
    """Name of the file that the block is; empty for a fragment."""
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The code blocks of a page: the info string is a language and, maybe, a file name."""
    for token in MarkdownIt().parse((ROOT / page).read_text("utf-8")):
        if token.type == "fence" and token.map:
            language, _, file = token.info.strip().partition(" ")
            yield Block(language, file, token.content, token.map[0] + 1)


class Shell:
    """A shell that keeps folder and variables from one command to the next."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env

    def run(self, command: str) -> str:
        state = self.folder.parent / ".state"
        script = f"{command}\nprintf '%s' \"$PWD\" > {state}.cwd; env -0 > {state}.env"
        ended = subprocess.run(
            ["bash", "-ec", script],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"$ {command}\n{ended.stdout}"
        self.folder = Path(Path(f"{state}.cwd").read_text("utf-8"))
        pairs = Path(f"{state}.env").read_text("utf-8").split("\0")
        self.env = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return ended.stdout


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command after a ``$`` with the lines of output that the page shows for it."""
    current: tuple[str, list[str]] | None = None
    for line in text.splitlines():
        if line.startswith("$ "):
            if current:
                yield current
            current = (line[2:], [])
        elif current and line.strip():
            current[1].append(line.strip())
    if current:
        yield current


@pytest.fixture
def shell(tmp_path: Path, env: dict[str, str], quick_den: Path) -> Shell:
    folder = tmp_path / "work"
    folder.mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    own = {"NOXDEN_DIR": str(quick_den), "PATH": path, "UV_CACHE_DIR": str(quick_den / "uv")}
    return Shell(folder, {**env, **own})


def a_project(shell: Shell) -> None:
    """What a how-to guide starts from: a project with tests, locked, in git."""
    shell.run("git init --quiet . && uv init --quiet --package --name demo .")
    shell.run("uv add --quiet numpy && uv add --quiet --group test pytest")
    test = "def test_nothing():\n    pass\n"
    (shell.folder / "tests").mkdir()
    (shell.folder / "tests" / "test_demo.py").write_text(test, "utf-8")
    (shell.folder / "noxfile.py").write_text("import noxden\n\nnoxden.unit()\n", "utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_happens(page: str, shell: Shell) -> None:
    found = list(blocks(page))
    if any(block.language == "console" for block in found) and "tutorial" not in page:
        a_project(shell)
    for block in found:
        if block.file:
            target = shell.folder / block.file
            target.parent.mkdir(exist_ok=True, parents=True)
            target.write_text(block.text, "utf-8")
        elif block.language == "console":
            for command, expected in commands(block.text):
                output = shell.run(command)
                rest = output
                for line in expected:
                    assert line in rest, f"{page}:{block.line}: $ {command}\n{output}"
                    rest = rest.split(line, 1)[1]
        elif block.language == "toml":
            check_toml(block, shell.folder)
        elif block.language == "python":
            check_noxfile(block, shell)
        else:
            assert block.language in {"text", ""}, f"{page}:{block.line}: {block.language}"


def check_toml(block: Block, folder: Path) -> None:
    """A fragment is TOML, and what it says for noxden is known to noxden."""
    tomllib.loads(block.text)
    fragment = folder / "fragment"
    fragment.mkdir(exist_ok=True)
    (fragment / "pyproject.toml").write_text(block.text, "utf-8")
    load_config(fragment, {})


def check_noxfile(block: Block, shell: Shell) -> None:
    """A fragment is a noxfile that nox can list."""
    noxfile = shell.folder / "fragment_noxfile.py"
    noxfile.write_text(block.text, "utf-8")
    shell.run(f"nox --noxfile {noxfile.name} --list")
