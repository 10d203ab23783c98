"""The one lifecycle of every entry in the den.

An entry that is there but not whole (a power loss left it so, or somebody deleted files) may
have users: sessions of another host, or ones that began before it was damaged. They hold its use
lock shared, and so does whoever replaces it, so the lock cannot be asked for them; and to
wait for them could last for ever, for of several sessions that start after a power loss each
holds the lock and waits for the same replacement. Hence the rule:

- the new entry is built, beside, before the old one is touched;
- the old one is renamed away and the new one renamed to its place: by its name the entry is
  what it was, nothing for the moment between the two renames, then whole; never half deleted;
- what was renamed away is not deleted by who replaced it, so that files that users have open or
  mapped stay good, also on a network file system, where deleting takes them away. Collection
  deletes it once it has the use lock exclusively, and everybody as a left-over after a day.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING

from noxden.den.locks import exclusive
from noxden.den.owners import find_leftovers, sibling_name
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["find_replaced", "publish", "sync_directory"]

_REPLACED = ".building-replaced-0-0-"
"""Beginning of the names of replaced entries: siblings of no place that is, see owners.py."""


def publish(
    entry: Path,
    *,
    lock: Path,
    is_whole: Callable[[Path], bool],
    build: Callable[[Path], None],
    on_wait: Callable[[], None] | None = None,
    is_over: Callable[[], bool] | None = None,
) -> bool:
    """Make sure that ``entry`` exists and is whole; tell whether this call built it.

    Look; take the lock; look again, for another process may have built it meanwhile; clear
    away what killed builders left; build in a sibling directory; rename. A reader without
    the lock sees a whole entry or none, because the rename is the only moment at which the
    entry appears. Whatever goes wrong, Ctrl-C included, removes the sibling. An entry that is
    there but not whole is replaced as the head of this module says.

    ``build`` gets the sibling and must leave it as the entry is to be, checked and with its
    own files synced. ``is_over`` ends the waiting for the lock.

    Raises:
        InfrastructureError: the entry cannot be written (no space, read-only den).
    """
    if is_whole(entry):
        return False
    # People delete folders of a cache.
    for folder in (lock.parent, entry.parent):
        folder.mkdir(exist_ok=True)
    with exclusive(lock, on_wait=on_wait, is_over=is_over):
        if is_whole(entry):
            return False
        try:
            for leftover in find_leftovers(entry.parent):
                shutil.rmtree(leftover, ignore_errors=True)
            sibling = entry.parent / sibling_name()
            try:
                sibling.mkdir()
                build(sibling)
                sync_directory(sibling)
                _put(sibling, entry)
                sync_directory(entry.parent)
            except BaseException:
                shutil.rmtree(sibling, ignore_errors=True)
                raise
        except OSError as error:
            message = (
                f"cannot write {entry}: {error.strerror or error}; free space or make it writable, "
                f"then run again (noxden doctor shows the den)"
            )
            raise InfrastructureError(message) from error
    return True


def find_replaced(folder: Path) -> Iterator[tuple[Path, str]]:
    """Entries in ``folder`` that were replaced, and the names that they had."""
    for path in sorted(folder.glob(f"{_REPLACED}*")):
        yield path, path.name.removeprefix(_REPLACED).partition(".")[0]


def _put(sibling: Path, entry: Path) -> None:
    """Give ``sibling`` the name of ``entry``, in the place of what has that name."""
    if not os.path.lexists(entry):
        sibling.rename(entry)
        return
    old = entry.parent / f"{_REPLACED}{entry.name}.{secrets.token_hex(4)}"
    # Its age as a left-over is to begin now.
    os.utime(entry)
    entry.rename(old)
    try:
        sibling.rename(entry)
    except BaseException:
        with contextlib.suppress(OSError):
            old.rename(entry)
        raise


def sync_directory(folder: Path) -> None:
    """Make the names in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
