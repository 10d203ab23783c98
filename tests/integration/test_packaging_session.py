"""The packaging session under the real nox, on small projects."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from typing import TYPE_CHECKING, Any

from tests.sandbox import installed_pythons, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Ran, Sample

NOXFILE = """
import noxden

noxden.packaging()
"""
TOOLS = ["twine", "check-wheel-contents", "validate-pyproject[all]"]

BACKEND = """
import os
import pathlib

import uv_build
from uv_build import *


def build_sdist(folder, settings=None):
    pathlib.Path("src/sample/_stamp.py").write_text(f"X = {STAMP!r}\\n")
    return uv_build.build_sdist(folder, settings)
"""


def read_steps(folder: Path) -> dict[str, tuple[str, str]]:
    """Status and detail of each step in the summary."""
    steps = read_summary(folder)["steps"]
    return {step["name"]: (step["status"], step["detail"]) for step in steps}


def read_summary(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text("utf-8"))
    return summary


def make(project: MakeProject, tools: list[str], **more: Any) -> Sample:
    """A package with a README, without which an index shows an empty page."""
    sample = project(
        ["iniconfig"], groups={"packaging": tools}, package=True, noxfile=NOXFILE, **more
    )
    sample.edit("pyproject.toml", 'version = "1.0"', 'version = "1.0"\nreadme = "README.md"')
    sample.write("README.md", "# sample\n")
    return sample


def use_stamping_backend(sample: Sample, stamp: str) -> None:
    """Build by a backend in the project, which writes what ``stamp`` evaluates to into a module."""
    sample.write("backend/stamping.py", BACKEND.replace("STAMP", stamp))
    sample.edit(
        "pyproject.toml",
        'build-backend = "uv_build"',
        'build-backend = "stamping"\nbackend-path = ["backend"]\n'
        '[tool.uv.build-backend]\nsource-include = ["backend/*.py"]',
    )


def run_nox(sample: Sample, *args: str) -> Ran:
    """Run nox where a traceback is expected: that of the module that cannot be imported."""
    command = [sys.executable, "-m", "nox", "-s", "packaging", *args]
    return run(command, cwd=sample.path, env=sample.env, check=False)


def test_a_good_package_passes_every_step_and_leaves_files_with_their_sums(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project, TOOLS)
    ran = nox(sample, "-s", "packaging")
    assert ran.code == 0, ran.text
    output = sample.path / ".noxden" / "packaging"
    steps = read_steps(output)
    assert {name: status for name, (status, _) in steps.items()} == dict.fromkeys(
        (
            "metadata", "sdist", "wheel", "description", "contents", "reproducible", "install",
            "imports", "dependencies", "sums",
        ),
        "passed",
    )  # fmt: skip
    assert steps["imports"][1] == "imported sample"
    assert steps["reproducible"][1] == "2 files are the same in a second build"
    dist = output / "dist"
    files = ["sample-1.0.tar.gz", "sample-1.0-py3-none-any.whl"]
    assert (dist / "SHA256SUMS").read_text() == "".join(
        f"{hashlib.sha256((dist / name).read_bytes()).hexdigest()}  {name}\n" for name in files
    )


def test_builds_carry_the_date_of_the_last_commit(
    project: MakeProject, nox: RunNox, env: dict[str, str]
) -> None:
    sample = make(project, [], more='[tool.noxden.packaging]\nsteps = ["sums"]\n')
    use_stamping_backend(sample, "os.environ['SOURCE_DATE_EPOCH']")
    wheel = sample.path / ".noxden/packaging/dist/sample-1.0-py3-none-any.whl"
    assert nox(sample, "-s", "packaging").code == 0
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("sample/_stamp.py") == b"X = '315532800'\n"
    dated = {**env, "GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "noxfile.py"], [*who, "commit", "-q", "-m", "x"]):
        run(["git", *words], cwd=sample.path, env=dated)
    assert nox(sample, "-s", "packaging").code == 0
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("sample/_stamp.py") == b"X = '1700000000'\n"


def test_a_build_that_is_never_the_same_fails_and_names_the_file(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(
        project, [], more='[tool.noxden.packaging]\nsteps = ["reproducible", "imports"]\n'
    )
    use_stamping_backend(sample, "os.urandom(8).hex()")
    ran = nox(sample, "-s", "packaging")
    assert ran.code == 1
    steps = read_steps(sample.path / ".noxden" / "packaging")
    assert steps["reproducible"][0] == "failed"
    assert steps["reproducible"][1].startswith("a second build differs in sample-1.0")
    assert "sample-1.0.tar.gz: sample-1.0/src/sample/_stamp.py: content" in ran.stdout
    assert "sample-1.0-py3-none-any.whl: sample/_stamp.py: content" in ran.stdout
    assert steps["imports"] == ("passed", "imported sample")


def test_a_module_that_did_not_get_into_the_wheel_is_missed(project: MakeProject) -> None:
    sample = make(
        project,
        [],
        more="""
        [tool.noxden.packaging]
        steps = ["imports", "sums"]
        [tool.uv.build-backend]
        wheel-exclude = ["src/sample/inner.py"]
        """,
    )
    sample.write("src/sample/__init__.py", "from sample import inner\n")
    sample.write("src/sample/inner.py", "")
    ran = run_nox(sample)
    assert ran.code == 1
    status, detail = read_steps(sample.path / ".noxden" / "packaging")["imports"]
    assert status == "failed"
    assert detail.startswith(
        "code 1: cannot import sample (ImportError: cannot import name 'inner'"
    )


def test_what_a_wheel_imports_but_does_not_ask_for_is_missed(project: MakeProject) -> None:
    sample = make(project, [], more='[tool.noxden.packaging]\nsteps = ["imports"]\n')
    sample.write("src/sample/__init__.py", "import iniconfig\nimport nox\n")
    assert run_nox(sample).code == 1
    assert read_steps(sample.path / ".noxden" / "packaging")["imports"] == (
        "failed",
        "code 1: cannot import sample (ModuleNotFoundError: No module named 'nox')",
    )


def test_a_build_that_fails_skips_what_needs_it_and_runs_the_rest(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project, TOOLS)
    (sample.path / "src" / "sample" / "__init__.py").unlink()
    ran = nox(sample, "-s", "packaging")
    assert ran.code == 1
    steps = read_steps(sample.path / ".noxden" / "packaging")
    assert {name: status for name, (status, _) in steps.items()} == {
        "metadata": "passed",
        "sdist": "failed",
        **dict.fromkeys(
            ("wheel", "description", "contents", "reproducible", "install", "imports",
             "dependencies", "sums"),
            "skipped",
        ),
    }  # fmt: skip
    assert steps["wheel"][1] == "needs sdist"
    assert "__init__.py" in ran.stdout


def test_wrong_metadata_and_an_empty_page_are_found(project: MakeProject) -> None:
    sample = project(groups={"packaging": TOOLS}, package=True, noxfile=NOXFILE)
    sample.edit(
        "pyproject.toml", "[dependency-groups]", 'classifiers = ["No :: Such"]\n[dependency-groups]'
    )
    sample.lock()
    ran = run_nox(sample, "--", "--step", "metadata", "--step", "description")
    assert ran.code == 1
    steps = read_steps(sample.path / ".noxden" / "packaging")
    assert {name: status for name, (status, _) in steps.items()} == {
        "metadata": "failed",
        "sdist": "passed",
        "wheel": "passed",
        "description": "failed",
    }
    assert "`long_description` missing" in ran.stdout


def test_tools_that_are_missing_fail_their_steps_with_the_command_that_adds_them(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project, ["iniconfig"])
    ran = nox(sample, "-s", "packaging", "--", "--step", "metadata", "--step", "sums")
    assert ran.code == 1
    steps = read_steps(sample.path / ".noxden" / "packaging")
    assert steps["metadata"] == (
        "failed",
        (
            "validate-pyproject is not in group packaging; "
            "run: uv add --group packaging 'validate-pyproject[all]'"
        ),
    )
    assert steps["sums"] == ("passed", "2 files in dist/")


def test_a_project_that_is_no_package_is_told_so(project: MakeProject, nox: RunNox) -> None:
    sample = project(groups={"packaging": ["iniconfig"]}, noxfile=NOXFILE)
    ran = nox(sample, "-s", "packaging")
    assert ran.code == 1
    message = (
        f"{sample.path / 'pyproject.toml'} has no [build-system], so there is nothing to build; "
        "add one"
    )
    assert f"{message} (exit code 2)" in ran.stderr
    summary = read_summary(sample.path / ".noxden" / "packaging")
    assert (summary["exit_code"], summary["message"], summary["steps"]) == (2, message, [])


def test_a_member_of_a_workspace_is_tried_with_its_siblings(
    project: MakeProject, nox: RunNox
) -> None:
    root = project(["sample"], lock=False, more="""
        [tool.uv.workspace]
        members = ["packages/*"]
        [tool.uv.sources]
        sample = { workspace = true }
    """, name="root")  # fmt: skip
    more = "[tool.uv.sources]\nother = { workspace = true }\n"
    member = project(
        ["other"], groups={"packaging": ["iniconfig"]}, package=True, noxfile=NOXFILE, more=more,
        at=root.path / "packages" / "sample", lock=False,
    )  # fmt: skip
    project(package=True, name="other", at=root.path / "packages" / "other", lock=False)
    member.write("src/sample/__init__.py", "import other\n")
    root.lock()
    ran = nox(member, "-s", "packaging", "--", "--step", "imports", "--step", "dependencies")
    assert ran.code == 0, ran.text


def test_a_project_in_a_folder_with_spaces_and_letters_of_all_kinds(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    folder = tmp_path / "große Sachen" / "проект 1"
    sample = make(project, TOOLS, at=folder)
    ran = nox(sample, "-s", "packaging", "--", "--output", "my files")
    assert ran.code == 0, ran.text
    assert sorted(file.name for file in (folder / "my files" / "dist").iterdir()) == [
        "SHA256SUMS", "sample-1.0-py3-none-any.whl", "sample-1.0.tar.gz",
    ]  # fmt: skip


def test_another_python_is_used_for_builds_and_imports(project: MakeProject, nox: RunNox) -> None:
    python = installed_pythons()[-1]
    sample = make(project, [])
    noxfile = f'import noxden\n\nnoxden.packaging(python="{python}", steps=["imports"])\n'
    sample.write("noxfile.py", noxfile)
    sample.write(
        "src/sample/__init__.py", f"import sys\n\nassert sys.version.startswith('{python}.')\n"
    )
    ran = nox(sample, "-s", "packaging")
    assert ran.code == 0, ran.text
