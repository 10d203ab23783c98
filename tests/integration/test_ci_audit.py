"""``noxden ci audit`` on the files that ``noxden ci write`` makes, in a checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from noxden._rule import make_rule
from noxden.ci.audit.audit import audit
from noxden.ci.files.render import render_files
from noxden.ci.plan.values import PlannedSession
from noxden.config import CiConfig, Config, DeviceConfig

if TYPE_CHECKING:
    from pathlib import Path

RULE = make_rule(("label", "input", "schedule"), "run-heavy-deps", "run-heavy-deps", "here")
SESSIONS = (
    PlannedSession("plan", "plan", "plan", None, default=False),
    PlannedSession("unit", "unit", "unit", None, default=True),
    PlannedSession("heavy", "heavy", "heavy", None, default=False, rule=RULE),
    PlannedSession("device", "device", "device", None, default=False, stages=DeviceConfig().stage),
    PlannedSession("packaging", "packaging", "packaging", None, default=True),
    PlannedSession("publish", "publish", "publish", None, default=False),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with generated files for every system."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "demo"\n')
    config = Config(ci=CiConfig(providers=("github", "forgejo", "gitlab", "jenkins")))
    for path, text in render_files(root, config, SESSIONS).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


def test_files_that_noxden_makes_have_no_problem_and_are_known_as_cached(checkout: Path) -> None:
    found = audit(checkout)
    assert found.problems == ()
    assert found.skipped == ()
    assert found.files == 10
    assert {job.system for job in found.jobs} == {"github", "forgejo", "gitlab", "jenkins"}
    assert {job.kept for job in found.jobs} == {"noxden, which made this file"}
    cached = {job.place.path for job in found.jobs if job.caches}
    assert cached == {
        f"{folder}/workflows/{name}.yml"
        for folder in (".github", ".forgejo")
        for name in ("noxden", "noxden-heavy", "noxden-device")
    }


def test_the_checkout_is_audited_from_any_folder_of_it(checkout: Path, env: dict[str, str]) -> None:
    folder = checkout / "src"
    folder.mkdir()
    command = [sys.executable, "-m", "noxden", "ci", "audit", "--strict", "--json"]
    ran = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    assert (found["files"], found["problems"], ran.stderr) == (10, [], "")


def test_without_a_repository_the_folder_is_audited(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "Jenkinsfile").write_text("node { sh 'nox' }\n")
    command = [sys.executable, "-m", "noxden", "ci", "audit"]
    alone = {**env, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    ran = subprocess.run(
        command, cwd=tmp_path, env=alone, check=True, capture_output=True, text=True
    )
    assert ran.stdout.startswith("Jenkinsfile\n")
    assert ran.stderr == ""
