"""The lint session under the real nox, on small projects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

NOXFILE = """
import noxden

noxden.lint()
"""
TOOLS = ["ruff", "codespell"]


def read_steps(folder: Path) -> dict[str, str]:
    """Status of each step in the summary."""
    return {step["name"]: step["status"] for step in read_summary(folder)["steps"]}


def read_summary(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
    return summary


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    return project(["iniconfig"], groups={"lint": TOOLS}, noxfile=NOXFILE)


def test_a_clean_project_passes_every_step_it_has(sample: Sample, nox: RunNox) -> None:
    ran = nox(sample, "-s", "lint")
    assert ran.code == 0, ran.text
    assert read_steps(sample.path / ".noxden" / "lint") == {
        "lock": "passed",
        "spelling": "passed",
        "check": "passed",
        "format": "passed",
    }
    assert ran.lines[0].split() == ["step", "status", "seconds", "detail"]
    assert [line.split()[:2] for line in ran.lines[1:]] == [
        ["lock", "passed"],
        ["spelling", "passed"],
        ["check", "passed"],
        ["format", "passed"],
    ]


def test_every_step_runs_though_others_failed_and_fix_repairs_them(
    sample: Sample, nox: RunNox
) -> None:
    wrong = "import sys\nimport os\n\nx = {  'a':os, 'b' : sys} # " + "t" + "eh\n"
    sample.write("broken.py", wrong)
    ran = nox(sample, "-s", "lint")
    assert ran.code == 1
    assert "3 of 4 steps failed: spelling, check, format (exit code 1)" in ran.stderr
    assert "broken.py:4" in ran.stdout
    summary = read_summary(sample.path / ".noxden" / "lint")
    assert (summary["status"], summary["exit_code"]) == ("failed", 1)
    assert summary["message"] == "3 of 4 steps failed: spelling, check, format"
    markdown = (sample.path / ".noxden" / "lint" / "summary.md").read_text("utf-8")
    assert "| lock | passed |" in markdown
    fixed = nox(sample, "-s", "lint", "--", "--fix")
    assert fixed.code == 0, fixed.text
    assert (sample.path / "broken.py").read_text("utf-8") == (
        'import os\nimport sys\n\nx = {"a": os, "b": sys}  # the\n'
    )
    assert nox(sample, "-s", "lint").code == 0


def test_only_the_steps_that_are_named_run_and_write_where_they_are_told(
    sample: Sample, nox: RunNox
) -> None:
    ran = nox(sample, "-s", "lint", "--", "--step", "format", "--output", "out")
    assert ran.code == 0, ran.text
    assert read_steps(sample.path / "out") == {"format": "passed"}
    assert not (sample.path / ".noxden" / "lint").exists()


def test_a_tool_that_is_not_in_the_group_fails_its_step_with_the_command_that_adds_it(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(groups={"lint": ["codespell"]}, noxfile=NOXFILE)
    ran = nox(sample, "-s", "lint")
    assert ran.code == 1
    steps = read_summary(sample.path / ".noxden" / "lint")["steps"]
    assert [(step["name"], step["status"], step["detail"]) for step in steps[2:]] == [
        ("check", "failed", "ruff is not in group lint; run: uv add --group lint ruff"),
        ("format", "failed", "ruff is not in group lint; run: uv add --group lint ruff"),
    ]


def test_mypy_sees_the_project_and_its_dependencies(project: MakeProject, nox: RunNox) -> None:
    sample = project(
        ["iniconfig"],
        groups={"lint": ["mypy"]},
        package=True,
        noxfile='import noxden\n\nnoxden.lint(steps=["types"])\n',
        more="[tool.mypy]\nstrict = true\n",
    )
    code = (
        "from iniconfig import IniConfig\n\nimport sample\n\nx: int = sample.WHO\ny = IniConfig\n"
    )
    sample.write("src/sample/typed.py", code)
    ran = nox(sample, "-s", "lint")
    assert ran.code == 1
    assert ran.stdout.count("error:") == 1, ran.text
    assert 'Incompatible types in assignment (expression has type "str"' in ran.stdout
    sample.edit("src/sample/typed.py", "x: int", "x: str")
    assert nox(sample, "-s", "lint").code == 0


def test_without_type_checking_the_environment_holds_the_tools_alone(
    sample: Sample, nox: RunNox
) -> None:
    assert nox(sample, "-s", "lint").code == 0
    python = sample.path / ".nox" / "lint" / "bin" / "python"
    asked = run([python, "-c", "import iniconfig"], cwd=sample.path, env=sample.env, check=False)
    assert asked.code == 1
    assert "No module named 'iniconfig'" in asked.stderr


def test_import_contracts_of_the_project_are_checked(project: MakeProject, nox: RunNox) -> None:
    sample = project(
        groups={"lint": ["import-linter"]},
        package=True,
        noxfile='import noxden\n\nnoxden.lint(steps=["imports"])\n',
        more="""
        [tool.importlinter]
        root_package = "sample"

        [[tool.importlinter.contracts]]
        name = "low knows nothing of high"
        type = "forbidden"
        source_modules = ["sample.low"]
        forbidden_modules = ["sample.high"]
        """,
    )
    sample.write("src/sample/high.py", "")
    sample.write("src/sample/low.py", "import sample.high\n")
    ran = nox(sample, "-s", "lint")
    assert ran.code == 1
    assert "low knows nothing of high BROKEN" in ran.stdout
    sample.write("src/sample/low.py", "")
    assert nox(sample, "-s", "lint").code == 0


def test_hooks_run_on_all_files_of_a_checkout(project: MakeProject, nox: RunNox) -> None:
    sample = project(groups={"lint": ["prek"]}, noxfile=NOXFILE)
    sample.write(
        ".pre-commit-config.yaml",
        """
        repos:
          - repo: local
            hooks:
              - {id: no-tabs, name: no tabs, language: pygrep, entry: "\\t", types: [text]}
        """,
    )
    sample.write("notes.txt", "a\tb\n")
    skipped = nox(sample, "-s", "lint", "--", "--step", "hooks")
    assert (skipped.code, skipped.lines[1].split()[:2]) == (0, ["hooks", "skipped"])
    for words in (["init", "-q"], ["add", "."]):
        run(["git", *words], cwd=sample.path, env=sample.env)
    ran = nox(sample, "-s", "lint", "--", "--step", "hooks")
    assert ran.code == 1
    assert "notes.txt:1:a\tb" in ran.stdout
    (sample.path / "notes.txt").write_text("a b\n")
    assert nox(sample, "-s", "lint", "--", "--step", "hooks").code == 0


def test_two_lint_sessions_with_settings_of_their_own(project: MakeProject, nox: RunNox) -> None:
    sample = project(
        groups={"lint": TOOLS, "prose": ["codespell"]},
        noxfile="""
        import noxden

        noxden.lint("style", steps=["format"], tags=["fast"])
        noxden.lint("prose", groups=["prose"], steps=["spelling"], default=False)
        """,
        more='[tool.noxden.lint]\nsteps = ["check"]\n',
    )
    listed = nox(sample, "-l").stdout
    assert "* style [fast] -> Check formatting, rules, spelling, types and imports" in listed
    assert "- prose -> " in listed
    ran = nox(sample, "-s", "style", "prose")
    assert ran.code == 0, ran.text
    assert read_steps(sample.path / ".noxden" / "style") == {"format": "passed"}
    assert read_steps(sample.path / ".noxden" / "prose") == {"spelling": "passed"}


def test_the_table_and_variables_set_what_the_noxfile_leaves_open(
    project: MakeProject, nox: RunNox, env: dict[str, str]
) -> None:
    sample = project(
        groups={"lint": TOOLS},
        noxfile=NOXFILE,
        more='[tool.noxden.lint]\nsteps = ["check"]\n',
    )
    assert nox(sample, "-s", "lint").code == 0
    assert read_steps(sample.path / ".noxden" / "lint") == {"check": "passed"}
    assert nox(sample, "-s", "lint", env={**env, "NOXDEN_LINT_STEPS": "format"}).code == 0
    assert read_steps(sample.path / ".noxden" / "lint") == {"format": "passed"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("group=['x']", "noxden.lint() takes no argument 'group'; did you mean groups?"),
        ("spelling='x'", "lint cannot check the spelling by 'x'; known: codespell, typos, none"),
        ("steps=['formt']", "the lint session has no step 'formt'; did you mean format?"),
    ],
)
def test_a_wrong_call_in_the_noxfile_ends_nox_in_one_sentence(
    call: str, message: str, project: MakeProject, nox: RunNox
) -> None:
    sample = project(noxfile=f"import noxden\n\nnoxden.lint({call})\n", lock=False)
    ran = nox(sample, "-l")
    assert (ran.code, ran.stderr) == (2, f"noxden: {message}\n")


def test_a_wrong_option_is_code_2_in_message_and_summary(sample: Sample, nox: RunNox) -> None:
    ran = nox(sample, "-s", "lint", "--", "--fxi")
    assert ran.code == 1
    message = "nox -s lint -- takes no '--fxi'; did you mean --fix?"
    assert f"{message} (exit code 2)" in ran.stderr
    summary = read_summary(sample.path / ".noxden" / "lint")
    assert (summary["exit_code"], summary["message"]) == (2, message)


def test_help_says_what_there_is_and_runs_nothing(sample: Sample, nox: RunNox) -> None:
    ran = nox(sample, "-s", "lint", "--", "--help")
    assert ran.code == 0
    assert "--fix" in ran.stdout
    assert not (sample.path / ".noxden").exists()


def test_install_only_builds_the_environment_and_skips_the_steps(
    sample: Sample, nox: RunNox
) -> None:
    ran = nox(sample, "-s", "lint", "--install-only")
    assert ran.code == 0, ran.text
    assert set(read_steps(sample.path / ".noxden" / "lint").values()) == {"skipped"}
    assert (sample.path / ".nox" / "lint" / "bin" / "ruff").exists()


def test_a_project_in_a_folder_with_spaces_and_letters_of_all_kinds(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    folder = tmp_path / "große Sachen" / "проект 1"
    sample = project(groups={"lint": [*TOOLS, "mypy"]}, package=True, noxfile=NOXFILE, at=folder)
    sample.write("mypy.ini", "[mypy]\n")
    ran = nox(sample, "-s", "lint")
    assert ran.code == 0, ran.text
    assert read_steps(folder / ".noxden" / "lint")["types"] == "passed"


def test_a_stale_lock_fails_its_step_and_the_others_run(sample: Sample, nox: RunNox) -> None:
    sample.edit("pyproject.toml", "dependencies = ['iniconfig']", "dependencies = ['six']")
    stale = (sample.path / "uv.lock").read_bytes()
    ran = nox(sample, "-s", "lint")
    assert ran.code == 1
    assert "1 of 4 steps failed: lock (exit code 1)" in ran.stderr, ran.text
    folder = sample.path / ".noxden" / "lint"
    assert read_steps(folder) == {
        "lock": "failed",
        "spelling": "passed",
        "check": "passed",
        "format": "passed",
    }
    assert (sample.path / "uv.lock").read_bytes() == stale


def test_fix_repairs_a_stale_lock(sample: Sample, nox: RunNox) -> None:
    sample.edit("pyproject.toml", "dependencies = ['iniconfig']", "dependencies = ['six']")
    ran = nox(sample, "-s", "lint", "--", "--fix")
    assert ran.code == 0, ran.text
    assert sample.uv("lock", "--check", check=False).code == 0
    assert nox(sample, "-s", "lint").code == 0


def test_a_stale_lock_is_refused_where_lint_does_not_check_it_and_by_other_sessions(
    sample: Sample, nox: RunNox
) -> None:
    sample.write(
        "noxfile.py",
        """
        import noxden

        noxden.lint()
        noxden.lint("quick", steps=["format"])

        @noxden.session(only_groups=["lint"])
        def same(session):
            session.run("ruff", "--version")
        """,
    )
    sample.edit("pyproject.toml", "dependencies = ['iniconfig']", "dependencies = ['six']")
    assert nox(sample, "-s", "lint").code == 1
    for name in ("quick", "same"):
        ran = nox(sample, "-s", name)
        assert ran.code == 1
        assert "uv.lock does not fit pyproject.toml; run: uv lock (exit code 2)" in ran.stderr


def test_the_summary_of_a_session_without_environment_goes_where_the_output_goes(
    sample: Sample, nox: RunNox
) -> None:
    (sample.path / "uv.lock").unlink()
    ran = nox(sample, "-s", "lint", "--", "--output", "out")
    assert ran.code == 1
    summary = read_summary(sample.path / "out")
    assert (summary["status"], summary["exit_code"]) == ("failed", 2)
    assert not (sample.path / ".noxden").exists()


def test_a_stale_lock_is_told_where_the_project_itself_is_installed_too(
    project: MakeProject, nox: RunNox
) -> None:
    sample = project(
        ["iniconfig"],
        groups={"lint": ["codespell", "six"]},
        package=True,
        noxfile='import noxden\n\nnoxden.lint(steps=["lock", "spelling", "types"])\n',
    )
    sample.edit("pyproject.toml", "dependencies = ['iniconfig']", "dependencies = ['six']")
    assert nox(sample, "-s", "lint").code == 1
    steps = read_steps(sample.path / ".noxden" / "lint")
    assert steps == {"lock": "failed", "spelling": "passed", "types": "failed"}
