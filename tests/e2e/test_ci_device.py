"""The generated device workflow, run by act: stages on cards for the repository's own runs alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.runners.act import Act, commit, make_payload, make_pull_request
from tests.runners.npm import install
from tests.sandbox import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject
    from tests.sandbox import Sample

pytestmark = pytest.mark.e2e
NOXFILE = "import noxden\n\nnoxden.plan()\nnoxden.device()\n"
TABLE = """
[tool.noxden.ci]
launch = ""

[tool.noxden.device]
provider = "simulated"
cards = 1
tests = ["tests"]

[[tool.noxden.device.stage]]
number = 0
frequency = "on pull request"

[[tool.noxden.device.stage]]
number = 3
frequency = "nightly"

[[tool.noxden.device.stage]]
number = 4
frequency = "on pull request"
blocking = false
tests = ["tests/test_four.py"]
"""


@pytest.fixture
def act(common: Path, tmp_path: Path) -> Act:
    folder = tmp_path / "act"
    folder.mkdir()
    return Act(folder, install("workflows", common) / "@actions" / "cache" / "lib" / "cache.js")


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    group = ("pytest", "pytest-reportlog", "pytest-xdist")
    made = project(groups={"test": group}, more=TABLE, noxfile=NOXFILE)
    made.write("tests/test_zero.py", "def test_zero(): pass\n")
    made.write(".gitignore", ".nox/\n.noxden/\n.noxden-bundle/\n__pycache__/\n")
    run([sys.executable, "-m", "noxden", "ci", "write"], cwd=made.path, env=made.env)
    return made


def test_a_pull_request_runs_the_stages_that_are_due_and_one_of_a_fork_has_no_card(
    act: Act, sample: Sample, den: Path
) -> None:
    sample.write("tests/test_four.py", "def test_four(): assert 4 == 0\n")
    sample.edit("pyproject.toml", 'tests = ["tests"]', 'tests = ["tests/test_zero.py"]')
    commit(sample)
    ended = act.run(
        sample, "pull_request", make_pull_request(), den=den, workflow="noxden-device.yml"
    )
    # Stage 4 does not block: what fails there is told, and turns nothing red.
    assert ended.jobs == dict.fromkeys(
        ("plan", "device stage 0", "device stage 4", "required"), "succeeded"
    ), ended.ran.text
    assert "device stage 3 is skipped" in ended.ran.stdout
    assert "assert 4 == 0" in ended.ran.stdout

    fork = make_pull_request(head="stranger/demo")
    ended = act.run(sample, "pull_request", fork, den=den, workflow="noxden-device.yml")
    assert ended.jobs == {"plan": "succeeded", "required": "succeeded"}, ended.ran.text
    assert "cards are for trusted runs only" in ended.ran.stdout


def test_a_stage_that_is_asked_for_by_hand_runs_alone_and_blocks(
    act: Act, sample: Sample, den: Path
) -> None:
    sample.write("tests/test_three.py", "def test_three(): assert 3 == 0\n")
    commit(sample)
    by_hand = make_payload(inputs={"stage": "3"})
    ended = act.run(sample, "workflow_dispatch", by_hand, den=den, workflow="noxden-device.yml")
    assert ended.jobs == {
        "plan": "succeeded", "device stage 3": "failed", "required": "failed",
    }, ended.ran.text  # fmt: skip
