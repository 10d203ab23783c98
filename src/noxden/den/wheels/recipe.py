"""What decides how a package is built, and the key that names the outcome."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from noxden.den.guards import iterate_settings
from noxden.lock.project import read_user_settings
from noxden.lock.selection import canonical_json
from noxden.lock.settings import collect_build_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.interpreter import Interpreter
    from noxden.lock.selection import Artifact

__all__ = ["BUILD_FORMAT", "Conditions", "Recipe", "collect_conditions", "plan_build"]

BUILD_FORMAT = 1
"""Raised whenever the same inputs are to give another wheel."""

_OF_ALL = ("build-constraint-dependencies", "exclude-newer", "exclude-newer-package")
_EXCLUDE_NEWER = "UV_EXCLUDE_NEWER"


class Conditions(NamedTuple):
    """What all builds for one selection have in common."""

    interpreter: Interpreter
    settings: Mapping[str, Any]
    """What uv's configuration says about building."""
    forbidden: Mapping[str, str]
    """The setting by which a package, or ``:all:``, is kept from an isolated build."""
    variables: Mapping[str, str]
    """The declared ``key-env`` variables."""
    versions: Mapping[str, str]
    """What the selection has of each package, for requirements that are to match it."""

    def find_obstacle(self, name: str) -> str:
        """The setting that keeps ``name`` from an isolated build; empty where none does."""
        return self.forbidden.get(":all:") or self.forbidden.get(name, "")


class Recipe(NamedTuple):
    """How one artifact is built: everything that can change the wheel that comes out."""

    artifact: Artifact
    interpreter: Interpreter
    settings: Mapping[str, Any]
    """What uv's configuration says about building this package."""
    variables: Mapping[str, str]

    @property
    def source_id(self) -> str:
        """What is built: the sha256 of a file or a commit, and the folder in it."""
        folder = self.artifact.subdirectory
        suffix = f"-{hashlib.sha256(folder.encode()).hexdigest()[:16]}" if folder else ""
        return f"{self.artifact.content}{suffix}"

    @property
    def document(self) -> dict[str, Any]:
        """What :attr:`key` is the hash of.

        The path of the interpreter is left out, so that machines can share what they built.
        """
        identity = {k: v for k, v in self.interpreter.identity.items() if k != "executable"}
        return {
            "format": BUILD_FORMAT,
            "interpreter": identity,
            "settings": dict(self.settings),
            "env": dict(self.variables),
        }

    @property
    def key(self) -> str:
        """The build key, 64 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.document)).hexdigest()

    @property
    def path(self) -> str:
        """Where the manifest of the wheel is, in a den as in a remote."""
        return f"built/{self.source_id}/{self.key}.toml"

    @property
    def label(self) -> str:
        """How people are told of it."""
        return f"{self.artifact.name} {self.artifact.version or ''}".rstrip()


def collect_conditions(place: Workplace, resolution: Resolution) -> Conditions:
    """What builds for ``resolution`` have in common.

    Raises:
        UsageError: a configuration file is not TOML.
    """
    user = read_user_settings(place.env)
    settings = collect_build_settings(place.project, user, place.env)
    return Conditions(
        resolution.interpreter,
        settings,
        _collect_forbidden(place, settings),
        {name: place.env[name] for name in place.key_env if name in place.env},
        {one.name: one.version for one in resolution.artifacts if one.version},
    )


def _collect_forbidden(place: Workplace, settings: Mapping[str, Any]) -> dict[str, str]:
    """The setting by which each package, or ``:all:``, is kept from an isolated build."""
    tables = [dict(settings), dict(place.env), *(table for _, table in iterate_settings(place))]
    found: dict[str, str] = {}
    for setting in ("no-build", "no-build-isolation"):
        variable = f"UV_{setting.upper().replace('-', '_')}"
        for table in tables:
            for switch in (setting, variable):
                if table.get(switch) not in {None, False, "", "0", "false"}:
                    found[":all:"] = setting
            for name in _names(table.get(f"{setting}-package"), table.get(f"{variable}_PACKAGE")):
                found[canonicalize_name(name)] = f"{setting}-package"
    return found


def _names(listed: Iterable[str] | None, words: str | None) -> list[str]:
    return [*(listed or ()), *(words or "").split()]


def plan_build(conditions: Conditions, artifact: Artifact) -> Recipe:
    """How ``artifact`` is built under ``conditions``."""
    all_settings, name = conditions.settings, artifact.name
    config = {
        **all_settings.get("config-settings", {}),
        **_of_package(all_settings.get("config-settings-package"), name, {}),
    }
    settings: dict[str, Any] = {
        "config": config,
        "requires": [
            _read_requirement(one, conditions.versions)
            for one in _of_package(all_settings.get("extra-build-dependencies"), name, [])
        ],
        "variables": _of_package(all_settings.get("extra-build-variables"), name, {}),
        **{key: all_settings[key] for key in _OF_ALL if key in all_settings},
    }
    if newest := all_settings.get(_EXCLUDE_NEWER):
        settings["exclude-newer"] = newest
    kept = {key: value for key, value in settings.items() if value}
    return Recipe(artifact, conditions.interpreter, kept, conditions.variables)


def _of_package(table: Mapping[str, Any] | None, name: str, default: Any) -> Any:  # noqa: ANN401 - TOML
    """What a table by package names says of ``name``."""
    found = (value for key, value in (table or {}).items() if canonicalize_name(key) == name)
    return next(found, default)


def _read_requirement(given: str | Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """An entry of ``extra-build-dependencies``: one that matches the runtime gets its version."""
    if isinstance(given, str):
        return given
    requirement = str(given["requirement"])
    version = versions.get(canonicalize_name(requirement))
    return f"{requirement}=={version}" if given.get("match-runtime") and version else requirement
