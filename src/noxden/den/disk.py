"""How much of the disk a tree takes, hard links counted once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure"]

_BLOCK = 512
"""Unit of ``st_blocks`` (POSIX stat)."""


def measure(tree: Path, seen: set[tuple[int, int]] | None = None) -> int:
    """Bytes on disk that ``tree`` takes, folders included; links are not followed.

    A file with several hard links counts once, and not at all when it is in ``seen``, to
    which its device and inode are added. Blocks that files share by reflink cannot be
    told apart and count in each file.
    """
    seen = set() if seen is None else seen
    total, folders = 0, [str(tree)]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                at = entry.stat(follow_symlinks=False)
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                continue
            if is_folder:
                folders.append(entry.path)
            elif at.st_nlink > 1:
                if (at.st_dev, at.st_ino) in seen:
                    continue
                seen.add((at.st_dev, at.st_ino))
            total += at.st_blocks * _BLOCK
    return total
