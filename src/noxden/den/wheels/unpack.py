"""Lay sources out, which may be anybody's: in a folder, and nowhere else."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

from noxden.den.wheels.store import artifact_path
from noxden.errors import InfrastructureError, SafetyError
from noxden.tools.checkout import checkout

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.resolve import Workplace
    from noxden.lock.selection import Artifact

__all__ = ["find_project", "lay_out", "unpack"]


def lay_out(place: Workplace, artifact: Artifact, folder: Path) -> Path:
    """The project that ``artifact`` is, unpacked or checked out in the new ``folder``.

    Raises:
        SafetyError: it would be written elsewhere.
        InfrastructureError: it cannot be unpacked, or git cannot get it.
    """
    folder.mkdir()
    if artifact.kind != "vcs":
        archive = artifact_path(place.den, artifact.content, artifact.file)
        return find_project(unpack(archive, folder), artifact.subdirectory)
    url = artifact.file if ":" in artifact.file else str(place.project.directory / artifact.file)
    checkout(url, artifact.content, folder, place.uv.env)
    return find_project(folder, artifact.subdirectory)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack ``archive`` into ``folder``; the folder of the project in it.

    Raises:
        SafetyError: a member would be written elsewhere.
        InfrastructureError: it is no archive of a known form.
    """
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder)
        else:
            with tarfile.open(archive) as members:
                members.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        message = f"{archive.name} leads out of its folder ({error}); it is not unpacked"
        raise SafetyError(message) from error
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        message = f"{archive.name} cannot be unpacked: {error}"
        raise InfrastructureError(message) from error
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            parts = member.filename.split("/")
            link = stat.S_ISLNK(member.external_attr >> 16)
            if member.filename.startswith("/") or ".." in parts or link:
                message = (
                    f"{archive.name} leads out of its folder ({member.filename!r}); "
                    f"it is not unpacked"
                )
                raise SafetyError(message)
        members.extractall(folder)  # noqa: S202 - its members were looked at


def find_project(source: Path, subdirectory: str) -> Path:
    """The folder ``subdirectory`` of ``source``.

    Raises:
        SafetyError: it is elsewhere.
        InfrastructureError: it is not there.
    """
    folder = (source / subdirectory).resolve()
    if not folder.is_relative_to(source.resolve()):
        message = f"the folder {subdirectory!r} leads out of what is built; it is not used"
        raise SafetyError(message)
    if not folder.is_dir():
        message = f"there is no folder {subdirectory!r} in what is built"
        raise InfrastructureError(message)
    return folder
