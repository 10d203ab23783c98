"""Which commands install Python packages.

Known are pip, uv, pipx, Poetry, PDM, Hatch, Pipenv, Rye, conda and its kin, pixi, tox, nox and
build, by the subcommands that their documentation lists as installing. What a Makefile or a
script of the project installs cannot be seen from a workflow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.audit.shell import Command, split_commands
from noxden.ci.audit.words import find_words, split_runner, split_wrapper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Found", "find_installs"]

_PYTHON = re.compile(r"(python|pypy|py|graalpy)[\d.]*|\$.*python.*", re.IGNORECASE)
_PIP = re.compile(r"pip[\d.]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})
_DEPTH = 5

_SUBCOMMANDS = {
    "pip": {"install", "download", "wheel"},
    "pipx": {"install", "run", "inject", "upgrade"},
    "poetry": {"install", "update", "add", "sync"},
    "pdm": {"install", "sync", "add", "update"},
    "pipenv": {"install", "sync", "update"},
    "rye": {"sync", "add"},
    "hatch": {"run", "test", "fmt", "env create", "env run", "shell"},
    "conda": {"install", "create", "update", "upgrade", "env create", "env update"},
    "pixi": {"install", "run", "add", "update", "shell", "shell-hook", "reinstall"},
    "conda-lock": {"install"},
}
_KIN = {"mamba": "conda", "micromamba": "conda"}
_TOOLS = frozenset(
    re.findall(
        r"\S+",
        """
    black build cibuildwheel codecov codespell coverage coveralls flake8 flit hatch hatchling isort
    noxden nox packaging pdm pip pipenv pipx poetry pre-commit ruff setuptools setuptools-scm tomli
    tox tox-gh tox-gh-actions tox-uv twine uv virtualenv wheel yamllint
    """,
    )
)
"""Packages that come in seconds: bootstrapping with these is no reason to cache."""
_LISTING = {"-l", "--list", "--list-sessions", "--listenvs", "--listenvs-all", "-a", "list", "l"}
_ASKING = {"--version", "--help", "-h", "--dry-run", "-V"}


class Found(NamedTuple):
    """A command that installs."""

    tool: str
    command: Command
    light: bool


def find_installs(commands: Iterable[Command]) -> Iterator[Found]:
    """Those of ``commands``, and of the commands that they start, that install Python packages."""
    for command in commands:
        yield from _judge(command, 0)


def _judge(command: Command, depth: int) -> Iterator[Found]:
    """What ``command`` and the command in it, if it starts another, install."""
    words = split_wrapper(command.words)
    if not words or depth > _DEPTH:
        return
    name, rest = _find_name(words)
    if name in _SHELLS:
        for at, word in enumerate(rest[:-1]):
            if re.fullmatch(r"-\w*c", word):
                for inner in split_commands(rest[at + 1], command.line):
                    yield from _judge(inner, depth + 1)
        return
    started = split_runner(name, rest)
    tool = _classify(name, rest)
    if tool is not None:
        yield Found(tool, command._replace(words=tuple(words)), _is_light(name, rest))
    if started:
        yield from _judge(command._replace(words=tuple(started)), depth + 1)


def _find_name(words: Sequence[str]) -> tuple[str, list[str]]:
    """The program's name, without folder, and the words after it; of a module, the module's."""
    name = re.split(r"[/\\]", words[0])[-1].removesuffix(".exe").lower()
    if _PYTHON.fullmatch(name) or _PYTHON.fullmatch(words[0]):
        for at, word in enumerate(words[1:5], 1):
            if word in {"-m", "-Im"} and at + 1 < len(words):
                return words[at + 1], list(words[at + 2 :])
            if not word.startswith("-"):
                break
        return "python", list(words[1:])
    return ("pip" if _PIP.fullmatch(name) else name), list(words[1:])


def _classify(name: str, rest: Sequence[str]) -> str | None:
    """The tool that installs, or ``None``."""
    if _ASKING.intersection(_own(rest)):
        return None
    match name:
        case "uv":
            return _classify_uv(rest)
        case "uvx":
            return "uvx" if find_words(rest) else None
        case "build" | "pyproject-build":
            return "build"
        case "tox" | "nox":
            return None if _LISTING.intersection(_own(rest)) else name
        case _:
            first, second, *_ = [*find_words(rest)[:2], "", ""]
            wanted = _SUBCOMMANDS.get(_KIN.get(name, name), set())
            return name if wanted.intersection({first, f"{first} {second}"}) else None


def _classify_uv(rest: Sequence[str]) -> str | None:
    first, second, *_ = [*find_words(rest)[:2], "", ""]
    own = _own(rest)
    match first:
        case "sync" | "add" | "build":
            return None if "--check" in own else f"uv {first}"
        case "run":
            bare = "--no-project" in own and not any(one.startswith("--with") for one in own)
            return None if bare or "--no-sync" in own else "uv run"
        case "pip":
            return f"uv pip {second}" if second in {"install", "sync"} else None
        case "tool":
            return f"uv tool {second}" if second in {"install", "run", "upgrade"} else None
        case _:
            return None


def _own(rest: Sequence[str]) -> list[str]:
    """The words that are the tool's own: those before ``--``."""
    words = list(rest)
    return words[: words.index("--")] if "--" in words else words


def _is_light(name: str, rest: Sequence[str]) -> bool:
    """Whether only a tool of a few MB comes, or nothing from an index."""
    found = find_words(rest)
    first, second, *_ = [*found[:2], "", ""]
    if name in {"uvx", "pipx", "build", "pyproject-build"} or (name, first) == ("uv", "build"):
        return True
    if (name, first) == ("uv", "tool"):
        return True
    if name == "pip":
        return _brings_tools(rest, found[1:])
    if (name, first, second) == ("uv", "pip", "install"):
        return _brings_tools(rest, found[2:])
    return False


def _brings_tools(rest: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether ``pip install`` brings nothing from an index but tools."""
    if "--no-index" in rest:
        return True
    spelled = {"-r", "--requirement", "-e", "--editable", "--group", "--requirements"}
    named = any(word.partition("=")[0] in spelled or word.startswith("-r") for word in rest)
    if "--no-deps" in rest and not {"-r", "--requirement"}.intersection(rest):
        return all(re.match(r"[./~$]|.*\.whl$|.*/", word) for word in wanted)
    names = [_NAME.match(word) for word in wanted]
    if named or not names:
        return False
    return all(
        found is not None and found.group().lower().replace("_", "-").rstrip(".") in _TOOLS
        for found in names
    )
