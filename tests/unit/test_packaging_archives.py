"""Two builds are compared down to the files in their archives; wheels tell their modules."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from noxden.sessions._import_wheel import collect_modules
from noxden.sessions.archives import compare_archives, compare_builds
from noxden.sessions.steps import StepError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATE = (2020, 1, 1, 0, 0, 0)
LATER = (2020, 1, 1, 0, 0, 2)


def make_zip(
    file: Path, files: Mapping[str, str], date: tuple[int, int, int, int, int, int] = DATE
) -> Path:
    file.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, date), text)
    return file


def make_tar(
    file: Path, files: Mapping[str, str], *, written: int = 0, date: int = 0, mode: int = 0o644
) -> Path:
    file.parent.mkdir(exist_ok=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(text), date, mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    with file.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=written) as packed:
        packed.write(content.getvalue())
    return file


def test_the_same_bytes_are_no_difference(tmp_path: Path) -> None:
    one = make_zip(tmp_path / "a.whl", {"x.py": "1"})
    assert compare_archives(one, make_zip(tmp_path / "b.whl", {"x.py": "1"})) == []


def test_files_of_a_wheel_are_named_with_what_differs(tmp_path: Path) -> None:
    one = make_zip(tmp_path / "a.whl", {"x.py": "1", "same.py": "", "old.py": ""})
    two = make_zip(tmp_path / "b.whl", {"x.py": "2", "same.py": "", "new.py": ""})
    assert compare_archives(one, two) == [
        "new.py: only in the second build",
        "old.py: only in the first build",
        "x.py: content",
    ]
    later = make_zip(tmp_path / "c.whl", {"x.py": "2", "same.py": "", "old.py": ""}, LATER)
    assert compare_archives(one, later) == [
        "old.py: date",
        "same.py: date",
        "x.py: content and date",
    ]


def test_files_of_an_sdist_are_named_with_what_differs(tmp_path: Path) -> None:
    one = make_tar(tmp_path / "a.tar.gz", {"x/y.py": "1"})
    two = make_tar(tmp_path / "b.tar.gz", {"x/y.py": "2"}, date=9, mode=0o755)
    assert compare_archives(one, two) == ["x/y.py: content and date and mode"]


def test_a_difference_outside_of_the_files_is_told_too(tmp_path: Path) -> None:
    one = make_tar(tmp_path / "a.tar.gz", {"x": "", "y": ""})
    other_date = make_tar(tmp_path / "b.tar.gz", {"x": "", "y": ""}, written=7)
    assert compare_archives(one, other_date) == [
        "the archive itself (header or compression), not the files in it"
    ]
    other_order = make_tar(tmp_path / "c.tar.gz", {"y": "", "x": ""})
    assert compare_archives(one, other_order) == ["the order of the files"]


def test_builds_are_compared_archive_by_archive(tmp_path: Path) -> None:
    for build, text in (("first", "1"), ("second", "2")):
        make_zip(tmp_path / build / "x-1.whl", {"x/_stamp.py": text, "x/_other.py": text})
        make_tar(tmp_path / build / "x-1.tar.gz", {"x-1/x.py": "1"})
    with pytest.raises(StepError) as caught:
        compare_builds(tmp_path / "first", tmp_path / "second")
    assert str(caught.value) == (
        "a second build differs in x-1.whl: x/_other.py: content (and 1 more)"
    )
    assert caught.value.said == (
        "A second build differs in\n"
        "  x-1.whl: x/_other.py: content\n"
        "  x-1.whl: x/_stamp.py: content"
    )


def test_where_only_dates_differ_it_is_said_who_writes_them(tmp_path: Path) -> None:
    make_tar(tmp_path / "first" / "x-1.tar.gz", {"x": ""})
    make_tar(tmp_path / "second" / "x-1.tar.gz", {"x": ""}, date=9)
    with pytest.raises(StepError) as caught:
        compare_builds(tmp_path / "first", tmp_path / "second")
    assert caught.value.said == (
        "A second build differs in\n"
        "  x-1.tar.gz: x: date\n"
        "Only dates differ: the build backend ignores SOURCE_DATE_EPOCH (setuptools does for "
        "sdists). Use another one, or leave this step out by [tool.noxden.packaging] steps."
    )


def test_a_build_that_names_its_files_otherwise_is_told(tmp_path: Path) -> None:
    make_zip(tmp_path / "first" / "x-1.whl", {})
    make_zip(tmp_path / "second" / "x-2.whl", {})
    with pytest.raises(StepError) as caught:
        compare_builds(tmp_path / "first", tmp_path / "second")
    assert caught.value.said == (
        "A second build differs in\n"
        "  x-1.whl: only in the first build\n"
        "  x-2.whl: only in the second build"
    )


def test_a_file_that_is_no_archive_fails_the_step(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_text("a")
    (tmp_path / "b.whl").write_text("b")
    with pytest.raises(StepError, match=r"^a\.whl is not an archive: "):
        compare_archives(tmp_path / "a.whl", tmp_path / "b.whl")


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        (["x/__init__.py", "x/y.py", "x/z/__init__.py", "x-1.dist-info/METADATA"], ["x"]),
        (["x.py", "_x.cpython-311-x86_64-linux-gnu.so", "y.abi3.so"], ["_x", "x", "y"]),
        (["ns/a/__init__.py", "ns/b.py"], ["ns.a", "ns.b"]),
        (["x/__init__.cpython-311-x86_64-linux-gnu.so", "x/a.py"], ["x"]),
        (["x/__init__.pyi", "x/py.typed"], []),
        (["x-1.data/purelib/x/__init__.py", "x-1.data/scripts/run.py"], ["x"]),
        (["x-1.dist-info/licenses/tool.py", "01_x.pth"], []),
    ],
)
def test_modules_at_the_top_of_a_wheel(names: list[str], modules: list[str]) -> None:
    assert collect_modules(names) == modules
