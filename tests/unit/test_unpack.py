"""Source archives, which may be anybody's."""

from __future__ import annotations

import errno
import gzip
import io
import random
import tarfile
import zipfile
from typing import TYPE_CHECKING, Literal

import pytest

from noxden.den.wheels.unpack import find_project, unpack
from noxden.errors import InfrastructureError, SafetyError
from tests.sdists import write_tar

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a" / "b"
    made.mkdir(parents=True)
    return made


def write_zip(file: Path, name: str, mode: int = 0o644) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, "text")
    return file


def open_and_unpack(file: Path, folder: Path) -> Path:
    with file.open("rb") as archive:
        return unpack(file.name, archive, folder)


def test_the_project_is_the_one_folder_of_an_archive(folder: Path, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "x-1.tar.gz", {"f": "text"})
    assert open_and_unpack(file, folder) == folder / "x-1"
    assert (folder / "x-1" / "f").read_text() == "text"


@pytest.mark.parametrize(
    ("name", "mode"),
    [("x-1.tar", "w:"), ("x-1.tar.bz2", "w:bz2"), ("x-1.tgz", "w:gz"), ("x-1.tar.xz", "w:xz")],
)
def test_a_tar_is_unpacked_as_its_name_says(
    name: str, mode: Literal["w:", "w:bz2", "w:gz", "w:xz"], folder: Path, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / name, mode) as archive:
        archive.addfile(tarfile.TarInfo("x-1/f"))
    assert open_and_unpack(tmp_path / name, folder) == folder / "x-1"
    assert (folder / "x-1" / "f").exists()


def test_a_zip_is_unpacked_too(folder: Path, tmp_path: Path) -> None:
    assert open_and_unpack(write_zip(tmp_path / "x-1.zip", "x-1/f"), folder) == folder / "x-1"


@pytest.mark.parametrize(("mode", "executable"), [(0o755, 0o111), (0o644, 0), (0, 0)])
def test_what_a_zip_says_may_be_executed_may_be(
    mode: int, executable: int, folder: Path, tmp_path: Path
) -> None:
    open_and_unpack(write_zip(tmp_path / "x-1.zip", "x-1/configure", mode), folder)
    assert (folder / "x-1" / "configure").stat().st_mode & 0o111 == executable


def test_an_archive_without_a_folder_is_the_project_itself(folder: Path, tmp_path: Path) -> None:
    assert open_and_unpack(write_zip(tmp_path / "x-1.zip", "f"), folder) == folder


def test_an_archive_that_is_a_zip_too_is_what_its_name_says(folder: Path, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "x-1.tar.gz", {"f": "of the tar"})
    with file.open("ab") as end, zipfile.ZipFile(end, "a") as archive:
        archive.writestr("x-1/f", "of the zip")
    assert zipfile.is_zipfile(file)
    assert (open_and_unpack(file, folder) / "f").read_text() == "of the tar"


def test_a_member_that_leads_out_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x-1.tar.gz", {"../../stray": "text"})
    with pytest.raises(SafetyError, match="^x-1.tar.gz leads out of its folder .*; it is not unp"):
        open_and_unpack(archive, folder)
    assert not (folder.parent / "stray").exists()


@pytest.mark.parametrize(
    ("name", "mode"), [("../stray", 0o644), ("/stray", 0o644), ("x-1/link", 0o120777)]
)
def test_a_member_of_a_zip_that_leads_out_is_refused(
    name: str, mode: int, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(SafetyError) as error:
        open_and_unpack(write_zip(tmp_path / "x-1.zip", name, mode), folder)
    assert str(error.value) == f"x-1.zip leads out of its folder ({name!r}); it is not unpacked"
    assert list(folder.iterdir()) == []


def make_noise(size: int) -> bytes:
    """Bytes that can be compressed, if not by much: what is damaged is then no header."""
    return bytes(random.Random(7).choices(range(64), k=size))  # noqa: S311


def make_tar(mode: Literal["w:", "w:bz2", "w:gz", "w:xz"], size: int = 40000) -> bytearray:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:
        member = tarfile.TarInfo("x-1/f")
        member.size = size
        archive.addfile(member, io.BytesIO(make_noise(size)))
    return bytearray(made.getvalue())


def make_zip(compression: int) -> bytearray:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        archive.writestr("x-1/f", make_noise(40000))
    return bytearray(made.getvalue())


def damage(content: bytearray, at: int = 20000, length: int = 100) -> bytearray:
    content[at : at + length] = b"\xff" * length
    return content


def encrypt(content: bytearray) -> bytearray:
    """Say of the one member of a zip that it is encrypted."""
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return content


def set_method(content: bytearray, method: int) -> bytearray:
    content[8] = content[content.index(b"PK\1\2") + 10] = method
    return content


BROKEN = {
    # Not compressed at all, and more damage than a block is long: a header is sure to be hit.
    "tar.gz": (
        "x-1.tar.gz",
        damage(bytearray(gzip.compress(make_tar("w:", 400000), 0)), 100000, 70000),
        "Error -3 while decompressing data: invalid block type",
    ),
    "tar.gz, cut": ("x-1.tar.gz", make_tar("w:gz")[:20000], "Compressed file ended before "),
    "tar.gz, begin": ("x-1.tar.gz", damage(make_tar("w:gz"), 0, 2), "not a gzip file"),
    "tar.bz2": (
        "x-1.tar.bz2",
        damage(make_tar("w:bz2", 2_000_000), 1_000_000),
        "Invalid data stream",
    ),
    "tar.xz": ("x-1.tar.xz", damage(make_tar("w:xz")), "Corrupt input data"),
    "tar, no file": ("x-1.tar", bytearray(), "empty file"),
    "zip": ("x-1.zip", damage(make_zip(zipfile.ZIP_DEFLATED)), ""),
    "zip, stored": ("x-1.zip", damage(make_zip(zipfile.ZIP_STORED)), "Bad CRC-32 for file 'x-1/f'"),
    "zip, bzip2": ("x-1.zip", damage(make_zip(zipfile.ZIP_BZIP2)), "Invalid data stream"),
    "zip, lzma": ("x-1.zip", damage(make_zip(zipfile.ZIP_LZMA)), "Corrupt input data"),
    "zip, cut": ("x-1.zip", make_zip(zipfile.ZIP_STORED)[:20000], "File is not a zip file"),
    "zip, encrypted": ("x-1.zip", encrypt(make_zip(zipfile.ZIP_STORED)), "'x-1/f' is encrypted"),
    "zip, unknown": (
        "x-1.zip",
        set_method(make_zip(zipfile.ZIP_STORED), 6),
        "That compression method is not supported",
    ),
    "another": (
        "x-1.rar",
        bytearray(b"Rar!"),
        "its name ends in none of .tar, .tar.bz2, .tar.gz, .tar.lzma, .tar.xz, .tbz, .tgz, .txz, .zip",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_archive_that_cannot_be_read_is_told(kind: str, folder: Path) -> None:
    name, content, why = BROKEN[kind]
    with pytest.raises(InfrastructureError) as error:
        unpack(name, io.BytesIO(content), folder)
    assert str(error.value).startswith(f"{name} cannot be unpacked: {why}")


def test_a_full_disk_is_not_taken_for_a_damaged_archive(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "f")

    monkeypatch.setattr(zipfile.ZipFile, "extract", fail)
    with pytest.raises(OSError, match="No space left on device") as error:
        open_and_unpack(write_zip(tmp_path / "x-1.zip", "x-1/f"), folder)
    assert error.value.errno == errno.ENOSPC


def test_the_folder_of_the_project_is_inside(folder: Path) -> None:
    with pytest.raises(SafetyError) as error:
        find_project(folder, "../c")
    assert str(error.value) == "the folder '../c' leads out of what is built; it is not used"
    with pytest.raises(InfrastructureError) as missing:
        find_project(folder, "c")
    assert str(missing.value) == "there is no folder 'c' in what is built"
