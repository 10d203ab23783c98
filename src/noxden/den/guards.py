"""What is looked at before anything is built: settings that lead uv astray, changed archives."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from noxden.errors import SafetyError, UsageError
from noxden.lock.project import read_user_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden.den.resolve import Resolution, Workplace

__all__ = ["iterate_settings", "refuse_pip_settings", "verify_archives"]

_ELSEWHERE = ("prefix", "target")
"""Settings of uv's pip interface by which packages would be written outside of the den."""

_BUILDING = (
    "config-settings",
    "config-settings-package",
    "extra-build-dependencies",
    "extra-build-variables",
    "no-build-isolation",
    "no-build-isolation-package",
)
"""Settings of uv's pip interface that change what is built, while no key knows of them."""


def refuse_pip_settings(place: Workplace) -> None:
    """Make sure that no ``[tool.uv.pip]`` changes where or how a base environment is built.

    Raises:
        UsageError: one does.
    """
    for file, settings in iterate_settings(place):
        table = settings.get("pip")
        found = [name for name, value in table.items() if value] if _is_table(table) else []
        in_manifest = file.name == "pyproject.toml"
        where = "tool.uv.pip" if in_manifest else "pip"
        for name in found:
            if name in _ELSEWHERE:
                message = (
                    f"{file} sets {name} in [{where}]: uv would install outside of the den; "
                    f"remove it, or give --{name} where you call uv pip"
                )
                raise UsageError(message)
            if name in _BUILDING:
                message = (
                    f"{file} sets {name} in [{where}], which uv sync does not read; "
                    f"move it to {'[tool.uv]' if in_manifest else 'the top of the file'}"
                )
                raise UsageError(message)


def iterate_settings(place: Workplace) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The settings files that uv reads when it runs in the root of the project."""
    for path, content in read_user_settings(place.env):
        yield Path(path), _parse(content)
    if place.env.get("UV_NO_CONFIG") or place.env.get("UV_CONFIG_FILE"):
        return
    # uv takes the nearest folder that has settings, and there uv.toml before pyproject.toml.
    project, up = place.project, ""
    for folder in (project.root, *project.root.parents):
        if settings := project.read(f"{up}uv.toml"):
            yield folder / "uv.toml", _parse(settings)
            return
        tool = _parse(project.read(f"{up}pyproject.toml")).get("tool")
        if _is_table(tool) and _is_table(tool.get("uv")):
            yield folder / "pyproject.toml", tool["uv"]
            return
        up += "../"


def _is_table(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)


def _parse(content: bytes) -> Mapping[str, Any]:
    """A TOML file; what is malformed counts as empty: uv says so when it runs."""
    try:
        return tomllib.loads(content.decode())
    except ValueError:
        return {}


def verify_archives(place: Workplace, resolution: Resolution) -> None:
    """Make sure that the archives in the checkout are those that uv.lock knows.

    Raises:
        SafetyError: one is not.
    """
    for name, path, _, expected in resolution.local:
        if not expected:
            continue
        file = Path(place.project.root, path)
        found = _sha256(file)
        if found != expected:
            message = (
                f"{file} is not the {name} of uv.lock: expected sha256 {expected}, found {found}; "
                f"find out who changed the file, then run: uv lock --upgrade-package {name}"
            )
            raise SafetyError(message)


def _sha256(file: Path) -> str:
    import hashlib

    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return "no file"
