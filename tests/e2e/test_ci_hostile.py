"""Payloads that strangers can shape: what generated workflows and the plan make of them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.runners.act import Act, commit, make_pull_request
from tests.runners.npm import install
from tests.sandbox import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

pytestmark = pytest.mark.e2e
NOXFILE = """
import noxden

noxden.plan()
noxden.heavy(name="gated")


@noxden.session(layered=False)
def only(session):
    session.run("true", external=True)
"""
UNSAFE = """
name: unsafe
on: pull_request
jobs:
  plan:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.event.pull_request.labels[0].name }}
"""


@pytest.fixture
def act(common: Path, tmp_path: Path) -> Act:
    folder = tmp_path / "act"
    folder.mkdir()
    return Act(folder, install("workflows", common) / "@actions" / "cache" / "lib" / "cache.js")


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    made = project(more='[tool.noxden.ci]\nlaunch = ""\n', noxfile=NOXFILE)
    made.write(".gitignore", ".nox/\n.noxden/\n.noxden-bundle/\n")
    run([sys.executable, "-m", "noxden", "ci", "write"], cwd=made.path, env=made.env)
    made.write(".github/workflows/unsafe.yml", UNSAFE)
    commit(made)
    return made


def make_hostile(canary: Path) -> dict[str, Any]:
    """A pull request whose every text would make ``canary`` in a shell that it reaches."""
    command = f"touch {canary}"
    texts = (f"$({command})", f"`{command}`", f"'; {command} #", f'"; {command} #', f"\n{command}")
    payload = make_pull_request(*texts, head=f"stranger/$({command})")
    payload["pull_request"]["title"] = texts[0]
    payload["pull_request"]["head"]["ref"] = f"$({command})"
    return payload


@pytest.mark.parametrize("workflow", ["noxden.yml", "noxden-heavy.yml"])
def test_no_text_of_a_payload_reaches_a_shell(
    act: Act, sample: Sample, den: Path, tmp_path: Path, workflow: str
) -> None:
    canary = tmp_path / "canary"
    payload = make_hostile(canary)
    # The same payload, where it does reach one: otherwise the canary would prove nothing.
    act.run(sample, "pull_request", payload, den=den, workflow="unsafe.yml")
    assert canary.exists()
    canary.unlink()
    ended = act.run(sample, "pull_request", payload, den=den, workflow=workflow)
    assert ended.jobs["required"] == "succeeded", ended.ran.text
    assert not canary.exists()


def test_a_payload_larger_than_any_event_stops_the_plan_with_one_sentence(
    sample: Sample, nox: RunNox, env: dict[str, str], tmp_path: Path
) -> None:
    payload = make_pull_request()
    payload["pull_request"]["body"] = "x" * (25 * 1024 * 1024)
    event = tmp_path / "event.json"
    event.write_text(json.dumps(payload))
    # Without act, which takes ten seconds to read it.
    on_ci = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    ran = nox(sample, "-s", "plan", env={**env, **on_ci})
    sentence = f"noxden: GITHUB_EVENT_PATH: {event} is larger than 25 MB, no event is\n"
    assert (ran.code, ran.stdout, ran.stderr) == (2, "", sentence)
    assert not (tmp_path / "output").exists()
