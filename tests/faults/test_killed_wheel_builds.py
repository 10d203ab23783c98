"""Builds of wheels that are killed at any step, or that wait for each other."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tomli

from noxden.den.wheels.store import hash_file
from tests.sandbox import LIMIT_S, make_wheel
from tests.sdists import BACKEND, make_backend, make_sdist

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Index, Sample

FILL = """
import os, pathlib, signal, sys, types
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels import build, builder, manifests
from noxden.den.wheels.fill import fill_store
from noxden.den.workplace import open_workplace
from noxden.errors import NoxdenError
from noxden.lock.request import Request

class Den:
    key_env, remote, trust = (), "", "locked"

def fill():
    place = open_workplace(pathlib.Path.cwd(), os.environ, Den)
    resolution = resolve(place, Request(), complete=True)
    try:
        print(fill_store(place, resolution, Supply(from_index=True)).warnings)
    except NoxdenError as error:
        print(error)
"""
DYING = (
    FILL
    + """
where, name, moment = sys.argv[1:]
module = {"build": build, "builder": builder, "manifests": manifests}[where]
function = getattr(module, name)

def die(*args, **options):
    if moment == "after":
        function(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, name, types.SimpleNamespace(fsync=die) if name == "os" else die)
fill()
"""
)
KILLING = """
build = build_wheel

def build_wheel(folder, config_settings=None, metadata_directory=None):
    if not os.path.exists({flag!r}):
        open({flag!r}, "x").close()
        os.kill(os.getppid(), 9)
        sys.exit(1)
    return build(folder, config_settings)
"""
MEETING = (
    FILL
    + """
function = build.pin_requirements

def meet(*args):
    build.pin_requirements = function
    print("pins", flush=True)
    sys.stdin.readline()
    return function(*args)

build.pin_requirements = meet
fill()
"""
)


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    """A project that needs ``tiny``, which is an sdist."""
    make_backend(index.folder)
    make_sdist(index.folder, "tiny")
    return project(["tiny"], more=index.setting)


def start(code: str, sample: Sample, den: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=sample.path,
        env={**sample.env, "NOXDEN_DIR": str(den)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(code: str, sample: Sample, den: Path, *words: str) -> tuple[int, str]:
    process = start(code, sample, den, *words)
    said, _ = process.communicate(timeout=LIMIT_S)
    return process.returncode, said


def read_manifests(den: Path) -> list[Mapping[str, Mapping[str, str]]]:
    return [tomli.loads(path.read_text("utf-8")) for path in den.glob("built/[0-9a-f]*/*.toml")]


def find_leftovers(den: Path) -> list[Path]:
    """What is in the den, its cache of uv aside, that no finished run leaves there."""
    folders = [den / "built", den / "wheels"]
    found = [path for folder in folders for path in folder.rglob(".building-*")]
    return [*found, *den.glob("wheels/partial/*")]


def assert_a_run_builds(sample: Sample, den: Path) -> None:
    assert run(FILL + "fill()", sample, den) == (0, "()\n")
    (manifest,) = read_manifests(den)
    (wheel,) = den.glob("wheels/??/*/tiny-1.0-py3-none-any.whl")
    assert manifest["wheel"]["sha256"] == wheel.parent.name == hash_file(wheel)
    assert find_leftovers(den) == []


@pytest.mark.parametrize(
    ("where", "name", "moment"),
    [
        ("builder", "lay_out", "after"),
        ("build", "pin_requirements", "after"),
        ("builder", "prepare_hooks", "after"),
        ("builder", "build_wheel", "before"),
        ("builder", "build_wheel", "after"),
        ("builder", "accept_wheel", "after"),
        ("manifests", "render_manifest", "before"),
        ("builder", "write_manifest", "after"),
    ],
)
def test_after_a_build_that_was_killed_the_next_run_builds_and_leaves_nothing(
    where: str, name: str, moment: str, sample: Sample, fresh_den: Path
) -> None:
    assert run(DYING, sample, fresh_den, where, name, moment)[0] == -signal.SIGKILL
    assert len(read_manifests(fresh_den)) == (name == "write_manifest")
    assert find_leftovers(fresh_den)
    assert_a_run_builds(sample, fresh_den)


def test_a_manifest_that_was_half_written_is_no_manifest(sample: Sample, fresh_den: Path) -> None:
    assert run(DYING, sample, fresh_den, "manifests", "os", "before")[0] == -signal.SIGKILL
    (half,) = fresh_den.glob("built/*/.building-*")
    assert half.is_file()
    assert_a_run_builds(sample, fresh_den)


def test_after_a_run_that_was_killed_within_a_hook_the_next_run_builds(
    sample: Sample, index: Index, fresh_den: Path, tmp_path: Path
) -> None:
    text = f"{BACKEND}{KILLING.format(flag=str(tmp_path / 'killed'))}"
    make_wheel(index.folder, "tinybackend", "1.0", {"tinybackend.py": text})
    assert run(FILL + "fill()", sample, fresh_den)[0] == -signal.SIGKILL
    assert (tmp_path / "killed").exists()
    assert find_leftovers(fresh_den)
    assert_a_run_builds(sample, fresh_den)


def test_processes_that_build_what_needs_each_other_do_not_wait_for_each_other(
    project: MakeProject, index: Index, fresh_den: Path, tmp_path: Path
) -> None:
    make_backend(index.folder)
    make_sdist(index.folder, "helper", build='["tinybackend", "tiny"]')
    make_sdist(index.folder, "tiny", build='["tinybackend", "helper"]')
    names = "tiny", "helper"
    processes = [
        start(MEETING, project([name], more=index.setting, at=tmp_path / f"of-{name}"), fresh_den)
        for name in names
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "pins\n"
        # Both are within a build now, and go on to build what the other is building.
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert said == [
        "cannot build tiny 1.0: tiny needs helper needs tiny to be built\n",
        "cannot build helper 1.0: helper needs tiny needs helper to be built\n",
    ]
    assert find_leftovers(fresh_den) == []


def test_processes_that_build_the_same_at_the_same_time_build_it_once(
    sample: Sample, fresh_den: Path
) -> None:
    processes = [start(FILL + "fill()", sample, fresh_den) for _ in range(4)]
    said = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
    assert said == ["()\n"] * 4
    assert len(read_manifests(fresh_den)) == 1
    assert find_leftovers(fresh_den) == []
