"""The closures of the store, as people are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.den.wheels.closures import list_closures, read_closure
from noxden.den.wheels.needs import collect_needs
from noxden.den.wheels.store import find_artifact
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.layout import Den

__all__ = ["StoredClosure", "collect_closures"]


class StoredClosure(NamedTuple):
    """A closure of the store."""

    closure: str
    """Closure id."""
    packages: int
    size: int
    """Bytes of its artifacts that are in the store; closures may share them."""
    needs: tuple[str, ...]
    """Project and session of all that stand on it: ``/home/me/tool unit-3.12``."""
    last_used: float
    """Seconds since the epoch."""
    problem: str = ""
    """Why its manifest cannot be used; mostly empty."""


def collect_closures(den: Den) -> list[StoredClosure]:
    """The closures of the store, the last used first; no artifact is read."""
    needs: dict[str, list[str]] = {}
    for need in collect_needs(den):
        if need.live:
            needs.setdefault(need.closure, []).append(f"{need.project} {need.need}")
    found = [
        _describe(den, closure_id, tuple(sorted(needs.get(closure_id, ()))))
        for closure_id in list_closures(den)
    ]
    return sorted(found, key=lambda one: (-one.last_used, one.closure))


def _describe(den: Den, closure_id: str, needs: tuple[str, ...]) -> StoredClosure:
    used = _last_use(den.closures / f"{closure_id}.toml")
    try:
        selection = read_closure(den, closure_id)
    except SafetyError as error:
        return StoredClosure(closure_id, 0, 0, needs, used, str(error))
    artifacts = selection.artifacts if selection is not None else ()
    paths = {find_artifact(den, artifact) for artifact in artifacts if artifact.kind != "vcs"}
    size = sum(path.stat().st_size for path in paths if path is not None)
    return StoredClosure(closure_id, len(artifacts), size, needs, used)


def _last_use(manifest: Path) -> float:
    try:
        return manifest.stat().st_mtime
    except OSError:
        return 0.0
