"""The uv settings that can change what a base environment contains."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from noxden.errors import UsageError
from noxden.lock.project import BUILD_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from noxden.lock.project import Project

__all__ = ["collect_build_settings", "collect_from_source"]

_BUILD_SETTINGS = (
    "build-constraint-dependencies",
    "config-settings",
    "config-settings-package",
    "exclude-newer",
    "exclude-newer-package",
    "extra-build-dependencies",
    "extra-build-variables",
    "no-binary",
    "no-binary-package",
    "no-build-isolation",
    "no-build-isolation-package",
)


def collect_build_settings(
    project: Project, user: Iterable[tuple[str, bytes]], env: Mapping[str, str]
) -> dict[str, Any]:
    """What uv's configuration says about building, most local value wins, as uv merges it.

    Raises:
        UsageError: a configuration file is not TOML.
    """
    merged: dict[str, Any] = {}
    for name, content in user:
        merged = {**_only_build(_parse(name, content)), **merged}
    if not (env.get("UV_NO_CONFIG") or env.get("UV_CONFIG_FILE")):
        merged.update(_only_build(_project_settings(project)))
    merged.update({name: env[name] for name in BUILD_VARIABLES if env.get(name)})
    return merged


def collect_from_source(settings: Mapping[str, Any]) -> frozenset[str]:
    """Names of the packages that are to be built from their sdist; ``:all:`` for every one."""
    wanted = set(settings.get("no-binary-package", ()))
    wanted.update(str(settings.get("UV_NO_BINARY_PACKAGE", "")).split())
    everything = settings.get("no-binary") or settings.get("UV_NO_BINARY", "0").lower() in {
        "1",
        "true",
        "yes",
        "on",
    }
    return frozenset(wanted | ({":all:"} if everything else set()))


def _project_settings(project: Project) -> dict[str, Any]:
    """The settings nearest to the root of the project, upwards: uv.toml, else ``[tool.uv]``."""
    up = ""
    for at in (project.root, *project.root.parents):
        if settings := project.read(f"{up}uv.toml"):
            return _parse(str(at / "uv.toml"), settings)
        manifest = _parse(str(at / "pyproject.toml"), project.read(f"{up}pyproject.toml"))
        found = manifest.get("tool", {}).get("uv")
        if isinstance(found, dict):
            return found
        up += "../"
    return {}


def _only_build(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in _BUILD_SETTINGS if name in settings}


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{name} is not TOML: {error}"
        raise UsageError(message) from error
