from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noxden.den.doctor import Diagnosis, examine
from noxden.den.doctor.disks import check_den, find_link_mode
from noxden.den.doctor.programs import check_uv
from noxden.den.doctor.remains import check_remains
from noxden.den.doctor.variables import check_variables
from noxden.den.layout import Den, open_den


@pytest.fixture
def den(tmp_path: Path) -> Den:
    return open_den({"NOXDEN_DIR": str(tmp_path / "den")})


def test_variables_that_do_nothing_are_not_mentioned() -> None:
    assert list(check_variables({"PATH": "/usr/bin", "VIRTUAL_ENV": ""})) == [
        Diagnosis("variables", "ok", "none that change what sessions do")
    ]


@pytest.mark.parametrize(
    ("name", "value", "message", "remedy"),
    [
        (
            "UV_PROJECT_ENVIRONMENT", "/x",
            ("UV_PROJECT_ENVIRONMENT=/x: uv run and uv sync in this shell work on that "
             "environment; noxden's sessions are shielded"),
            "unset UV_PROJECT_ENVIRONMENT",
        ),
        (
            "PYTHONPATH", "/x",
            "PYTHONPATH=/x: its packages come before those of every environment",
            "unset PYTHONPATH",
        ),
        (
            "PYTHONDONTWRITEBYTECODE", "1",
            ("PYTHONDONTWRITEBYTECODE: base environments get no shared bytecode, so every start "
             "compiles again"),
            "unset it, at least where sessions run",
        ),
        (
            "UV_CACHE_DIR", "/x",
            "UV_CACHE_DIR=/x: noxden uses the den's own cache, uv in this shell that one",
            "unset it, or accept two caches",
        ),
        (
            "UV_LINK_MODE", "copy",
            "UV_LINK_MODE=copy: every base environment is a full copy of uv's cache",
            "unset UV_LINK_MODE",
        ),
    ],
)  # fmt: skip
def test_a_variable_that_surprises_is_told_with_its_effect(
    name: str, value: str, message: str, remedy: str
) -> None:
    assert list(check_variables({name: value})) == [
        Diagnosis("variables", "warning", message, remedy)
    ]


def test_linking_is_really_tried_and_leaves_nothing(den: Den) -> None:
    assert find_link_mode(den.uv_cache, den.envs) in {"reflink", "hardlink"}
    assert list(den.uv_cache.iterdir()) == list(den.envs.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")  # noqa: S108
def test_another_file_system_means_copies(tmp_path: Path) -> None:
    there = Path("/dev/shm")  # noqa: S108
    if there.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("it is the same file system")

    assert find_link_mode(tmp_path, there) == "copy"


def test_a_folder_that_cannot_be_written_is_unknown(tmp_path: Path) -> None:
    assert find_link_mode(tmp_path / "nowhere", tmp_path) == "unknown"


def test_a_den_that_is_refused_is_a_diagnosis(tmp_path: Path) -> None:
    (tmp_path / "den").mkdir(mode=0o777)
    (tmp_path / "den").chmod(0o777)

    found, said = check_den({"NOXDEN_DIR": str(tmp_path / "den")})

    assert found is None
    assert said == [
        Diagnosis(
            "den", "broken",
            f"the den {tmp_path / 'den'} is open to other users (mode 0777); "
            f"run: chmod 700 {tmp_path / 'den'}",
            "see the message",
        )
    ]  # fmt: skip


def test_everything_is_examined_although_the_den_is_refused(tmp_path: Path) -> None:
    (tmp_path / "den").mkdir()
    (tmp_path / "den").chmod(0o777)

    found = examine(tmp_path, {"NOXDEN_DIR": str(tmp_path / "den"), "PATH": ""}, [None], 10**9)

    assert {"den", "uv", "variables"} <= {one.check for one in found}


def test_a_missing_uv_is_broken(tmp_path: Path) -> None:
    [found] = check_uv({"UV": "/nowhere/uv", "NOXDEN_DIR": str(tmp_path)}, tmp_path)

    assert (found.check, found.severity) == ("uv", "broken")
    assert found.message == "UV=/nowhere/uv names no program; unset it or name a uv binary"


def test_a_uv_that_is_too_old_is_broken(tmp_path: Path) -> None:
    old = tmp_path / "uv"
    old.write_text("#!/bin/sh\necho uv 0.4.0\n")
    old.chmod(0o755)

    [found] = check_uv({"UV": str(old), "PATH": os.environ["PATH"]}, tmp_path)

    assert found == Diagnosis(
        "uv", "broken",
        f"{old} is uv 0.4.0, noxden needs 0.13 or newer; run: pip install 'uv>=0.13'",
        "pip install --upgrade uv",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["NOXDEN_DIR", "NOXDEN_TRUST"])
def test_variables_that_name_no_den_are_a_diagnosis(name: str, tmp_path: Path) -> None:
    found = {one.check: one for one in examine(tmp_path, {name: "x", "PATH": ""}, [None], 10**9)}

    assert found["den"].severity == "broken"
    assert name in found["den"].message


def test_left_overs_dead_roots_and_broken_bases_are_told_with_gc_as_remedy(den: Den) -> None:
    code = "from noxden.den.owners import sibling_name; print(sibling_name())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (den.envs / said.stdout.strip()).mkdir()
    (den.envs / ("a" * 64)).mkdir()
    roots = den.uses / f"{'a' * 64}.roots"
    roots.mkdir()
    (roots / "x").write_text("/nowhere/.nox/unit")

    *found, _room = check_remains(den, 10**12)

    assert found == [
        Diagnosis("remains", "warning", "1 left-overs of killed builders", "noxden gc"),
        Diagnosis(
            "remains", "warning",
            "1 roots of worktree environments that are gone or moved on", "noxden gc",
        ),
        Diagnosis(
            "environments", "warning",
            "the base environment aaaaaaaaaaaa is not whole, or its interpreter is gone",
            "the next session that needs it builds it; noxden gc removes it with time",
        ),
        Diagnosis(
            "environments", "ok",
            "1 base environments, 1 of them with no worktree on them", "noxden gc --dry-run",
        ),
    ]  # fmt: skip


def test_a_den_over_its_size_is_told(den: Den) -> None:
    (den.envs / "big").mkdir()
    (den.envs / "big" / "file").write_bytes(b"x" * 10_000)

    *_, room = check_remains(den, max_size=1)

    assert (room.check, room.severity, room.remedy) == ("room", "warning", "noxden gc")


def test_a_den_whose_folders_were_deleted_is_still_examined(den: Den) -> None:
    for folder in (den.envs, den.uses, den.memo):
        folder.rmdir()

    assert [one.severity for one in check_remains(den, 10**12)] == ["ok", "ok"]
