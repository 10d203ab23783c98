"""Projects that cannot be adopted as they are: what to do first."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from noxden.errors import InfrastructureError, SafetyError, UsageError
from noxden.lock.workspace import find_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_manifest", "read_text", "refuse_unready"]

_PLAIN = ("requirements.txt", "requirements.in")
_OLD = ("setup.py", "setup.cfg")
_TABLES = ("project.optional-dependencies", "dependency-groups", "tool.uv.sources")
_AGAIN = "then noxden init again"


def read_text(root: Path, path: str) -> str | None:
    """The text of a file of the project with its line ends; ``None`` where there is none.

    Raises:
        SafetyError: it is a symbolic link to a place outside of the project.
        UsageError: it is not UTF-8.
        InfrastructureError: it cannot be read.
    """
    file = root / path
    if not file.resolve().is_relative_to(root.resolve()):
        message = (
            f"{file} leads to {file.resolve()}, which is outside of the project; remove the link"
        )
        raise SafetyError(message)
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        message = f"{file} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
        raise UsageError(message) from error
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise InfrastructureError(message) from error


def read_manifest(root: Path) -> tuple[str, dict[str, Any]]:
    """pyproject.toml as text and as data.

    Raises:
        UsageError: there is none, with what to do, or it is not TOML.
        SafetyError: as :func:`read_text`.
        InfrastructureError: as :func:`read_text`.
    """
    if not root.is_dir():
        message = f"{root} is not a folder; name that of a project"
        raise UsageError(message)
    text = read_text(root, "pyproject.toml")
    if text is None:
        message = f"{root} has no pyproject.toml{_advise_without(root)}, {_AGAIN}"
        raise UsageError(message)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{root / 'pyproject.toml'} is not TOML: {error}"
        raise UsageError(message) from error
    for path in _TABLES:
        _refuse_shape(root / "pyproject.toml", table, path)
    return text, table


def _refuse_shape(file: Path, table: Any, path: str) -> None:  # noqa: ANN401 - TOML
    """Make sure that what is to be a table is one.

    Raises:
        UsageError: it is something else.
    """
    for name in path.split("."):
        table = table.get(name, {})
        if not isinstance(table, dict):
            message = f"{file}: {path} is to be a table, got {table!r}"
            raise UsageError(message)


def _advise_without(root: Path) -> str:
    """What makes a project without pyproject.toml one of uv."""
    if (root / "Pipfile").is_file():
        return "; run: uvx migrate-to-uv"
    if plain := _find_requirements(root):
        return f"; run: uv init --bare && uv add -r {plain}"
    if old := [name for name in _OLD if (root / name).is_file()]:
        return (
            f"; run: uv init --bare, move what {' and '.join(old)} says to [project] and "
            f"[build-system], run: uv lock"
        )
    return "; run: uv init --bare && uv lock"


def _find_requirements(root: Path) -> str:
    """The name of the requirements file of a project; empty where it has none."""
    found = [*_PLAIN, *sorted(file.name for file in root.glob("requirements*.txt"))]
    return next((name for name in found if (root / name).is_file()), "")


def refuse_unready(root: Path, table: Mapping[str, Any]) -> None:
    """Make sure that the project is one of uv, with a lock.

    Raises:
        UsageError: it is not, with the commands that make it one.
    """
    workspace, _ = find_workspace(root.resolve())
    if workspace != root.resolve():
        message = f"{root} is a member of the workspace {workspace}; run: noxden init {workspace}"
        raise UsageError(message)
    if wrong := _find_wrong(root, table):
        message = f"{root / 'pyproject.toml'} {wrong}, {_AGAIN}"
        raise UsageError(message)


def _find_wrong(root: Path, table: Mapping[str, Any]) -> str:
    """What the project lacks, and what to do; empty where it is ready."""
    tool, locked = table.get("tool", {}), (root / "uv.lock").is_file()
    plain = _find_requirements(root)
    if "poetry" in tool and not locked:
        return "is one of Poetry; run: uvx migrate-to-uv"
    if "pdm" in tool and not locked:
        return (
            "is one of PDM; move tool.pdm.dev-dependencies to [dependency-groups], remove "
            "[tool.pdm], run: uv lock"
        )
    lock = f"uv add -r {plain}" if plain and not locked else "uv lock"
    if "project" not in table and "workspace" not in tool.get("uv", {}):
        old = " and ".join(name for name in _OLD if (root / name).is_file())
        moved = f" with what {old} says" if old else " with name, version and requires-python"
        return f"has no [project]; add it{moved}, run: {lock}"
    if not locked:
        said = f"has no uv.lock beside it, but {plain}" if plain else "has no uv.lock beside it"
        return f"{said}; run: {lock}"
    return ""
