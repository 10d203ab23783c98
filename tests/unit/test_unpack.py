"""Source archives, which may be anybody's."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

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


def test_the_project_is_the_one_folder_of_an_archive(folder: Path, tmp_path: Path) -> None:
    assert unpack(write_tar(tmp_path / "x-1.tar.gz", {"f": "text"}), folder) == folder / "x-1"
    assert (folder / "x-1" / "f").read_text() == "text"


def test_a_zip_is_unpacked_too(folder: Path, tmp_path: Path) -> None:
    assert unpack(write_zip(tmp_path / "x-1.zip", "x-1/f"), folder) == folder / "x-1"


def test_an_archive_without_a_folder_is_the_project_itself(folder: Path, tmp_path: Path) -> None:
    assert unpack(write_zip(tmp_path / "x-1.zip", "f"), folder) == folder


def test_a_member_that_leads_out_is_refused(folder: Path, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x-1.tar.gz", {"../../stray": "text"})
    with pytest.raises(SafetyError, match="^x-1.tar.gz leads out of its folder .*; it is not unp"):
        unpack(archive, folder)
    assert not (folder.parent / "stray").exists()


@pytest.mark.parametrize(
    ("name", "mode"), [("../stray", 0o644), ("/stray", 0o644), ("x-1/link", 0o120777)]
)
def test_a_member_of_a_zip_that_leads_out_is_refused(
    name: str, mode: int, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(SafetyError) as error:
        unpack(write_zip(tmp_path / "x-1.zip", name, mode), folder)
    assert str(error.value) == f"x-1.zip leads out of its folder ({name!r}); it is not unpacked"
    assert list(folder.iterdir()) == []


def test_what_is_no_archive_is_told(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "x-1.tar.gz"
    file.write_text("no archive")
    with pytest.raises(InfrastructureError, match="^x-1.tar.gz cannot be unpacked: "):
        unpack(file, folder)


def test_the_folder_of_the_project_is_inside(folder: Path) -> None:
    with pytest.raises(SafetyError) as error:
        find_project(folder, "../c")
    assert str(error.value) == "the folder '../c' leads out of what is built; it is not used"
    with pytest.raises(InfrastructureError) as missing:
        find_project(folder, "c")
    assert str(missing.value) == "there is no folder 'c' in what is built"
