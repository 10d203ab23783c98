"""Why an environment is as it is: what it stands on beside what it would stand on now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.bases import is_whole, read_document
from noxden.den.disk import measure
from noxden.den.fingerprint import compute_fingerprint
from noxden.den.inventory import read_last_use
from noxden.den.resolve import resolve
from noxden.den.worktrees import WorktreeEnvironment, read_record
from noxden.lock.changes import compute_changes
from noxden.lock.project import read_user_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.request import Request

__all__ = ["Explanation", "explain"]


class Explanation(NamedTuple):
    """A worktree environment, and what a session would do to it now."""

    state: str
    """``up to date``, ``out of date`` or ``not built``."""
    changes: tuple[str, ...]
    """What makes it out of date, most important first."""
    key: str
    """Environment key now."""
    closure_id: str
    stands_on: str
    """Environment key of the base it stands on; empty when it is not built."""
    python: str
    """Version with patch level."""
    interpreter: str
    """Path of the interpreter."""
    base: Path
    """Where the base for ``key`` is or would be."""
    base_there: bool
    base_size: int
    """Bytes on disk; 0 when it is not there."""
    location: Path
    size: int
    """Bytes on disk of the worktree environment; 0 when it is not built."""
    last_used: float | None
    """When the latest session on the base began, in seconds since the epoch."""
    inputs: tuple[str, ...]
    """What decides the key: files, variables, the interpreter."""


def explain(
    place: Workplace, request: Request, location: Path, *, layered: bool = True
) -> Explanation:
    """Compare the worktree environment at ``location`` with what ``request`` gives now.

    Raises:
        UsageError: uv.lock is missing, malformed, out of date or does not fit the request.
        InfrastructureError: uv or an interpreter is missing.
    """
    resolution = resolve(place, request, complete=True)
    base = place.den.base(resolution.key)
    record = read_record(location).get("environment")
    old: Mapping[str, Any] = record if isinstance(record, dict) else {}
    there = is_whole(base)
    changes = tuple(_changes(place, resolution, old, location, layered=layered)) if old else ()
    return Explanation(
        state=_state(old, changes),
        changes=changes,
        key=resolution.key,
        closure_id=resolution.closure_id,
        stands_on=str(old.get("key", "")),
        python=resolution.interpreter.version,
        interpreter=resolution.interpreter.executable,
        base=base,
        base_there=there,
        base_size=measure(base) if there else 0,
        location=location,
        size=measure(location) if old else 0,
        last_used=read_last_use(place.den, resolution.key),
        inputs=tuple(_inputs(place, request)),
    )


def _state(old: Mapping[str, Any], changes: tuple[str, ...]) -> str:
    if not old:
        return "not built"
    return "out of date" if changes else "up to date"


def _changes(
    place: Workplace,
    resolution: Resolution,
    old: Mapping[str, Any],
    location: Path,
    *,
    layered: bool,
) -> Iterator[str]:
    """What a session would rebuild the environment for."""
    base = place.den.base(resolution.key)
    key = str(old.get("key", ""))
    if key != resolution.key:
        before = read_document(place.den.base(key))
        if before:
            yield from compute_changes(before, resolution.document or {})
        else:
            yield f"another selection (the base {key[:12]} it stood on was collected)"
    elif layered and not is_whole(base):
        yield "its base was collected"
    if old.get("location") != str(location):
        yield "the checkout was moved"
    fingerprint = compute_fingerprint(place, resolution)
    if old.get("fingerprint") != fingerprint:
        yield "the project's metadata changed"
    if key == resolution.key and old.get("fingerprint") == fingerprint:
        environment = WorktreeEnvironment.plan(
            location, base if layered else type(base)(), resolution, fingerprint, layered=layered
        )
        if not environment.is_current(allow_extra=False):
            yield "packages were installed beside the locked ones, or it was damaged"


def _inputs(place: Workplace, request: Request) -> Iterator[str]:
    """What decides the key, the project's files first."""
    yield from (str(place.project.root / name) for name, _ in place.project.files)
    yield from (path for path, _ in read_user_settings(place.env))
    yield from (f"variable {name}" for name in place.key_env if name in place.env)
    yield " ".join(request.selectors)
    yield f"Python {request.python}" if request.python else "Python: the project's own choice"
