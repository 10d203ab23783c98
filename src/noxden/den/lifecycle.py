"""The one lifecycle of every entry in the den."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from noxden.den.locks import exclusive
from noxden.den.owners import find_leftovers, sibling_name
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["publish", "sync_directory"]


def publish(
    entry: Path,
    *,
    lock: Path,
    is_whole: Callable[[Path], bool],
    build: Callable[[Path], None],
    on_wait: Callable[[], None] | None = None,
) -> bool:
    """Make sure that ``entry`` exists and is whole; tell whether this call built it.

    Look; take the lock; look again, for another process may have built it meanwhile; clear
    away what killed builders left; build in a sibling directory; rename. A reader without
    the lock sees a whole entry or none, because the rename is the only moment at which the
    entry appears. Whatever goes wrong, Ctrl-C included, removes the sibling.

    ``build`` gets the sibling and must leave it as the entry is to be, checked and with its
    own files synced.

    Raises:
        InfrastructureError: the entry cannot be written (no space, read-only den).
    """
    if is_whole(entry):
        return False
    # People delete folders of a cache.
    for folder in (lock.parent, entry.parent):
        folder.mkdir(exist_ok=True)
    with exclusive(lock, on_wait=on_wait):
        if is_whole(entry):
            return False
        try:
            for leftover in find_leftovers(entry.parent):
                shutil.rmtree(leftover, ignore_errors=True)
            if entry.exists():
                shutil.rmtree(entry)
            sibling = entry.parent / sibling_name()
            try:
                sibling.mkdir()
                build(sibling)
                sync_directory(sibling)
                sibling.rename(entry)
                sync_directory(entry.parent)
            except BaseException:
                shutil.rmtree(sibling, ignore_errors=True)
                raise
        except OSError as error:
            message = (
                f"cannot write {entry}: {error.strerror}; free space or make it writable, "
                f"then run again (noxden doctor shows the den)"
            )
            raise InfrastructureError(message) from error
    return True


def sync_directory(folder: Path) -> None:
    """Make the names in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
