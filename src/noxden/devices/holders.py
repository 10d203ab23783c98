"""Who holds a card, as it wrote into the lock file of the card."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.devices.lock_files import find_file, try_lock

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.devices.values import Card

__all__ = ["Holder", "find_holder", "read_holder", "render_holder", "write_holder"]

_MOST_READ = 65_536


class Holder(NamedTuple):
    """Who holds a card, as it wrote itself."""

    command: str
    """What it runs; empty where it could not be read."""
    pid: int
    since: float
    """Seconds since the epoch."""
    host: str
    is_gone: bool = False
    """Whether its process is gone, so that what it started holds the card."""


def find_holder(folder: Path, card: Card) -> Holder | None:
    """Who holds ``card`` now; ``None`` where nobody does."""
    try:
        descriptor = os.open(find_file(folder, card), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        # Who wants the card at this very moment tries again soon.
        return None if try_lock(descriptor, fcntl.LOCK_SH) else read_holder(descriptor)
    finally:
        os.close(descriptor)


def render_holder(holder: Holder) -> str:
    """One phrase about ``holder``, by the clock of this place.

    >>> render_holder(Holder("", 0, 0.0, ""))
    'somebody who did not say who it is'
    """
    if not holder.command:
        return "somebody who did not say who it is"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    gone = ", which is gone; what it started still holds it" if holder.is_gone else ""
    return f"{holder.command} (pid {holder.pid} on {holder.host}, since {since}{gone})"


def write_holder(descriptor: int, command: str) -> None:
    """Tell others who has the card; on a full disk they are told nothing."""
    holder = {
        "command": command,
        "pid": os.getpid(),
        "since": time.time(),
        "host": socket.gethostname(),
    }
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(holder), 0)


class _Record(msgspec.Struct, frozen=True):
    """What a lock file holds."""

    command: str
    pid: int
    since: float
    host: str


def read_holder(descriptor: int) -> Holder:
    """What the lock file says; without a command where it says nothing."""
    try:
        record = msgspec.json.decode(os.pread(descriptor, _MOST_READ, 0), type=_Record)
    except (msgspec.DecodeError, OSError):
        return Holder("", 0, 0.0, "")
    # Of a process in another container nothing can be said here.
    gone = record.host == socket.gethostname() and not _is_alive(record.pid)
    return Holder(record.command, record.pid, record.since, record.host, gone)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
