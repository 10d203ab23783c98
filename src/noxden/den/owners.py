"""Who makes an entry right now: named in its sibling directory, so that left-overs can be told.

A builder that is killed leaves its sibling behind. Its name carries the place (this boot of
this machine, and its process ids: a container has its own), the process id and the start time
of the process, so nobody else's process can be taken for it. Whether a process of another place
lives cannot be seen from here, where a den is shared by hosts or containers; there, time tells.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["boot_id", "find_leftovers", "sibling_name"]

_PREFIX = ".building-"
_LONGEST_BUILD_S = 24 * 3600.0
"""A sibling of another place that was begun earlier than this is nobody's any more."""


def boot_id() -> str:
    """An id of this boot of the machine; ``unknown`` where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")
    except OSError:
        return "unknown"


def sibling_name() -> str:
    """A fresh name for a directory that this process builds in."""
    pid = os.getpid()
    return f"{_PREFIX}{_place()}-{pid}-{_start_time(pid)}-{secrets.token_hex(4)}"


def find_leftovers(folder: Path) -> Iterator[Path]:
    """Siblings in ``folder`` whose builder is gone."""
    for entry in folder.iterdir():
        if entry.name.startswith(_PREFIX) and not _builder_lives(entry):
            yield entry


def _builder_lives(sibling: Path) -> bool:
    try:
        place, pid, start, _ = sibling.name.removeprefix(_PREFIX).split("-")
        number = int(pid)
    except ValueError:
        return False
    if place != _place():
        return _is_recent(sibling)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _start_time(number) == start


def _place() -> str:
    """Where process ids mean the same: this boot of this machine, in this container."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{boot_id()} {namespace}".encode()).hexdigest()[:16]


def _is_recent(sibling: Path) -> bool:
    try:
        return time.time() - sibling.stat().st_mtime < _LONGEST_BUILD_S
    except OSError:
        return False


def _start_time(pid: int) -> str:
    """When the process started, in clock ticks since boot (field 22 of proc(5)'s stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return "0"
    return stat.rpartition(")")[2].split()[19]
