"""Bundles: a folder with the artifacts of some closures and nothing else, for CI caches.

A CI system saves and restores a folder as a whole. The den's store is a poor one for that: it
holds what any session ever needed, so a cache of it only grows. A bundle is laid out as a
remote is (``wheels/<aa>/<sha256>/<file>``, ``closures/<id>.toml``), and is written anew each time
so that what no closure of it needs is gone. What comes out of one is hashed like anything else
that enters the store.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.locks import exclusive
from noxden.den.owners import sibling_name
from noxden.den.wheels.closures import render_closure
from noxden.den.wheels.copies import copy_checked
from noxden.den.wheels.sources import AbsentError, MismatchError, SourceError, Stream
from noxden.den.wheels.store import artifact_path, hash_file, using_store
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import RawIOBase
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.resolve import Workplace
    from noxden.lock.selection import Artifact, Selection

__all__ = [
    "Bundled",
    "FolderSource",
    "find_bundle",
    "open_bundle",
    "refuse_foreign",
    "write_bundle",
]

_MARK = "bundle.json"
_IGNORE = ".gitignore"
_FORMAT = {"format": 1, "made-by": "noxden wheels bundle"}
_BLOCK = 1 << 20
_AT_ONCE = 4


class Bundled(NamedTuple):
    """What writing a bundle did."""

    folder: Path
    closures: tuple[str, ...]
    """Ids of the closures it holds."""
    artifacts: int
    """How many files it holds."""
    size: int
    """Bytes of them."""
    added: tuple[str, ...]
    """Names of the files that came into it."""
    removed: tuple[str, ...]
    """Paths, relative to the folder, of what was in it and is in no closure."""
    built: tuple[str, ...] = ()
    """Packages whose wheels were built here: no closure names these, so they are not in it."""


class FolderSource:
    """A bundle as a source: what it has is taken from it before anything is asked over a net."""

    def __init__(self, folder: Path) -> None:
        """Read from ``folder``."""
        self._folder = folder

    @property
    def name(self) -> str:
        """``bundle /home/me/checkout/.noxden/bundle``."""
        return f"bundle {self._folder}"

    def open(self, artifact: Artifact, offset: int) -> Stream:
        """Begin to read ``artifact`` at ``offset``.

        Raises:
            AbsentError: it is not in the bundle.
            MismatchError: something else is in its place.
            SourceError: it cannot be read.
        """
        path = self._folder / _relative_path(artifact)
        try:
            size = path.stat().st_size
            file = path.open("rb", buffering=0)
        except FileNotFoundError as error:
            if path.parent.is_dir():
                found = ", ".join(sorted(one.name for one in path.parent.iterdir())) or "nothing"
                raise MismatchError(artifact, f"{found} in its place") from error
            message = "not there"
            raise AbsentError(message) from error
        except OSError as error:
            message = f"{path}: {error.strerror}"
            raise SourceError(message) from error

        return Stream(offset, size, _read(file, offset))


def _read(file: RawIOBase, offset: int) -> Iterator[bytes]:
    with file:
        try:
            file.seek(offset)
            while block := file.read(_BLOCK):
                yield block
        except OSError as error:
            # Not to be taken for a den that cannot be written.
            raise SourceError(str(error.strerror)) from error


def find_bundle(place: Workplace) -> Path:
    """Where the bundle of a project is: ``NOXDEN_BUNDLE``, else ``.noxden/bundle``.

    A path that is relative is so to the folder of uv.lock.
    """
    return place.project.root / (place.env.get("NOXDEN_BUNDLE") or ".noxden/bundle")


def open_bundle(place: Workplace) -> FolderSource | None:
    """The bundle of a project as a source; ``None`` where there is none."""
    folder = find_bundle(place)
    return FolderSource(folder) if (folder / _MARK).is_file() else None


def write_bundle(den: Den, selections: Sequence[Selection], folder: Path) -> Bundled:
    """Make ``folder`` hold the artifacts of ``selections``, all of them in the store, alone.

    Raises:
        SafetyError: it holds files, and no bundle; or a file in the store is not what its name
            says, and is not copied.
        InfrastructureError: it cannot be written, or the store lacks an artifact.
    """
    artifacts = {
        _relative_path(artifact): artifact
        for selection in selections
        for artifact in selection.artifacts
        if artifact.kind != "vcs"
    }
    closures = {f"closures/{one.closure_id}.toml": render_closure(one) for one in selections}
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    with exclusive(den.locks / f"bundle-{digest[:32]}.lock"), using_store(den):
        try:
            _begin(folder)
            added = _copy_missing(den, folder, artifacts)
            removed = tuple(_remove_others(folder, {_MARK, _IGNORE, *artifacts, *closures}))
            for name, text in closures.items():
                _write(folder / name, text)
            size = sum((folder / name).stat().st_size for name in artifacts)
        except OSError as error:
            message = f"cannot write the bundle: {error.filename or folder}: {error.strerror}"
            raise InfrastructureError(message) from error
    ids = tuple(selection.closure_id for selection in selections)
    return Bundled(folder, ids, len(artifacts), size, added, removed)


def _relative_path(artifact: Artifact) -> str:
    sha256 = artifact.content
    return f"wheels/{sha256[:2]}/{sha256}/{artifact.file}"


def refuse_foreign(folder: Path) -> None:
    """Make sure that ``folder`` is a bundle or nobody's: what is in no closure would be removed.

    Raises:
        SafetyError: it is somebody's.
    """
    if folder.is_dir() and not (folder / _MARK).is_file() and any(folder.iterdir()):
        message = f"{folder} holds files that are not a bundle's; empty it or name another folder"
        raise SafetyError(message)


def _begin(folder: Path) -> None:
    """Mark ``folder`` as a bundle, so that whoever is interrupted leaves one.

    Raises:
        SafetyError: it is somebody's.
    """
    refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / _MARK, json.dumps(_FORMAT) + "\n")
    # It mostly lies in a checkout.
    _write(folder / _IGNORE, "*\n")


def _copy_missing(den: Den, folder: Path, artifacts: dict[str, Artifact]) -> tuple[str, ...]:
    """Copy what ``folder`` lacks, or has damaged: a cache is saved and restored for ever."""

    def copy(item: tuple[str, Artifact]) -> str:
        name, artifact = item
        target = folder / name
        if target.is_file() and hash_file(target) == artifact.content:
            return ""
        target.parent.mkdir(parents=True, exist_ok=True)
        path = artifact_path(den, artifact.content, artifact.file)
        copy_checked(path, target, artifact.content)
        return artifact.file

    with ThreadPoolExecutor(_AT_ONCE, "noxden-bundle") as pool:
        return tuple(sorted(filter(None, pool.map(copy, artifacts.items()))))


def _remove_others(folder: Path, wanted: set[str]) -> Iterator[str]:
    """Remove all files but the ``wanted`` ones, and folders that are left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in wanted:
            path.unlink()
            yield name


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    sibling = path.with_name(sibling_name())
    sibling.write_text(text, "utf-8")
    sibling.replace(path)
