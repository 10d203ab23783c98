"""Accept what a build backend made: see that it is what was to be built, and keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from noxden.den.wheels.store import hash_file, receive
from noxden.errors import InfrastructureError
from noxden.lock.selection import read_artifact

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.wheels.recipe import Recipe
    from noxden.den.wheels.store import Partial
    from noxden.lock.selection import Artifact

__all__ = ["accept_wheel"]

_BLOCK = 1 << 20


def accept_wheel(den: Den, recipe: Recipe, built: Path) -> Artifact:
    """Put the wheel ``built`` by ``recipe`` into the wheel store.

    Raises:
        InfrastructureError: it is the wheel of something else, or the den cannot be written.
    """
    version = _check_name(recipe, built.name)
    source = {"size": built.stat().st_size, "hashes": {"sha256": hash_file(built)}}
    wheels = [{"path": built.name, **source}]
    artifact = read_artifact({"name": recipe.artifact.name, "version": version, "wheels": wheels})

    def copy(partial: Partial) -> None:
        partial.restart()
        with built.open("rb") as file:
            while block := file.read(_BLOCK):
                partial.write(block)

    receive(den, artifact, copy)
    return artifact


def _check_name(recipe: Recipe, file: str) -> str:
    """The version that a built wheel says it has.

    Raises:
        InfrastructureError: it is the wheel of something else.
    """
    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename as error:
        message = f"cannot build {recipe.label}: its backend made {file!r}: {error}"
        raise InfrastructureError(message) from error
    expected = recipe.artifact.version
    same = expected is None or version == Version(expected)
    if name != canonicalize_name(recipe.artifact.name) or not same:
        message = f"cannot build {recipe.label}: its backend made {file} of it"
        raise InfrastructureError(message)
    return str(version)
