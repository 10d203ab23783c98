"""Have a wheel of each package that comes without one: find it, take it from a remote, build it.

From a remote such a wheel is taken only where the project trusts what others built: nothing
that the lock has says what it is to be.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._switches import is_on
from noxden.den.locks import exclusive
from noxden.den.owners import find_leftovers, sibling_name
from noxden.den.wheels.accept import accept_wheel
from noxden.den.wheels.build import Bench, build_wheel, prepare_hooks, read_backend
from noxden.den.wheels.builds import find_builds
from noxden.den.wheels.check import check_artifacts, quarantine
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.install import localize_artifact
from noxden.den.wheels.manifests import Manifest, find_manifest, parse_manifest, write_manifest
from noxden.den.wheels.recipe import collect_conditions, plan_build
from noxden.den.wheels.sources import SourceError
from noxden.den.wheels.store import find_artifact
from noxden.den.wheels.unpack import lay_out
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.supply import Supply
    from noxden.den.wheels.recipe import Conditions, Recipe
    from noxden.den.wheels.remote import Remote
    from noxden.den.wheels.sources import Source
    from noxden.lock.selection import Artifact, Selection

__all__ = ["Builder", "mend_built", "open_bench", "supply_built"]

logger = logging.getLogger(__name__)


def supply_built(
    place: Workplace, resolution: Resolution, sources: Sequence[Source], supply: Supply
) -> list[str]:
    """Have a wheel for each package of ``resolution`` that comes without one; warnings.

    What nobody built is built here where ``supply`` takes wheels from the index; else, and
    where a setting forbids it, uv builds when it installs.

    Raises:
        InfrastructureError: a package cannot be built.
        SafetyError: a source archive or a manifest is not what it is to be.
    """
    wanted = [artifact for artifact in resolution.artifacts if artifact.is_built]
    if not wanted:
        return []
    _clear(place.den.built)
    builder = Builder(place, collect_conditions(place, resolution), tuple(sources))
    return list(builder.supply(wanted, build=supply.from_index))


def mend_built(
    place: Workplace, resolution: Resolution, sources: Sequence[Source], supply: Supply
) -> list[str]:
    """Take what is damaged of builds out of the store; build and fetch it once more.

    Returns a line for each damaged file.

    Raises:
        NoxdenError: as :func:`supply_built`.
    """
    builds = find_builds(place, resolution)
    distinct = {one.content: one for one in (*builds.wheels, *builds.requires) if one.kind != "vcs"}
    damages = check_artifacts(place.den, distinct.values())
    if not damages:
        return []
    lines = [
        f"{damage}; it is in {where}"
        for damage in damages
        if (where := quarantine(place.den, damage)) is not None
    ]
    lines += supply_built(place, resolution, sources, supply)
    tools = {one.content for one in builds.requires}
    # The wheel is there without them; who builds once more gets what is not to be had now.
    fetch(place.den, [one.artifact for one in damages if one.artifact.content in tools], sources)
    return lines


class Builder(NamedTuple):
    """What builds for one selection."""

    place: Workplace
    conditions: Conditions
    sources: tuple[Source, ...]
    ancestors: tuple[str, ...] = ()
    """Names of the packages whose requirements are being built."""

    def supply(self, artifacts: Sequence[Artifact], *, build: bool) -> Iterator[str]:
        """Have the wheel of each of ``artifacts``; a line for each that is left to uv."""
        for artifact in artifacts:
            recipe = plan_build(self.conditions, artifact)
            if find_manifest(self.place.den, recipe) is not None:
                continue
            if obstacle := self._find_obstacle(artifact):
                yield f"{recipe.label} is not built here: {obstacle}"
            elif build and self._is_there(artifact):
                yield from self._try(recipe)
            else:
                self._take(recipe)

    def provide(self, selection: Selection) -> dict[str, Any]:
        """Bring build requirements into the store; a pylock.toml that installs them from it.

        Raises:
            InfrastructureError: one cannot be had.
        """
        den = self.place.den
        for one in fetch(den, selection.artifacts, self.sources).missing:
            message = (
                f"no source has {one.artifact.name} {one.artifact.version or ''}, which "
                f"{self.ancestors[-1]} needs to be built ({one.reason or 'no source is left'})"
            )
            raise InfrastructureError(message)
        entries = [
            localize_artifact(
                den, self.ensure(plan_build(self.conditions, one)).wheel if one.is_built else one
            )
            for one in selection.artifacts
        ]
        return {**selection.pylock, "packages": entries}

    def ensure(self, recipe: Recipe) -> Manifest:
        """The manifest of the wheel of ``recipe``, which is built where nobody has.

        Raises:
            InfrastructureError: it cannot be built.
        """
        found = find_manifest(self.place.den, recipe) or self._take(recipe)
        if found is not None:
            return found
        name = recipe.artifact.name
        if name in self.ancestors:
            chain = " needs ".join([*self.ancestors, name])
            message = f"cannot build {recipe.label}: {chain} to be built"
            raise InfrastructureError(message)
        return self._build(recipe)

    def _find_obstacle(self, artifact: Artifact) -> str:
        if not self.conditions.interpreter.executable:
            return "wheels for another platform cannot be built on this one"
        setting = self.conditions.find_obstacle(artifact.name)
        return f"{setting} leaves it to uv" if setting else ""

    def _is_there(self, artifact: Artifact) -> bool:
        return artifact.kind == "vcs" or find_artifact(self.place.den, artifact) is not None

    def _try(self, recipe: Recipe) -> Iterator[str]:
        """Build; offline, what that lacks may be in uv's cache, so uv is left to try."""
        try:
            self.ensure(recipe)
        except InfrastructureError as error:
            if not is_on(self.place.env, "NOXDEN_OFFLINE"):
                raise
            yield f"{recipe.label} is left to uv: {error}"

    @property
    def remote(self) -> Remote | None:
        """The remote, where what others built is taken from it."""
        from noxden.den.wheels.remote import Remote

        found = next((one for one in self.sources if isinstance(one, Remote)), None)
        return found if self.place.trust == "built" else None

    def _take(self, recipe: Recipe) -> Manifest | None:
        """Take what somebody else built from the remote, where that is trusted."""
        remote = self.remote
        if remote is None:
            return None
        try:
            text = remote.read_text(recipe.path)
            manifest = None if text is None else parse_manifest(text, recipe)
            if manifest is None or fetch(self.place.den, [manifest.wheel], [remote]).missing:
                return None
        except (SourceError, SafetyError) as error:
            logger.warning("%s is not taken from %s: %s", recipe.label, remote.name, error)
            return None
        write_manifest(self.place.den, manifest)
        return manifest

    def _build(self, recipe: Recipe) -> Manifest:
        """Build the wheel of ``recipe`` and note it, unless another process does meanwhile.

        The lock is taken once nothing else has to be built for it. Two packages that need each
        other would let two processes, each with the lock of one, wait for each other for ever.
        """
        den = self.place.den
        with open_bench(self, recipe) as bench:
            try:
                project = lay_out(self.place, recipe.artifact, bench.work / "source")
            except InfrastructureError as error:
                message = f"cannot build {recipe.label}: {error}"
                raise InfrastructureError(message) from error
            backend = read_backend(project, recipe.label)
            requires = prepare_hooks(bench, project, backend, editable=False)
            with exclusive(den.locks / f"built-{recipe.source_id[:24]}-{recipe.key[:24]}.lock"):
                if (found := find_manifest(den, recipe)) is not None:
                    return found
                logger.info("building a wheel of %s", recipe.label)
                built = build_wheel(bench, project, backend)
                manifest = Manifest(recipe, accept_wheel(den, recipe, built), requires)
                write_manifest(den, manifest)
        return manifest


@contextlib.contextmanager
def open_bench(builder: Builder, recipe: Recipe) -> Iterator[Bench]:
    """A place to build by ``recipe`` for as long as the block runs.

    Raises:
        InfrastructureError: the den cannot be written.
    """
    folder = builder.place.den.built
    try:
        folder.mkdir(exist_ok=True)
        _clear(folder)
        work = folder / sibling_name()
        work.mkdir()
        try:
            nested = builder._replace(ancestors=(*builder.ancestors, recipe.artifact.name))
            yield Bench(builder.place, recipe, nested.provide, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        message = f"cannot build {recipe.label}: {error.filename}: {error.strerror}"
        raise InfrastructureError(message) from error


def _clear(folder: Path) -> None:
    """Remove what killed builds left in ``folder``."""
    with contextlib.suppress(FileNotFoundError):
        for leftover in find_leftovers(folder):
            shutil.rmtree(leftover, ignore_errors=True)
