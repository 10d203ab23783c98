"""The unit session under the real nox, on small projects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noxden.sessions.workers import count_cores
from tests.sandbox import installed_pythons, make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Sample

NOXFILE = """
import noxden

noxden.unit()
"""
PASSING = """
import sample


def test_it_is_here():
    assert sample.WHO == "first"
"""


def make(
    project: MakeProject,
    tools: Sequence[str] = ("pytest",),
    *,
    noxfile: str = NOXFILE,
    more: str = "",
    at: Path | None = None,
) -> Sample:
    """A package in the src layout with one passing test."""
    sample = project(groups={"test": tools}, package=True, noxfile=noxfile, more=more, at=at)
    sample.write("tests/test_it.py", PASSING)
    return sample


def read_summary(sample: Sample, session: str = "unit") -> dict[str, Any]:
    file = sample.path / ".noxden" / session / "summary.json"
    summary: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return summary


def tell(sample: Sample, session: str = "unit") -> tuple[str, int, str]:
    """Status, exit code and message of the summary."""
    summary = read_summary(sample, session)
    return summary["status"], summary["exit_code"], summary["message"]


def write_count(sample: Sample) -> None:
    """A test that prints how many xdist workers run."""
    sample.write(
        "tests/test_count.py",
        """
        import os


        def test_count():
            with open("count.txt", "w") as file:
                file.write(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "none"))
        """,
    )


def read_count(sample: Sample) -> str:
    return (sample.path / "count.txt").read_text()


def test_a_run_leaves_a_report_and_a_summary(project: MakeProject, nox: RunNox) -> None:
    sample = make(project)
    ran = nox(sample, "-s", "unit")
    assert ran.code == 0, ran.text
    output = sample.path / ".noxden" / "unit"
    assert sorted(file.name for file in output.iterdir()) == [
        "junit.xml",
        "summary.json",
        "summary.md",
    ]
    assert 'tests="1"' in (output / "junit.xml").read_text()
    assert tell(sample) == ("passed", 0, "")
    steps = [
        (step["name"], step["status"], step["detail"]) for step in read_summary(sample)["steps"]
    ]
    assert steps == [("tests", "passed", "1 passed")]


def test_the_markers_of_other_sessions_are_known_and_left_out(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(
        project,
        more='[tool.pytest.ini_options]\naddopts = ["--strict-markers", "--strict-config"]\n'
        'filterwarnings = ["error"]\n',
    )
    sample.write(
        "tests/test_marked.py",
        "\n".join(
            ["import pytest", ""]
            + [
                f"@pytest.mark.{name}\ndef test_{name}(): raise RuntimeError\n"
                for name in ("e2e", "playwright", "heavy", "device")
            ]
        ),
    )
    sample.write(
        "tests/test_alone.py",
        """
        import importlib.util


        def test_noxden_is_not_here():
            assert importlib.util.find_spec("noxden") is None
        """,
    )
    ran = nox(sample, "-s", "unit")
    assert ran.code == 0, ran.text
    assert "2 passed, 4 deselected" in ran.stdout
    heavy = nox(sample, "-s", "unit", "--", "-m", "heavy")
    assert heavy.code == 1
    assert "1 failed, 5 deselected" in heavy.stdout


def test_what_pytest_says_ends_up_in_the_exit_code(project: MakeProject, nox: RunNox) -> None:
    sample = make(project)
    sample.write("tests/test_bad.py", "def test_bad(): assert False\n")
    assert nox(sample, "-s", "unit").code == 1
    failed = "1 of 2 tests failed; see .noxden/unit/junit.xml"
    assert tell(sample) == ("failed", 1, failed)
    assert nox(sample, "-s", "unit", "--", "-k", "nothing_like_it").code == 1
    status, code, message = tell(sample)
    assert (status, code) == ("failed", 1)
    assert message.startswith("pytest found no test by -m 'not e2e and ")
    assert nox(sample, "-s", "unit", "--", "--no-such-option").code == 1
    assert tell(sample)[:2] == ("failed", 2)
    sample.write("tests/test_bad.py", "import not_there\n")
    ran = nox(sample, "-s", "unit")
    assert ran.code == 1
    assert tell(sample)[:2] == ("failed", 1)
    assert tell(sample)[2].startswith("pytest stopped before it had run all tests")
    assert "(exit code 1)" in ran.stderr


def test_words_that_are_not_ours_go_to_pytest_as_they_are(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project)
    sample.write("tests/test_other.py", "def test_one(): pass\n\n\ndef test_two(): pass\n")
    ran = nox(sample, "-s", "unit", "--", "-x", "-k", "one or it", "tests/test_other.py")
    assert "1 passed, 1 deselected" in ran.stdout, ran.text
    ran = nox(sample, "-s", "unit", "--", "--output", "out put", "--", "-k", "two")
    assert "1 passed, 2 deselected" in ran.stdout, ran.text
    assert (sample.path / "out put" / "junit.xml").is_file()


def test_help_shows_the_options_and_runs_nothing(project: MakeProject, nox: RunNox) -> None:
    sample = make(project)
    ran = nox(sample, "-s", "unit", "--", "--help")
    assert ran.code == 0, ran.text
    for word in ("--workers N", "--coverage", "--installpkg WHEEL", "--output DIR", "examples:"):
        assert word in ran.stdout
    assert not (sample.path / ".noxden").exists()


def test_a_project_without_pytest_is_told_how_to_add_it(project: MakeProject, nox: RunNox) -> None:
    sample = make(project, ["iniconfig"])
    ran = nox(sample, "-s", "unit")
    assert ran.code == 1
    assert tell(sample) == (
        "failed",
        2,
        "the tests need pytest, which is not in group test; run: uv add --group test pytest",
    )


def test_workers_are_used_when_asked_for_and_left_alone_when_pytest_is_told(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project, ["pytest", "pytest-xdist"])
    write_count(sample)
    for arguments, count in (
        ([], "none"),
        (["--workers", "2"], "2"),
        (["-n", "1"], "1"),
        (["--workers", "2", "-n", "0"], "none"),
    ):
        ran = nox(sample, "-s", "unit", "--", *arguments)
        assert ran.code == 0, ran.text
        assert (arguments, read_count(sample)) == (arguments, count)


def test_a_suite_gets_workers_after_it_was_measured_to_be_long(
    project: MakeProject, nox: RunNox, fresh_den: Path
) -> None:
    sample = make(project, ["pytest", "pytest-xdist"])
    write_count(sample)
    # The length of a suite is what its report says: the time need not pass.
    sample.write(
        "conftest.py",
        """
        import pytest


        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(report):
            if report.when == "call":
                report.duration += 400
        """,
    )
    for _ in range(2):
        assert nox(sample, "-s", "unit", den=fresh_den).code == 0
    cores = count_cores()
    assert read_count(sample) == (str(cores) if cores > 1 else "none")


def test_coverage_counts_what_workers_run(project: MakeProject, nox: RunNox) -> None:
    for name, tools in (("alone", ["coverage"]), ("plugin", ["pytest-cov"])):
        sample = make(
            project,
            ["pytest", "pytest-xdist", *tools],
            at=project(name=f"place-{name}", lock=False).path / "here",
            more='[tool.coverage.run]\nsource_pkgs = ["sample"]\n',
        )
        sample.write(
            "src/sample/parts.py",
            "\n".join(f"def part_{n}():\n    return {n}\n" for n in range(4)),
        )
        for number in range(4):
            sample.write(
                f"tests/test_part_{number}.py",
                f"from sample.parts import part_{number}\n\n\n"
                f"def test_part(): assert part_{number}() == {number}\n",
            )
        ran = nox(sample, "-s", "unit", "--", "--coverage", "--workers", "2")
        assert ran.code == 0, ran.text
        report = (sample.path / ".noxden" / "unit" / "coverage.xml").read_text()
        assert re.findall(r'filename="([^"]*parts.py)"[^>]*line-rate="1"', report), report
        assert 'branch-rate="' in report
        steps = {step["name"]: step["detail"] for step in read_summary(sample)["steps"]}
        assert steps["coverage"].startswith("100% of lines")
        assert not list(sample.path.glob(".coverage*"))


def test_coverage_leaves_out_what_noxden_and_the_base_bring(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project, ["pytest", "coverage"])
    ran = nox(sample, "-s", "unit", "--", "--coverage")
    assert ran.code == 0, ran.text
    report = (sample.path / ".noxden" / "unit" / "coverage.xml").read_text()
    assert re.findall(r'filename="([^"]*)"', report) == [
        "src/sample/__init__.py",
        "tests/test_it.py",
    ]


def test_coverage_of_a_wheel_is_refused(project: MakeProject, nox: RunNox, tmp_path: Path) -> None:
    sample = make(project)
    wheel = make_wheel(tmp_path, "sample", files={"sample/__init__.py": 'WHO = "first"'})
    ran = nox(sample, "-s", "unit", "--", "--coverage", "--installpkg", str(wheel))
    assert ran.code == 1
    assert tell(sample) == (
        "failed",
        2,
        "--coverage measures the checkout, which --installpkg leaves out; give one",
    )


def test_coverage_without_a_tool_for_it_names_the_command_that_adds_one(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(project)
    assert nox(sample, "-s", "unit", "--", "--coverage").code == 1
    assert tell(sample) == (
        "failed",
        2,
        (
            "--coverage needs pytest-cov, which is not in group test; "
            "run: uv add --group test pytest-cov"
        ),
    )


def test_coverage_below_the_limit_fails(project: MakeProject, nox: RunNox) -> None:
    sample = make(
        project,
        ["pytest", "coverage"],
        more="""
        [tool.coverage.run]
        source_pkgs = ["sample"]

        [tool.coverage.report]
        fail_under = 99
        """,
    )
    sample.write("src/sample/unused.py", "def unused():\n    return 1\n")
    ran = nox(sample, "-s", "unit", "--", "--coverage")
    assert ran.code == 1
    assert "TOTAL" in ran.stdout
    assert tell(sample) == ("failed", 1, "1 of 2 steps failed: coverage")
    assert read_summary(sample)["steps"][1]["detail"].startswith("coverage report failed; ")


WHERE = """
import sys
from pathlib import Path

import sample


def test_where():
    Path("where.txt").write_text(f"{sample.WHO} {sample.__file__} {sys.prefix}")
"""


def read_where(sample: Sample) -> tuple[str, Path, Path]:
    who, file, prefix = (sample.path / "where.txt").read_text().split(" ")
    return who, Path(file), Path(prefix)


def test_a_wheel_is_tested_in_place_of_the_checkout_which_comes_back_afterwards(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    sample = make(project)
    sample.write("tests/test_it.py", WHERE)
    wheel = make_wheel(tmp_path / "dist", "sample", files={"sample/__init__.py": 'WHO = "wheel"\n'})
    assert nox(sample, "-s", "unit").code == 0
    source = sample.path / "src" / "sample" / "__init__.py"
    assert read_where(sample)[:2] == ("first", source)
    for _ in range(2):
        ran = nox(sample, "-s", "unit", "--", "--installpkg", str(wheel))
        assert ran.code == 0, ran.text
        who, file, prefix = read_where(sample)
        assert who == "wheel"
        assert prefix == sample.path / ".nox" / "unit+wheel"
        assert file.is_relative_to(prefix)
        assert nox(sample, "-s", "unit").code == 0
        assert read_where(sample)[:2] == ("first", source)


def test_a_wheel_that_was_built_anew_is_installed_anew(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    sample = make(project)
    sample.write("tests/test_it.py", WHERE)
    for who in ("older", "newest"):
        wheel = make_wheel(
            tmp_path / "dist", "sample", files={"sample/__init__.py": f'WHO = "{who}"\n'}
        )
        ran = nox(sample, "-s", "unit", "--", "--installpkg", str(wheel))
        assert ran.code == 0, ran.text
        assert read_where(sample)[0] == who


def test_tests_that_import_the_checkout_do_not_pass_for_a_wheel(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    sample = make(project, more='[tool.pytest.ini_options]\npythonpath = ["src"]\n')
    wheel = make_wheel(tmp_path / "dist", "sample", files={"sample/__init__.py": 'WHO = "first"\n'})
    assert nox(sample, "-s", "unit", "--", "--installpkg", str(wheel)).code == 1
    status, code, message = tell(sample)
    assert (status, code) == ("failed", 2)
    source = sample.path / "src" / "sample" / "__init__.py"
    assert message.startswith(f"the tests imported sample from {source}, not from the wheel; ")
    ran = nox(sample, "-s", "unit", "--", "--installpkg", str(wheel), "-o", "pythonpath=")
    assert ran.code == 0, ran.text


def test_a_wheel_that_is_not_there_or_of_another_project_is_refused(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    sample = make(project)
    stranger = make_wheel(tmp_path / "dist", "stranger")
    assert nox(sample, "-s", "unit", "--", "--installpkg", "dist/none.whl").code == 1
    missing = sample.path / "dist" / "none.whl"
    assert tell(sample) == (
        "failed",
        2,
        f"--installpkg: there is no {missing}; build it with: nox -s packaging",
    )
    assert nox(sample, "-s", "unit", "--", "--installpkg", str(stranger)).code == 1
    assert tell(sample) == (
        "failed",
        2,
        f"--installpkg: {stranger.name} is a wheel of stranger, this checkout is sample",
    )


def test_two_unit_sessions_have_their_own_names_markers_and_results(
    project: MakeProject, nox: RunNox
) -> None:
    sample = make(
        project,
        noxfile="""
        import noxden

        noxden.unit()
        noxden.unit("heavy-ones", markers="heavy")
        """,
    )
    sample.write(
        "tests/test_heavy.py", "import pytest\n\n\n@pytest.mark.heavy\ndef test_heavy(): pass\n"
    )
    ran = nox(sample)
    assert ran.code == 0, ran.text
    assert ran.stdout.count("1 passed, 1 deselected") == 2
    assert [tell(sample, name) for name in ("unit", "heavy-ones")] == [("passed", 0, "")] * 2


def test_the_table_and_the_environment_decide_where_the_noxfile_does_not(
    project: MakeProject, nox: RunNox, env: dict[str, str]
) -> None:
    sample = make(project, ["pytest", "pytest-xdist"], more="[tool.noxden.unit]\nworkers = 1\n")
    write_count(sample)
    assert nox(sample, "-s", "unit").code == 0
    assert read_count(sample) == "1"
    assert nox(sample, "-s", "unit", env={**env, "NOXDEN_UNIT_WORKERS": "2"}).code == 0
    assert read_count(sample) == "2"


def test_each_python_of_a_list_has_a_session(project: MakeProject, nox: RunNox) -> None:
    wanted = ("3.12", "3.13")
    if missing := [python for python in wanted if python not in installed_pythons()]:
        pytest.skip(f"uv finds no Python {' and '.join(missing)}")
    sample = make(project, noxfile=f"import noxden\nnoxden.unit(python={list(wanted)})\n")
    sample.write(
        "tests/test_python.py",
        """
        import sys
        from pathlib import Path


        def test_python():
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            Path(f"python-{version}.txt").touch()
        """,
    )
    ran = nox(sample)
    assert ran.code == 0, ran.text
    assert sorted(file.name for file in sample.path.glob("python-*")) == [
        "python-3.12.txt",
        "python-3.13.txt",
    ]
    for python in wanted:
        assert read_summary(sample, f"unit-{python}")["python"].startswith(f"{python}.")


def test_a_path_with_spaces_and_letters_of_other_languages_is_as_good_as_any(
    project: MakeProject, nox: RunNox, tmp_path: Path
) -> None:
    sample = make(
        project, ["pytest", "pytest-xdist", "coverage"], at=tmp_path / "mein Prüfstand 試験"
    )
    wheel = make_wheel(
        sample.path / "dist", "sample", files={"sample/__init__.py": 'WHO = "first"'}
    )
    for arguments in (
        [],
        ["--workers", "2", "--coverage"],
        ["--installpkg", f"dist/{wheel.name}", "--workers", "2"],
    ):
        ran = nox(sample, "-s", "unit", "--", *arguments)
        assert ran.code == 0, ran.text


@pytest.fixture(autouse=True)
def _measure_nothing_of_ours(request: pytest.FixtureRequest, env: dict[str, str]) -> None:
    """Samples that measure their coverage do it by their own settings, not by this run's."""
    ours = [name for name in env if name.startswith("COVERAGE_")]
    measured = "coverage" in request.node.name or "a_path_with_spaces" in request.node.name
    for name in ours if measured else ():
        del env[name]
