"""This repository's own CI files, and generated ones, as the tools of their systems see them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.runners.act import commit, copy_repository
from tests.runners.npm import find_node, install
from tests.sandbox import Sample, make_wheel, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import MakeProject
    from tests.sandbox import Index, Ran

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".github", ".forgejo")
    for path in (ROOT / folder / "workflows").glob("*.yml")
)
PROGRAMS = Path(sys.executable).parent
PARSE = ROOT / "tests" / "runners" / "parse.mjs"


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    program, *rest = words
    return subprocess.run(
        [PROGRAMS / program, *rest], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )  # fmt: skip


def test_there_are_files_for_every_system() -> None:
    assert len(WORKFLOWS) == 8
    assert (ROOT / ".gitlab-ci.yml").is_file()
    assert (ROOT / "Jenkinsfile").is_file()


def test_they_are_what_the_configuration_makes() -> None:
    ran = tool("noxden", "ci", "check")
    assert (ran.returncode, ran.stdout) == (0, "all CI files are up to date\n"), ran.stderr


def test_they_fit_the_schemas_of_their_systems() -> None:
    # Forgejo has none of its own; its workflows are GitHub's.
    ran = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    assert ran.returncode == 0, ran.stdout
    ran = tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml")
    assert ran.returncode == 0, ran.stdout


def test_zizmor_finds_nothing() -> None:
    ran = tool("zizmor", "--offline", "--no-config", "--format=json", *WORKFLOWS)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, []), ran.stderr


def test_githubs_own_parser_takes_the_workflows(common: Path) -> None:
    modules = install("workflows", common)
    parser = modules / "@actions" / "workflow-parser" / "dist" / "index.js"
    ran = subprocess.run(
        [find_node(), PARSE, parser, *WORKFLOWS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == f"{len(WORKFLOWS)} files, 0 errors\n", ran.stderr


def test_the_jenkinsfile_has_no_error_for_groovy_lint(common: Path, tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("npm-groovy-lint needs Java")
    modules = install("groovy", common)
    folder = tmp_path / "jenkins"
    folder.mkdir()
    shutil.copy(ROOT / "Jenkinsfile", folder)
    ran = subprocess.run(
        [
            modules / ".bin" / "npm-groovy-lint", "--noserver", "--failon", "error",
            "--path", folder, "--output", "json", "Jenkinsfile",
        ],
        cwd=folder, capture_output=True, text=True, check=False, timeout=170,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout[ran.stdout.index("{") :])
    assert found["summary"]["totalFoundErrorNumber"] == 0


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "small", files={"small.py": "WEIGHT = 1\n"})
    more = (
        '[tool.noxden.ci]\nproviders = ["gitlab"]\nlaunch = ""\n'
        f"{index.setting}\n[tool.uv.sources]\nsmall = {{ index = 'local' }}\n"
    )
    noxfile = """
        import noxden

        noxden.plan()


        @noxden.session(groups=["small"])
        def first(session):
            session.run("python", "-c", "import small; print('weight', small.WEIGHT)")


        @noxden.session(groups=["small"])
        def second(session):
            session.run("python", "-c", "import os, sys; sys.exit('FAIL' in os.environ)")
    """
    made = project(groups={"small": ["small"]}, more=more)
    made.write("noxfile.py", noxfile)
    made.write(".gitignore", ".nox/\n.noxden/\n.noxden-bundle/\n.gitlab-ci-local/\n__pycache__/\n")
    run([sys.executable, "-m", "noxden", "ci", "write"], cwd=made.path, env=made.env)
    commit(made)
    command = ["git", "remote", "add", "origin", "https://gitlab.example/group/demo.git"]
    subprocess.run(command, cwd=made.path, check=True)
    return made


def run_pipeline(
    runner: Path, folder: Path, env: Mapping[str, str], *words: str, **variables: str
) -> Ran:
    """Run jobs of a pipeline by gitlab-ci-local, on this host."""
    kept = ("PATH", "UV_", "NOXDEN_", "XDG_", "SSL_", "PYTEST_DEBUG")
    given = {name: value for name, value in env.items() if name.startswith(kept)}
    given |= {"CI": "true", "GITLAB_CI": "true", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    passed = [word for name, value in given.items() for word in ("--variable", f"{name}={value}")]
    return run(
        [runner, "--force-shell-executor", *passed, *words], cwd=folder, env=env, check=False
    )  # fmt: skip


def find_runner(common: Path) -> Path:
    if shutil.which("rsync") is None:
        pytest.skip("gitlab-ci-local needs rsync (Debian package rsync)")
    return install("workflows", common) / ".bin" / "gitlab-ci-local"


def test_this_repositorys_own_pipeline_is_planned(
    env: dict[str, str], quick_den: Path, tmp_path: Path, common: Path
) -> None:
    runner = find_runner(common)
    own = Sample(copy_repository(tmp_path / "own", env), env, common)
    commit(own)
    command = ["git", "remote", "add", "origin", "https://gitlab.example/group/noxden.git"]
    subprocess.run(command, cwd=own.path, check=True)
    ran = run_pipeline(runner, own.path, {**env, "NOXDEN_DIR": str(quick_den)}, "plan")
    assert ran.code == 0, ran.text
    child = (own.path / ".noxden" / "plan" / "gitlab.yml").read_text()
    assert "\nlint:\n" in child
    assert "\nrequired:\n" in child


def test_gitlabs_pipeline_plans_a_child_pipeline_that_runs_the_sessions(
    sample: Sample, common: Path
) -> None:
    runner = find_runner(common)

    def go(*words: str, **variables: str) -> tuple[int, str]:
        ran = run_pipeline(runner, sample.path, sample.env, *words, **variables)
        return ran.code, ran.text

    code, text = go("plan")
    assert code == 0, text
    child = sample.path / ".noxden" / "plan" / "gitlab.yml"
    assert child.is_file(), text
    code, text = go("--file", ".noxden/plan/gitlab.yml")
    assert code == 0, text
    assert "weight 1" in text
    assert "2 jobs passed" in text
    code, text = go("--file", ".noxden/plan/gitlab.yml", FAIL="1")
    assert code != 0
    assert "2 jobs passed" not in text
