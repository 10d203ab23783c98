"""What stands before ``nox`` and ``noxden`` in a job on CI."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from noxden.errors import UsageError

__all__ = ["AUTO", "find_launch"]

AUTO = "auto"

_OURS = "noxden"


def find_launch(said: str, manifest: bytes) -> str:
    """The prefix that ``said`` asks for, with a blank at its end where it is not empty.

    ``auto`` is ``uv run`` with what uv.lock has of noxden: the smallest dependency group that
    names it, or the project itself. Where the lock has none of it, uv takes this version from
    the index.

    Raises:
        UsageError: ``manifest``, a pyproject.toml, is not TOML.
    """
    if said != AUTO:
        return f"{said} " if said else ""
    try:
        table: dict[str, Any] = tomllib.loads(manifest.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"pyproject.toml is not TOML: {error}"
        raise UsageError(message) from error
    if canonicalize_name(str(table.get("project", {}).get("name", ""))) == _OURS:
        return "uv run --frozen --no-default-groups "
    groups = dict(table.get("dependency-groups", {}))
    older = table.get("tool", {}).get("uv", {}).get("dev-dependencies", [])
    groups["dev"] = [*groups.get("dev", []), *older]
    having = [name for name, entries in groups.items() if any(map(_is_ours, entries))]
    if having:
        return f"uv run --frozen --only-group {min(having, key=lambda name: len(groups[name]))} "
    return f"uv run --no-project --with {_OURS}=={version(_OURS)} "


def _is_ours(entry: object) -> bool:
    try:
        return canonicalize_name(Requirement(str(entry)).name) == _OURS
    except InvalidRequirement:
        # An entry that includes another group is a table.
        return False
