"""``nox -s plan`` and ``noxden ci write``, under the real nox in real git checkouts."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from noxden.cli import Caller, main
from tests.sandbox import make_wheel, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Sample

NOXFILE = """
import nox
import noxden

noxden.lint()
noxden.unit(python=["3.11", "3.99"])
noxden.heavy()
noxden.plan()


@nox.session(python=False)
def plain(session):
    session.run("true", external=True)
"""
TABLE = """
[tool.noxden.ci]
launch = ""
cache-min-size = "0B"
advisory = ["lint"]

[tool.noxden.ci.paths]
unit = ["src/**"]
"""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    for name in ("small", "other"):
        make_wheel(index.folder, name, files={f"{name}.py": "WEIGHT = 1\n"})
    sources = "".join(f"{name} = {{ index = 'local' }}\n" for name in ("small", "other"))
    more = f"{TABLE}\n{index.setting}\n[tool.uv.sources]\n{sources}"
    groups = {"lint": ["small"], "test": ["small"], "heavy": ["other"]}
    made = project(groups=groups, more=more, noxfile=NOXFILE)
    made.write("src/a.py", "A = 1\n")
    made.write(".gitignore", ".nox/\n.noxden/\n__pycache__/\n")
    git(made.path, "init", "--quiet", "--initial-branch=main")
    git(made.path, "add", ".")
    git(made.path, "commit", "--quiet", "-m", "first")
    return made


@pytest.fixture
def planned(sample: Sample, nox: RunNox) -> Callable[..., dict[str, Any]]:
    """Plans, and reads plan.json."""

    def plan(*words: str, **more: Any) -> dict[str, Any]:
        ran = nox(sample, "-s", "plan", "--", *words, **more)
        assert ran.code == 0, ran.text
        found: dict[str, Any] = json.loads((sample.path / ".noxden/plan/plan.json").read_text())
        return found

    return plan


def names(plan: dict[str, Any]) -> list[str]:
    return [job["name"] for job in plan["jobs"]]


def test_all_sessions_are_planned_those_too_that_this_machine_has_no_python_for(
    planned: Callable[..., dict[str, Any]],
) -> None:
    plan = planned()
    assert names(plan) == ["lint", "unit-3.11", "unit-3.99", "heavy", "plain"]
    by_name = {job["name"]: job for job in plan["jobs"]}
    assert "cp399" in by_name["unit-3.99"]["cache"]["key"]
    assert by_name["plain"]["cache"]["key"] == ""
    assert [job["blocking"] for job in plan["jobs"]] == [False, True, True, True, True]
    # Sessions that select the same still have keys of their own, for they save apart.
    assert (
        by_name["unit-3.11"]["cache"]["key"].split("-")[-1]
        == (by_name["lint"]["cache"]["key"].split("-")[-1])
    )


def test_the_matrix_goes_to_the_step_and_people_see_a_table(
    sample: Sample, nox: RunNox, env: dict[str, str], tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"repository": {"default_branch": "main", "full_name": "a/b"}}))
    output = tmp_path / "output"
    on_ci = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_OUTPUT": str(output),
    }
    ran = nox(sample, "-s", "plan", "--", "--pipeline", "checks", env={**env, **on_ci})
    assert ran.code == 0, ran.text
    matrix, count = output.read_text().splitlines()
    entries = json.loads(matrix.removeprefix("matrix="))["include"]
    assert [one["name"] for one in entries] == ["lint", "unit-3.11", "unit-3.99", "plain"]
    assert all(one["cache"]["save"] for one in entries if one["cache"]["key"])
    assert count == "count=4"
    assert "unit-3.11" in ran.stdout
    heavy = nox(sample, "-s", "plan", "--", "--pipeline", "heavy", env={**env, **on_ci})
    assert "heavy is skipped: push" in heavy.stdout


def test_json_is_for_scripts(sample: Sample, nox: RunNox) -> None:
    ran = nox(sample, "-s", "plan", "--", "--json")
    assert json.loads(ran.stdout)["trigger"]["system"] == "local"


def test_a_pipeline_without_a_session_says_so(project: MakeProject, nox: RunNox) -> None:
    made = project(noxfile="import noxden\n\nnoxden.plan()\n")
    assert "no session is in this pipeline" in nox(made, "-s", "plan").stdout


def test_a_stale_lock_is_an_error_that_says_what_to_run(sample: Sample, nox: RunNox) -> None:
    sample.edit("pyproject.toml", "heavy = [", "heavy = ['small', ")
    ran = nox(sample, "-s", "plan")
    assert ran.code == 1
    assert "run: uv lock (exit code 2)" in ran.text


def test_a_key_changes_with_what_is_selected_and_with_nothing_else(
    sample: Sample, planned: Callable[..., dict[str, Any]], index: Index
) -> None:
    def keys() -> dict[str, str]:
        return {job["name"]: job["cache"]["key"] for job in planned()["jobs"]}

    first = keys()
    sample.write("pyproject.toml", "# a comment\n" + (sample.path / "pyproject.toml").read_text())
    sample.write("src/a.py", "A = 2\n")
    assert keys() == first
    make_wheel(index.folder, "other", version="2.0", files={"other.py": "WEIGHT = 2\n"})
    sample.uv("lock", "--quiet", "--upgrade")
    second = keys()
    assert {name for name in first if first[name] != second[name]} == {"heavy"}


def test_what_nothing_concerns_is_left_out(
    sample: Sample, planned: Callable[..., dict[str, Any]]
) -> None:
    git(sample.path, "checkout", "--quiet", "--detach")
    assert names(planned("--changed-since", "main")) == []
    sample.write("README", "new\n")
    plan = planned("--changed-since", "main")
    assert names(plan) == ["lint", "heavy", "plain"]
    assert plan["skipped"] == [
        {
            "session": f"unit-{python}",
            "reason": "neither its selection nor its files changed since main",
        }
        for python in ("3.11", "3.99")
    ]
    assert plan["notes"][0] == "lint runs: README changed, and it declares no paths"
    sample.write("src/a.py", "A = 2\n")
    plan = planned("--changed-since", "main")
    assert names(plan) == ["lint", "unit-3.11", "unit-3.99", "heavy", "plain"]
    assert "unit-3.99 runs: src/a.py changed" in plan["notes"]


def test_a_changed_lock_concerns_the_sessions_that_select_something_else(
    sample: Sample, planned: Callable[..., dict[str, Any]], index: Index
) -> None:
    make_wheel(index.folder, "other", version="2.0", files={"other.py": "WEIGHT = 2\n"})
    sample.uv("lock", "--quiet", "--upgrade")
    plan = planned("--changed-since", "HEAD")
    assert names(plan) == ["heavy"]
    assert plan["notes"] == ["heavy runs: it selects other packages"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("noxfile.py", NOXFILE + "\n# more\n", "noxfile.py"),
        ("pyproject.toml", "", "a table of pyproject.toml beside the dependencies"),
    ],
)
def test_with_other_rules_everything_runs(
    sample: Sample, planned: Callable[..., dict[str, Any]], file: str, text: str, said: str
) -> None:
    sample.write(file, text or (sample.path / file).read_text() + "\n[tool.other]\na = 1\n")
    plan = planned("--changed-since", "HEAD")
    assert len(plan["jobs"]) == 5
    assert plan["notes"] == [f"everything runs: {said} changed since HEAD"]


def test_a_shallow_clone_without_the_revision_runs_everything_and_says_so(
    sample: Sample, nox: RunNox, tmp_path: Path
) -> None:
    base = git(sample.path, "rev-parse", "HEAD")
    git(sample.path, "commit", "--quiet", "--allow-empty", "-m", "second")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{sample.path}", str(clone))
    shallow = type(sample)(clone, sample.env, sample.locks)
    ran = nox(shallow, "-s", "plan", "--", "--changed-since", base, "--json")
    assert ran.code == 0, ran.text
    plan = json.loads(ran.stdout)
    assert len(plan["jobs"]) == 5
    assert plan["notes"] == [
        f"everything runs: this shallow clone has no revision {base}; fetch it, or check out with "
        f"its whole history (fetch-depth: 0)"
    ]


def test_outside_of_git_and_with_strange_histories_everything_runs(
    sample: Sample, planned: Callable[..., dict[str, Any]]
) -> None:
    git(sample.path, "checkout", "--quiet", "--orphan", "alone")
    git(sample.path, "commit", "--quiet", "-m", "alone")
    [note] = planned("--changed-since", "main")["notes"]
    assert note == "everything runs: HEAD and main have no commit in common here"
    [note] = planned("--changed-since=--output=x")["notes"]
    assert note == "everything runs: this clone has no revision --output=x"
    (sample.path / ".git").rename(sample.path / "git")
    [note] = planned("--changed-since", "main")["notes"]
    assert note == f"everything runs: {sample.path} is not a git checkout"


def noxden(sample: Sample, *words: str) -> Any:
    command = [sys.executable, "-m", "noxden", *words]
    return run(command, cwd=sample.path, env=sample.env, check=False)


def test_ci_files_are_written_once_and_checked_by_lint(sample: Sample, nox: RunNox) -> None:
    shown = noxden(sample, "ci", "write", "--dry-run")
    assert "+++ b/.github/workflows/noxden.yml" in shown.stdout
    assert ".github/workflows/noxden.yml would be new" in shown.stdout
    assert not (sample.path / ".github").exists()
    wrote = noxden(sample, "ci", "write", "--json")
    assert json.loads(wrote.stdout) == [
        {"path": ".github/workflows/noxden-heavy.yml", "change": "new"},
        {"path": ".github/workflows/noxden.yml", "change": "new"},
    ]
    assert noxden(sample, "ci", "write").stdout == "all CI files are up to date\n"
    assert noxden(sample, "ci", "check").stdout == "all CI files are up to date\n"
    assert nox(sample, "-s", "lint", "--", "--step", "ci").code == 0
    file = ".github/workflows/noxden.yml"
    sample.write(
        file, (sample.path / file).read_text().replace("timeout-minutes: 10", "timeout-minutes: 11")
    )
    checked = noxden(sample, "ci", "check")
    assert checked.code == 1
    assert "-    timeout-minutes: 11\n+    timeout-minutes: 10" in checked.stdout
    assert checked.stderr == (
        f"noxden: {file} differ from what the configuration makes; run: noxden ci write\n"
    )
    linted = nox(sample, "-s", "lint", "--", "--step", "ci")
    assert linted.code == 1
    assert "timeout-minutes: 11" in linted.text
    assert nox(sample, "-s", "lint", "--", "--step", "ci", "--fix").code == 0
    assert noxden(sample, "ci", "check", "--json").stdout.strip() == "[]"


def test_other_systems_and_newer_pins_are_taken_by_options(sample: Sample, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    pins = tmp_path / "pins.toml"
    pins.write_text(
        f'[actions.checkout]\nrepository = "actions/checkout"\ncommit = "{commit}"\ntag = "v99"\n'
    )
    assert noxden(sample, "ci", "write", "--dry-run", "--update-pins", str(pins)).code == 0
    assert not (sample.path / ".noxden-pins.toml").exists()
    wrote = noxden(sample, "ci", "write", "--update-pins", str(pins), "--provider", "jenkins",
                   "--provider", "github")  # fmt: skip
    assert wrote.code == 0, wrote.text
    assert (
        f"actions/checkout@{commit}" in (sample.path / ".github/workflows/noxden.yml").read_text()
    )
    assert (sample.path / "Jenkinsfile").is_file()
    gone = noxden(sample, "ci", "write", "--update-pins", "gone.toml")
    assert (gone.code, gone.stderr.startswith("noxden: cannot read ")) == (2, True)


def test_a_project_below_the_root_of_its_repository_is_told(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = sample.path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("")
    (inner / "noxfile.py").write_text("import noxden\nnoxden.plan()\n")
    assert main(["ci", "write"], Caller(sample.env, inner)) == 2
    assert capsys.readouterr().err == (
        f"noxden: {inner} is not the root of its repository, {sample.path}, where CI systems look "
        f"for their files; write them in a project there\n"
    )
