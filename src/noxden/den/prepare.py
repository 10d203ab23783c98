"""Make the environment of a session ready: the one way from a request to a venv that runs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.bases import Base, ensure_base, read_document
from noxden.den.fingerprint import compute_fingerprint, read_isolation
from noxden.den.locks import hold_use
from noxden.den.resolve import resolve
from noxden.den.supply import FROM_UV, Supply
from noxden.den.worktrees import WorktreeEnvironment, read_record
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from noxden.den.layout import Den
    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.request import Request

__all__ = ["Prepared", "prepare"]


_REASONS = {
    "fingerprint": "the project's metadata changed",
    "location": "the checkout was moved",
    "layered": "layers were switched on or off",
    "base": "another den is used, or it was moved",
}
"""Why an environment of the same key is not current, by the field of its identity."""


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


def prepare(  # noqa: PLR0913 - what a backend gets from nox and from its session
    place: Workplace,
    request: Request,
    location: Path,
    *,
    layered: bool = True,
    allow_extra: bool = False,
    wheels: Mapping[str, Path] = MappingProxyType({}),
    supply: Supply = FROM_UV,
    say: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Make ``location`` a current environment for ``request`` and hold it in use.

    ``allow_extra`` keeps packages that a session installed beside the locked ones. ``wheels``
    are installed in place of the checkout's packages of these names. ``supply`` says where the
    wheels of a base that has to be built come from. ``say`` gets a line before
    anything that takes time.

    Raises:
        UsageError: the project's files do not allow it.
        SafetyError: a file is not the one whose hash uv.lock has.
        InfrastructureError: uv, an interpreter or the disk does not.
    """
    start = time.perf_counter()
    with _disk_explained(location), _closed_on_failure() as held:
        resolution = _take_wheels(resolve(place, request), wheels)
        base = Base(Path(), built=False)
        if layered:
            base = _hold_base(place, request, resolution, held, supply, say)
        environment = WorktreeEnvironment.plan(
            location, base.path, resolution, compute_fingerprint(place, resolution), layered=layered
        )
        lock = hold_use(place.den.locks / f"worktree-{_name(location)}.lock")
        held.extend([] if lock is None else [lock])
        reason, packages = "", 0
        # Giving the exclusive lock up for the shared one lets others in between, hence the loop.
        while not environment.is_current(allow_extra=allow_extra):
            with _alone(lock, location, say):
                if not environment.is_current(allow_extra=allow_extra):
                    reason, packages = _build(
                        place, request, resolution, environment, by_sync=not wheels
                    )
        if layered and not reason:
            # A den that was emptied has lost the root.
            _add_root(place.den, environment)
        return Prepared(
            environment, resolution, not reason, base.built, reason, time.perf_counter() - start,
            packages, base.warnings, tuple(held),
        )  # fmt: skip


@contextlib.contextmanager
def _disk_explained(location: Path) -> Iterator[None]:
    """Say of a file that cannot be read or written in the block what to do about it."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        advice = "free space" if full else "move away what stands there, or make it writable"
        at = error.filename or location
        why = error.strerror or error
        message = f"cannot make {location}: {at}: {why}; {advice}, then run again"
        raise InfrastructureError(message) from error


@contextlib.contextmanager
def _closed_on_failure() -> Iterator[list[int]]:
    """A list of descriptors: a block that fails closes them, else they are the caller's."""
    held: list[int] = []
    try:
        yield held
    except BaseException:
        for descriptor in held:
            os.close(descriptor)
        raise


def _hold_base(
    place: Workplace,
    request: Request,
    resolution: Resolution,
    held: list[int],
    supply: Supply,
    say: Callable[[str], None],
) -> Base:
    """The base environment, built if need be; its use lock is added to ``held``."""
    short = resolution.key[:12]

    def on_build() -> None:
        from noxden.den.guards import refuse_pip_settings

        refuse_pip_settings(place)
        say(f"building base environment {short}")

    # The use lock comes before the look: collection takes it exclusively, so from here on the
    # base either stands or is built anew.
    lock = hold_use(
        place.den.uses / f"{resolution.key}.lock",
        on_wait=lambda: say(f"waiting until {short} is collected or repaired"),
    )
    held.extend([] if lock is None else [lock])
    return ensure_base(
        place,
        resolution,
        lambda: resolve(place, request, complete=True),
        on_build=on_build,
        supply=supply,
        on_wait=lambda: say(f"waiting for another process that builds {short}"),
    )


def _build(
    place: Workplace,
    request: Request,
    resolution: Resolution,
    environment: WorktreeEnvironment,
    *,
    by_sync: bool,
) -> tuple[str, int]:
    """Build ``environment``, which this process has to itself: why, and with how many packages."""
    from noxden.den.guards import refuse_pip_settings, verify_archives

    refuse_pip_settings(place)
    verify_archives(place, resolution)
    old = read_record(environment.location)
    document = _document(place, request, resolution, layered=environment.layered)
    reason = _explain(place.den, old, document, environment)
    if environment.layered:
        # The root comes before the record that makes it live: see den/roots.py.
        _add_root(place.den, environment)
        isolation = read_isolation(place)
        if environment.can_move(old) and not isolation:
            environment.move(old)
        else:
            environment.build(place, request, resolution, isolation=isolation, by_sync=by_sync)
        _drop_root(place.den, old, environment)
    else:
        _sync(place, request, resolution, environment)
    if not environment.is_current(allow_extra=True):
        message = f"{environment.location} changes while it is made; who else writes there?"
        raise InfrastructureError(message)
    return reason, len(document.get("selection", ()))


def _take_wheels(resolution: Resolution, wheels: Mapping[str, Path]) -> Resolution:
    """``resolution`` with ``wheels`` for the packages of the checkout that they are built from."""
    return resolution._replace(
        local=tuple(
            (source[0], str(wheels[source[0]]), False, "") if source[0] in wheels else source
            for source in resolution.local
        )
    )


@contextlib.contextmanager
def _alone(lock: int | None, location: Path, say: Callable[[str], None]) -> Iterator[None]:
    """No other session runs in the worktree environment; after the block others may again."""
    if lock is None:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another session that runs in {location}")
        fcntl.flock(lock, fcntl.LOCK_EX)
    yield
    # Whoever fails in the block gives the lock up altogether, by closing it.
    fcntl.flock(lock, fcntl.LOCK_SH)


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
        now = environment.identity
        changed = (why for field, why in _REASONS.items() if old.get(field) != now[field])
        return next(changed, "packages were installed beside the locked ones, or it was damaged")
    from noxden.lock.changes import compute_changes

    before = read_document(den.base(str(old.get("key"))))
    changes = compute_changes(before, document) if before else []
    return ", ".join(changes) or "another selection"


def _add_root(den: Den, environment: WorktreeEnvironment) -> None:
    """Say in the den that this worktree environment stands on its base."""
    folder = den.uses / f"{environment.key}.roots"
    name = _name(environment.location)
    if os.path.exists(folder / name):  # noqa: PTH110 - warm path
        return
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        sibling = folder / f".{name}.{os.getpid()}"
        sibling.write_text(str(environment.location), "utf-8")
        sibling.replace(folder / name)


def _drop_root(den: Den, old: Mapping[str, object], environment: WorktreeEnvironment) -> None:
    """Say in the den that this worktree environment no longer stands on the base of ``old``."""
    before = old.get("environment")
    if isinstance(before, dict) and before.get("key") != environment.key:
        root = den.uses / f"{before.get('key')}.roots" / _name(environment.location)
        with contextlib.suppress(OSError):
            root.unlink(missing_ok=True)


def _sync(
    place: Workplace, request: Request, resolution: Resolution, environment: WorktreeEnvironment
) -> None:
    """Build or update a plain venv with everything in it."""
    from noxden.den.worktrees import RECORD, refresh_words
    from noxden.tools.complaints import explained

    record = environment.location / RECORD
    if not record.exists():
        shutil.rmtree(environment.location, ignore_errors=True)
    record.unlink(missing_ok=True)
    with explained(f"make {environment.location}"):
        place.uv(
            "sync", "--quiet", "--frozen" if request.any_lock else "--locked", "--exact",
            "--python", resolution.interpreter.executable,
            *refresh_words(resolution), *request.selectors, cwd=place.project.directory,
            extra_env={"UV_PROJECT_ENVIRONMENT": str(environment.location)},
        )  # fmt: skip
    environment.write_record()
