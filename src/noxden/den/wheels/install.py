"""What is installed from the store: a pylock.toml whose artifacts have paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noxden.den.wheels.store import find_artifact

if TYPE_CHECKING:
    from noxden.den.layout import Den
    from noxden.lock.selection import Artifact, Selection

__all__ = ["localize"]


def localize(den: Den, selection: Selection) -> tuple[dict[str, Any], bool]:
    """A pylock.toml that takes from the store what it has; whether it has everything."""
    entries = [_localize(den, artifact) for artifact in selection.artifacts]
    found = [
        entry or dict(artifact.entry)
        for entry, artifact in zip(entries, selection.artifacts, strict=True)
    ]
    return {**selection.pylock, "packages": found}, all(entries)


def _localize(den: Den, artifact: Artifact) -> dict[str, Any] | None:
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
