"""Who makes an entry right now: named in its sibling directory, so that left-overs can be told.

A builder that is killed leaves its sibling behind. Its name carries the boot id, the process
id and the start time of the process, so nobody else's process can be taken for it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["boot_id", "find_leftovers", "sibling_name"]

_PREFIX = ".building-"


def boot_id() -> str:
    """An id of this boot of the machine; ``unknown`` where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")
    except OSError:
        return "unknown"


def sibling_name() -> str:
    """A fresh name for a directory that this process builds in."""
    pid = os.getpid()
    return f"{_PREFIX}{boot_id()[:16]}-{pid}-{_start_time(pid)}-{secrets.token_hex(4)}"


def find_leftovers(folder: Path) -> Iterator[Path]:
    """Siblings in ``folder`` whose builder is gone."""
    for entry in folder.iterdir():
        if entry.name.startswith(_PREFIX) and not _builder_lives(entry.name):
            yield entry


def _builder_lives(name: str) -> bool:
    try:
        boot, pid, start, _ = name.removeprefix(_PREFIX).split("-")
        number = int(pid)
    except ValueError:
        return False
    if boot != boot_id()[:16]:
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _start_time(number) == start


def _start_time(pid: int) -> str:
    """When the process started, in clock ticks since boot (field 22 of proc(5)'s stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return "0"
    return stat.rpartition(")")[2].split()[19]
