"""Workspaces: which folder's uv.lock counts for a project, and which packages belong to it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["find_workspace"]


def find_workspace(directory: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds the uv.lock of the project in ``directory``, and its members.

    That is the root of the nearest workspace which the project belongs to, else ``directory``
    itself. Members are folders relative to it, found by the patterns and not by uv.lock,
    which does not know a new one. TOML is parsed only where a workspace may be.

    Raises:
        UsageError: a pyproject.toml that may define a workspace is not TOML.
    """
    for at in (directory, *directory.parents):
        table = _read_table(at / "pyproject.toml")
        if table is None:
            continue
        members = tuple(_collect_members(at, table))
        if at == directory or directory.relative_to(at).as_posix() in members:
            return at, members
        break
    return directory, ()


def _read_table(manifest: Path) -> Mapping[str, Any] | None:
    """``[tool.uv.workspace]`` of a pyproject.toml, or ``None``."""
    try:
        content = manifest.read_bytes()
    except OSError:
        return None
    if b"workspace" not in content:
        return None
    try:
        found = tomllib.loads(content.decode()).get("tool", {}).get("uv", {}).get("workspace")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
        message = f"{manifest} is not a valid pyproject.toml: {error}"
        raise UsageError(message) from error
    return found if isinstance(found, dict) else None


def _collect_members(root: Path, table: Mapping[str, Any]) -> Iterator[str]:
    """Folders with a pyproject.toml that ``members`` names and ``exclude`` does not."""
    excluded = {path for pattern in table.get("exclude", ()) for path in root.glob(pattern)}
    for pattern in table.get("members", ()):
        for path in sorted(root.glob(pattern)):
            if path not in excluded and (path / "pyproject.toml").is_file():
                yield path.relative_to(root).as_posix()
