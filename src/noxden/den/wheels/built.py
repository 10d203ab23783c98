"""Built wheels: what packages without a wheel of their own were built into.

Such a wheel cannot have the hash that the lock names, so it is kept apart: a manifest, named by
what was built and how (:mod:`noxden.den.wheels.recipe`), has its hash and the build requirements
with theirs. The wheel itself lies in the wheel store like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.wheels.backends import find_checkout_requires
from noxden.den.wheels.manifests import find_manifest, iterate_manifests
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.den.wheels.store import artifact_path

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.selection import Artifact

__all__ = ["collect_built", "find_built"]


def find_built(place: Workplace, resolution: Resolution) -> dict[str, Artifact]:
    """The built wheels of ``resolution`` that are in the store, by the name of the package."""
    if not any(artifact.is_built for artifact in resolution.artifacts):
        return {}
    conditions = collect_conditions(place, resolution)
    return {
        artifact.name: found.wheel
        for artifact in resolution.artifacts
        if artifact.is_built and not conditions.find_obstacle(artifact.name)
        for found in [find_manifest(place.den, plan_build(conditions, artifact))]
        if found is not None
    }


def collect_built(place: Workplace, resolution: Resolution) -> list[tuple[str, Path]]:
    """What a remote is to have of the builds of ``resolution``: path there, and file here.

    Wheels and build requirements come first, manifests last: who sees one finds all it names.
    """
    den, conditions = place.den, collect_conditions(place, resolution)
    own = find_checkout_requires(place, resolution)
    requires = [one for selection in own.values() for one in selection.artifacts]
    manifests = [*iterate_manifests(den, conditions, [*resolution.artifacts, *requires])]
    needed = [one for found in manifests for one in (found.wheel, *found.requires.artifacts)]
    needed += requires
    files = [artifact_path(den, one.content, one.file) for one in needed if one.kind != "vcs"]
    files += [den.root / path for path in (*(found.recipe.path for found in manifests), *own)]
    unique = dict.fromkeys(path for path in files if path.exists())
    return [(path.relative_to(den.root).as_posix(), path) for path in unique]
