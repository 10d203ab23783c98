"""A machine that does not give what is needed: each is one sentence with the next step, and a code."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.den import worktrees
from noxden.den.prepare import prepare
from noxden.den.workplace import open_workplace
from noxden.errors import InfrastructureError
from noxden.lock.request import Request
from noxden.tools.uv import find_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Ran, Sample

NOXFILE = """
import noxden

@noxden.session
def show(session):
    session.run("python", "-c", "import attr; print(attr.__name__)")
"""


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    return project(["attrs"], noxfile=NOXFILE)


def error_of(ran: Ran) -> str:
    """The one line that nox shows between starting the session and giving it up."""
    assert ran.code == 1, ran.text
    lines = [
        line.removeprefix("nox > ")
        for line in ran.stderr.splitlines()
        if "building base environment" not in line
    ]
    assert lines[0] == "Running session show"
    assert lines[2:] == ["Session show failed."], ran.stderr
    return lines[1]


def test_a_den_of_another_user_is_refused(sample: Sample, nox: RunNox, fresh_den: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(fresh_den, 4321, 4321)
    assert error_of(nox(sample, den=fresh_den)) == (
        f"the den {fresh_den} belongs to user id 4321, not to you (0); set NOXDEN_DIR to a "
        f"directory of your own (exit code 4)"
    )


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o701])
def test_a_den_that_others_can_open_is_refused(
    mode: int, sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    fresh_den.chmod(mode)
    assert error_of(nox(sample, den=fresh_den)) == (
        f"the den {fresh_den} is open to other users (mode {mode:04o}); "
        f"run: chmod 700 {fresh_den} (exit code 4)"
    )
    fresh_den.chmod(0o700)
    assert nox(sample, den=fresh_den).code == 0


def test_a_directory_with_somebodys_files_is_no_den(
    sample: Sample, nox: RunNox, tmp_path: Path
) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir(mode=0o700)
    (folder / "chapter1.tex").write_text("...")
    assert error_of(nox(sample, den=folder)) == (
        f"{folder} holds files that are not a den's; empty it or set NOXDEN_DIR to a directory "
        f"that noxden may fill (exit code 4)"
    )
    assert [path.name for path in folder.iterdir()] == ["chapter1.tex"]


def test_the_cache_of_another_tool_is_no_den(sample: Sample, nox: RunNox, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    sample.uv("venv", "--quiet", "--cache-dir", folder, "--python-preference", "only-system", "x")
    (folder / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# of uv\n")
    before = sorted(path.name for path in folder.iterdir())
    assert error_of(nox(sample, den=folder)) == (
        f"{folder} holds files that are not a den's; empty it or set NOXDEN_DIR to a directory "
        f"that noxden may fill (exit code 4)"
    )
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_file_is_no_den(sample: Sample, nox: RunNox, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert error_of(nox(sample, den=file)) == (
        f"the den {file} is not a directory; move it away or set NOXDEN_DIR (exit code 3)"
    )
    assert error_of(nox(sample, den=file / "den")) == (
        f"cannot use {file}/den as den: Not a directory; set NOXDEN_DIR to another directory "
        f"(exit code 3)"
    )


def test_a_den_of_a_newer_noxden_is_refused(sample: Sample, nox: RunNox, fresh_den: Path) -> None:
    (fresh_den / "format").write_text("99\n")
    assert error_of(nox(sample, den=fresh_den)) == (
        f"the den {fresh_den} is of format 99, this noxden reads 1; install a newer noxden "
        f"or set NOXDEN_DIR to another directory (exit code 4)"
    )


def test_a_den_of_an_older_noxden_is_made_anew(
    sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    assert nox(sample, den=fresh_den).code == 0
    (fresh_den / "format").write_text("0\n")
    ran = nox(sample, den=fresh_den)
    assert (ran.code, ran.lines) == (0, ["attr"]), ran.text
    assert "building base environment" in ran.stderr
    assert (fresh_den / "format").read_text() == "1\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    project: MakeProject, nox: RunNox, small_disk: Path
) -> None:
    sample = project(["attrs", "ruff"], noxfile=NOXFILE)
    ran = nox(sample, den=small_disk)
    assert ran.code == 1
    told = [line for line in ran.stderr.splitlines() if "exit code" in line]
    assert len(told) == 1, ran.stderr
    assert told[0].startswith(f"nox > uv cannot build {small_disk}/envs/"), ran.stderr
    assert "No space left on device" in told[0]
    assert told[0].endswith("free space, then run again (exit code 3)")
    assert list((small_disk / "envs").iterdir()) == []


def test_what_stands_in_the_place_of_an_environment_is_said(
    sample: Sample, nox: RunNox, quick_den: Path
) -> None:
    location = sample.path / ".nox" / "show"
    location.parent.mkdir()
    location.write_text("a file")
    advice = "move away what stands there, or make it writable, then run again (exit code 3)"
    assert error_of(nox(sample, den=quick_den)) == (
        f"cannot make {location}: {location}/noxden.json: Not a directory; {advice}"
    )
    location.unlink()
    (location / "noxden.json").mkdir(parents=True)
    assert error_of(nox(sample, den=quick_den)) == (
        f"cannot make {location}: {location}/noxden.json: Is a directory; {advice}"
    )


def test_a_disk_that_fills_up_while_files_are_written_is_said(
    project: MakeProject, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = project(["attrs"])
    location = sample.path / ".nox" / "show"

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worktrees, "_copy_scripts", fail)
    with pytest.raises(InfrastructureError) as caught:
        prepare(open_workplace(sample.path, env), Request(), location)
    assert str(caught.value) == (
        f"cannot make {location}: {location}: No space left on device; free space, then run again"
    )


def test_a_uv_that_is_not_there_is_said(
    sample: Sample, nox: RunNox, env: dict[str, str], quick_den: Path
) -> None:
    ran = nox(sample, env=env | {"UV": "/nowhere/uv"}, den=quick_den)
    assert (
        error_of(ran)
        == "UV=/nowhere/uv names no program; unset it or name a uv binary (exit code 3)"
    )


OLD_UV = """#!/bin/sh
if [ "$1" = --version ]; then echo "uv 0.4.30 (61ed2a236 2024-11-04)"; exit 0; fi
echo "error: unexpected argument '$1' found" >&2
exit 2
"""


def test_a_uv_that_is_too_old_is_said(
    sample: Sample, nox: RunNox, env: dict[str, str], quick_den: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old-uv"
    old.write_text(OLD_UV)
    old.chmod(0o755)
    assert error_of(nox(sample, env=env | {"UV": str(old)}, den=quick_den)) == (
        f"{old} is uv 0.4.30, noxden needs 0.13 or newer; run: pip install 'uv>=0.13' (exit code 3)"
    )


def test_a_uv_that_is_no_uv_is_said(
    sample: Sample, nox: RunNox, env: dict[str, str], quick_den: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\nexit 7\n")
    other.chmod(0o755)
    assert error_of(nox(sample, env=env | {"UV": str(other)}, den=quick_den)) == (
        f"`{other} --version` ended with code 7 and said nothing (exit code 3)"
    )


MISSING = """
import noxden

@noxden.session(python=["3.99"])
def show(session):
    pass

@noxden.session
def other(session):
    session.run("python", "-c", "print('other')")
"""


def test_a_missing_interpreter_skips_the_session_as_nox_does(
    project: MakeProject, nox: RunNox
) -> None:
    ran = nox(project(["attrs"], noxfile=MISSING))
    assert (ran.code, ran.lines) == (0, ["other"]), ran.text
    assert "Session show-3.99 skipped: Python interpreter 3.99 not found" in ran.stderr


def test_a_missing_interpreter_is_an_error_where_nox_is_told_so(
    project: MakeProject, nox: RunNox, env: dict[str, str]
) -> None:
    sample = project(["attrs"], noxfile=MISSING)
    for ran in (nox(sample, "--error-on-missing-interpreters"), nox(sample, env=env | {"CI": "1"})):
        assert ran.code == 1
        assert "Python interpreter 3.99 not found" in ran.stderr


def test_a_project_that_no_interpreter_fits_says_so(project: MakeProject, nox: RunNox) -> None:
    sample = project(["attrs"], noxfile=NOXFILE)
    sample.edit("pyproject.toml", ">=3.11", ">=3.98")
    sample.uv("lock", "--quiet", check=False)
    ran = nox(sample, "--error-on-missing-interpreters")
    assert ran.code == 1
    assert "Traceback" not in ran.text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("version = 1\n[[package]\n", "TOML parse error"),
        ("version = 99\nrevision = 1\n", "version"),
        ("\0\1\2", "TOML parse error"),
        ("", "missing field `version`"),
    ],
)
def test_a_malformed_lock_is_one_sentence(
    content: str, told: str, sample: Sample, nox: RunNox
) -> None:
    (sample.path / "uv.lock").write_text(content)
    said = error_of(nox(sample))
    assert said.startswith(f"uv cannot read the project in {sample.path}: "), said
    assert said.endswith("(exit code 2)")
    assert told in said


@pytest.mark.parametrize(
    "content",
    ["[project\n", "[project]\nname = 1\n", "\0", "[tool.noxden\n", "[tool.uv]\nindex = 1\n"],
)
def test_a_malformed_pyproject_is_one_sentence(content: str, sample: Sample, nox: RunNox) -> None:
    (sample.path / "pyproject.toml").write_text(content)
    said = error_of(nox(sample))
    assert str(sample.path) in said
    assert said.endswith("(exit code 2)")


def test_a_project_without_a_lock_says_what_to_run(project: MakeProject, nox: RunNox) -> None:
    sample = project(["attrs"], noxfile=NOXFILE, lock=False)
    assert error_of(nox(sample)) == f"{sample.path} has no uv.lock; run: uv lock (exit code 2)"


def test_a_folder_without_a_project_says_what_to_run(project: MakeProject, nox: RunNox) -> None:
    sample = project(["attrs"], noxfile=NOXFILE, lock=False)
    (sample.path / "pyproject.toml").unlink()
    assert error_of(nox(sample)) == (
        f"no pyproject.toml in {sample.path} or above; noxden needs a uv project: "
        f"run uv init (exit code 2)"
    )


def test_a_package_that_cannot_be_built_is_named_in_one_sentence(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_text(
        '[project]\nname = "broken"\nversion = "1"\nrequires-python = ">=3.11"\n'
        '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
    )
    source = '[tool.uv.sources]\nbroken = { path = "../broken" }\n'
    ran = nox(project(["broken"], more=source, noxfile=NOXFILE))
    said = error_of(ran)
    assert "broken" in said
    assert said.endswith("(exit code 3)")


def test_without_a_network_what_is_there_still_works(
    sample: Sample, nox: RunNox, env: dict[str, str], fresh_den: Path
) -> None:
    offline = env | {"NOXDEN_OFFLINE": "1"}
    ran = nox(sample, env=offline, den=fresh_den)
    assert (ran.code, ran.lines) == (0, ["attr"]), ran.text


def test_without_a_network_what_is_missing_is_said(
    sample: Sample, nox: RunNox, env: dict[str, str], tmp_path: Path
) -> None:
    ran = nox(sample, env=env | {"NOXDEN_OFFLINE": "1"}, den=tmp_path / "empty")
    said = error_of(ran)
    assert said.endswith("(exit code 3)")
    assert "network" in said.lower() or "offline" in said.lower()


def test_uv_is_found_by_its_name_on_the_path(
    sample: Sample, nox: RunNox, env: dict[str, str], quick_den: Path
) -> None:
    folder = str(Path(find_uv(env)).parent)
    path = f"{folder}{os.pathsep}{env['PATH']}"
    assert nox(sample, env=env | {"UV": "uv", "PATH": path}, den=quick_den).code == 0


def test_folders_of_a_den_that_somebody_deleted_come_back(
    sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    for names in (["envs"], ["locks"], ["uses"], ["memo"], ["envs", "locks", "uses"]):
        for name in names:
            shutil.rmtree(fresh_den / name)
        ran = nox(sample, den=fresh_den)
        assert (ran.code, ran.lines) == (0, ["attr"]), ran.text
        assert all((fresh_den / name).is_dir() for name in names)
