"""``noxden init`` on projects in the shapes that real ones have, with the real uv and nox."""

from __future__ import annotations

import json
import os
import pty
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import pytest

from noxden.cli import Caller, main
from tests.sandbox import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

ROOT = Path(__file__).parents[2]
PROVIDERS = ("github", "forgejo", "gitlab", "jenkins")
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
TEST = "def test_it():\n    import demo\n"


@pytest.fixture
def extras(project: MakeProject) -> Sample:
    """A package in src/ by hatchling, with its test tools in an extra."""
    more = f"""
        # Extras, as before there were groups.
        [project.optional-dependencies]
        test = ["pytest>=8"]

        {BUILD.replace(chr(10), chr(10) + " " * 8)}"""
    made = project(more=more, lock=False, name="demo")
    made.edit("pyproject.toml", "[dependency-groups]\n", "")
    made.write("src/demo/__init__.py", "")
    made.write("tests/test_it.py", TEST)
    made.lock()
    return made


def init(sample: Sample, *words: str) -> int:
    """Run the command in the project."""
    return main(["init", *words], Caller(sample.env, sample.path))


def read(sample: Sample) -> dict[str, Any]:
    return tomllib.loads((sample.path / "pyproject.toml").read_text("utf-8"))


def snapshot(sample: Sample) -> dict[str, bytes]:
    files = [file for file in sample.path.rglob("*") if file.is_file() and ".git/" not in str(file)]
    return {str(file.relative_to(sample.path)): file.read_bytes() for file in files}


def test_a_package_with_extras_gets_groups_that_name_them_and_runs_its_tests(
    extras: Sample, capfd: pytest.CaptureFixture[str], nox: RunNox
) -> None:
    text = (extras.path / "pyproject.toml").read_text("utf-8")
    assert init(extras, "--yes", "--no-ci", "--source", str(ROOT)) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "written: pyproject.toml, noxfile.py, uv.lock" in out
    assert "* unit -> Run the unit tests" in out
    assert "next:\n  uv run nox " in out
    assert (extras.path / "pyproject.toml").read_text("utf-8").startswith(text)
    assert read(extras)["dependency-groups"]["test"] == ["demo[test]"]
    assert not (extras.path / ".venv").exists()
    ran = nox(extras, "-s", "unit")
    assert ran.code == 0, ran.text
    assert "1 passed" in ran.stdout
    before = snapshot(extras)
    assert init(extras, "--yes", "--no-ci", "--source", str(ROOT)) == 0
    said = "nothing to do: the project has its sessions, groups and settings\n"
    assert capfd.readouterr().out == said
    assert snapshot(extras) == before


def test_a_checkout_with_groups_gets_files_for_all_ci_systems_that_are_up_to_date(
    project: MakeProject, capfd: pytest.CaptureFixture[str]
) -> None:
    groups = {"dev": ["pytest", "ruff", "six"], "heavy": ["numpy"]}
    more = """
        [tool.uv]
        package = false

        [tool.pytest.ini_options]
        markers = ["heavy: needs numpy"]

        [tool.tox]
        env_list = ["py311", "py312"]
    """
    flat = project(groups=groups, more=more)
    flat.write("tests/test_it.py", "def test_it(): pass\n")
    flat.write(".gitignore", ".nox/\n")
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@localhost"]
    for words in (["init", "-q", "-b", "trunk"], ["add", "."], ["commit", "-qm", "one"]):
        run([*git, *words], cwd=flat.path, env=flat.env)
    wanted = [word for name in PROVIDERS for word in ("--provider", name)]
    assert init(flat, "--yes", "--device", "--source", str(ROOT), *wanted) == 0
    capfd.readouterr()
    assert read(flat)["tool"]["noxden"] == {
        "lint": {"groups": ["dev"], "spelling": "none"},
        "unit": {"groups": ["dev"], "python": ["3.11", "3.12"]},
        "heavy": {"groups": ["dev", "heavy"]},
        "device": {"groups": ["dev", "device"]},
        "ci": {"providers": list(PROVIDERS), "branch": "trunk"},
    }
    assert main(["ci", "check"], Caller(flat.env, flat.path)) == 0
    assert capfd.readouterr().out == "all CI files are up to date\n"
    assert (flat.path / ".gitignore").read_text("utf-8") == ".nox/\n.noxden/\n"
    before = snapshot(flat)
    assert init(flat, "--yes") == 0
    assert capfd.readouterr().out.startswith("nothing to do: ")
    assert snapshot(flat) == before


def test_a_dry_run_shows_the_proposal_as_data_and_writes_nothing(
    extras: Sample, capfd: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(extras)
    assert init(extras, "--dry-run", "--json", "--no-ci") == 0
    said = json.loads(capfd.readouterr().out)
    assert said.keys() == {"sessions", "groups", "settings", "files", "notes"}
    assert said["sessions"] == ["lint", "unit", "packaging"]
    assert said["groups"]["test"] == ["demo[test]"]
    assert [(one["path"], one["change"]) for one in said["files"]] == [
        ("pyproject.toml", "changed"),
        ("noxfile.py", "new"),
    ]
    assert "+noxden.unit()" in said["files"][1]["diff"].splitlines()
    assert init(extras, "--dry-run", "--no-ci") == 0
    out = capfd.readouterr().out
    assert "+++ b/noxfile.py\n" in out
    assert "group test: + demo[test]\n" in out
    assert snapshot(extras) == before


def test_without_a_terminal_it_shows_what_would_be_and_ends_with_2(
    extras: Sample, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(extras)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert init(extras) == 2
    out, err = capfd.readouterr()
    assert "+noxden.unit()\n" in out
    assert err == (
        "noxden: nothing is written: there is no terminal to ask at; run: noxden init --yes\n"
    )
    assert snapshot(extras) == before


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """Where somebody types whom the command asks."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "w") as typed, os.fdopen(theirs, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typed


def test_somebody_who_says_no_gets_nothing(
    extras: Sample, capfd: pytest.CaptureFixture[str], terminal: TextIO
) -> None:
    before = snapshot(extras)
    print("n", file=terminal, flush=True)
    assert init(extras, "--no-ci") == 0
    assert capfd.readouterr().out.endswith("Write these files? [y/N]: nothing is written\n")
    assert snapshot(extras) == before


def test_somebody_who_says_yes_gets_the_files(extras: Sample, terminal: TextIO) -> None:
    print("y", file=terminal, flush=True)
    assert init(extras, "--no-ci", "--source", str(ROOT)) == 0
    assert (extras.path / "noxfile.py").is_file()


def test_ctrl_c_at_the_question_ends_with_130_and_changes_nothing(
    extras: Sample, terminal: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_prompt: str = "") -> str:
        raise KeyboardInterrupt

    assert terminal.writable()
    monkeypatch.setattr(click.termui, "visible_prompt_func", interrupt)
    before = snapshot(extras)
    assert init(extras, "--no-ci") == 130
    assert snapshot(extras) == before


def test_a_lock_that_cannot_be_made_leaves_everything_as_it_was(
    extras: Sample, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "1"\n')
    before = snapshot(extras)
    assert init(extras, "--yes", "--source", str(broken)) == 2
    err = capfd.readouterr().err
    assert err.startswith("noxden: uv lock failed, so everything was put back as it was:\n")
    assert snapshot(extras) == before


def test_a_noxfile_of_ones_own_stays_and_is_listed(
    extras: Sample, capfd: pytest.CaptureFixture[str]
) -> None:
    own = '"""Mine."""\n\nimport nox\n\n\n@nox.session\ndef docs(session: nox.Session) -> None:\n    """Docs."""\n'
    (extras.path / "noxfile.py").write_text(own)
    assert init(extras, "--yes", "--source", str(ROOT)) == 0
    out = capfd.readouterr().out
    calls = "noxden.lint(); noxden.unit(); noxden.packaging(); noxden.plan()"
    assert f"note: noxfile.py stays as it is; add to it: import noxden; {calls}\n" in out
    assert "* docs -> Docs." in out
    assert (extras.path / "noxfile.py").read_text("utf-8") == own
    assert not (extras.path / ".github").exists()
    assert init(extras, "--yes") == 0
    again = capfd.readouterr().out
    assert again.startswith("nothing to write\nnote: noxfile.py stays as it is; add to it: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json"], "--json shows the proposal as data and writes nothing; say --dry-run --json"),
        (
            ["--no-ci", "--provider", "github"],
            "--no-ci and --provider contradict each other; leave one out",
        ),
        (["nowhere"], "{at}/nowhere is not a folder; name that of a project"),
    ],
)
def test_words_that_make_no_sense_end_with_2(
    tmp_path: Path,
    words: list[str],
    said: str,
    env: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["init", *words], Caller(env, tmp_path)) == 2
    assert capfd.readouterr().err == f"noxden: {said.format(at=tmp_path)}\n"
