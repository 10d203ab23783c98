"""Lay sources out, which may be anybody's: in a folder, and nowhere else."""

from __future__ import annotations

import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Literal

from noxden.den.wheels.damage import refuse_damaged
from noxden.den.wheels.store import artifact_path
from noxden.errors import InfrastructureError, SafetyError
from noxden.tools.checkout import checkout

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.den.resolve import Workplace
    from noxden.lock.selection import Artifact

__all__ = ["find_project", "lay_out", "unpack"]

_ZIP = ".zip"
_TAR: dict[str, Literal["r:", "r:bz2", "r:gz", "r:xz"]] = {
    ".tar": "r:",
    ".tar.bz2": "r:bz2",
    ".tar.gz": "r:gz",
    ".tar.lzma": "r:xz",
    ".tar.xz": "r:xz",
    ".tbz": "r:bz2",
    ".tgz": "r:gz",
    ".txz": "r:xz",
}
"""By the end of the name, how tarfile opens a tar archive."""

_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, LookupError,
    OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""What the archive modules raise, beside OSError without a number, for content that is damaged or
of a kind that they do not know."""


def lay_out(place: Workplace, artifact: Artifact, folder: Path) -> Path:
    """The project that ``artifact`` is, unpacked or checked out in the new ``folder``.

    An archive is hashed by the descriptor that it is then unpacked from: nothing can be put in
    its place between.

    Raises:
        SafetyError: the archive is another than the hash names, and left the store; or something
            would be written elsewhere.
        InfrastructureError: it cannot be unpacked, or git cannot get it.
    """
    folder.mkdir()
    if artifact.kind == "vcs":
        file = artifact.file
        url = file if ":" in file else str(place.project.directory / file)
        checkout(url, artifact.content, folder, place.uv.env)
        return find_project(folder, artifact.subdirectory)
    path = artifact_path(place.den, artifact.content, artifact.file)
    with path.open("rb") as archive:
        found = hashlib.file_digest(archive, "sha256").hexdigest()
        if found != artifact.content:
            refuse_damaged(place.den, artifact, path, found)
        archive.seek(0)
        return find_project(unpack(artifact.file, archive, folder), artifact.subdirectory)


def unpack(name: str, archive: IO[bytes], folder: Path) -> Path:
    """Unpack ``archive``, a file called ``name``, into ``folder``; the folder of the project in it.

    The name alone says what kind of archive it is, as it does for other installers.

    Raises:
        SafetyError: a member would be written elsewhere.
        InfrastructureError: it is no archive of a known form, or damaged.
    """
    try:
        if name.endswith(_ZIP):
            _unpack_zip(name, archive, folder)
        else:
            _unpack_tar(name, archive, folder)
    except tarfile.FilterError as error:
        message = f"{name} leads out of its folder ({error}); it is not unpacked"
        raise SafetyError(message) from error
    except _DAMAGED as error:
        message = f"{name} cannot be unpacked: {error}"
        raise InfrastructureError(message) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # gzip and bz2 say so of content that is not theirs.
        message = f"{name} cannot be unpacked: {error}"
        raise InfrastructureError(message) from error
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _unpack_tar(name: str, archive: IO[bytes], folder: Path) -> None:
    """Unpack a tar archive.

    Raises:
        ValueError: its name is that of no known kind.
    """
    mode = next((_TAR[end] for end in _TAR if name.endswith(end)), None)
    if mode is None:
        message = f"its name ends in none of {', '.join([*_TAR, _ZIP])}"
        raise ValueError(message)
    with tarfile.open(fileobj=archive, mode=mode) as members:
        members.extractall(folder, filter="data")


def _unpack_zip(name: str, archive: IO[bytes], folder: Path) -> None:
    """Unpack a zip archive; files that may be executed stay so, which zipfile forgets.

    Raises:
        SafetyError: a member would be written elsewhere.
        ValueError: a member is encrypted.
    """
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            parts = member.filename.split("/")
            link = stat.S_ISLNK(member.external_attr >> 16)
            if member.filename.startswith("/") or ".." in parts or link:
                message = (
                    f"{name} leads out of its folder ({member.filename!r}); it is not unpacked"
                )
                raise SafetyError(message)
            if member.flag_bits & 1:
                message = f"{member.filename!r} is encrypted"
                raise ValueError(message)
        for member in members.infolist():
            path = folder / members.extract(member, folder)
            executable = (member.external_attr >> 16) & 0o111
            if executable and not member.is_dir():
                path.chmod(path.stat().st_mode | executable)


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
