"""Disk that folders really take: allocated blocks, each inode once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["collect_inodes", "compute_megabytes"]

BLOCK = 512
"""Bytes of a unit of ``st_blocks``, whatever the filesystem's own block is."""

Inode = tuple[int, int]
"""Device and number."""


def compute_megabytes(
    folders: Iterable[Path],
    *,
    without: Sequence[Path] = (),
    known: AbstractSet[Inode] = frozenset(),
) -> float:
    """Return the megabytes (10^6 bytes) of the blocks under ``folders``.

    Folders in ``without`` are not entered and inodes in ``known`` not counted. A file with several
    names counts once, so that what is hard-linked into ten environments is counted as it is stored.
    """
    left_out = {path.resolve() for path in without}
    blocks = {inode: count for folder in folders for inode, count in _walk(folder, left_out)}
    return sum(count for inode, count in blocks.items() if inode not in known) * BLOCK / 1e6


def collect_inodes(folder: Path) -> set[Inode]:
    """Return the inodes under a folder."""
    return {inode for inode, _ in _walk(folder, set())}


def _walk(folder: Path, left_out: AbstractSet[Path]) -> Iterator[tuple[Inode, int]]:
    """Yield inode and blocks of every folder and file; links are not followed."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(root, name).resolve() not in left_out]
        for name in [".", *files]:
            found = os.lstat(os.path.join(root, name))  # noqa: PTH118 - a million of these
            yield (found.st_dev, found.st_ino), found.st_blocks
