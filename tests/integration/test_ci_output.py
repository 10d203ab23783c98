"""What sessions say to a CI system, under the real nox, pytest, ruff and mypy."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import LIMIT_S
from tests.servers import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

NOXFILE = """
import nox
import noxden

noxden.unit()


@noxden.session(groups=["test"])
def mine(session: nox.Session) -> None:
    session.run("python", "-c", "raise SystemExit(3)")


@noxden.session(groups=["test"])
def ended(session: nox.Session) -> None:
    session.error("enough")


@noxden.session(groups=["test"])
def installs(session: nox.Session) -> None:
    session.install("--no-index", "not-there")


@noxden.session(groups=["test"])
def broken(session: nox.Session) -> None:
    raise noxden.errors.SafetyError("no")
"""
LINT = """
import noxden

noxden.lint()
"""
TESTS = """
import pytest


def test_good():
    pass


def test_bad():
    print("::error::from a test")
    assert 1 == 2, "why\\n::set-env name=X::y"


@pytest.mark.skip
def test_left_out():
    pass


@pytest.fixture
def missing():
    raise OSError("gone")


def test_error(missing):
    pass
"""


@pytest.fixture
def on_github(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a job on GitHub that a push started."""
    (tmp_path / "page.md").write_text("earlier\n")
    return {
        **env,
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "page.md"),
        "GITHUB_WORKSPACE": str(tmp_path),
        "NOXDEN_TRUST": "trusted",
    }


@pytest.fixture
def sample(project: MakeProject) -> Sample:
    made = project(groups={"test": ["pytest"]}, noxfile=NOXFILE)
    made.write("tests/test_it.py", TESTS)
    return made


def read_summary(sample: Sample, session: str = "unit") -> dict[str, Any]:
    text = (sample.path / ".noxden" / session / "summary.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def find_commands(text: str) -> list[str]:
    """The lines that GitHub's runner obeys, tokens and tracebacks left out."""
    obeyed, token = [], ""
    for line in text.splitlines():
        if token:
            token = "" if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.lstrip().startswith("::"):
            obeyed.append(line.partition("%0A")[0])
    assert not token
    return obeyed


def test_failed_tests_are_annotations_and_their_output_commands_nothing(
    sample: Sample, nox: RunNox, on_github: Mapping[str, str], tmp_path: Path
) -> None:
    ran = nox(sample, "-s", "unit", env=on_github)
    assert ran.code == 1
    assert find_commands(ran.stdout) == [
        "::group::unit: pytest",
        "::endgroup::",
        "::error file=sample/tests/test_it.py,line=10,title=tests.test_it%3A%3Atest_bad::AssertionError: why",
        '::error file=sample/tests/test_it.py,line=20,title=tests.test_it%3A%3Atest_error::failed on setup with "OSError: gone"',
    ]  # fmt: skip
    assert find_commands(ran.stderr) == [
        "::group::unit: prepare the environment", "::endgroup::",
    ]  # fmt: skip
    assert "::error::from a test" in ran.stdout
    summary = read_summary(sample)
    assert summary["tests"] == {"passed": 1, "failed": 1, "skipped": 1, "errors": 1}
    assert summary["junit"] == ".noxden/unit/junit.xml"
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("earlier\n### unit: failed\n")
    assert (
        "Tests: 1 passed, 1 failed, 1 skipped, 1 errors.\n"
        "\n"
        "- `tests.test_it::test_bad`: `AssertionError: why`\n"
        '- `tests.test_it::test_error`: `failed on setup with "OSError: gone"`\n'
        "\n"
        "JUnit: `.noxden/unit/junit.xml`\n"
    ) in page


def test_on_gitlab_the_log_has_sections_and_no_annotations(
    sample: Sample, nox: RunNox, env: dict[str, str]
) -> None:
    ours = {**env, "GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "push", "NOXDEN_TRUST": "trusted"}
    ran = nox(sample, "-s", "unit", env=ours)
    assert ran.code == 1
    # Read as text, a carriage return is the end of a line.
    marks = re.findall(r"section_(start|end):\d+:(\S+)\n\x1b\[0K(.*)", ran.stdout)
    assert marks == [
        ("start", "noxden_2_unit_pytest[collapsed=true]", "unit: pytest"),
        ("end", "noxden_2_unit_pytest", ""),
    ]
    assert "junit" in ran.stdout.partition("section_end")[2]
    assert not re.search(
        "^::(error|group)", ran.stdout.replace("::error::from a test", ""), re.MULTILINE
    )


def test_on_ones_own_machine_a_short_table_closes_the_session(sample: Sample, nox: RunNox) -> None:
    ran = nox(sample, "-s", "unit")
    assert "::group" not in ran.text
    rows = [line.split(None, 1) for line in ran.lines[-6:]]
    assert rows[:2] == [["session", "unit"], ["tests", "1 passed, 1 failed, 1 skipped, 1 errors"]]
    assert [name for name, _ in rows] == [
        "session", "tests", "time", "environment", "junit", "summary",
    ]  # fmt: skip
    assert rows[4:] == [
        ["junit", ".noxden/unit/junit.xml"], ["summary", ".noxden/unit/summary.md"],
    ]  # fmt: skip


def test_a_file_that_cannot_be_collected_is_an_annotation_too(
    sample: Sample, nox: RunNox, on_github: Mapping[str, str]
) -> None:
    sample.write("tests/test_it.py", "import nothing_of_this_name\n")
    ran = nox(sample, "-s", "unit", env=on_github)
    assert (
        "::error file=sample/tests/test_it.py,line=1,title=tests.test_it::collection failure%0A"
    ) in ran.stdout


def test_only_ten_errors_are_shown_and_the_rest_is_counted(
    sample: Sample, nox: RunNox, on_github: Mapping[str, str]
) -> None:
    body = "".join(f"def test_{number}():\n    assert {number} < 0\n" for number in range(33))
    sample.write("tests/test_it.py", body)
    ran = nox(sample, "-s", "unit", env=on_github)
    said = find_commands(ran.stdout)
    assert len([line for line in said if line.startswith("::error file=")]) == 10
    assert said[-1] == "::notice::23 more; see .noxden/unit/junit.xml of unit"
    summary = (sample.path / ".noxden" / "unit" / "summary.md").read_text()
    assert summary.count("\n- `tests.test_it::test_") == 20
    assert "\n- and 13 more\n" in summary


def test_a_page_that_cannot_be_written_is_one_warning(
    sample: Sample, nox: RunNox, on_github: dict[str, str], tmp_path: Path
) -> None:
    sample.write("tests/test_it.py", "def test_it(): pass\n")
    page = tmp_path / "gone" / "page.md"
    ran = nox(sample, "-s", "unit", env={**on_github, "GITHUB_STEP_SUMMARY": str(page)})
    assert ran.code == 0
    assert ran.text.count("GITHUB_STEP_SUMMARY") == 1
    assert (
        f"cannot write GITHUB_STEP_SUMMARY, {page}: No such file or directory; the summary is in "
        f".noxden/unit/summary.md"
    ) in ran.text


def test_a_report_of_another_run_in_the_folder_of_the_user_is_not_taken_for_ours(
    sample: Sample, nox: RunNox, tmp_path: Path
) -> None:
    nox(sample, "-s", "unit", "--", "--output", str(tmp_path / "out"))
    ran = nox(sample, "-s", "unit", "--", "--output", str(tmp_path / "out"), "--workers", "x")
    assert ran.code == 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["tests"], summary["junit"]) == (None, "")


def test_linters_become_annotations_and_each_step_is_folded(
    project: MakeProject, nox: RunNox, on_github: Mapping[str, str]
) -> None:
    sample = project(
        groups={"lint": ["ruff", "mypy"]},
        more='[tool.mypy]\nfiles = ["wrong.py"]\n[tool.noxden.lint]\nspelling = "none"\n',
        noxfile=LINT,
    )
    sample.write("wrong.py", 'import os\nx: int = "a"\n')
    ran = nox(sample, "-s", "lint", "--", "--step", "check", "--step", "types", env=on_github)
    assert ran.code == 1
    assert find_commands(ran.stdout) == [
        "::group::check",
        "::endgroup::",
        "::error file=sample/wrong.py,line=1,title=ruff (I001)::wrong.py:1:1: I001 Import block is un-sorted or un-formatted",
        "::error file=sample/wrong.py,line=1,title=ruff (F401)::wrong.py:1:8: F401 `os` imported but unused",
        "::group::types",
        "::endgroup::",
        '::error file=sample/wrong.py,line=2,title=mypy::Incompatible types in assignment (expression has type "str", variable has type "int")  [assignment]',
    ]  # fmt: skip
    details = {step["name"]: step["detail"] for step in read_summary(sample, "lint")["steps"]}
    assert details == {
        "check": "code 1: Found 2 errors.",
        "types": "code 1: Found 1 error in 1 file (checked 1 source file)",
    }


def test_a_group_is_closed_when_the_run_is_stopped(
    sample: Sample, on_github: dict[str, str], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    sample.write(
        "tests/test_it.py",
        f"import pathlib, time\ndef test_it():\n    pathlib.Path({str(ready)!r}).touch()\n"
        f"    time.sleep({LIMIT_S})\n",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "nox", "-s", "unit"], cwd=sample.path, env=on_github,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as ran:  # fmt: skip
        wait_for(lambda: ready.exists() or ran.poll() is not None)
        ran.send_signal(signal.SIGINT)
        said, _ = ran.communicate(timeout=LIMIT_S)
    assert ran.returncode == 130
    assert find_commands(said)[:2] == ["::group::unit: pytest", "::endgroup::"]
    assert read_summary(sample)["exit_code"] == 130


@pytest.mark.parametrize(
    ("session", "why"), [("unit", "2 of 4 tests failed"), ("mine", ""), ("ended", "enough")]
)
def test_failed_work_of_a_session_that_does_not_block_is_a_warning(
    session: str, why: str, sample: Sample, nox: RunNox, on_github: dict[str, str]
) -> None:
    ran = nox(sample, "-s", session, env={**on_github, "NOXDEN_BLOCKING": "0"})
    assert ran.code == 0, ran.text
    said = f"{session} failed with exit code 1; it does not block here (NOXDEN_BLOCKING=0)"
    assert said in ran.stderr
    assert why in ran.stderr
    assert f"::warning title={session}::{said}" in ran.stdout
    if session == "unit":
        summary = read_summary(sample)
        assert (summary["status"], summary["exit_code"]) == ("failed", 1)


@pytest.mark.parametrize(
    ("session", "value", "message"),
    [
        ("broken", "0", "no (exit code 4)"),
        ("installs", "0", "failed"),
        ("mine", "1", "failed with exit code 3"),
        ("mine", "", "failed with exit code 3"),
    ],
)
def test_everything_else_fails_as_ever(
    session: str, value: str, message: str, sample: Sample, nox: RunNox, env: dict[str, str]
) -> None:
    ran = nox(sample, "-s", session, env={**env, "NOXDEN_BLOCKING": value})
    assert ran.code == 1
    assert message in ran.text
    assert "does not block" not in ran.text


def test_a_switch_that_says_neither_is_refused(
    sample: Sample, nox: RunNox, env: dict[str, str]
) -> None:
    sample.write("noxfile.py", NOXFILE.replace("noxden.unit()", ""))
    ran = nox(sample, "-s", "mine", env={**env, "NOXDEN_BLOCKING": "perhaps"})
    assert ran.code == 1
    assert (
        "environment variable NOXDEN_BLOCKING is to be 1 or 0, got 'perhaps' (exit code 2)"
    ) in ran.text
