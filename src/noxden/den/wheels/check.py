"""Whether what is in the store is what its names say, and what is done where it is not."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.locks import exclusive
from noxden.den.wheels.store import artifact_lock, artifact_path, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.lock.selection import Artifact

__all__ = ["Damage", "check_artifacts", "quarantine"]


class Damage(NamedTuple):
    """An artifact in the store whose content is not what its name says."""

    artifact: Artifact
    path: Path
    found: str
    """The sha256 of the content."""

    def __str__(self) -> str:
        """What a person has to know of it."""
        one = self.artifact
        return (
            f"{one.name} {one.version or ''}: {self.path} is to have sha256 {one.content}, "
            f"found {self.found}"
        )


def check_artifacts(
    den: Den, artifacts: Iterable[Artifact], advance: Callable[[int], None] = lambda _: None
) -> list[Damage]:
    """Hash what the store has of ``artifacts``; ``advance`` is told the bytes of each file."""

    def check(artifact: Artifact) -> Damage | None:
        path = artifact_path(den, artifact.content, artifact.file)
        if not path.exists():
            return None
        found = hash_file(path)
        advance(path.stat().st_size)
        return None if found == artifact.content else Damage(artifact, path, found)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [damage for damage in pool.map(check, artifacts) if damage is not None]


def quarantine(den: Den, damage: Damage) -> Path | None:
    """Take a damaged artifact out of the store, for whoever wants to know what changed it.

    Another process may have mended it since: it is hashed again, alone with it, and stays where
    it is right now. Returns where it is, or ``None`` where nothing was taken out.
    """
    folder = den.wheels / "quarantine"
    folder.mkdir(exist_ok=True)
    with exclusive(artifact_lock(den, damage.artifact.content)):
        try:
            found = hash_file(damage.path)
            if found == damage.artifact.content:
                return None
            # Not by a name that is a hash: nothing may find it again.
            target = folder / f"{damage.artifact.file}.{found[:12]}"
            damage.path.rename(target)
        except FileNotFoundError:
            return None
        with contextlib.suppress(OSError):
            damage.path.parent.rmdir()
    return target
