"""Build requirements: what ``[build-system]`` asks for, pinned to files with hashes.

uv resolves them as it does for a build of its own: by the indexes and the dates of the project,
with its build constraints, and without the constraints, overrides and bans of wheels that hold
for what is installed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from noxden.den.guards import iterate_settings
from noxden.errors import InfrastructureError, UsageError
from noxden.lock.project import read_user_settings
from noxden.lock.selection import Selection, select
from noxden.tools.complaints import explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.den.resolve import Workplace
    from noxden.lock.interpreter import Interpreter

__all__ = ["pin_requirements"]

_KEPT = (
    "allow-insecure-host",
    "dependency-metadata",
    "exclude-newer",
    "exclude-newer-package",
    "extra-index-url",
    "find-links",
    "index",
    "index-strategy",
    "index-url",
    "keyring-provider",
    "native-tls",
    "no-index",
    "system-certs",
)
"""Settings of uv that hold for builds too."""


def pin_requirements(
    place: Workplace,
    interpreter: Interpreter,
    requires: Sequence[str],
    constraints: Sequence[str],
    whose: str,
) -> Selection:
    """The files that meet ``requires`` under ``interpreter``; ``whose`` names them in errors.

    Raises:
        InfrastructureError: uv finds none, or one has no file with a hash.
        SafetyError: uv was given another file than the index promised.
    """
    if not requires:
        return Selection((), ())
    with tempfile.TemporaryDirectory(prefix="noxden-pins-") as folder:
        at = Path(folder)
        # uv reads the settings where it runs: these stand in for the project's.
        (at / "uv.toml").write_text(tomli_w.dumps(_collect_settings(place)), "utf-8")
        (at / "requirements.in").write_text(_lines(requires), "utf-8")
        (at / "constraints.txt").write_text(_lines(constraints), "utf-8")
        with explained(f"pin what {whose} needs to be built"):
            text = place.uv(
                "pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml",
                "--python", interpreter.executable, "--constraints", "constraints.txt",
                "requirements.in", cwd=at,
            ).stdout  # fmt: skip
    try:
        selection = select(text, interpreter)
    except UsageError as error:
        message = f"cannot pin what {whose} needs to be built: {error}"
        raise InfrastructureError(message) from error
    if selection.local:
        message = (
            f"{whose} needs {selection.local[0].path} to be built, which is no package of an index"
        )
        raise InfrastructureError(message)
    return selection


def _lines(words: Sequence[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def _collect_settings(place: Workplace) -> dict[str, Any]:
    """What the project's settings say that holds for builds; the user's are read by uv itself."""
    user = {name for name, _ in read_user_settings(place.env)}
    for file, table in iterate_settings(place):
        if str(file) not in user:
            return {
                name: _absolute(name, table[name], file.parent) for name in _KEPT if name in table
            }
    return {}


def _absolute(name: str, value: Any, folder: Path) -> Any:  # noqa: ANN401 - TOML
    """``value`` with its paths as they are from anywhere."""
    if name == "index":
        return [_absolute_index(one, folder) for one in value]
    if name == "find-links":
        return [_absolute_location(one, folder) for one in value]
    return value


def _absolute_index(index: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {**index, "url": _absolute_location(index["url"], folder)}


def _absolute_location(location: str, folder: Path) -> str:
    return location if ":" in location else str(folder / location)
