"""The JUnit file of a run, its report in Markdown, and all files together."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import msgspec
import pytest
from junitparser import JUnitXml
from markdown_it import MarkdownIt

from noxden.devices.hud import Upstream
from noxden.devices.junit import clean_xml, make_junit, split_id
from noxden.devices.outcome import CardUse, Outcome, Try, make_record
from noxden.devices.publish import write_outcome
from noxden.devices.report_md import render_report
from noxden.devices.values import Broken, Status, TestOutcome
from noxden.errors import InfrastructureError

EVIL = "a.py::test_it[`` </code><img src=x> | \\| \r\n# head \x1b[31m]"


def tried(
    outcome: TestOutcome | None, status: Status = "done", attempt: int = 1, message: str = "why"
) -> Try:
    return Try(
        attempt=attempt, batch=4, card="here/1", status=status, outcome=outcome or "", seconds=0.5,
        message=message, stack="line\x00", started=float(attempt),
    )  # fmt: skip


def make_run(**more: object) -> Outcome:
    records = (
        make_record("a.py::T::test_ok", "a.py", [tried("passed", message="")]),
        make_record("a.py::test_bad", "a.py", [tried("failed")]),
        make_record("a.py::test_dead", "a.py", [tried(None, "crashed")]),
        make_record("b.py::test_flaky", "b.py", [tried("failed"), tried("passed", attempt=2)]),
        make_record("b.py::test_skip", "b.py", [tried("skipped")]),
        make_record("b.py::test_xfail", "b.py", [tried("xfailed")]),
        make_record("b.py::test_infra", "b.py", [tried(None, "busy")]),
        make_record("b.py::test_not_run", "b.py"),
    )
    given: dict[str, object] = {
        "stage": 2, "host": "here", "records": records, "selected": 8, "in_scope": 10,
        "collected": 12, "seconds": 9.0, "expected_s": 8.0, "lower_bound_s": 7.0, **more,
        "broken": (Broken(file="c.py", message="SyntaxError: no\nmore"),),
        "cards": (
            CardUse(name="here/1", kind="simulated", busy_s=3.0, batches=2),
            CardUse(name="here/2", kind="simulated", faults=2, drained="it | broke"),
        ),
    }  # fmt: skip
    return Outcome(**given)  # type: ignore[arg-type]


CASES = """\
<testcase name="test_ok" classname="a.T" time="0.5">PROPS</testcase>
<testcase name="test_bad" classname="a" time="0.5">PROPS<failure message="why" type="done">line\\x00</failure></testcase>
<testcase name="test_dead" classname="a" time="0.5">PROPS<error message="why" type="crashed">line\\x00</error></testcase>
<testcase name="test_flaky" classname="b" time="0.5"><properties><property name="card" value="here/1" /><property name="attempt" value="2" /><property name="batch" value="4" /><property name="result.retried" value="flaky" /></properties><flakyFailure message="why" type="flaky">line\\x00</flakyFailure></testcase>
<testcase name="test_skip" classname="b" time="0.5">PROPS<skipped message="why" type="pytest.skip" /></testcase>
<testcase name="test_xfail" classname="b" time="0.5">PROPS<skipped message="why" type="pytest.xfail" /></testcase>
<testcase name="test_infra" classname="b" time="0.5">PROPS<error message="why" type="infra" /></testcase>
<testcase name="test_not_run" classname="b" time="0.0"><properties /><error message="it was never begun" type="not-run" /></testcase>
<testcase name="collection" classname="c.py" time="0.0"><error message="SyntaxError: no" type="collection">SyntaxError: no
more</error></testcase>
"""
PROPS = '<properties><property name="card" value="here/1" /><property name="attempt" value="1" /><property name="batch" value="4" /></properties>'


def test_every_test_is_a_case_in_the_suite_of_its_file() -> None:
    xml = make_junit(make_run())
    suites = list(xml)
    said = [
        (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) for suite in suites
    ]
    assert said == [("a.py", 3, 1, 1, 0), ("b.py", 5, 0, 2, 2), ("c.py", 1, 0, 1, 0)]
    assert (xml.tests, xml.failures, xml.errors, xml.time) == (9, 1, 4, 3.5)
    cases = "".join(f"{case.tostring().decode()}\n" for suite in suites for case in suite)
    assert cases == CASES.replace("PROPS", PROPS)


def test_what_xml_cannot_hold_is_escaped() -> None:
    assert clean_xml("a\x00\ud800\ufffe\U0001f600\t") == "a\\x00\\ud800\\ufffe\U0001f600\t"


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("t/test_a.py::T::U::test_x[a::b/c.py]", ("test_x[a::b/c.py]", "t.test_a.T.U")),
        ("test_a.py", ("", "test_a")),
    ],
)
def test_an_id_is_split_as_pytest_does(test: str, said: tuple[str, str]) -> None:
    assert split_id(test) == said


def test_many_tests_take_time_in_proportion() -> None:
    records = tuple(
        make_record(f"f{at}.py::t", f"f{at}.py", [tried("passed")]) for at in range(3000)
    )
    assert make_junit(Outcome(stage=1, records=records)).tests == 3000


def test_a_report_tells_figures_failures_flaky_tests_and_cards() -> None:
    run = make_run(warnings=("12 of 512 cards",), blocking=False)
    assert (
        render_report(run)
        == """\
## Device tests, stage 2: exit code 3

`stage 2: 2 of 6 tests failed (a.py::test_bad, a.py::test_dead), see junit.xml; pytest could not collect 1 files (c.py); 2 of 8 tests have no result, 1 of 2 cards were drained (here/2: it | broke); look at the cards and run it again`

| what | figure |
| --- | --- |
| tests | 1 passed, 2 failed, 1 flaky, 1 skipped, 1 xfailed, 1 infra, 1 not-run |
| selected | 8 of 10 in scope, 12 collected |
| time | 9 s, expected 8 s, at least 7 s |
| flaky share | 20.00% |
| blocking | no, failed tests are a warning |

### Warnings (1)

- `12 of 512 cards`

### Failed (3)

| test or file | why |
| --- | --- |
| `c.py` | `SyntaxError: no more` |
| `a.py::test_bad` | `why` |
| `a.py::test_dead` | `why` |

### Flaky (1)

- `b.py::test_flaky`

### Without a result (2)

- `b.py::test_infra: why`
- `b.py::test_not_run`

### Cards

| card | batches | busy s | faults | drained |
| --- | --- | --- | --- | --- |
| `here/2` | 0 | 0 | 2 | `it \\| broke` |
| `here/1` | 2 | 3 | 0 |  |
"""
    )


def test_a_report_of_many_failures_shows_the_first_and_counts_the_rest() -> None:
    failed = tuple(make_record(f"a.py::t{at}", "a.py", [tried("failed")]) for at in range(60))
    flaky = tuple(
        make_record(f"b.py::t{at}", "b.py", [tried("failed"), tried("passed", attempt=2)])
        for at in range(51)
    )
    said = render_report(Outcome(stage=1, records=failed + flaky, selected=111))
    assert "`a.py::t49`" in said
    assert "| `a.py::t50`" not in said
    assert "and 10 more, see results.json" in said
    assert "and 1 more, see results.json" in said


def test_a_good_run_has_no_section_of_failures() -> None:
    run = Outcome(stage=1, selected=1, records=(make_record("a.py::t", "a.py", [tried("passed")]),))
    assert render_report(run).startswith("## Device tests, stage 1: passed\n")
    assert "###" not in render_report(run)


def test_a_name_that_looks_like_markdown_stays_text() -> None:
    run = Outcome(
        stage=1, selected=1, warnings=(EVIL, "`", "``x"),
        records=(make_record(EVIL, "a.py", [tried("failed", message=EVIL)]),),
    )  # fmt: skip
    html = MarkdownIt("gfm-like", {"linkify": False}).render(render_report(run))
    assert "<img" not in html
    assert html.count("<h1>") == 0
    row = html.split("<tbody>")[2].split("</tbody>")[0]
    assert row.count("<td") == 2
    assert "&lt;img src=x&gt; |" in row


def test_all_files_of_a_run_are_written(tmp_path: Path) -> None:
    run = make_run()
    written = write_outcome(tmp_path / "out", run, Upstream("https://example.org/run"))
    assert sorted(str(file.relative_to(tmp_path)) for file in (tmp_path / "out").rglob("*")) == [
        "out/device.json", "out/device.md",
        "out/hud", "out/hud/artifact-url", "out/hud/conclusion", "out/hud/failed-tests-detail",
        "out/hud/inputs.json", "out/hud/status", "out/hud/test-results", "out/hud/triage-verdict",
        "out/junit.xml", "out/results.json",
    ]  # fmt: skip
    assert msgspec.json.decode(written.results.read_bytes(), type=Outcome) == run
    assert JUnitXml.fromfile(str(written.junit)).tests == 9
    assert written.report.read_text("utf-8") == render_report(run)
    summary = json.loads(written.summary.read_bytes())
    assert (summary["exit_code"], summary["total"], summary["left"]) == (1, 6, 2)
    assert (written.hud / "artifact-url").read_text() == "https://example.org/run"


def test_a_later_run_in_the_same_folder_leaves_nothing_of_the_earlier(tmp_path: Path) -> None:
    write_outcome(tmp_path, make_run(), Upstream("https://example.org/run"))
    record = make_record("a.py::t", "a.py", [tried("passed")])
    written = write_outcome(tmp_path, Outcome(stage=1, selected=1, records=(record,)))
    assert sorted(file.name for file in written.hud.iterdir()) == [
        "conclusion", "inputs.json", "status", "test-results",
    ]  # fmt: skip


def test_half_a_surrogate_pair_does_not_keep_a_run_from_being_written(tmp_path: Path) -> None:
    record = make_record("a.py::t", "a.py", [tried("failed", message="\ud800")])
    written = write_outcome(tmp_path, Outcome(stage=1, selected=1, records=(record,)))
    (read,) = msgspec.json.decode(written.results.read_bytes(), type=Outcome).records
    assert read.attempts[0].message == "?"


def test_a_file_that_cannot_be_written_keeps_no_other_from_it(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").mkdir()
    (tmp_path / "junit.xml" / "keep").touch()
    with pytest.raises(InfrastructureError) as caught:
        write_outcome(tmp_path, make_run())
    where = os.strerror(errno.EISDIR)
    assert str(caught.value).startswith(
        "a file of this run could not be written, all others are there: "
    )
    assert where in str(caught.value)
    assert (tmp_path / "results.json").is_file()
    assert not list(tmp_path.glob(".building-*"))


def test_a_full_disk_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def write_small(self: Path, data: bytes) -> int:
        if len(data) > 900:
            write(self, data[:900])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_small)
    with pytest.raises(InfrastructureError) as caught:
        write_outcome(tmp_path, make_run())
    assert str(caught.value) == (
        f"3 files of this run could not be written, all others are there: {tmp_path}/device.md: "
        f"No space left on device; make room and run it again"
    )
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [
        "conclusion", "device.json", "failed-tests-detail", "inputs.json", "status",
        "test-results", "triage-verdict",
    ]  # fmt: skip
