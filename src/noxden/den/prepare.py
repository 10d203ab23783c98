"""Make the environment of a session ready: the one way from a request to a venv that runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.bases import ensure_base, read_document
from noxden.den.fingerprint import compute_fingerprint, read_isolation
from noxden.den.locks import hold_use
from noxden.den.resolve import resolve
from noxden.den.worktrees import WorktreeEnvironment, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.request import Request

__all__ = ["Prepared", "prepare"]


class Prepared(NamedTuple):
    """An environment that is ready, and what it took."""

    environment: WorktreeEnvironment
    resolution: Resolution
    reused: bool
    """Whether the worktree environment was there already."""
    built_base: bool
    reason: str
    """Why it was built: what changed, in words; empty when it was reused."""
    seconds: float
    """How long it took."""
    packages: int
    """Number of third-party packages, when something was built; otherwise 0."""
    warnings: tuple[str, ...]
    held: tuple[int, ...]
    """Descriptors of the use locks; the environment is in use until they are closed."""


def prepare(
    place: Workplace,
    request: Request,
    location: Path,
    *,
    layered: bool = True,
    allow_extra: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Make ``location`` a current environment for ``request`` and hold it in use.

    ``allow_extra`` keeps packages that a session installed beside the locked ones. ``say``
    gets a line before anything that takes time.

    Raises:
        UsageError: the project's files do not allow it.
        InfrastructureError: uv, an interpreter or the disk does not.
    """
    start = time.perf_counter()
    resolution = resolve(place, request)
    held: list[int | None] = []
    warnings: tuple[str, ...] = ()
    base_path, built = Path(), False
    if layered:
        # The use lock comes before the look: collection takes it exclusively, so from here on
        # the base either stands or is built anew.
        held.append(hold_use(place.den.uses / f"{resolution.key}.lock"))
        base = ensure_base(
            place,
            resolution,
            lambda: resolve(place, request, complete=True),
            on_build=lambda: say(f"building base environment {resolution.key[:12]}"),
            on_wait=lambda: say(f"waiting for another process that builds {resolution.key[:12]}"),
        )
        base_path, built, warnings = base
    environment = WorktreeEnvironment(
        location,
        base_path,
        resolution.key,
        resolution.interpreter.label,
        compute_fingerprint(place, resolution),
        layered,
    )
    lock = hold_use(place.den.locks / f"worktree-{_name(location)}.lock")
    held.append(lock)
    reason, packages = "", 0
    if not environment.is_current(allow_extra=allow_extra):
        _lock_for_rebuild(lock, location, say)
        if not environment.is_current(allow_extra=allow_extra):
            old = read_record(location)
            document = _document(place, request, resolution, layered=layered)
            reason = _explain(place.den, old, document, environment)
            packages = len(document.get("selection", ()))
            if layered:
                environment.build(place, resolution, read_isolation(place))
                _move_root(place.den, old, environment)
            else:
                _sync(place, request, resolution, environment)
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
    return Prepared(
        environment, resolution, not reason, built, reason, time.perf_counter() - start,
        packages, warnings, tuple(descriptor for descriptor in held if descriptor is not None),
    )  # fmt: skip


def _lock_for_rebuild(lock: int | None, location: Path, say: Callable[[str], None]) -> None:
    """Wait until no other session runs in the worktree environment."""
    if lock is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another session that runs in {location}")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _name(location: Path) -> str:
    """The name under which the den knows a worktree environment."""
    return hashlib.sha256(str(location).encode()).hexdigest()[:32]


def _document(
    place: Workplace, request: Request, resolution: Resolution, *, layered: bool
) -> Mapping[str, Any]:
    """The canonical document of what is being built."""
    if resolution.document is not None:
        return resolution.document
    if layered:
        return read_document(place.den.base(resolution.key))
    return resolve(place, request, complete=True).document or {}


def _explain(
    den: Den,
    record: Mapping[str, object],
    document: Mapping[str, object],
    environment: WorktreeEnvironment,
) -> str:
    """Why the worktree environment is being built, from comparing documents."""
    old = record.get("environment")
    if not isinstance(old, dict):
        return "new environment"
    if old.get("key") == environment.key:
        if old.get("fingerprint") != environment.fingerprint:
            return "the project's metadata changed"
        if old.get("location") != str(environment.location):
            return "the checkout was moved"
        return "packages were installed beside the locked ones, or it was damaged"
    from noxden.lock.changes import compute_changes

    before = read_document(den.base(str(old.get("key"))))
    return ", ".join(compute_changes(before, document)) if before else "another selection"


def _move_root(den: Den, old: Mapping[str, object], environment: WorktreeEnvironment) -> None:
    """Say in the den which base this worktree environment stands on now."""
    name = _name(environment.location)
    before = old.get("environment")
    with contextlib.suppress(OSError):
        if isinstance(before, dict) and before.get("key") != environment.key:
            (den.uses / f"{before.get('key')}.roots" / name).unlink(missing_ok=True)
        folder = den.uses / f"{environment.key}.roots"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(str(environment.location), "utf-8")


def _sync(
    place: Workplace, request: Request, resolution: Resolution, environment: WorktreeEnvironment
) -> None:
    """Build or update a plain venv with everything in it."""
    from noxden.den.worktrees import RECORD

    record = environment.location / RECORD
    if not record.exists():
        shutil.rmtree(environment.location, ignore_errors=True)
    record.unlink(missing_ok=True)
    place.uv(
        "sync", "--quiet", "--locked", "--exact", "--python", resolution.interpreter.executable,
        *request.selectors, cwd=place.project.directory,
        extra_env={"UV_PROJECT_ENVIRONMENT": str(environment.location)},
    )  # fmt: skip
    environment.write_record()
