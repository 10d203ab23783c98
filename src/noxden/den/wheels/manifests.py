"""Manifests of built wheels: what was built, how and with what, and the wheel that came out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import tomli
import tomli_w

from noxden.den.owners import find_leftovers, sibling_name
from noxden.den.wheels.recipe import plan_build
from noxden.den.wheels.store import find_artifact
from noxden.errors import SafetyError
from noxden.lock.selection import read_artifact, read_selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.wheels.recipe import Conditions, Recipe
    from noxden.lock.selection import Artifact, Selection

__all__ = [
    "Manifest",
    "find_manifest",
    "find_wheels",
    "iterate_manifests",
    "parse_manifest",
    "read_built_wheel",
    "render_manifest",
    "write_manifest",
    "write_note",
]


class Manifest(NamedTuple):
    """A wheel that was built."""

    recipe: Recipe
    wheel: Artifact
    requires: Selection
    """The build requirements, each with the file that was used."""


def render_manifest(manifest: Manifest) -> str:
    """The manifest as a file: ``source``, ``build`` (what the key is the hash of), ``wheel``.

    Build requirements are ``packages`` as in a pylock.toml.
    """
    recipe, wheel = manifest.recipe, manifest.wheel
    return tomli_w.dumps(
        {
            "source": recipe.artifact.canonical,
            "build": recipe.document,
            "wheel": {
                "name": wheel.name,
                "version": wheel.version,
                "file": wheel.file,
                "sha256": wheel.content,
                "size": wheel.size,
            },
            "packages": [dict(one.entry) for one in manifest.requires.artifacts],
        }
    )


def parse_manifest(text: str, recipe: Recipe) -> Manifest:
    """The manifest of ``recipe``.

    Raises:
        SafetyError: it is another's, or names a file oddly.
    """
    try:
        table = tomli.loads(text)
        wheel = read_built_wheel(table["wheel"])
        requires = read_selection(table)
    except (tomli.TOMLDecodeError, ValueError, LookupError, TypeError) as error:
        message = f"the manifest of {recipe.label}, {recipe.path}, cannot be used: {error!s:.200}"
        raise SafetyError(message) from error
    expected = (_identify(recipe.artifact.canonical), recipe.document, recipe.artifact.name)
    if (_identify(table.get("source", {})), table["build"], wheel.name) != expected:
        message = f"the manifest of {recipe.label}, {recipe.path}, is that of another build"
        raise SafetyError(message)
    return Manifest(recipe, wheel, requires)


def _identify(source: dict[str, str]) -> dict[str, str]:
    """What is built: a mirror may call the file otherwise, and a lock may lack the version."""
    return {key: value for key, value in source.items() if key not in {"file", "version"}}


def read_built_wheel(table: dict[str, Any]) -> Artifact:
    """The wheel that the table ``wheel`` of a manifest names.

    Raises:
        ValueError: it is none, or its name is odd.
    """
    source = {"path": table["file"], "size": table["size"], "hashes": {"sha256": table["sha256"]}}
    wheel = read_artifact({"name": table["name"], "version": table["version"], "wheels": [source]})
    if wheel.file != table["file"] or wheel.is_built:
        raise ValueError(table["file"])
    return wheel


def write_manifest(den: Den, manifest: Manifest) -> Path:
    """Note that the wheel of ``manifest`` is in the store."""
    return write_note(den.root / manifest.recipe.path, render_manifest(manifest))


def write_note(path: Path, text: str) -> Path:
    """Write a small file of the den: whole or not at all.

    What killed processes left of such files beside it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in find_leftovers(path.parent):
        leftover.unlink(missing_ok=True)
    sibling = path.parent / sibling_name()
    with sibling.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sibling.rename(path)
    return path


def find_manifest(den: Den, recipe: Recipe) -> Manifest | None:
    """The manifest of ``recipe`` whose wheel is in the store; one that is not whole is none."""
    try:
        manifest = parse_manifest((den.root / recipe.path).read_text("utf-8"), recipe)
    except (OSError, UnicodeDecodeError, SafetyError):
        return None
    return manifest if find_artifact(den, manifest.wheel) is not None else None


def iterate_manifests(
    den: Den, conditions: Conditions, artifacts: Iterable[Artifact]
) -> Iterator[Manifest]:
    """The manifests of those of ``artifacts`` that were built, and of what built them."""
    for artifact in artifacts:
        if artifact.is_built:
            found = find_manifest(den, plan_build(conditions, artifact))
            if found is not None:
                yield found
                yield from iterate_manifests(den, conditions, found.requires.artifacts)


def find_wheels(den: Den, conditions: Conditions, artifacts: Iterable[Artifact]) -> list[Artifact]:
    """What installs ``artifacts``: themselves, and in place of sources what was built of them."""
    found = (
        (find_manifest(den, plan_build(conditions, one)), one) if one.is_built else (None, one)
        for one in artifacts
    )
    return [one if manifest is None else manifest.wheel for manifest, one in found]
