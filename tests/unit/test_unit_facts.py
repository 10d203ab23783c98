"""What a unit session finds out before it plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxden.errors import UsageError
from noxden.sessions.unit_facts import collect_addopts, collect_distributions, read_name
from noxden.sessions.unit_wheel import check_wheel, refuse_foreign
from tests.sandbox import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_distributions_are_found_by_their_metadata_in_every_folder(tmp_path: Path) -> None:
    for name in ("a/pytest_xdist-3.8.0.dist-info", "b/Old.Name-1.egg-info", "b/numpy"):
        (tmp_path / name).mkdir(parents=True)
    found = collect_distributions(tmp_path / "a", tmp_path / "b", tmp_path / "none")
    assert found == {"pytest-xdist", "old-name"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ()),
        ({"pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-n 2 -m \'a b\'"'},
         ("-n", "2", "-m", "a b")),
        ({"pyproject.toml": '[tool.pytest]\naddopts = ["-n", "2"]'}, ("-n", "2")),
        ({"pytest.toml": '[pytest]\naddopts = ["-q"]', "pytest.ini": "[pytest]\naddopts = -v"},
         ("-q",)),
        ({"pytest.ini": "[pytest]\naddopts =\n  -v\n  -x\n"}, ("-v", "-x")),
        ({"pytest.ini": "[pytest]\n", "pyproject.toml": '[tool.pytest]\naddopts = ["-q"]'}, ()),
        ({"tox.ini": "[pytest]\naddopts = -v", "pyproject.toml": '[tool.pytest]\naddopts=["-q"]'},
         ("-q",)),
        ({"tox.ini": "[tox]\n", "setup.cfg": "[tool:pytest]\naddopts = -v"}, ("-v",)),
        ({"pyproject.toml": "not toml ["}, ()),
        ({"pytest.ini": "[pytest]\naddopts = -m 'open"}, ()),
    ],
)  # fmt: skip
def test_addopts_are_read_from_the_file_that_pytest_would_read(
    files: dict[str, str], words: tuple[str, ...], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert collect_addopts(tmp_path) == words


def test_a_project_is_named_by_pyproject_or_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert read_name(tmp_path / "plain") == "plain"
    (tmp_path / "plain" / "pyproject.toml").write_text('[project]\nname = "sample"\n')
    assert read_name(tmp_path / "plain") == "sample"


def test_a_wheel_stands_in_for_the_package_it_was_built_from(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "my_sample")
    assert check_wheel(wheel, ["other", "My.Sample"]) == "My.Sample"


def test_what_is_no_wheel_of_the_checkout_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "stranger")
    missing = tmp_path / "sample-1.0-py3-none-any.whl"
    archive = tmp_path / "sample-1.0.tar.gz"
    archive.write_bytes(b"")
    broken = tmp_path / "sample-2.0-py3-none-any.whl"
    broken.write_bytes(b"PK, but no more")
    for path, local, message in (
        (missing, ["sample"], f"there is no {missing}; build it with: nox -s packaging"),
        (broken, ["sample"], f"{broken} is not a ZIP file, as wheels are; build it again"),
        (wheel, ["sample"], f"{wheel.name} is a wheel of stranger, this checkout is sample"),
        (
            wheel,
            [],
            f"{wheel.name} is a wheel of stranger, this checkout is nothing that can be installed",
        ),
    ):
        with pytest.raises(UsageError) as raised:
            check_wheel(path, local)
        assert str(raised.value) == f"--installpkg: {message}"
    with pytest.raises(UsageError) as raised:
        check_wheel(archive, ["sample"])
    assert str(raised.value) == f"--installpkg takes a wheel (*.whl), got {archive}"


def test_a_module_that_did_not_come_from_the_wheel_is_told_with_its_file(tmp_path: Path) -> None:
    noted = tmp_path / "not-from-wheel.txt"
    refuse_foreign(noted)
    noted.write_text("sample /a b/src/sample/__init__.py\nsample.x /a b/src/sample/x.py\n")
    with pytest.raises(UsageError) as raised:
        refuse_foreign(noted)
    assert str(raised.value) == (
        "the tests imported sample from /a b/src/sample/__init__.py, not from the wheel; keep the "
        "checkout out of sys.path by -- --import-mode=importlib, or -- -o pythonpath= where "
        "pytest is told to look there"
    )
