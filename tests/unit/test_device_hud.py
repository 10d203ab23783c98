"""The inputs of PyTorch's relay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noxden.devices.hud import Upstream, clip, make_inputs, read_upstream
from noxden.devices.outcome import Outcome, TestRecord, Try, make_record
from noxden.devices.values import Broken, TestOutcome
from noxden.errors import UsageError


def record(at: int, *told: TestOutcome, message: str = "no", stack: str = "deep") -> TestRecord:
    tries = (
        Try(attempt=number, batch=0, card="c", status="done", outcome=one, seconds=0.25,
            message=message, stack=stack, started=float(number))
        for number, one in enumerate(told, 1)
    )  # fmt: skip
    return make_record(f"a.py::T::test_{at}", "a.py", tries)


def run(
    *records: TestRecord, interrupted: bool = False, broken: tuple[Broken, ...] = ()
) -> Outcome:
    return Outcome(
        stage=1, selected=len(records), records=records, started=0.0, seconds=60.0,
        interrupted=interrupted, broken=broken,
    )  # fmt: skip


def triage(outcome: Outcome) -> tuple[str, str, bool]:
    found: dict[str, Any] = json.loads(make_inputs(outcome)["triage-verdict"])
    return found["category"], found["summary"], found["reproduced_on_retry"]


def test_a_good_run_is_a_success_without_a_triage() -> None:
    outcome = run(
        record(1, "passed"), record(2, "skipped"), record(3, "xfailed"), record(4, "xpassed")
    )
    assert make_inputs(outcome) == {
        "status": "completed",
        "conclusion": "success",
        "test-results": '{"passed":2,"failed":0,"skipped":2,"total":4}',
    }


def test_failed_tests_and_broken_files_are_told_in_detail() -> None:
    broken = (Broken(file="b.py", message="SyntaxError\nmore"),)
    outcome = run(record(1, "failed", "failed"), record(2, "passed"), broken=broken)
    inputs = make_inputs(outcome, Upstream("https://example.org", "nightly", "0e79"))
    assert {name: inputs[name] for name in sorted(inputs) if name != "triage-verdict"} == {
        "artifact-url": "https://example.org",
        "conclusion": "failure",
        "delivery-id": "0e79",
        "event-type": "nightly",
        "failed-tests-detail": (
            '[{"name":"collection","classname":"b.py","message":"SyntaxError",'
            '"stacktrace":"SyntaxError\\nmore","duration":0.0},'
            '{"name":"test_1","classname":"a.T","message":"no","stacktrace":"deep","duration":0.25}]'
        ),
        "status": "completed",
        "test-results": '{"passed":1,"failed":2,"skipped":0,"total":3}',
    }
    assert json.loads(inputs["triage-verdict"]) == {
        "schema_version": 1,
        "category": "unknown",
        "confidence": "low",
        "summary": "2 of 3 tests failed; 0 more failed and then passed",
        "reproduced_on_retry": True,
        "analyzer": {"name": "noxden"},
        "analyzed_at": "1970-01-01T00:01:00Z",
    }


def test_a_flaky_test_counts_as_passed_and_is_told_in_the_triage() -> None:
    outcome = run(record(1, "failed", "passed"), record(2, "passed"))
    assert make_inputs(outcome)["conclusion"] == "success"
    assert json.loads(make_inputs(outcome)["test-results"])["passed"] == 2
    said = "1 of 2 tests failed, then passed in a new process"
    assert triage(outcome) == ("flake", said, False)


def test_missing_results_are_no_success() -> None:
    outcome = run(record(1, "passed"), record(2))
    assert make_inputs(outcome)["conclusion"] == "failure"
    said = "1 tests have no result for want of cards that work"
    assert triage(outcome) == ("infra", said, False)


def test_nothing_at_all_is_no_success() -> None:
    assert make_inputs(run())["conclusion"] == "failure"


def test_a_stopped_run_is_cancelled() -> None:
    inputs = make_inputs(run(record(1, "passed"), record(2), interrupted=True))
    assert inputs["conclusion"] == "cancelled"
    assert "triage-verdict" not in inputs


def test_more_than_80_percent_of_failures_are_an_outage() -> None:
    outcome = run(*(record(at, "failed") for at in range(20)))
    said = "20 of 20 tests failed: more an outage than the code"
    assert triage(outcome) == ("infra", said, False)


def test_caps_count_bytes_and_cut_at_characters() -> None:
    outcome = run(record(1, "failed", message="ü" * 600, stack="€" * 2000))
    (entry,) = json.loads(make_inputs(outcome)["failed-tests-detail"])
    assert entry["message"] == "ü" * 512
    assert entry["stacktrace"] == "€" * 1365
    assert clip("a\ud800b", 10) == "a?b"


@pytest.mark.parametrize(
    ("count", "stack", "kept", "left"),
    [(20, 5000, 20, 4096), (60, 5000, 60, 1024), (300, 5000, 300, 256), (900, 5000, 900, 0)],
)
def test_a_list_that_no_variable_holds_loses_stacks_first(
    count: int, stack: int, kept: int, left: int
) -> None:
    outcome = run(*(record(at, "failed", stack="s" * stack) for at in range(count)))
    said = make_inputs(outcome)["failed-tests-detail"]
    entries = json.loads(said)
    assert len(said.encode()) < 128 * 1024
    assert (len(entries), len(entries[0]["stacktrace"])) == (kept, left)


def test_a_list_of_very_many_loses_the_last() -> None:
    outcome = run(*(record(at, "failed", message="m" * 200) for at in range(2000)))
    said = make_inputs(outcome)["failed-tests-detail"]
    entries = json.loads(said)
    assert 127 * 1024 < len(said.encode()) < 128 * 1024
    assert [entry["name"] for entry in entries] == [f"test_{at}" for at in range(len(entries))]
    assert json.loads(make_inputs(outcome)["test-results"])["failed"] == 2000


def test_at_most_1000_failed_tests_are_told() -> None:
    outcome = run(*(record(at, "failed", message="", stack="") for at in range(1500)))
    assert len(json.loads(make_inputs(outcome)["failed-tests-detail"])) == 1000


def test_a_failure_without_tries_is_told_by_name() -> None:
    lost = TestRecord(id="a.py::t", file="a.py", verdict="failed")
    (entry,) = json.loads(make_inputs(run(lost))["failed-tests-detail"])
    assert entry == {
        "name": "t",
        "classname": "a",
        "message": "",
        "stacktrace": "",
        "duration": 0.0,
    }


def test_what_the_workflow_knows_comes_from_variables() -> None:
    env = {
        "NOXDEN_ARTIFACT_URL": " https://example.org ",
        "NOXDEN_HUD_EVENT_TYPE": "nightly",
        "NOXDEN_HUD_DELIVERY_ID": "0e79",
    }
    assert read_upstream(env) == Upstream("https://example.org", "nightly", "0e79")
    assert read_upstream({}) == Upstream()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (
            {"NOXDEN_HUD_EVENT_TYPE": "nightly"},
            "NOXDEN_HUD_EVENT_TYPE and NOXDEN_HUD_DELIVERY_ID go together; set both or none",
        ),
        (
            {"NOXDEN_HUD_EVENT_TYPE": "push", "NOXDEN_HUD_DELIVERY_ID": "0e79"},
            "NOXDEN_HUD_EVENT_TYPE is 'push'; known: nightly, periodic",
        ),
    ],
)
def test_variables_that_upstream_would_refuse_are_refused(env: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_upstream(env)
    assert str(caught.value) == said
