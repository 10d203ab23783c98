"""Find and end processes that an attempt left behind outside of its process group.

A test may start a daemon in a session of its own, which neither a signal to the group nor the
inherited lease tells of. Every process of an attempt has its token in the environment, unless it
took care to lose it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TOKEN", "kill_stragglers", "measure_work"]

TOKEN = "NOXDEN_ATTEMPT"  # noqa: S105 - the name of a variable
_MOST_ROUNDS = 20
"""A process that forks while it is being looked for is seen in a later round."""


def kill_stragglers(token: str, proc: Path = Path("/proc")) -> int:
    """Kill every process with ``token`` in its environment; return how many there were.

    Where there is no /proc, as on macOS, nothing is found.
    """
    total = 0
    for _ in range(_MOST_ROUNDS):
        found = list(_find(f"{TOKEN}={token}".encode(), proc))
        if not found:
            break
        total += len(found)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    return total


def measure_work(pid: int, proc: Path = Path("/proc")) -> float:
    """Seconds of processor time of ``pid`` and of all that descends from it, as far as it lives.

    0 where there is no /proc.
    """
    try:
        # Fields 14 to 17 of proc(5)'s stat, after the name, which may hold anything.
        stat = (proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        tasks = list((proc / str(pid) / "task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return 0.0
    own = sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(measure_work(int(child), proc) for child in children)


def _find(entry: bytes, proc: Path) -> Iterator[int]:
    user = os.geteuid()
    try:
        names = os.listdir(proc)  # noqa: PTH208 - a name each, and there are many
    except OSError:
        return
    for name in names:
        if not name.isdecimal():
            continue
        folder = proc / name
        # Of a process that has gone meanwhile, or of somebody else, nothing can be read. A
        # zombie has no environment any more.
        with contextlib.suppress(OSError):
            if folder.stat().st_uid != user:
                continue
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                yield int(name)
