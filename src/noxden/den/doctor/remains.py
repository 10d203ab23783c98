"""What lies in the den without being of use, and how much room there is."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from noxden.den.bases import is_whole
from noxden.den.doctor.values import OK, WARNING, Diagnosis
from noxden.den.inventory import collect_leftovers, list_keys, measure_den
from noxden.den.roots import find_dead_roots, find_live_roots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.den.layout import Den

__all__ = ["check_remains"]

_COLLECT = "noxden gc"
_GB = 10**9
_TIGHT = 2 * _GB
"""Bytes below which a base environment with native packages may not fit."""


def check_remains(den: Den, max_size: int) -> Iterator[Diagnosis]:
    """Left-overs, dead roots, orphaned and broken environments, room."""
    if leftovers := collect_leftovers(den):
        message = f"{len(leftovers)} left-overs of killed builders"
        yield Diagnosis("remains", WARNING, message, _COLLECT)
    if dead := find_dead_roots(den):
        message = f"{len(dead)} roots of worktree environments that are gone or moved on"
        yield Diagnosis("remains", WARNING, message, _COLLECT)
    yield from _check_bases(den)
    yield from _check_room(den, max_size)


def _check_bases(den: Den) -> Iterator[Diagnosis]:
    keys = list_keys(den)
    for key in keys:
        if not is_whole(den.base(key)):
            message = f"the base environment {key[:12]} is not whole, or its interpreter is gone"
            remedy = "the next session that needs it builds it; noxden gc removes it with time"
            yield Diagnosis("environments", WARNING, message, remedy)
    orphans = [key for key in keys if not find_live_roots(den, key)]
    said = f"{len(keys)} base environments, {len(orphans)} of them with no worktree on them"
    yield Diagnosis("environments", OK, said, f"{_COLLECT} --dry-run" if orphans else "")


def _check_room(den: Den, max_size: int) -> Iterator[Diagnosis]:
    size, free = measure_den(den), shutil.disk_usage(den.root).free
    taken = f"the den takes {size / _GB:.1f} GB of at most {max_size / _GB:.1f} GB"
    said = f"{taken}, {free / _GB:.1f} GB are free"
    inodes = os.statvfs(den.root)
    if size > max_size:
        yield Diagnosis("room", WARNING, said, _COLLECT)
    elif free < _TIGHT:
        yield Diagnosis("room", WARNING, said, "free space, or set NOXDEN_DIR to a larger disk")
    elif inodes.f_files and not inodes.f_favail:
        yield Diagnosis("room", WARNING, f"{said}, but no inodes", "remove files from that disk")
    else:
        yield Diagnosis("room", OK, said)
