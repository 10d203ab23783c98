"""What is installed from the store: a pylock.toml whose artifacts have paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noxden.den.wheels.built import find_built
from noxden.den.wheels.recipe import collect_conditions
from noxden.den.wheels.store import find_artifact
from noxden.lock.settings import collect_from_source

if TYPE_CHECKING:
    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.selection import Artifact

__all__ = ["localize", "localize_artifact"]


def localize(place: Workplace, resolution: Resolution) -> tuple[dict[str, Any], list[str]]:
    """A pylock.toml that takes from the store what it has, and the options of uv that fit it.

    Where the store has everything, uv needs no network. A package that the project wants built
    is installed from the wheel that was built of it; uv would refuse any wheel of it, so it
    is not to read the project's settings then, which is possible where nothing else needs them.
    """
    pylock: dict[str, Any] = {"lock-version": "1.0", "created-by": "noxden"}
    built = find_built(place, resolution)
    artifacts = [built.get(one.name, one) for one in resolution.artifacts]
    entries = [localize_artifact(place.den, one) for one in artifacts]
    forced = _find_forced(place, resolution) if built else frozenset()
    complete = all(entries)
    if not complete:
        entries = [
            None if one.name in forced else entry
            for one, entry in zip(artifacts, entries, strict=True)
        ]
    packages = [
        entry or dict(one.entry) for one, entry in zip(resolution.artifacts, entries, strict=True)
    ]
    words = [*["--offline"] * complete, *["--no-config"] * (complete and bool(forced))]
    return {**pylock, "packages": packages}, words


def _find_forced(place: Workplace, resolution: Resolution) -> frozenset[str]:
    """Names of the packages that may be installed from no wheel, by the project's settings."""
    names = collect_from_source(collect_conditions(place, resolution).settings)
    if ":all:" in names:
        return frozenset(one.name for one in resolution.artifacts if one.is_built)
    return names


def localize_artifact(den: Den, artifact: Artifact) -> dict[str, Any] | None:
    """The entry that installs a wheel from the store; ``None`` where it is not there."""
    if artifact.is_built:
        return None
    path = find_artifact(den, artifact)
    if path is None:
        return None
    entry = {key: value for key, value in artifact.entry.items() if key not in {"index", "archive"}}
    source = {
        "path": str(path),
        "size": path.stat().st_size,
        "hashes": {"sha256": artifact.content},
    }
    return {**entry, "wheels": [source]}
