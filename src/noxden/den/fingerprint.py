"""What the installs of a checkout's own packages depend on.

uv reinstalls a local package when its cache keys change: pyproject.toml, setup.py and
setup.cfg, or what ``[tool.uv] cache-keys`` declares. A worktree environment follows the
same rule; a package that is not editable depends on all its files besides.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxden.den.memo import compute_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden.den.resolve import Resolution, Workplace

__all__ = ["compute_fingerprint", "declared_state", "read_isolation"]

_DEFAULT_KEYS = ("pyproject.toml", "setup.py", "setup.cfg")
_IGNORED = {
    ".git",
    ".hg",
    ".mypy_cache",
    ".nox",
    ".noxden",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
}
"""Folders that hold no sources, wherever they are."""

_BUILT = {"build", "dist"}
"""Folders that hold what was built, beside pyproject.toml; deeper they are packages."""


def compute_fingerprint(place: Workplace, resolution: Resolution) -> str:
    """Digest of everything that makes an install of the checkout's packages out of date."""
    parts = [
        (source, list(_cache_keys(place, Path(place.project.root, source[1]), source[2])))
        for source in resolution.local
    ]
    return compute_digest(parts)


def read_isolation(place: Workplace) -> list[str]:
    """The uv options that switch build isolation off where the project's settings do."""
    settings = _uv_settings(place.project.read("pyproject.toml"))
    if settings.get("no-build-isolation") is True:
        return ["--no-build-isolation"]
    return [
        word
        for name in settings.get("no-build-isolation-package", ())
        for word in ("--no-build-isolation-package", str(name))
    ]


def _cache_keys(place: Workplace, package: Path, editable: bool) -> Iterator[object]:  # noqa: FBT001
    if package.is_file():
        yield _stat(package)
        return
    for name in _DEFAULT_KEYS:
        relative = os.path.relpath(package / name, place.project.root)
        yield name, place.project.read(relative).hex()
    if not editable:
        yield from (_stat(path) for path in _walk(package))
    manifest = place.project.read(os.path.relpath(package / "pyproject.toml", place.project.root))
    if b"cache-keys" in manifest:
        yield from _declared_keys(place, package, _uv_settings(manifest))


def declared_state(place: Workplace, package: Path, manifest: bytes) -> Iterator[object]:
    """State of the ``cache-keys`` of a package of the checkout whose dependencies are dynamic.

    They may stand in a requirements.txt that only ``cache-keys`` names.
    """
    project = tomllib.loads(manifest.decode()).get("project", {})
    if {"dependencies", "optional-dependencies"} & set(project.get("dynamic", ())):
        yield from _declared_keys(place, package, _uv_settings(manifest))


def _declared_keys(
    place: Workplace, package: Path, settings: Mapping[str, Any]
) -> Iterator[object]:
    for key in settings.get("cache-keys", ()):
        yield from _declared(place, package, {"file": key} if isinstance(key, str) else key)


def _declared(place: Workplace, package: Path, key: Mapping[str, Any]) -> Iterator[object]:
    """The state of one entry of ``cache-keys``."""
    if pattern := key.get("file"):
        if any(sign in pattern for sign in "*?["):
            yield from (_stat(path) for path in sorted(package.glob(pattern)))
        else:
            yield _stat(package / pattern)
    if folder := key.get("dir"):
        at = package / folder
        yield str(folder), at.stat().st_mtime_ns if at.is_dir() else 0
    if variable := key.get("env"):
        yield variable, place.env.get(variable)
    if "git" in key:
        from noxden.tools.git import describe_head

        yield describe_head(package, place.env)


def _walk(folder: Path) -> Iterator[Path]:
    top = os.fspath(folder)
    for at, folders, files in os.walk(top):
        ignored = _IGNORED | _BUILT if at == top else _IGNORED
        # setuptools writes an egg-info beside the sources whenever it builds.
        folders[:] = sorted(
            name for name in folders if name not in ignored and not name.endswith(".egg-info")
        )
        yield from (Path(at, name) for name in sorted(files))


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        at = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), at.st_size, at.st_mtime_ns


def _uv_settings(manifest: bytes) -> dict[str, Any]:
    found = tomllib.loads(manifest.decode()).get("tool", {}).get("uv", {})
    return found if isinstance(found, dict) else {}
