"""What a run comes to: verdicts of tests, and the exit code with its sentence."""

from __future__ import annotations

import pytest

from noxden.devices.judge import Judgement, judge
from noxden.devices.outcome import CardUse, Outcome, Try, combine, make_record, render_utc
from noxden.devices.values import Broken, Status, TestOutcome, Verdict

CARD = CardUse(name="here/1", kind="simulated", batches=1, busy_s=2.0)
DRAINED = CardUse(name="here/2", kind="simulated", faults=2, drained="RAS::VFIO::DeviceOpenFail")


def tried(status: Status, outcome: TestOutcome | str = "", attempt: int = 1, batch: int = 0) -> Try:
    checked: dict[str, TestOutcome] = {
        "passed": "passed", "failed": "failed", "skipped": "skipped", "xfailed": "xfailed",
        "xpassed": "xpassed",
    }  # fmt: skip
    return Try(
        attempt=attempt, batch=batch, card="here/1", status=status,
        outcome=checked[outcome] if outcome else "", started=float(attempt),
    )  # fmt: skip


def outcome(*verdicts: Verdict, selected: int | None = None, **more: object) -> Outcome:
    told: dict[Verdict, list[Try]] = {
        "passed": [tried("done", "passed")],
        "failed": [tried("done", "failed"), tried("done", "failed", 2)],
        "flaky": [tried("done", "failed"), tried("done", "passed", 2)],
        "skipped": [tried("done", "skipped")],
        "infra": [tried("infra")],
        "not-run": [],
    }
    records = tuple(
        make_record(f"test_a.py::test_{at}", "test_a.py", told[verdict])
        for at, verdict in enumerate(verdicts)
    )
    count = len(records) if selected is None else selected
    given: dict[str, object] = {
        "stage": 1, "cards": (CARD,), "seconds": 12.4, "selected": count, "collected": 9,
        "in_scope": 5, "records": records, **more,
    }  # fmt: skip
    return Outcome(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ([("done", "passed")], "passed"),
        ([("crashed", "passed")], "passed"),
        ([("infra", "passed")], "passed"),
        ([("done", "failed"), ("done", "failed")], "failed"),
        ([("crashed", ""), ("stalled", "")], "failed"),
        ([("timeout", "")], "failed"),
        ([("done", "failed"), ("done", "skipped")], "failed"),
        ([("done", "failed"), ("infra", "failed")], "failed"),
        ([("done", "failed"), ("done", "passed")], "flaky"),
        ([("crashed", ""), ("done", "passed")], "flaky"),
        ([("stalled", ""), ("done", "xfailed")], "flaky"),
        ([("infra", "failed"), ("done", "passed")], "passed"),
        ([("busy", ""), ("done", "skipped")], "skipped"),
        ([("done", "skipped"), ("done", "xpassed")], "xpassed"),
        ([("infra", "failed")], "infra"),
        ([("busy", ""), ("lost", "")], "infra"),
        ([("stopped", "")], "not-run"),
        ([("done", "")], "not-run"),
        ([], "not-run"),
    ],
)  # fmt: skip
def test_a_verdict_comes_from_all_tries(told: list[tuple[Status, str]], verdict: Verdict) -> None:
    assert combine(tried(*one, attempt=at) for at, one in enumerate(told, 1)) == verdict


def test_of_two_results_in_one_attempt_the_worst_counts() -> None:
    assert combine([tried("done", "passed"), tried("done", "failed")]) == "failed"


def test_a_record_names_the_try_that_counts_and_why_there_were_others() -> None:
    tries = [
        tried("done", "passed", 4), tried("infra", "failed", 1), tried("crashed", "", 2),
        tried("done", "failed", 3),
    ]  # fmt: skip
    record = make_record("a.py::t", "a.py", tries)
    assert [one.attempt for one in record.attempts] == [1, 2, 3, 4]
    assert record.verdict == "flaky"
    assert record.last == tries[0]
    assert record.first_failure == tries[2]
    assert record.retried == ("flaky", "signal")
    assert make_record("a.py::t", "a.py", [tried("stopped")]).retried == ()
    assert make_record("a.py::t", "a.py", [tried("done", ""), tried("stopped")]).last is not None


def test_a_test_that_a_faulty_card_and_a_stall_held_up_tells_both() -> None:
    tries = [tried("busy", "", 1), tried("stalled", "", 2), tried("done", "failed", 3)]
    assert make_record("a.py::t", "a.py", tries).retried == ("pod", "stall")


def test_figures_leave_out_what_has_no_result() -> None:
    run = outcome("passed", "passed", "flaky", "skipped", "infra", "not-run", selected=7)
    assert (run.total, run.left) == (4, 3)
    assert run.flaky_share == pytest.approx(1 / 3)
    assert run.counts["passed"] == 2
    assert outcome().flaky_share == 0.0
    assert outcome(shard="2/4").title == "stage 1, shard 2/4"
    assert render_utc(0) == "1970-01-01T00:00:00Z"


BROKEN = (Broken(file="test_b.py", message="SyntaxError"),)


@pytest.mark.parametrize(
    ("run", "judgement"),
    [
        (outcome("passed", "flaky"), (0, "stage 1: 1 passed, 1 flaky in 12 s")),
        (
            outcome("skipped"),
            (0, "stage 1: 1 skipped in 12 s; every test was skipped, look whether they find the card"),
        ),
        (
            outcome("passed", "failed"),
            (1, "stage 1: 1 of 2 tests failed (test_a.py::test_1), see junit.xml"),
        ),
        (
            outcome("failed", "failed", "failed", "failed", "failed"),
            (
                1,
                "stage 1: 5 of 5 tests failed (test_a.py::test_0, test_a.py::test_1, test_a.py::test_2, and 2 more), see junit.xml",
            ),
        ),
        (
            outcome("failed", blocking=False),
            (
                0,
                "stage 1: 1 of 1 tests failed (test_a.py::test_0), see junit.xml; the stage does not block, so this is a warning",
            ),
        ),
        (
            outcome("passed", broken=BROKEN),
            (1, "stage 1: pytest could not collect 1 files (test_b.py)"),
        ),
        (
            outcome("failed", "infra", cards=(CARD, DRAINED)),
            (
                1,
                "stage 1: 1 of 1 tests failed (test_a.py::test_0), see junit.xml; 1 of 2 tests have no result, 1 of 2 cards were drained (here/2: RAS::VFIO::DeviceOpenFail); look at the cards and run it again",
            ),
        ),
        (
            outcome("passed", "infra", cards=(CARD, DRAINED), blocking=False),
            (
                3,
                "stage 1: 1 of 2 tests have no result, 1 of 2 cards were drained (here/2: RAS::VFIO::DeviceOpenFail); look at the cards and run it again",
            ),
        ),
        (
            outcome(selected=5, cards=()),
            (3, "stage 1: 5 of 5 tests have no result, no card could be used; run: noxden device cards"),
        ),
        (
            outcome("passed", selected=5, interrupted=True),
            (130, "stage 1: stopped after 1 of 5 tests; run it again for the rest"),
        ),
        (
            outcome(collected=0, blocking=False),
            (1, "stage 1: pytest collected no tests; check tests and markers in [tool.noxden.device]"),
        ),
        (
            outcome(in_scope=0),
            (
                1,
                "stage 1: none of 9 collected tests is in scope; noxden device scope --explain TEST says which rule decides",
            ),
        ),
        (
            outcome(shard="9/9"),
            (
                1,
                "stage 1, shard 9/9: none of 5 tests in scope falls to this run; take fewer shards or a larger coverage",
            ),
        ),
        (
            outcome(broken=BROKEN, blocking=False),
            (
                1,
                "stage 1: no tests to run, pytest could not collect 1 files (test_b.py); run pytest --collect-only on them",
            ),
        ),
    ],
)  # fmt: skip
def test_a_run_is_judged(run: Outcome, judgement: tuple[int, str]) -> None:
    assert judge(run) == Judgement(*judgement)
