"""What builds left in the store, for whoever hashes it: built wheels and what built them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import tomli

from noxden.den.wheels.backends import find_checkout_requires
from noxden.den.wheels.manifests import parse_manifest, read_built_wheel
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.errors import SafetyError
from noxden.lock.selection import canonical_json, read_selection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.recipe import Conditions
    from noxden.lock.selection import Artifact

__all__ = ["Builds", "collect_builds", "find_builds"]


class Builds(NamedTuple):
    """What manifests of builds name."""

    wheels: tuple[Artifact, ...] = ()
    """Wheels that were built of what a selection has."""
    requires: tuple[Artifact, ...] = ()
    """What built them. The store may lack it: a wheel that came from a remote came alone."""
    problems: tuple[str, ...] = ()
    """A line for each manifest that is wrong."""

    def join(self, other: Builds) -> Builds:
        """Both."""
        return Builds(
            self.wheels + other.wheels,
            self.requires + other.requires,
            self.problems + other.problems,
        )


def find_builds(place: Workplace, resolution: Resolution) -> Builds:
    """What was built for ``resolution``, and what builds the packages of the checkout."""
    conditions = collect_conditions(place, resolution)
    found = _follow(place.den, conditions, resolution.artifacts)
    own = [
        artifact
        for selection in find_checkout_requires(place, resolution).values()
        for artifact in selection.artifacts
    ]
    nested = _follow(place.den, conditions, own)
    tools = (*own, *nested.wheels, *nested.requires)
    return found.join(Builds((), tools, nested.problems))


def _follow(den: Den, conditions: Conditions, artifacts: Iterable[Artifact]) -> Builds:
    """What was built of ``artifacts``, and of what built these."""
    builds = Builds()
    for artifact in artifacts:
        recipe = plan_build(conditions, artifact)
        path = den.root / recipe.path
        if not artifact.is_built or not path.exists():
            continue
        try:
            manifest = parse_manifest(path.read_text("utf-8", "replace"), recipe)
        except SafetyError as error:
            builds = builds.join(Builds(problems=(str(error),)))
            continue
        requires = manifest.requires.artifacts
        nested = _follow(den, conditions, requires)
        tools = (*requires, *nested.wheels, *nested.requires)
        builds = builds.join(Builds((manifest.wheel,), tools, nested.problems))
    return builds


def collect_builds(den: Den) -> Builds:
    """What all manifests of builds in ``den`` name."""
    builds = Builds()
    for path in sorted(den.built.glob("[!.]*/[!.]*.toml")):
        builds = builds.join(_read(den, path))
    return builds


def _read(den: Den, path: Path) -> Builds:
    """What one manifest names; its name is the key of how it was built."""
    name = path.relative_to(den.root).as_posix()
    try:
        table = tomli.loads(path.read_text("utf-8", "replace"))
        requires = read_selection(table).artifacts
        if path.parent.name == "requires":
            return Builds(requires=requires)
        wheel = read_built_wheel(table["wheel"])
        key = hashlib.sha256(canonical_json(table["build"])).hexdigest()
    except FileNotFoundError:
        return Builds()  # pruned at this moment
    except (tomli.TOMLDecodeError, ValueError, LookupError, TypeError) as error:
        return Builds(problems=(f"the manifest {name} cannot be used: {error!s:.200}",))
    if key != path.stem:
        return Builds(problems=(f"the manifest {name} is that of another build",))
    return Builds((wheel,), requires)
