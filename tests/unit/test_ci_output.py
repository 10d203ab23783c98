"""What is written into the log of a CI system, and what is kept out of it."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.ci.report.annotations import Place, annotate_lint, annotate_tests, relate
from noxden.ci.report.cases import Counts, Failure, Results, read_results
from noxden.ci.report.marks import (
    Annotation,
    defuse,
    find_dialect,
    render_annotation,
    render_close,
    render_open,
    render_pause,
    render_resume,
)
from noxden.sessions.ci_output import Spoken, Voice, guard_logs, open_voice
from noxden.sessions.output import StepResult, Summary, publish_summary, write_summary
from noxden.sessions.results import find_results, read_stamp, render_results, show_results
from noxden.sessions.steps import Command, Ended, Step, run_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.ci.report.marks import Dialect

JUNIT = """\
<?xml version="1.0"?>
<testsuites><testsuite name="s" file="tests/test_device.py">
<testcase classname="tests.test_a" name="test_good"/>
<testcase classname="tests.test_a" name="test_skip"><skipped message="no"/></testcase>
<testcase classname="tests.test_a" name="test_bad" file="tests/test_a.py" line="6">
<failure message="assert 0">tests/test_a.py:8: AssertionError</failure></testcase>
<testcase classname="tests.test_device" name="test_gone"><error message="it was never begun"/></testcase>
</testsuite></testsuites>
"""
SUMMARY = Summary(
    session="unit",
    status="failed",
    exit_code=1,
    key="0" * 64,
    python="3.12.1",
    rebuilt="",
    prepare_seconds=0.1,
    run_seconds=2.0,
)


@pytest.mark.parametrize(
    ("env", "dialect"),
    [
        ({}, ""),
        ({"CI": "false"}, ""),
        ({"CI": "true"}, ""),
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, "github"),
        ({"FORGEJO_ACTIONS": "true", "GITHUB_ACTIONS": "true"}, "github"),
        ({"GITEA_ACTIONS": "true"}, "github"),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "http://ci.example"}, ""),
    ],
)
def test_each_system_is_spoken_to_in_its_own_language(env: dict[str, str], dialect: str) -> None:
    assert find_dialect(env) == dialect


@pytest.mark.parametrize(
    ("dialect", "opened", "closed"),
    [
        ("github", "::group::unit: a%25b%0A::x\n", "::endgroup::\n"),
        (
            "gitlab",
            "\r\x1b[0Ksection_start:12:noxden_3_unit_a_b_x[collapsed=true]\r\x1b[0Kunit: a%b ::x\n",
            "\r\x1b[0Ksection_end:12:noxden_3_unit_a_b_x\r\x1b[0K\n",
        ),
        ("", "", ""),
    ],
)
def test_a_group_has_a_line_before_and_one_after(
    dialect: Dialect, opened: str, closed: str
) -> None:
    title = "unit: a%b\n::x"
    assert render_open(dialect, 3, title, 12.9) == opened
    assert render_close(dialect, 3, title, 12.9) == closed


def test_only_github_takes_a_pause_from_commands() -> None:
    assert (
        render_pause("github", "t") + render_resume("github", "t") == "::stop-commands::t\n::t::\n"
    )
    assert render_pause("gitlab", "t") + render_resume("gitlab", "t") == ""


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (Annotation("notice", "100%\r\nof: all, it"), "::notice::100%25%0D%0Aof: all, it\n"),
        (
            Annotation("error", "m", "a::b,c%\n", "d,e:f.py", 3),
            "::error file=d%2Ce%3Af.py,line=3,title=a%3A%3Ab%2Cc%25%0A::m\n",
        ),
        (Annotation("warning", "m", file="a.py"), "::warning file=a.py::m\n"),
        (Annotation("warning", "m", line=3), "::warning::m\n"),
        (Annotation("error", "y" * 5000), f"::error::{'y' * 3999}…\n"),
    ],
)
def test_an_annotation_is_escaped_by_the_rules_of_github(given: Annotation, line: str) -> None:
    assert render_annotation("github", given) == line
    assert render_annotation("gitlab", given) == ""


@pytest.mark.parametrize(
    ("text", "defused"),
    [
        ("::set-env name=A::b", ": :set-env name=A::b"),
        ("a\n \t::error::b\r::c", "a\n \t: :error::b\r: :c"),
        ("\u2028::error::x", "\u2028: :error::x"),
        ("tests/a.py::test_it", "tests/a.py::test_it"),
        ("a ##[error]b", "a ## [error]b"),
    ],
)
def test_no_line_of_others_is_a_command_of_github(text: str, defused: str) -> None:
    assert defuse(text, "github") == defused
    assert defuse(text, "") == text


def test_no_line_of_others_is_a_section_of_gitlab() -> None:
    said = "\x1b[0Ksection_start:1:a\r\x1b[0Ksection_end:1:a"
    assert defuse(said, "gitlab") == "\x1b[0Ksection start:1:a\r\x1b[0Ksection end:1:a"


def test_a_junit_file_is_counted_and_its_failures_are_kept(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    found = read_results(tmp_path / "junit.xml")
    bad = Failure(
        "tests.test_a", "test_bad", "assert 0", "tests/test_a.py:8: AssertionError",
        "tests/test_a.py", 7,
    )  # fmt: skip
    gone = Failure(
        "tests.test_device", "test_gone", "it was never begun", "", "tests/test_device.py", 0
    )
    assert found == Results(Counts(1, 1, 1, 1), (bad, gone))
    assert found.counts.bad == 2
    assert [one.title for one in found.failures] == [
        "tests.test_a::test_bad", "tests.test_device::test_gone",
    ]  # fmt: skip


def test_only_the_first_failures_are_kept(tmp_path: Path) -> None:
    cases = "<testcase name='t'><failure message='no'>long</failure></testcase>" * 50
    (tmp_path / "junit.xml").write_text(f"<testsuite>{cases}</testsuite>")
    found = read_results(tmp_path / "junit.xml")
    assert found is not None
    assert found.counts == Counts(failed=50)
    assert len(found.failures) == 20
    assert found.failures[0].title == "t"


@pytest.mark.parametrize("text", [None, "", "<testsuite><testcase/>", "not xml"])
def test_a_file_that_is_not_whole_tells_nothing(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    if text is not None:
        file.write_text(text)
    assert read_results(file) is None


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A project in a folder of its repository."""
    project = tmp_path / "part"
    for name in ("tests/test_a.py", "src/a.py", ".nox/unit/lib/site-packages/b.py", "c/d.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    (tmp_path / "outside.py").touch()
    return Place(project, tmp_path)


@pytest.mark.parametrize(
    ("text", "file", "line"),
    [
        ("tests/test_a.py:3: \n> x\nsrc/a.py:9: ValueError", "part/src/a.py", 9),
        ("tests/test_a.py:3: in test_it\n.nox/unit/lib/site-packages/b.py:5: E", "part/tests/test_a.py", 3),
        ("src/a.py:1: in f\n/usr/lib/python3/json/decoder.py:353: JSONDecodeError", "part/src/a.py", 1),
        ('  File "tests/test_a.py", line 4, in x\n  File "src/a.py", line 2\nE', "part/src/a.py", 2),
        ("../outside.py:1: E", "part/tests/test_a.py", 0),
        ("src/\0.py:1: E", "part/tests/test_a.py", 0),
        ("nothing of a place", "part/tests/test_a.py", 0),
    ],
)  # fmt: skip
def test_an_annotation_is_at_the_last_line_of_the_project(
    text: str, file: str, line: int, place: Place
) -> None:
    failure = Failure("tests.test_a.TestIt", "test_it", "no", text)
    assert annotate_tests(Results(Counts(failed=1), (failure,)), place) == (
        Annotation("error", f"no\n\n{text}", "tests.test_a.TestIt::test_it", file, line),
    )


def test_what_the_report_says_of_the_place_counts_where_the_traceback_names_none(
    place: Place,
) -> None:
    found = Results(Counts(), (Failure("x", "y", "no", "", "src/a.py", 5), Failure("", "z", "no")))
    assert annotate_tests(found, place) == (
        Annotation("error", "no", "x::y", "part/src/a.py", 5), Annotation("error", "no", "z"),
    )  # fmt: skip


def test_files_of_others_have_no_name_in_the_repository(place: Place) -> None:
    assert relate(str(place.project / "src" / "a.py"), place) == "part/src/a.py"
    assert relate("/etc/passwd", place) == ""
    assert relate("x" * 5000, place) == ""


def test_what_linters_say_is_for_people_and_becomes_annotations(place: Place) -> None:
    ruff = (
        f"::error title=ruff (F401),file={place.project}/src/a.py,line=1,col=8::src/a.py:1:8: F401 x%0A  help: y\n"
        f"::warning title=ruff (W1),file=gone.py,line=z::100%25\n"
    )
    assert annotate_lint(ruff, place) == (
        "src/a.py:1:8: F401 x\n  help: y\n100%\nFound 2 errors.\n",
        (
            Annotation(
                "error", "src/a.py:1:8: F401 x\n  help: y", "ruff (F401)", "part/src/a.py", 1
            ),
            Annotation("warning", "100%", "ruff (W1)"),
        ),
    )
    mypy = "\x1b[1msrc/a.py:2: error: wrong  [misc]\x1b[0m\nc/d.py:3:4: error: x\nsrc/a.py:2: note: y\nFound 2 errors\n"
    assert annotate_lint(mypy, place) == (
        "src/a.py:2: error: wrong  [misc]\nc/d.py:3:4: error: x\nsrc/a.py:2: note: y\nFound 2 errors\n",
        (
            Annotation("error", "wrong  [misc]", "mypy", "part/src/a.py", 2),
            Annotation("error", "x", "mypy", "part/c/d.py", 3),
        ),
    )
    assert annotate_lint("", place) == ("", ())


def make_voice(dialect: Dialect, place: Place = Place(Path(), Path())) -> Voice:  # noqa: B008
    return Voice(dialect, place, Spoken(), lambda: 7.0)


def test_groups_of_github_do_not_nest_and_close_on_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice = make_voice("github")
    with pytest.raises(KeyboardInterrupt), voice.group("outer"), voice.group("inner"):
        raise KeyboardInterrupt
    with voice.group("later"):
        pass
    assert capsys.readouterr().out == (
        "::group::outer\n::endgroup::\n::group::later\n::endgroup::\n"
    )


def test_sections_of_gitlab_nest(capsys: pytest.CaptureFixture[str]) -> None:
    voice = make_voice("gitlab")
    with voice.group("outer"), voice.group("inner"):
        pass
    marks = [line.partition(":")[2] for line in capsys.readouterr().out.split("section_")[1:]]
    assert [mark.partition("\r")[0] for mark in marks] == [
        "7:noxden_1_outer[collapsed=true]",
        "7:noxden_2_inner[collapsed=true]",
        "7:noxden_2_inner",
        "7:noxden_1_outer",
    ]


def test_what_programs_print_is_between_words_that_nobody_can_guess() -> None:
    out = io.StringIO()
    with make_voice("github").group("tests", stream=out, programs=True):
        out.write("an unfinished line")
    first, stop, said, resume, last = out.getvalue().splitlines()
    assert (first, said, last) == ("::group::tests", "an unfinished line", "::endgroup::")
    token = stop.removeprefix("::stop-commands::")
    assert resume == f"::{token}::"
    assert len(token) == 32


def test_a_reader_who_has_left_does_not_end_the_work() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with make_voice("github").group("tests", stream=Gone()):
        pass


def test_all_annotations_of_a_process_share_what_github_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice = make_voice("github")
    many = [Annotation("error", str(number)) for number in range(8)]
    voice.annotate(many, 8, "a")
    voice.annotate(many, 30, "b")
    lines = capsys.readouterr().out.splitlines()
    assert lines[7:] == ["::error::7", "::error::0", "::error::1", "::notice::28 more; see b"]


@pytest.mark.parametrize("dialect", ["gitlab", ""])
def test_other_systems_get_no_annotations(
    dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = make_voice(dialect)
    voice.annotate([Annotation("error", "x")], 1, "a")
    voice.annotate_tests(Results(Counts(failed=1), (Failure("a", "b", "c"),)), "unit", "j.xml")
    voice.warn("a", "b")
    assert voice.read_problems(["mypy"], "a.py:1: error: x") == ("a.py:1: error: x", ())
    assert capsys.readouterr().out == ""


def test_only_linters_that_are_known_are_read() -> None:
    assert make_voice("github").read_problems(["x"], "::error::y") == ("::error::y", ())


def test_files_are_named_from_the_root_of_the_repository(tmp_path: Path) -> None:
    project = tmp_path / "a"
    project.mkdir()
    on = {
        "GITHUB_ACTIONS": "true",
        "PATH": "/usr/bin:/bin",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }
    assert open_voice({**on, "GITHUB_WORKSPACE": str(tmp_path)}, project).place.root == tmp_path
    assert open_voice({**on, "GITHUB_WORKSPACE": "/elsewhere"}, project).place.root == project
    assert open_voice(on, project).place.root == project
    (tmp_path / ".git").mkdir()
    assert open_voice({**on, "PATH": ""}, project).place.root == project
    assert open_voice({"GITLAB_CI": "1"}, project).dialect == "gitlab"


def test_the_root_is_that_of_git_where_no_variable_says(tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "a").mkdir()
    voice = open_voice({"GITHUB_ACTIONS": "true", "PATH": "/usr/bin:/bin"}, tmp_path / "a")
    assert voice.place == Place(tmp_path / "a", tmp_path)


def test_no_message_of_a_log_is_a_command() -> None:
    out, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(message)s"))
    bare = logging.StreamHandler(io.StringIO())
    root.addHandler(handler)
    root.addHandler(bare)
    kept = {one: one.formatter for one in root.handlers}
    try:
        guard_logs({})
        root.warning("::a\n")
        guard_logs({"GITHUB_ACTIONS": "true"})
        guard_logs({"GITHUB_ACTIONS": "true"})
        root.warning("uv said\n::error::%s", "x")
    finally:
        for one, formatter in kept.items():
            one.setFormatter(formatter)
        root.removeHandler(handler)
        root.removeHandler(bare)
    assert out.getvalue() == "::a\n\nuv said\n: :error::x\n"


class Fake:
    """A runner whose only program fails."""

    def __init__(self, said: str) -> None:
        self.said = said

    def has(self, program: str) -> bool:
        return bool(program)

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> Ended | None:
        assert not env
        return Ended(1, self.said) if words else None


def test_steps_are_folded_and_what_they_said_commands_nothing(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = (
        Step("types", (Command(("mypy",)),)),
        Step("spelling", (Command(("typos",)),)),
    )
    runner = Fake("::set-output name=a::b\nsrc/a.py:1: error: ::x\n")
    run_steps(steps, runner, log=lambda _: None, voice=make_voice("github", place))
    assert capsys.readouterr().out.splitlines()[:8] == [
        "::group::types",
        ": :set-output name=a::b",
        "src/a.py:1: error: ::x",
        "::endgroup::",
        "::error file=part/src/a.py,line=1,title=mypy::::x",
        "::group::spelling",
        ": :set-output name=a::b",
        "src/a.py:1: error: ::x",
    ]


def test_a_table_that_folds_a_line_makes_no_command_of_its_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runner = Fake("y" * 92 + " ::set-output name=a::b")
    run_steps(
        [Step("a", (Command(("x",)),))], runner, log=lambda _: None, voice=make_voice("github")
    )
    assert ": :set-output" in capsys.readouterr().out.partition("step  status")[2]


def test_a_page_is_cut_where_it_would_be_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page, env = tmp_path / "page.md", {"GITHUB_STEP_SUMMARY": str(tmp_path / "page.md")}
    write_summary(tmp_path, SUMMARY, ["```toml\n" + "a = 1\n" * 300_000])
    page.write_text("earlier\n")
    assert publish_summary(tmp_path, env) == ""
    text = page.read_text()
    assert text.startswith("earlier\n### unit: failed\n")
    assert text.endswith(
        "\na = 1\n```\n\nThis was cut, because a page holds 1 MiB; the whole is in summary.md.\n"
    )
    assert 1024 * 1024 - 20 < len(text) <= 1024 * 1024
    assert publish_summary(tmp_path, env) == ""
    assert page.read_text() == text


def test_without_a_page_nothing_is_written_and_a_folder_is_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_summary(tmp_path, SUMMARY)
    assert publish_summary(tmp_path, {}) == ""
    assert publish_summary(tmp_path, {"GITHUB_STEP_SUMMARY": str(tmp_path)}) == (
        f"cannot write GITHUB_STEP_SUMMARY, {tmp_path}: Is a directory; the summary is in summary.md"
    )


def test_a_report_counts_where_the_session_wrote_it(tmp_path: Path) -> None:
    assert read_stamp(tmp_path) is None
    assert find_results(SUMMARY, tmp_path, tmp_path, None) == SUMMARY
    file = tmp_path / "junit.xml"
    file.write_text(JUNIT)
    assert find_results(SUMMARY, tmp_path, tmp_path, read_stamp(tmp_path)) == SUMMARY
    inside = find_results(SUMMARY, tmp_path, tmp_path, None)
    assert (inside.tests, inside.junit) == (read_results(file), "junit.xml")
    assert find_results(SUMMARY, tmp_path, tmp_path / "x", None).junit == str(file)


def test_the_table_says_what_was_run_and_where_more_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    built = SUMMARY._replace(
        rebuilt="attrs 1 -> 2",
        tests=Results(Counts(3, 1)),
        junit="junit.xml",
        steps=(StepResult("tests", "failed", 1.0),),
    )
    notes = ["wheels: 3 from the index, 2 MB in 0.5 s\n", "### else"]
    assert render_results(built, tmp_path, notes) == [
        ("tests", "3 passed, 1 failed"),
        ("time", "0.1 s to prepare, 2.0 s to run"),
        ("environment", "built: attrs 1 -> 2"),
        ("wheels", "3 from the index, 2 MB in 0.5 s"),
        ("junit", "junit.xml"),
        ("summary", "summary.md"),
    ]
    assert render_results(SUMMARY, tmp_path)[0] == ("tests", "none")
    show_results(SUMMARY, tmp_path, tmp_path, [], {})
    assert capsys.readouterr().out == ""
    show_results(built, tmp_path, tmp_path, notes, {})
    assert capsys.readouterr().out.splitlines()[0] == "session      unit"
