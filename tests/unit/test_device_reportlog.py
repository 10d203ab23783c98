"""What the files of an attempt say, whole or cut."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.devices.reportlog import Log, read_log
from noxden.devices.values import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

INSIDE = Path(__file__).parents[2] / "src" / "noxden" / "inside"
SUITE = """
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2, "one is not two"
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.mark.xfail(reason="known", strict=False)
def test_known(): assert False
@pytest.mark.xfail(reason="mended", strict=False)
def test_mended(): pass
@pytest.fixture
def broken(): raise OSError("no disk")
def test_setup(broken): pass
@pytest.fixture
def untidy():
    yield
    raise OSError("left over")
def test_teardown(untidy): pass
def test_speaks(): print("x" * 200_000); assert False
"""


def write(file: Path, *lines: Mapping[str, object]) -> Path:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def phase(node: str, when: str, outcome: str = "passed", **more: object) -> dict[str, object]:
    return {"$report_type": "TestReport", "nodeid": node, "when": when, "outcome": outcome,
            "duration": 0.25, "longrepr": None, **more}  # fmt: skip


def whole(node: str, outcome: str = "passed", **more: object) -> list[dict[str, object]]:
    return [phase(node, "setup"), phase(node, "call", outcome, **more), phase(node, "teardown")]


def run_pytest(folder: Path, text: str) -> Log:
    (folder / "test_it.py").write_text(text)
    log, starts = folder / "log.jsonl", folder / "starts.jsonl"
    words = ["-p", "noxden_device", "-p", "no:cacheprovider", f"--report-log={log}", "test_it.py"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env={"PYTHONPATH": str(INSIDE), "NOXDEN_ATTEMPT_STARTS": str(starts), "PATH": "/usr/bin"},
        capture_output=True,
        check=False,
    )
    return read_log(log, starts)


def test_every_outcome_of_pytest_is_one_of_ours(tmp_path: Path) -> None:
    log = run_pytest(tmp_path, SUITE)
    said = {one.id.partition("::")[2]: (one.outcome, one.message) for one in log.results}
    assert said == {
        "test_passes": ("passed", ""),
        "test_fails": ("failed", "AssertionError: one is not two"),
        "test_skipped": ("skipped", "not today"),
        "test_known": ("xfailed", "known"),
        "test_mended": ("xpassed", "mended"),
        "test_setup": ("failed", "OSError: no disk"),
        "test_teardown": ("failed", "OSError: left over"),
        "test_speaks": ("failed", "assert False"),
    }
    assert (log.finished, log.exit_code, log.running) == (True, 1, "")
    failed = next(one for one in log.results if one.outcome == "failed")
    assert "def test_fails()" in failed.stack
    assert failed.stack.endswith("test_it.py:5: AssertionError")


def test_a_log_holds_the_end_of_what_a_test_printed(tmp_path: Path) -> None:
    run_pytest(tmp_path, SUITE)
    assert 60_000 < (tmp_path / "log.jsonl").stat().st_size < 150_000


def test_a_file_that_cannot_be_collected_is_named(tmp_path: Path) -> None:
    log = run_pytest(tmp_path, "import nothing_of_this_name\n")
    assert list(log.broken) == ["test_it.py"]
    assert "nothing_of_this_name" in log.broken["test_it.py"]


def test_the_test_that_ran_when_the_process_died_is_known(tmp_path: Path) -> None:
    log = run_pytest(
        tmp_path, "import os\ndef test_a(): pass\ndef test_b(): os.kill(os.getpid(), 9)\n"
    )
    assert [one.id for one in log.results] == ["test_it.py::test_a"]
    assert (log.running, log.finished, log.exit_code) == ("test_it.py::test_b", False, None)


def test_files_that_are_missing_say_nothing(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log", tmp_path / "starts") == Log(
        results=(), running="", finished=False, exit_code=None
    )


@pytest.mark.parametrize("left", [2, 20, 200])
def test_a_log_that_was_cut_in_the_middle_keeps_what_came_before(tmp_path: Path, left: int) -> None:
    starts = tmp_path / "starts"
    starts.write_text('"a"\n"b"\n"c')
    log = write(tmp_path / "log", *whole("a"), *whole("b"))
    log.write_bytes(log.read_bytes()[:-left])
    found = read_log(log, starts)
    assert [one.id for one in found.results][:1] == ["a"]
    assert found.running == "b"


def test_what_is_no_object_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('[]\n{"$report_type": "Other"}\n3\n')
    assert read_log(log, tmp_path / "starts").results == ()


def test_of_two_tests_with_one_id_the_worst_counts(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log", *whole("a", "failed", longrepr="it broke\nE  in the end"), *whole("a")
    )
    found = read_log(log, tmp_path / "starts").results
    assert found == (
        Result(
            id="a",
            outcome="failed",
            seconds=0.75,
            message="E  in the end",
            stack="it broke\nE  in the end",
        ),
    )


@pytest.mark.parametrize(
    ("longrepr", "message", "stack"),
    [
        (None, "", ""),
        ("", "", ""),
        ({"other": 1}, "", "{'other': 1}"),
        ({"reprcrash": {"message": "one\ntwo"}, "reprtraceback": {"reprentries": [
            {"data": {"lines": ["> x"], "reprfileloc": {"path": "f.py", "lineno": 3, "message": "E"}}},
            {"data": {"lines": ["last"], "reprfileloc": None}}, {"type": "odd"}]}},
         "one", "> x\nf.py:3: E\nlast\n"),
    ],
)  # fmt: skip
def test_what_pytest_shows_of_a_failure_is_kept(
    tmp_path: Path, longrepr: object, message: str, stack: str
) -> None:
    log = write(tmp_path / "log", *whole("a", "failed", longrepr=longrepr))
    found = read_log(log, tmp_path / "starts").results[0]
    assert (found.message, found.stack) == (message, stack)


def test_an_end_without_a_code_is_zero(tmp_path: Path) -> None:
    log = write(tmp_path / "log", {"$report_type": "SessionFinish"}, *whole("a"),
                {"$report_type": "CollectReport", "nodeid": "x", "outcome": "passed"},
                phase("b", "teardown", "rerun"))  # fmt: skip
    found = read_log(log, tmp_path / "starts")
    assert (found.exit_code, found.finished) == (0, True)
    assert [(one.id, one.outcome) for one in found.results] == [("a", "passed")]


def test_a_line_that_is_no_strict_json_is_read_all_the_same(tmp_path: Path) -> None:
    text = "def test_a(): raise ValueError('bad \\udc80 name')\ndef test_b(record_property): record_property('x', float('nan'))\n"
    log = run_pytest(tmp_path, text)
    assert [(one.id, one.outcome, one.message) for one in log.results] == [
        ("test_it.py::test_a", "failed", "ValueError: bad ? name"),
        ("test_it.py::test_b", "passed", ""),
    ]


def test_a_failed_subtest_fails_its_test(tmp_path: Path) -> None:
    text = """
import unittest

class TestIt(unittest.TestCase):
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

def test_more(subtests):
    with subtests.test("one"):
        assert False, "a part"
"""
    log = run_pytest(tmp_path, text)
    assert {one.id: one.outcome for one in log.results} == {
        "test_it.py::TestIt::test_parts": "failed",
        "test_it.py::test_more": "failed",
    }


def test_a_test_without_a_report_of_its_call_has_not_passed(tmp_path: Path) -> None:
    log = write(tmp_path / "log", phase("a", "setup"), phase("a", "teardown"))
    found = read_log(log, tmp_path / "starts").results
    assert found == (
        Result(
            id="a",
            outcome="failed",
            seconds=0.5,
            message="what became of its call is not in the report log",
        ),
    )


def test_a_try_that_a_plugin_repeats_is_no_result(tmp_path: Path) -> None:
    log = write(tmp_path / "log", *whole("a", "rerun"), *whole("a"))
    assert [one.outcome for one in read_log(log, tmp_path / "starts").results] == ["passed"]


def test_a_death_in_the_second_of_two_tests_with_one_id_is_seen(tmp_path: Path) -> None:
    (tmp_path / "starts").write_text('"a"\n"a"\n')
    assert read_log(write(tmp_path / "log", *whole("a")), tmp_path / "starts").running == "a"


@pytest.mark.parametrize("leave", ["pytest.exit('enough')", "raise KeyboardInterrupt"])
def test_a_test_that_ends_pytest_is_the_one_that_ran(tmp_path: Path, leave: str) -> None:
    log = run_pytest(tmp_path, f"import pytest\ndef test_a(): {leave}\ndef test_b(): pass\n")
    assert (log.running, log.finished, log.exit_code) == ("test_it.py::test_a", True, 2)
