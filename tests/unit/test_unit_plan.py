"""What a unit session runs, and what its end means."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxden.config import NOT_UNIT
from noxden.errors import InfrastructureError, NoxdenError, UsageError, WorkError
from noxden.sessions.steps import Command
from noxden.sessions.unit_plan import (
    Outcome,
    UnitOptions,
    UnitPlan,
    combine_markers,
    explain_exit,
    leaves_workers_alone,
    plan_unit,
    read_coverage,
    read_outcome,
    render_outcome,
)

OPTIONS = UnitOptions(
    output=Path("/p/.noxden/unit"),
    inside=Path("/lib/inside"),
    installed=frozenset({"pytest"}),
    here=Path("/p"),
    pytest=Path("/p/.nox/unit/bin/pytest"),
)
COMMON = ("-p", "noxden_inside", "-m", NOT_UNIT, "--junit-xml=.noxden/unit/junit.xml")


def test_a_plain_run_selects_by_markers_and_writes_a_report() -> None:
    assert plan_unit(OPTIONS) == UnitPlan(
        Command(("pytest", *COMMON), {"PYTHONPATH": "/lib/inside"})
    )


def test_arguments_come_last_so_that_the_callers_markers_win() -> None:
    plan = plan_unit(OPTIONS._replace(arguments=("-m", "slow", "-x")))
    assert plan.test.words == ("pytest", *COMMON, "-m", "slow", "-x")


def test_no_markers_select_everything() -> None:
    words = plan_unit(OPTIONS._replace(markers="")).test.words
    assert words == ("pytest", "-p", "noxden_inside", "--junit-xml=.noxden/unit/junit.xml")


def test_the_callers_pythonpath_stays_behind_ours() -> None:
    plan = plan_unit(OPTIONS._replace(pythonpath="/mine:/yours"))
    assert plan.test.env == {"PYTHONPATH": "/lib/inside:/mine:/yours"}


def test_an_output_folder_outside_of_the_project_is_named_in_full() -> None:
    words = plan_unit(OPTIONS._replace(output=Path("/out"))).test.words
    assert words[-1] == "--junit-xml=/out/junit.xml"


@pytest.mark.parametrize("workers", [0, 3])
def test_workers_are_given_to_xdist(workers: int) -> None:
    options = OPTIONS._replace(workers=workers, installed=frozenset({"pytest", "pytest-xdist"}))
    assert plan_unit(options).test.words == ("pytest", *COMMON, "-n", str(workers))


def test_no_workers_need_no_xdist() -> None:
    assert plan_unit(OPTIONS._replace(workers=0)).test.words == ("pytest", *COMMON)


def test_coverage_by_the_plugin_where_it_is_installed() -> None:
    options = OPTIONS._replace(
        coverage=True, installed=frozenset({"pytest", "coverage", "pytest-cov"})
    )
    assert plan_unit(options) == UnitPlan(
        Command(
            (
                *("pytest", *COMMON, "--cov", "--cov-branch"),
                *("--cov-report=xml:.noxden/unit/coverage.xml", "--cov-report=term"),
            ),
            {"PYTHONPATH": "/lib/inside", "COVERAGE_FILE": "/p/.noxden/unit/.coverage"},
        )
    )
    named = plan_unit(options._replace(arguments=("--cov=sample",))).test.words
    assert "--cov" not in named
    assert named[-1] == "--cov=sample"


def test_coverage_by_coverage_alone_measures_workers_and_combines() -> None:
    options = OPTIONS._replace(
        coverage=True,
        workers=2,
        installed=frozenset({"pytest", "pytest-xdist", "coverage"}),
    )
    env = {
        "PYTHONPATH": "/lib/inside",
        "COVERAGE_FILE": "/p/.noxden/unit/.coverage",
        "NOXDEN_COVER_WORKERS": "1",
    }
    start = ("coverage", "run", "--branch", "--parallel-mode", "/p/.nox/unit/bin/pytest")
    assert plan_unit(options) == UnitPlan(
        Command((*start, *COMMON, "-n", "2"), env),
        (
            Command(("coverage", "combine", "--quiet"), env),
            Command(
                (
                    *("coverage", "xml", "--quiet", "--fail-under=0"),
                    *("-o", ".noxden/unit/coverage.xml"),
                ),
                env,
            ),
            Command(("coverage", "report"), env),
        ),
    )


def test_the_wheel_and_where_to_note_foreign_modules_go_by_variables() -> None:
    plan = plan_unit(OPTIONS._replace(wheel=Path("/dist/a-1-py3-none-any.whl")))
    assert plan.test.env == {
        "PYTHONPATH": "/lib/inside",
        "NOXDEN_WHEEL": "/dist/a-1-py3-none-any.whl",
        "NOXDEN_NOT_FROM_WHEEL": "/p/.noxden/unit/not-from-wheel.txt",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            OPTIONS._replace(installed=frozenset()),
            "the tests need pytest, which is not in group test; run: uv add --group test pytest",
        ),
        (
            OPTIONS._replace(installed=frozenset(), group=""),
            "the tests need pytest, which is not in the project's dependencies; run: uv add pytest",
        ),
        (
            OPTIONS._replace(coverage=True, group="checks"),
            (
                "--coverage needs pytest-cov, which is not in group checks; "
                "run: uv add --group checks pytest-cov"
            ),
        ),
        (
            OPTIONS._replace(workers=4),
            (
                "4 workers need pytest-xdist, which is not in group test; "
                "run: uv add --group test pytest-xdist"
            ),
        ),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_adds_it(
    options: UnitOptions, message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        plan_unit(options)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("markers", "addopts", "combined"),
    [
        (NOT_UNIT, (), NOT_UNIT),
        (NOT_UNIT, ("-q", "--strict-markers"), NOT_UNIT),
        (NOT_UNIT, ("-m", "not slow"), f"(not slow) and {NOT_UNIT}"),
        (NOT_UNIT, ("-mfast",), f"(fast) and {NOT_UNIT}"),
        ("fast", ("-m", "not slow"), "fast"),
    ],
)
def test_the_projects_own_markers_are_kept_beside_the_default_ones(
    markers: str, addopts: tuple[str, ...], combined: str
) -> None:
    assert combine_markers(markers, addopts) == combined


@pytest.mark.parametrize(
    "words",
    [
        ("-n", "4"),
        ("-n4",),
        ("-nauto",),
        ("--numprocesses=2",),
        ("-p", "no:xdist"),
        ("-pno:xdist",),
        ("--dist", "loadfile"),
        ("-x", "--pdb"),
        ("-s",),
        ("--collect-only",),
    ],
)
def test_who_says_how_tests_are_shared_out_is_left_alone(words: tuple[str, ...]) -> None:
    assert leaves_workers_alone(words)


@pytest.mark.parametrize(
    "words", [(), ("-x",), ("-k", "n4 or s"), ("--no-header",), ("-p", "no:cacheprovider")]
)
def test_other_arguments_say_nothing_about_workers(words: tuple[str, ...]) -> None:
    assert not leaves_workers_alone(words)


def test_a_report_is_counted_and_its_times_added(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        '<?xml version="1.0"?><testsuites><testsuite tests="4" errors="1" failures="1" '
        'skipped="1" time="9"><testcase time="0.5"/><testcase time="0.25"/><testcase/>'
        "</testsuite></testsuites>"
    )
    outcome = read_outcome(report)
    assert outcome == Outcome(tests=4, failed=2, skipped=1, seconds=0.75)
    assert render_outcome(outcome) == "2 failed, 1 passed, 1 skipped"


@pytest.mark.parametrize("text", [None, "", "<testsuites><testsuite"])
def test_a_report_that_is_not_whole_counts_nothing(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "junit.xml").write_text(text)
    assert read_outcome(tmp_path / "junit.xml") is None


def test_coverage_is_told_in_one_line(tmp_path: Path) -> None:
    report = tmp_path / "coverage.xml"
    report.write_text(
        '<coverage version="7" line-rate="0.875" branch-rate="0.5"><packages>'
        '<package line-rate="1"/></packages></coverage>'
    )
    assert read_coverage(report) == "88% of lines, 50% of branches"
    assert read_coverage(tmp_path / "none.xml") == ""


FAILED = Outcome(tests=5, failed=2, seconds=1.0)


@pytest.mark.parametrize(
    ("code", "outcome", "error", "message"),
    [
        (1, FAILED, WorkError, "2 of 5 tests failed; see .noxden/unit/junit.xml"),
        (1, None, WorkError, "tests failed; pytest's output above says which"),
        (
            1,
            Outcome(tests=5),
            WorkError,
            "no test failed, but pytest did; the end of its output says why",
        ),
        (
            2,
            None,
            WorkError,
            (
                "pytest stopped before it had run all tests, mostly because a test file cannot be "
                "imported; its output above says why"
            ),
        ),
        (
            3,
            None,
            InfrastructureError,
            (
                "pytest had an internal error; where the traceback above is in a plugin, try "
                "without it: -- -p no:NAME"
            ),
        ),
        (
            4,
            None,
            UsageError,
            "pytest does not accept its arguments or its configuration; its output above says why",
        ),
        (
            5,
            Outcome(),
            WorkError,
            (
                "pytest found no test by -m 'fast' with -k one, and a run without tests is no "
                "success; name other tests, or leave the session out of [tool.noxden] sessions"
            ),
        ),
        (
            -11,
            None,
            WorkError,
            "pytest was ended by SIGSEGV (signal 11); try: -- -n 0 -v --capture=no",
        ),
        (
            77,
            None,
            WorkError,
            "pytest ended with code 77, which is none of its own; see its output",
        ),
    ],
)
def test_each_exit_code_of_pytest_says_what_happened(
    code: int, outcome: Outcome | None, error: type[NoxdenError], message: str
) -> None:
    options = OPTIONS._replace(markers="fast", arguments=("-k", "one"))
    found = explain_exit(code, outcome, options)
    assert (type(found), str(found)) == (error, message)


def test_success_is_no_error() -> None:
    assert explain_exit(0, Outcome(tests=1), OPTIONS) is None
