"""Have in the store what builds the checkout's own packages, so that they install offline."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from noxden._switches import is_on
from noxden.den.wheels.backends import (
    find_requires,
    keep_requires,
    parse_requires,
    plan_checkout,
)
from noxden.den.wheels.build import prepare_hooks, read_backend
from noxden.den.wheels.builder import Builder, open_bench
from noxden.den.wheels.recipe import collect_conditions
from noxden.den.wheels.sources import SourceError
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.supply import Supply
    from noxden.den.wheels.backends import CheckoutBuild
    from noxden.den.wheels.sources import Source
    from noxden.lock.selection import Selection

__all__ = ["supply_checkout"]


def supply_checkout(
    place: Workplace, resolution: Resolution, sources: Sequence[Source], supply: Supply
) -> Iterator[str]:
    """Pin and fetch what builds the packages of the checkout; a line for each that fails.

    Nothing that has to be right now depends on it: online, uv takes it from the index.
    """
    if not resolution.interpreter.executable:
        return
    builder = Builder(place, collect_conditions(place, resolution), tuple(sources))
    pins = supply.from_index and not is_on(place.env, "NOXDEN_OFFLINE")
    for build in plan_checkout(place, resolution):
        if find_requires(place.den, build) is not None:
            # What is used is not pruned.
            os.utime(place.den.root / build.path)
            continue
        try:
            requires = _take(builder, build) or (_pin(builder, build) if pins else None)
        except (InfrastructureError, SafetyError, SourceError) as error:
            yield f"what builds {build.recipe.label} is not kept for offline use: {error}"
            continue
        if requires is not None:
            keep_requires(place.den, build, requires)


def _take(builder: Builder, build: CheckoutBuild) -> Selection | None:
    """What somebody else pinned, from the remote, where that is trusted."""
    text = builder.remote.read_text(build.path) if builder.remote is not None else None
    requires = parse_requires(text, build) if text is not None else None
    if requires is not None:
        builder._replace(ancestors=(build.recipe.artifact.name,)).provide(requires)
    return requires


def _pin(builder: Builder, build: CheckoutBuild) -> Selection:
    """Ask the backend, in an environment of its own."""
    with open_bench(builder, build.recipe) as bench:
        backend = read_backend(build.project, build.recipe.label)
        return prepare_hooks(bench, build.project, backend, editable=build.editable)
