"""``noxden init`` on projects of the shapes that there are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import run

if TYPE_CHECKING:
    from tests.conftest import MakeProject
    from tests.sandbox import Ran, Sample

OURS = Path(__file__).parents[2]
PYPROJECT = """
[project]
name = "demo"
version = "1.0"   # keep this comment
requires-python = ">=3.11"
dependencies = []

[dependency-groups]
dev = ["pytest", "ruff"]  # tools
big = ["pyarrow"]
"""


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    made = project(lock=False)
    made.write("pyproject.toml", PYPROJECT)
    made.write("tests/test_it.py", "def test_nothing():\n    pass\n")
    made.uv("lock", "--quiet")
    subprocess.run(["git", "init", "--quiet"], cwd=made.path, check=True)
    return made


def init(sample: Sample, *words: str) -> Ran:
    command = [sys.executable, "-m", "noxden", "init", *words]
    ran = run(command, cwd=sample.path, env=sample.env, check=False)
    assert "Traceback" not in ran.text, ran.text
    return ran


def read(sample: Sample, name: str) -> str:
    return (sample.path / name).read_text("utf-8")


def test_a_project_gets_sessions_groups_and_ci_files_and_keeps_what_it_had(
    sample: Sample,
) -> None:
    ran = init(sample, "--yes", "--source", str(OURS))
    assert ran.code == 0, ran.text
    assert "- heavy -> " in ran.stdout
    noxfile = read(sample, "noxfile.py")
    for call in ("noxden.lint()", "noxden.unit()", "noxden.heavy()", "noxden.plan()"):
        assert call in noxfile
    text = read(sample, "pyproject.toml")
    assert 'version = "1.0"   # keep this comment' in text
    assert text.startswith(PYPROJECT.lstrip("\n").partition("[dependency-groups]")[0])
    assert ".nox/" in read(sample, ".gitignore")
    assert (sample.path / ".github/workflows/noxden.yml").is_file()
    checked = run(
        [sys.executable, "-m", "noxden", "ci", "check"], cwd=sample.path, env=sample.env
    )  # fmt: skip
    assert checked.stdout == "all CI files are up to date\n"
    again = init(sample, "--yes", "--source", str(OURS))
    assert again.code == 0
    assert "nothing to do" in again.stdout
    assert read(sample, "pyproject.toml") == text


def test_without_a_terminal_it_shows_what_it_would_do_and_writes_nothing(sample: Sample) -> None:
    before = {path: path.read_bytes() for path in sample.path.glob("*") if path.is_file()}
    ran = init(sample)
    assert ran.code == 2
    assert "+++ b/noxfile.py" in ran.stdout
    assert ran.stderr == (
        "noxden: nothing is written: there is no terminal to ask at; run: noxden init --yes\n"
    )
    dry = init(sample, "--dry-run")
    assert dry.code == 0
    assert {path: path.read_bytes() for path in sample.path.glob("*") if path.is_file()} == before


def test_the_proposal_is_data_for_scripts(sample: Sample) -> None:
    found: dict[str, Any] = json.loads(init(sample, "--dry-run", "--json", "--no-ci").stdout)
    assert found["sessions"] == ["lint", "unit", "heavy"]
    assert [one["path"] for one in found["files"]] == ["pyproject.toml", "noxfile.py", ".gitignore"]
    assert found["groups"]["dev"] == ["noxden>=0.1.0"]


def test_a_noxfile_that_is_there_is_never_replaced(sample: Sample) -> None:
    own = "import nox\n\n\n@nox.session\ndef docs(session):\n    session.run('true')\n"
    sample.write("noxfile.py", own)
    ran = init(sample, "--yes", "--source", str(OURS), "--no-ci")
    assert ran.code == 0, ran.text
    assert read(sample, "noxfile.py").startswith(own) or read(sample, "noxfile.py") == own


@pytest.mark.parametrize(
    ("files", "gone", "said"),
    [
        ({}, ("uv.lock",), "uv lock"),
        ({"requirements.txt": "numpy\n"}, ("pyproject.toml", "uv.lock"), "uv init --bare"),
        ({}, ("pyproject.toml", "uv.lock"), "uv init"),
        ({"pyproject.toml": "[project\n"}, (), "is not TOML"),
        ({"pyproject.toml": '[tool.poetry]\nname = "demo"\n'}, ("uv.lock",), "migrate-to-uv"),
    ],
)
def test_a_project_that_is_not_of_uv_is_told_what_to_do(
    sample: Sample, files: dict[str, str], gone: tuple[str, ...], said: str
) -> None:
    for name in gone:
        (sample.path / name).unlink()
    for name, text in files.items():
        (sample.path / name).write_text(text)
    ran = init(sample, "--yes")
    assert ran.code == 2, ran.text
    assert said in ran.stderr
    assert not (sample.path / "noxfile.py").exists()


def test_options_that_contradict_each_other_are_refused(sample: Sample) -> None:
    assert init(sample, "--json").code == 2
    assert init(sample, "--no-ci", "--provider", "github").code == 2
