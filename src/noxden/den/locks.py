"""Locks: one process builds an entry, many use it, none is deleted while used.

Build locks are exclusive (filelock). Use locks are shared flocks on a file that garbage
collection takes exclusively without waiting; filelock locks the same file the same way
(flock) but offers no shared mode, hence :func:`hold_use`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["exclusive", "hold_use", "in_turn", "try_exclusive"]


@contextlib.contextmanager
def exclusive(
    path: Path,
    *,
    on_wait: Callable[[], None] | None = None,
    is_over: Callable[[], bool] | None = None,
) -> Iterator[None]:
    """Hold ``path`` exclusively; call ``on_wait`` once if somebody else holds it now.

    ``is_over`` is asked while waiting; where it says so, nobody waits any longer.

    Raises:
        InfrastructureError: the lock file cannot be opened, or ``is_over`` ended the waiting.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait()
            lock.acquire(poll_interval=0.02, cancel_check=is_over)
    except Timeout as error:
        message = f"somebody else holds {path}, and this run is being ended"
        raise InfrastructureError(message) from error
    except OSError as error:
        message = f"cannot lock {path}: {error.strerror}; is the den writable?"
        raise InfrastructureError(message) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def try_exclusive(path: Path) -> Iterator[bool]:
    """Hold ``path`` exclusively if that needs no waiting; the value tells whether it is held."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Let processes that would do the same thing at once do it one after the other.

    Only to save work: where ``path`` cannot be locked, all go ahead. A plain flock, because
    importing filelock takes longer than what is mostly waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hold_use(path: Path, *, on_wait: Callable[[], None] | None = None) -> int | None:
    """Take a shared lock on ``path`` and mark it used now.

    ``on_wait`` is called once if the lock is held exclusively: for a moment by garbage
    collection, longer by a repair.

    Returns the descriptor that holds the lock until it is closed (at the latest when the
    process ends), or ``None`` where ``path`` is not there and cannot be made. In a den that is
    read-only here, a lock file that exists is held all the same: it may be writable to others.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        if on_wait is not None:
            on_wait()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    with contextlib.suppress(OSError):
        os.utime(descriptor)
    return descriptor
