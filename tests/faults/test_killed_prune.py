"""Prunings that are killed at any step, or run beside sessions: no closure lacks its wheels."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noxden.den.layout import Den, open_den
from noxden.den.wheels.closures import list_closures, read_closure, write_closure
from noxden.den.wheels.needs import note_need
from noxden.den.wheels.prune import PrunePlan, apply_prune, plan_prune
from noxden.den.wheels.store import artifact_path, find_artifact
from noxden.lock.selection import Artifact, Selection

WORKER = Path(__file__).with_name("prune_worker.py")
DRIVER = """
import os, pathlib, shutil, signal, sys
from noxden.den.layout import open_den
from noxden.den.wheels.prune import apply_prune, plan_prune

left = int(sys.argv[1])

def dying(function):
    def call(*args, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return call

den = open_den(os.environ)
plan = plan_prune(den)
pathlib.Path.unlink = dying(pathlib.Path.unlink)
pathlib.Path.rename = dying(pathlib.Path.rename)
os.rmdir = dying(os.rmdir)
apply_prune(den, plan)
"""
STEPS = 6
"""What a pruning of two closures and two wheels takes: a manifest each, a rename and the removal
of a folder for each wheel."""


def make_artifact(number: int) -> Artifact:
    name, sha256 = f"nx{number}", f"{number:x}" * 64
    file = f"{name}-1.0-py3-none-any.whl"
    wheels = [{"url": f"https://i.example/{file}", "hashes": {"sha256": sha256}}]
    entry = {"name": name, "version": "1.0", "wheels": wheels}
    return Artifact(name, "1.0", "wheel", file, sha256, "", None, entry)


@pytest.fixture
def held(tmp_path: Path) -> Den:
    """A den with a live closure and two dead ones, which share wheels."""
    made = open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    (tmp_path / "uv.lock").touch()
    one, two, three, four = (make_artifact(number) for number in range(1, 5))
    for artifact in (one, two, three, four):
        path = artifact_path(made, artifact.content, artifact.file)
        path.parent.mkdir(parents=True)
        path.write_text(artifact.name)
        path.chmod(0o444)
    for artifacts in ((one, two), (two, three), (three, four)):
        write_closure(made, Selection(artifacts, ()))
    note_need(made, tmp_path, "heavy", Selection((one, two), ()).closure_id)
    return made


def prune_until_killed(den: Den, steps: int, env: dict[str, str]) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER, str(steps)],
        env=env | {"NOXDEN_DIR": str(den.root)},
        check=False,
    )
    return ended.returncode


@pytest.mark.parametrize("steps", range(STEPS))
def test_a_pruning_that_is_killed_leaves_no_closure_without_its_wheels(
    steps: int, held: Den, env: dict[str, str]
) -> None:
    code = prune_until_killed(held, steps, env)

    assert code == -signal.SIGKILL
    for closure_id in list_closures(held):
        found = read_closure(held, closure_id)
        assert found is not None
        assert all(find_artifact(held, artifact) for artifact in found.artifacts)

    # What it did not come to goes as what no closure names: after a day.
    apply_prune(held, plan_prune(held, now=time.time() + 2 * 86400))

    assert sorted(path.name[:3] for path in held.wheels.glob("*/*/*")) == ["nx1", "nx2"]
    assert len(list_closures(held)) == 1
    assert plan_prune(held, now=time.time() + 2 * 86400) == PrunePlan()


def test_sessions_and_prunings_at_the_same_time_lose_nothing_that_is_needed(
    tmp_path: Path,
) -> None:
    shared = open_den({"NOXDEN_DIR": str(tmp_path / "den")})
    processes = []
    for seed in range(4):
        project = tmp_path / f"project{seed}"
        project.mkdir()
        (project / "uv.lock").touch()
        words = [shared.root, project, seed, 60]
        processes.append(
            subprocess.Popen(
                [sys.executable, str(WORKER), *map(str, words)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    ended = [process.communicate(timeout=120) for process in processes]

    failed = [
        said for process, (_, said) in zip(processes, ended, strict=True) if process.returncode
    ]
    assert not failed, failed[0]
    answers = [json.loads(answer) for answer, _ in ended]
    total = {name: sum(answer[name] for answer in answers) for name in answers[0]}
    assert total["filled"] > 40, total
    assert total["pruned"] > 20, total
