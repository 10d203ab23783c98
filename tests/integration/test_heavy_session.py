"""``nox -s heavy`` by the real nox, uv and pytest: wheels into the store, offline out of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import open_den
from noxden.den.wheels.closures import list_closures
from tests.sandbox import make_wheel, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Ran, Sample

WHEEL = "bulky-1.0-py3-none-any.whl"
NOXFILE = """
import noxden

noxden.heavy()
"""
TESTS = """
import bulky
import pytest


@pytest.mark.heavy
def test_bulky():
    assert bulky.WEIGHT == 1


def test_light():
    pass
"""


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "bulky", files={"bulky.py": "WEIGHT = 1\n"})
    more = f"{index.setting}\n[tool.uv.sources]\nbulky = {{ index = 'local' }}\n"
    made = project(groups={"test": ["pytest"], "heavy": ["bulky"]}, more=more, noxfile=NOXFILE)
    made.write("tests/test_it.py", TESTS)
    index.seen.clear()
    return made


def find_files(den: Path) -> dict[str, Path]:
    """The wheels in the store, by name."""
    return {path.name: path for path in den.glob("wheels/??/*/*")}


def damage(path: Path) -> str:
    """Turn one byte over; return the hash that the name promises."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(content)
    return path.parent.name


def summary(sample: Sample) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (sample.path / ".noxden" / "heavy" / "summary.json").read_text()
    )
    return found


def isolated(sample: Sample, env: Mapping[str, str], den: Path, *words: str) -> Ran:
    """Run ``nox -s heavy`` in a network namespace that has no routes."""
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine makes no network namespaces")
    command = ["unshare", "-rn", "nox", "-s", "heavy", "--", *words]
    return run(command, cwd=sample.path, env={**env, "NOXDEN_DIR": str(den)}, check=False)


def test_heavy_wheels_come_once_into_the_store_and_the_tests_run(
    sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    ran = nox(sample, "-s", "heavy", den=fresh_den)
    assert ran.code == 0, ran.text
    assert "1 passed, 1 deselected" in ran.stdout
    assert index.files == [WHEEL]
    assert WHEEL in find_files(fresh_den)
    assert len(list_closures(open_den({"NOXDEN_DIR": str(fresh_den)}))) == 1
    assert summary(sample)["status"] == "passed"

    again = nox(sample, "-s", "heavy", den=fresh_den)
    assert again.code == 0, again.text
    assert index.files == [WHEEL]


def test_prepare_fills_the_store_and_makes_no_environment(
    sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    ran = nox(sample, "-s", "heavy", "--", "--prepare", den=fresh_den)
    assert ran.code == 0, ran.text
    assert WHEEL in find_files(fresh_den)
    assert not (sample.path / ".nox" / "heavy").exists()
    assert not [*fresh_den.glob("envs/*")]
    total = len(find_files(fresh_den))
    assert f"{total} of {total} wheels fetched, " in str(summary(sample)["steps"])


def test_without_a_network_everything_comes_from_a_remote_that_another_den_filled(
    sample: Sample, nox: RunNox, env: dict[str, str], fresh_den: Path, tmp_path: Path, index: Index
) -> None:
    remote = tmp_path / "remote"
    filled = nox(sample, "-s", "heavy", "--", "--prepare", den=tmp_path / "other-den")
    assert filled.code == 0, filled.text
    for name in ("wheels", "closures"):
        shutil.copytree(tmp_path / "other-den" / name, remote / name)
    index.seen.clear()
    shutil.rmtree(fresh_den / "uv")
    ran = isolated(sample, env, fresh_den, "--offline", "--remote", f"file://{remote}")
    assert ran.code == 0, ran.text
    assert "1 passed, 1 deselected" in ran.stdout
    assert index.seen == []


def test_a_package_that_is_nowhere_is_named(
    sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    (index.folder / WHEEL).unlink()
    ran = nox(sample, "-s", "heavy", den=fresh_den)
    assert ran.code == 1
    assert (
        "no source has bulky 1.0 (index: 127.0.0.1 answers 404 Not Found); see that one of them "
        "is there again (exit code 3)" in ran.stderr
    )
    assert summary(sample)["exit_code"] == 3


def test_a_package_that_was_yanked_installs_from_the_store(
    sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    nox(sample, "-s", "heavy", "--", "--prepare", den=fresh_den)
    (index.folder / WHEEL).unlink()
    ran = nox(sample, "-s", "heavy", den=fresh_den)
    assert ran.code == 0, ran.text


@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_a_damaged_wheel_is_put_aside_and_fetched_again(
    how: str, sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    nox(sample, "-s", "heavy", "--", "--prepare", den=fresh_den)
    wheel = find_files(fresh_den)[WHEEL]
    sha256 = damage(wheel)
    if how == "truncated":
        wheel.write_bytes(wheel.read_bytes()[:100])
    ran = nox(sample, "-s", "heavy", den=fresh_den)
    assert ran.code == 0, ran.text
    assert f"bulky 1.0: {wheel} is to have sha256 {sha256}, found " in ran.stderr
    assert index.files == [WHEEL, WHEEL]
    assert len([*fresh_den.glob("wheels/quarantine/*")]) == 1


def test_a_damaged_wheel_that_nobody_has_whole_is_refused(
    sample: Sample, nox: RunNox, env: dict[str, str], fresh_den: Path
) -> None:
    nox(sample, "-s", "heavy", "--", "--prepare", den=fresh_den)
    sha256 = damage(find_files(fresh_den)[WHEEL])
    ran = nox(sample, "-s", "heavy", "--", "--offline", den=fresh_den, env=env)
    assert ran.code == 1
    said = " ".join(ran.stderr.split())
    assert f"is to have sha256 {sha256}, found " in said
    assert "no source has the right one; find out who changed it (exit code 4)" in said
    assert summary(sample)["exit_code"] == 4


def test_refresh_finds_what_changed_in_the_store(
    sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    nox(sample, "-s", "heavy", "--", "--prepare", den=fresh_den)
    wheel = find_files(fresh_den)[WHEEL]
    whole = wheel.read_bytes()
    damage(wheel)
    ran = nox(sample, "-s", "heavy", "--", "--refresh", "--prepare", den=fresh_den)
    assert ran.code == 0, ran.text
    assert "bulky 1.0: " in ran.stderr
    assert wheel.read_bytes() == whole
    assert index.files == [WHEEL, WHEEL]


def test_an_index_that_lies_is_refused(
    sample: Sample, nox: RunNox, fresh_den: Path, index: Index
) -> None:
    make_wheel(index.folder, "bulky", files={"bulky.py": "WEIGHT = 2\n"})
    ran = nox(sample, "-s", "heavy", den=fresh_den)
    assert ran.code == 1
    assert f"bulky 1.0: {WHEEL} is to have sha256 " in ran.stderr
    assert "from index; find out who changed it (exit code 4)" in ran.stderr
    assert WHEEL not in find_files(fresh_den)


def test_a_session_without_an_environment_of_its_own_is_refused(
    sample: Sample, nox: RunNox, fresh_den: Path
) -> None:
    ran = nox(sample, "-s", "heavy", "--no-venv", den=fresh_den)
    assert ran.code == 1
    assert "heavy needs an environment of its own; run nox without --no-venv" in ran.stderr


def test_help_shows_what_may_stand_after_the_dashes(sample: Sample, nox: RunNox) -> None:
    ran = nox(sample, "-s", "heavy", "--", "--help")
    assert ran.code == 0
    for word in ("--prepare", "--refresh", "--offline", "--remote", "examples:"):
        assert word in ran.stdout
