"""Compare archives: which files of two builds differ, and how."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from typing import TYPE_CHECKING, NamedTuple

from noxden.sessions.steps import StepError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Member", "compare_archives", "compare_builds", "compute_sha256", "read_members"]

_ARCHIVES = (".whl", ".tar.gz")
_DATES = (": date", "not the files in it")
_DATES_ADVICE = (
    "Only dates differ: the build backend ignores SOURCE_DATE_EPOCH (setuptools does for sdists). "
    "Use another one, or leave this step out by [tool.noxden.packaging] steps."
)


class Member(NamedTuple):
    """A file in an archive, as far as two of the same name can differ."""

    content: str
    """sha256, or where a link leads."""
    date: str
    mode: int
    """Permissions and kind."""
    owner: str


def compute_sha256(file: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_members(archive: Path) -> dict[str, Member]:
    """The members of a wheel or an sdist by name, in their order in the archive.

    Raises:
        StepError: it cannot be read as an archive.
    """
    reader = _read_zip if archive.suffix in {".whl", ".zip"} else _read_tar
    try:
        return dict(reader(archive))
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        message = f"{archive.name} is not an archive: {error}"
        raise StepError(message) from error


def _read_zip(archive: Path) -> Iterator[tuple[str, Member]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            content = hashlib.sha256(opened.read(entry)).hexdigest()
            date = "{}-{:02}-{:02} {:02}:{:02}:{:02}".format(*entry.date_time)
            yield entry.filename, Member(content, date, entry.external_attr, "")


def _read_tar(archive: Path) -> Iterator[tuple[str, Member]]:
    with tarfile.open(archive) as opened:
        for entry in opened.getmembers():
            file = opened.extractfile(entry) if entry.isfile() else None
            content = hashlib.sha256(file.read()).hexdigest() if file else entry.linkname
            owner = f"{entry.uid}:{entry.gid} {entry.uname}:{entry.gname}"
            yield entry.name, Member(content, str(entry.mtime), entry.mode, owner)


def compare_archives(first: Path, second: Path) -> list[str]:
    """How two archives differ, a line for each member; empty when their bytes are the same.

    Raises:
        StepError: one of them cannot be read.
    """
    if compute_sha256(first) == compute_sha256(second):
        return []
    ours, theirs = read_members(first), read_members(second)
    lines = [f"{name}: {how}" for name, how in _compare_members(ours, theirs)]
    if not lines and list(ours) != list(theirs):
        return ["the order of the files"]
    return lines or ["the archive itself (header or compression), not the files in it"]


def _compare_members(
    ours: Mapping[str, Member], theirs: Mapping[str, Member]
) -> Iterator[tuple[str, str]]:
    for name in sorted({*ours, *theirs}):
        if name not in theirs or name not in ours:
            yield name, f"only in the {'first' if name in ours else 'second'} build"
            continue
        fields = zip(Member._fields, ours[name], theirs[name], strict=True)
        if differing := [field for field, one, other in fields if one != other]:
            yield name, " and ".join(differing)


def compare_builds(first: Path, second: Path) -> str:
    """Compare all archives of two folders by hash.

    Raises:
        StepError: some differ; it names them and the files in them.
    """
    ours, theirs = _collect_archives(first), _collect_archives(second)
    differing: list[str] = []
    for name in sorted({*ours, *theirs}):
        if name in ours and name in theirs:
            lines = compare_archives(ours[name], theirs[name])
        else:
            lines = [f"only in the {'first' if name in ours else 'second'} build"]
        differing += [f"{name}: {line}" for line in lines]
    if differing:
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        message = f"a second build differs in {differing[0]}{more}"
        said = ["A second build differs in", *(f"  {line}" for line in differing)]
        if all(line.endswith(_DATES) for line in differing):
            said.append(_DATES_ADVICE)
        raise StepError(message, "\n".join(said))
    return f"{len(ours)} files are the same in a second build"


def _collect_archives(folder: Path) -> dict[str, Path]:
    return {file.name: file for file in folder.iterdir() if file.name.endswith(_ARCHIVES)}
