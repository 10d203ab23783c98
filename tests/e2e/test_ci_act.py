"""The generated workflows, run by act: plan, matrix, cache, gate and the job that is required."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import make_den
from tests.runners.act import Act, commit, copy_repository, make_payload, make_pull_request
from tests.runners.npm import install
from tests.sandbox import Sample, make_wheel, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Index

pytestmark = pytest.mark.e2e
NOXFILE = """
import noxden

noxden.plan()
noxden.heavy(name="gated", groups=["heavy"])


@noxden.session(groups=["small"])
def first(session):
    session.run("python", "-c", "import small; print('weight', small.WEIGHT)")


@noxden.session(groups=["small"])
def second(session):
    session.run("python", "-c", "import os, sys; sys.exit('FAIL' in os.environ)")
"""
TABLE = """
[tool.noxden.ci]
launch = ""
cache-min-size = "0B"
"""


@pytest.fixture
def act(tmp_path: Path, common: Path) -> Act:
    modules = install("workflows", common)
    folder = tmp_path / "act"
    folder.mkdir()
    return Act(folder, modules / "@actions" / "cache" / "lib" / "cache.js")


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    for name in ("small", "large"):
        make_wheel(index.folder, name, files={f"{name}.py": "WEIGHT = 1\n"})
    sources = "".join(f"{name} = {{ index = 'local' }}\n" for name in ("small", "large"))
    more = f"{TABLE}\n{index.setting}\n[tool.uv.sources]\n{sources}"
    groups = {"small": ["small"], "heavy": ["large", "pytest"]}
    made = project(groups=groups, more=more, noxfile=NOXFILE)
    made.write(".gitignore", ".nox/\n.noxden/\n.noxden-bundle/\n__pycache__/\n")
    made.write(
        "tests/test_large.py",
        """
        import large
        import pytest


        @pytest.mark.heavy
        def test_large():
            assert large.WEIGHT == 1
        """,
    )
    write(made)
    index.seen.clear()
    return made


def write(sample: Sample) -> None:
    command = [sys.executable, "-m", "noxden", "ci", "write"]
    run(command, cwd=sample.path, env=sample.env)
    commit(sample)


def test_a_run_is_planned_runs_saves_its_wheels_and_the_next_one_fetches_none(
    act: Act, sample: Sample, index: Index, tmp_path: Path
) -> None:
    ended = act.run(sample, "push", make_payload(), den=make_den(tmp_path / "one"))
    assert ended.jobs == dict.fromkeys(("plan", "first", "second", "required"), "succeeded"), (
        ended.ran.text
    )
    assert "small-1.0-py3-none-any.whl" in index.files
    assert ended.ran.stdout.count("| saved ") == 2
    index.seen.clear()
    again = act.run(sample, "push", make_payload(), den=make_den(tmp_path / "two"))
    assert again.jobs == ended.jobs, again.ran.text
    assert index.files == []
    assert len(re.findall(r"\| restored \S+-(first|second)-", again.ran.stdout)) == 2
    assert "| saved " not in again.ran.stdout


def test_a_session_that_fails_turns_required_red_unless_it_is_advisory(
    act: Act, sample: Sample, tmp_path: Path
) -> None:
    den = make_den(tmp_path / "one")
    ended = act.run(sample, "push", make_payload(), den=den, env={"FAIL": "1"})
    # act gives all jobs of a matrix the worst result of them.
    assert (ended.jobs["second"], ended.jobs["required"]) == ("failed", "failed"), ended.ran.text
    assert "Session first was successful" in ended.ran.stdout
    sample.edit("pyproject.toml", 'launch = ""', 'launch = ""\nadvisory = ["second"]')
    write(sample)
    ended = act.run(sample, "push", make_payload(), den=den, env={"FAIL": "1"})
    assert set(ended.jobs.values()) == {"succeeded"}, ended.ran.text


def test_a_stale_lock_stops_the_plan_and_with_it_all(
    act: Act, sample: Sample, tmp_path: Path
) -> None:
    sample.edit("pyproject.toml", "heavy = [", 'heavy = ["small", ')
    commit(sample)
    ended = act.run(sample, "push", make_payload(), den=make_den(tmp_path / "one"))
    assert ended.jobs == {"plan": "failed", "required": "failed"}
    assert "run: uv lock" in ended.ran.stdout


def test_the_label_runs_heavy_sessions_and_a_closed_gate_is_green(
    act: Act, sample: Sample, quick_den: Path
) -> None:
    def go(payload: dict[str, Any]) -> dict[str, str]:
        ended = act.run(sample, "pull_request", payload, den=quick_den, workflow="noxden-heavy.yml")
        return ended.jobs

    without = go(make_pull_request("docs"))
    assert without == {"plan": "succeeded", "required": "succeeded"}
    assert go(make_pull_request("run-heavy-deps", action="labeled")) == {
        "plan": "succeeded", "gated": "succeeded", "required": "succeeded",
    }  # fmt: skip


@pytest.mark.parametrize("folder", [".github", ".forgejo"])
def test_this_repositorys_own_workflows_run(
    act: Act, env: dict[str, str], quick_den: Path, tmp_path: Path, common: Path, folder: str
) -> None:
    own = Sample(copy_repository(tmp_path / "own", env), env, common)
    for file in (own.path / folder / "workflows").glob("*.yml"):
        file.write_text(re.sub(r"https://(data\.forgejo\.org|github\.com)/", "", file.read_text()))
    commit(own)
    for name, payload in (
        ("noxden-heavy.yml", make_pull_request("docs")),
        ("noxden-device.yml", make_pull_request(head="stranger/demo")),
    ):
        where = f"../../{folder}/workflows/{name}"
        ended = act.run(own, "pull_request", payload, den=quick_den, workflow=where)
        assert ended.jobs == {"plan": "succeeded", "required": "succeeded"}, ended.ran.text
    assert "cards are for trusted runs only" in ended.ran.stdout


def test_what_a_fork_asks_for_is_not_saved(act: Act, sample: Sample, tmp_path: Path) -> None:
    fork = make_pull_request(head="stranger/demo")
    ended = act.run(sample, "pull_request", fork, den=make_den(tmp_path / "one"))
    assert set(ended.jobs.values()) == {"succeeded"}, ended.ran.text
    assert "| saved " not in ended.ran.stdout
    assert "uses the den of untrusted runs" in ended.ran.stdout


def test_a_payload_that_is_no_payload_is_an_error_of_the_plan(
    act: Act, sample: Sample, tmp_path: Path
) -> None:
    broken = make_pull_request()
    broken["pull_request"]["labels"] = "all"
    ended = act.run(sample, "pull_request", broken, den=make_den(tmp_path / "one"))
    assert ended.jobs == {"plan": "failed", "required": "failed"}
    assert "pull_request.labels is to be a list, got text" in ended.ran.stdout
    assert json.loads((act.folder / "event.json").read_text())["number"] == 7
