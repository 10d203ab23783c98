"""Builders that die at any step: nothing half is ever used, and the next run clears up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from noxden.tools.uv import find_uv
from tests.sandbox import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

NOXFILE = """
import noxden

@noxden.session
def show(session):
    session.run("python", "-c", "import attr, sample; print(attr.__name__, sample.WHO)")
"""

WRAPPER = """#!/bin/sh
case "$*" in
  {pattern}) hit=1 ;;
  *) hit=0 ;;
esac
if [ $hit = 1 ]; then
  {before}
fi
"{uv}" "$@"
code=$?
if [ $hit = 1 ]; then
  {after}
fi
exit $code
"""


def wrap_uv(
    folder: Path, env: Mapping[str, str], pattern: str, before: str = ":", after: str = ":"
) -> dict[str, str]:
    """An environment in which uv runs ``before`` and ``after`` around calls that match."""
    wrapper = folder / "uv-wrapper"
    text = WRAPPER.format(pattern=pattern, before=before, after=after, uv=find_uv(env))
    wrapper.write_text(text)
    wrapper.chmod(0o755)
    return {**env, "UV": str(wrapper)}


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    return project(["attrs"], package=True, noxfile=NOXFILE)


def assert_a_run_mends_everything(sample: Sample, nox: RunNox, den: Path) -> None:
    ran = nox(sample, den=den)
    assert (ran.code, ran.lines) == (0, ["attr first"]), ran.text
    assert [path.name[0] == "." for path in (den / "envs").iterdir()] == [False]
    again = nox(sample, den=den)
    assert (again.code, again.lines) == (0, ["attr first"]), again.text
    assert "built" not in again.stderr


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "pattern",
    [
        "export*",
        "venv*--relocatable*",
        '"pip sync"*',
        '"pip check"*',
        "sync*",
    ],
)
def test_a_builder_that_is_killed_leaves_nothing_that_is_used(
    pattern: str,
    moment: str,
    sample: Sample,
    nox: RunNox,
    env: dict[str, str],
    quick_den: Path,
    tmp_path: Path,
) -> None:
    killing = wrap_uv(tmp_path, env, pattern, **{moment: "kill -9 $PPID; exit 1"})
    assert nox(sample, env=killing, den=quick_den).code == -signal.SIGKILL
    assert_a_run_mends_everything(sample, nox, quick_den)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("pattern", ["venv*--clear*", '"pip install"*'])
def test_a_builder_without_build_isolation_that_is_killed_leaves_nothing_that_is_used(
    pattern: str,
    moment: str,
    project: MakeProject,
    nox: RunNox,
    env: dict[str, str],
    quick_den: Path,
    tmp_path: Path,
) -> None:
    more = "[tool.uv]\nno-build-isolation = true\n"
    sample = project(["attrs", "uv_build"], package=True, noxfile=NOXFILE, more=more)
    killing = wrap_uv(tmp_path, env, pattern, **{moment: "kill -9 $PPID; exit 1"})
    assert nox(sample, env=killing, den=quick_den).code == -signal.SIGKILL
    assert_a_run_mends_everything(sample, nox, quick_den)


DRIVER = """
import os, pathlib, signal, sys
from noxden.den.prepare import prepare
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request

rename = pathlib.Path.rename

def dying(self, target):
    if self.name.startswith(".building-") and self.parent.name == "envs":
        if {after}:
            rename(self, target)
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

pathlib.Path.rename = dying
here = pathlib.Path.cwd()
(here / ".nox").mkdir()
prepare(open_workplace(here, os.environ), Request(), here / ".nox" / "show")
"""


@pytest.mark.parametrize("after", [False, True])
def test_a_builder_that_is_killed_around_the_rename_leaves_a_whole_base_or_none(
    after: bool,
    sample: Sample,
    nox: RunNox,
    env: dict[str, str],
    quick_den: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER.format(after=after)],
        cwd=sample.path,
        env=env | {"NOXDEN_DIR": str(quick_den)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    names = [path.name for path in (quick_den / "envs").iterdir()]
    assert len(names) == 1
    assert names[0].startswith(".building-") is not after
    assert_a_run_mends_everything(sample, nox, quick_den)


@pytest.mark.parametrize("after", [False, True])
def test_a_builder_that_is_killed_while_it_replaces_a_damaged_base_leaves_it_to_the_next(
    after: bool,
    sample: Sample,
    nox: RunNox,
    env: dict[str, str],
    quick_den: Path,
) -> None:
    envs = quick_den / "envs"
    assert nox(sample, den=quick_den).code == 0
    [base] = envs.iterdir()
    (base / "env.json").unlink()
    shutil.rmtree(sample.path / ".nox")
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER.format(after=after)],
        cwd=sample.path,
        env=env | {"NOXDEN_DIR": str(quick_den)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert base.exists() is after
    ran = nox(sample, den=quick_den)
    assert (ran.code, ran.lines) == (0, ["attr first"]), ran.text
    assert (base / "env.json").exists()
    names = sorted(path.name.removesuffix(path.suffix) for path in envs.iterdir())
    assert names == [f".building-replaced-0-0-{base.name}", base.name]


def test_sessions_that_find_a_damaged_base_at_the_same_time_replace_it_once(
    sample: Sample, nox: RunNox, env: dict[str, str], quick_den: Path
) -> None:
    assert nox(sample, den=quick_den).code == 0
    [base] = (quick_den / "envs").iterdir()
    next(base.glob("lib/python*/site-packages/attrs-*.dist-info/RECORD")).unlink()
    (base / ".boot").write_text("an earlier boot")
    processes = [start_nox(sample, env, quick_den) for _ in range(4)]
    said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(said)
    assert sum(text.count("building base environment") for text in said) == 1, "\n".join(said)
    assert (base / ".boot").read_text() != "an earlier boot"


def start_nox(sample: Sample, env: Mapping[str, str], den: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nox"],
        cwd=sample.path,
        env={**env, "NOXDEN_DIR": str(den)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(file: Path) -> None:
    limit = time.monotonic() + LIMIT_S
    while not file.exists():
        assert time.monotonic() < limit, f"{file} did not appear"
        time.sleep(0.02)


@pytest.mark.parametrize("whom", ["the whole terminal", "nox alone"])
def test_ctrl_c_during_a_build_leaves_nothing_half(
    whom: str,
    sample: Sample,
    nox: RunNox,
    env: dict[str, str],
    quick_den: Path,
    tmp_path: Path,
) -> None:
    flag = tmp_path / "syncing"
    slow = wrap_uv(tmp_path, env, '"pip sync"*', after=f"touch '{flag}'; sleep 60")
    process = start_nox(sample, slow, quick_den)
    wait_for(flag)
    if whom == "nox alone":
        os.kill(process.pid, signal.SIGINT)
    else:
        os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in said, said
    assert list((quick_den / "envs").iterdir()) == []
    assert_a_run_mends_everything(sample, nox, quick_den)


def test_eight_processes_on_a_cold_key_build_it_once(
    project: MakeProject, env: dict[str, str], quick_den: Path, tmp_path: Path
) -> None:
    samples = [
        project(["attrs", "iniconfig"], package=True, noxfile=NOXFILE, at=tmp_path / f"checkout{i}")
        for i in range(8)
    ]
    processes = [start_nox(sample, env, quick_den) for sample in samples]
    said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, "\n".join(said)
    assert sum(text.count("building base environment") for text in said) == 1, "\n".join(said)
    assert all("attr first" in text for text in said)
    assert len(list((quick_den / "envs").iterdir())) == 1


def test_processes_that_want_the_same_session_at_the_same_time_share_it(
    sample: Sample, env: dict[str, str], quick_den: Path
) -> None:
    processes = [start_nox(sample, env, quick_den) for _ in range(4)]
    said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(said)
    assert sum(text.count("; built in ") for text in said) == 1, "\n".join(said)


def test_processes_that_open_a_new_den_at_the_same_time_get_one_den(
    env: dict[str, str], tmp_path: Path
) -> None:
    code = textwrap.dedent("""
        import os
        from noxden.den.layout import open_den
        for number in range(20):
            open_den({**os.environ, "NOXDEN_DIR": f"{os.environ['NOXDEN_DIR']}/{number}"})
    """)
    (tmp_path / "dens").mkdir(mode=0o700)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=env | {"NOXDEN_DIR": str(tmp_path / "dens")},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = [process.communicate(timeout=LIMIT_S)[1] for process in processes]
    assert said == [""] * 6
