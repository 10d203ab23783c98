"""Hash what the store has of some selections, or all that it has, and say what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.den.wheels.builds import Builds, collect_builds, find_builds
from noxden.den.wheels.check import check_artifacts
from noxden.den.wheels.closures import find_problem, list_closures, read_closure
from noxden.den.wheels.store import artifact_path, using_store
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.check import Damage
    from noxden.lock.selection import Artifact

    Meter = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
    """As :func:`noxden.render.progress`: a title, bytes in all, and what is told of each file."""

__all__ = ["Audit", "audit_selection", "audit_store", "refuse_absent", "refuse_damaged"]

_SHOWN = 20
"""Packages that a message names; --json has all."""


class Audit(NamedTuple):
    """What hashing found."""

    checked: int
    """How many files were hashed."""
    bytes: int
    absent: tuple[Artifact, ...]
    """What the selections have and the store has not; a fetch brings it."""
    damages: tuple[Damage, ...]
    problems: tuple[str, ...]
    """Closures and builds whose manifest is not what its name says, a line each."""

    @property
    def lines(self) -> list[str]:
        """What is wrong, a line each."""
        return [*self.problems, *(str(damage) for damage in self.damages)]


def audit_selection(place: Workplace, resolution: Resolution, meter: Meter) -> Audit:
    """Hash what the store has of ``resolution``: artifacts, built wheels and what built them."""
    builds = find_builds(place, resolution)
    problem = find_problem(place.den, resolution.closure_id)
    builds = builds.join(Builds(problems=(problem,) if problem else ()))
    return _audit(place.den, resolution.artifacts, builds, meter)


def audit_store(den: Den, meter: Meter) -> Audit:
    """Hash what the store has of all closures and of all builds."""
    artifacts: list[Artifact] = []
    problems: list[str] = []
    for closure_id in list_closures(den):
        try:
            selection = read_closure(den, closure_id)
        except SafetyError as error:
            problems.append(str(error))
        else:
            artifacts += selection.artifacts if selection is not None else ()
    builds = Builds(problems=tuple(problems)).join(collect_builds(den))
    return _audit(den, artifacts, builds, meter)


def _audit(den: Den, artifacts: Iterable[Artifact], builds: Builds, meter: Meter) -> Audit:
    """Hash what the store has of them, each once, showing the progress by ``meter``."""
    needed = {
        (one.content, one.file): one for one in (*artifacts, *builds.wheels) if one.kind != "vcs"
    }
    tools = {(one.content, one.file): one for one in builds.requires if one.kind != "vcs"}
    distinct = {**tools, **needed}
    with using_store(den):
        sizes = {key: _size(den, artifact) for key, artifact in distinct.items()}
        there = [artifact for key, artifact in distinct.items() if sizes[key] is not None]
        total = sum(size or 0 for size in sizes.values())
        with meter("hashing", total) as advance:
            damages = check_artifacts(den, there, advance)
    absent = tuple(artifact for key, artifact in needed.items() if sizes[key] is None)
    return Audit(len(there), total, absent, tuple(damages), builds.problems)


def refuse_damaged(audit: Audit, advice: str) -> None:
    """Say what is wrong, each with package, file, expected and found hash.

    Raises:
        SafetyError: something is.
    """
    if audit.lines:
        message = f"{'; '.join(audit.lines)}; {advice}"
        raise SafetyError(message)


def refuse_absent(audit: Audit, advice: str) -> None:
    """Say what is not in the store.

    Raises:
        InfrastructureError: something is not.
    """
    if audit.absent:
        names = [f"{one.name} {one.version or ''}".strip() for one in audit.absent]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        message = f"not in the store: {', '.join(names[:_SHOWN])}{more}; {advice}"
        raise InfrastructureError(message)


def _size(den: Den, artifact: Artifact) -> int | None:
    try:
        return artifact_path(den, artifact.content, artifact.file).stat().st_size
    except OSError:
        return None
