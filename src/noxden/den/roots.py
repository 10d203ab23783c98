"""Roots: the worktree environments that stand on a base, as the den knows them.

``uses/<key>.roots/`` holds a file for each, with the path of the worktree environment. The
file may outlive it; what counts is the record in the environment itself. A root is live while
that record still names this key and this den's base.

A file is written before the environment's record, by a process that holds the use lock of the
key shared, and removed only by one that holds it exclusively (or by the process that
moves the environment to another key). So there is no moment at which an
environment is complete and has no root.

A root file is written beside, under a name with a dot, and renamed. One that is left of a
killed process goes with the dead roots an hour later.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.den.worktrees import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.den.layout import Den

__all__ = ["collect_roots", "find_dead_roots", "find_live_roots", "remove_dead_roots"]

_LONGEST_WRITE_S = 3600.0


def collect_roots(den: Den, key: str) -> Iterator[tuple[Path, Path, bool]]:
    """Each root of ``key``: its file in the den, the worktree environment, whether it is live."""
    folder = den.uses / f"{key}.roots"
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError:
        return
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            location = Path(file.read_text("utf-8"))
            yield file, location, _is_live(location, key, den.base(key))


def find_live_roots(den: Den, key: str) -> list[str]:
    """Paths of the worktree environments that stand on the base ``key``."""
    return [str(location) for _, location, live in collect_roots(den, key) if live]


def find_dead_roots(den: Den) -> list[Path]:
    """Root files of all keys whose worktree environment is gone or stands on something else."""
    return [
        file
        for folder in sorted(den.uses.glob("*.roots"))
        for file in _find_dead(den, folder.name.removesuffix(".roots"))
    ]


def remove_dead_roots(den: Den, key: str) -> int:
    """Remove the dead root files of ``key`` and tell how many; hold its use lock exclusively."""
    dead = _find_dead(den, key)
    for file in dead:
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (den.uses / f"{key}.roots").rmdir()
    return len(dead)


def _find_dead(den: Den, key: str) -> list[Path]:
    """Dead root files of ``key``, and what killed writers of root files left."""
    dead = [file for file, _, live in collect_roots(den, key) if not live]
    try:
        written = sorted((den.uses / f"{key}.roots").iterdir())
    except OSError:
        # Another collection has just removed the folder.
        written = []
    for file in written:
        if not file.name.startswith("."):
            continue
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > _LONGEST_WRITE_S:
                dead.append(file)
    return dead


def _is_live(location: Path, key: str, base: Path) -> bool:
    """Whether ``location`` stands on ``base``; when in doubt (no permission to look), it does."""
    if not location.is_absolute():
        return False
    try:
        record = json.loads((location / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    environment = record.get("environment") if isinstance(record, dict) else None
    if not isinstance(environment, dict):
        return False
    return environment.get("key") == key and environment.get("base") == str(base)
