"""The loop of a run, over an engine that does as it is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from noxden.devices import run
from noxden.devices.dealer import Dealer, Policy
from noxden.devices.run import run_batches
from noxden.devices.values import Attempt, Batch, Card, Job, Limits, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noxden.devices.dealer import Deal
    from noxden.devices.live import State
    from noxden.devices.values import Status

CARDS = tuple(Card(index=at, address=f"sim:{at}", kind="simulated", host="here") for at in range(2))


class FakeEngine:
    """Ends each job at once, by ``statuses`` in their order; the last is repeated."""

    def __init__(self, *statuses: Status, cards: Sequence[Card] = CARDS) -> None:
        self.cards = tuple(cards)
        self.statuses = list(statuses or ("done",))
        self.jobs: list[Job] = []
        self.left: list[Attempt] = []
        self.is_closed = False
        self.on_collect: Callable[[], None] = lambda: None

    def find_cards(self) -> tuple[Card, ...]:
        return self.cards

    def submit(self, job: Job) -> None:
        used = {card.name for attempt in self.left for card in attempt.cards}
        assert not used & {card.name for card in job.cards}
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        results = tuple(Result(id=test, outcome="passed", seconds=2.0) for test in job.tests)
        self.jobs.append(job)
        self.left.append(
            Attempt(
                batch=job.batch,
                attempt=job.attempt,
                cards=job.cards,
                status=status,
                results=results if status == "done" else (),
                fault="" if status == "done" else "broken",
                seconds=5.0,
                waited=0.5,
            )
        )

    def collect(self, timeout_s: float) -> Sequence[Attempt]:
        if not self.is_closed:
            self.on_collect()
            if not self.left:
                time.sleep(min(timeout_s, 0.01))
        found, self.left = self.left, []
        return found

    def close(self) -> None:
        self.is_closed = True


def make_job(deal: Deal, cards: tuple[Card, ...]) -> Job:
    return Job(
        batch=deal.number, attempt=deal.attempt, tests=deal.tests, files=(), cards=cards,
        python="", arguments=(), env={}, cwd="", folder="", limits=Limits(), provider="simulated",
    )  # fmt: skip


def make_dealer(count: int, *, cards: int = 1, card_faults: int = 2) -> Dealer:
    batches = [
        Batch(number=at, tests=(f"t{at}",), expected_s=1.0, cards=cards) for at in range(count)
    ]
    return Dealer(batches, Policy(1, card_faults), lambda _: 1.0)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """What was shown, with every step."""
    monkeypatch.setattr(run, "_TICK_S", 0.0)
    return []


def test_every_batch_runs_once_and_the_use_of_cards_is_counted(shown: list[State]) -> None:
    dealer, engine = make_dealer(5), FakeEngine()
    ran = run_batches(dealer, engine, make_job, shown.append)
    assert sorted(test for job in engine.jobs for test in job.tests) == [
        f"t{at}" for at in range(5)
    ]
    assert {name: (use.batches, use.busy_s) for name, use in ran.uses.items()} == {
        "here/sim:0": (3, 13.5),
        "here/sim:1": (2, 9.0),
    }
    assert ran.overheads == [2.5] * 5
    assert not ran.interrupted
    assert engine.is_closed
    assert [(state.done, state.left) for state in shown] == [(2, 3), (4, 1), (5, 0)]
    assert shown[-1].cards == {}


def test_the_view_tells_what_runs_on_each_card_and_which_are_drained(shown: list[State]) -> None:
    dealer = make_dealer(3, card_faults=1)
    engine = FakeEngine("infra", "done")
    slow = iter([True, False, False, False])

    def hold() -> None:
        if next(slow, False):
            kept, engine.left = engine.left, []
            shown_before.extend(kept)
        else:
            engine.left = shown_before + engine.left
            shown_before.clear()

    shown_before: list[Attempt] = []
    engine.on_collect = hold
    run_batches(dealer, engine, make_job, shown.append)
    assert shown[0].cards == {
        "here/sim:0": "batch 0, 1 tests, 0 s",
        "here/sim:1": "batch 1, 1 tests, 0 s",
    }
    assert 1.4 < shown[0].expected_left_s <= 1.5
    assert shown[-1].cards == {"here/sim:0": "drained: broken"}
    assert dealer.ended == {"t0", "t1", "t2"}


def test_without_a_card_that_works_the_run_ends(shown: list[State]) -> None:
    dealer = make_dealer(3, card_faults=1)
    ran = run_batches(dealer, FakeEngine("infra"), make_job, shown.append)
    assert set(dealer.drained) == {"here/sim:0", "here/sim:1"}
    assert not dealer.is_done
    assert not ran.interrupted


def test_without_any_card_the_run_ends_at_once(shown: list[State]) -> None:
    dealer = make_dealer(1)
    ran = run_batches(dealer, FakeEngine(cards=()), make_job, shown.append)
    assert (ran.uses, ran.overheads, dealer.is_done) == ({}, [], False)


def test_on_a_cluster_cards_that_come_later_are_waited_for(shown: list[State]) -> None:
    dealer, engine = make_dealer(2), FakeEngine(cards=())

    def come() -> None:
        if len(shown) == 3:
            engine.cards = CARDS

    engine.on_collect = come
    run_batches(dealer, engine, make_job, shown.append, grace_s=30)
    assert dealer.is_done
    assert dealer.tally.done == 2


def test_cards_that_do_not_come_are_waited_for_as_long_as_said(shown: list[State]) -> None:
    dealer = make_dealer(1)
    begun = time.monotonic()
    run_batches(dealer, FakeEngine(cards=()), make_job, shown.append, grace_s=0.2)
    assert 0.2 <= time.monotonic() - begun < 10
    assert not dealer.is_done


def test_batches_that_need_more_cards_than_there_are_end_the_run(shown: list[State]) -> None:
    dealer = make_dealer(2, cards=3)
    run_batches(dealer, FakeEngine(), make_job, shown.append)
    assert dealer.is_done
    assert dealer.tries == {}


def test_after_ctrl_c_what_ended_with_the_engine_is_kept(shown: list[State]) -> None:
    dealer, engine = make_dealer(4), FakeEngine()

    def stop() -> None:
        if len(shown) == 1:
            raise KeyboardInterrupt

    engine.on_collect = stop
    ran = run_batches(dealer, engine, make_job, shown.append)
    assert ran.interrupted
    assert engine.is_closed
    assert len(dealer.tries) == 4


def test_an_error_closes_the_engine_and_is_kept_until_results_are_written(
    shown: list[State],
) -> None:
    engine = FakeEngine()

    def fail() -> None:
        message = "a bug"
        raise RuntimeError(message)

    engine.on_collect = fail
    ran = run_batches(make_dealer(1), engine, make_job, shown.append)
    assert engine.is_closed
    assert (type(ran.failure), str(ran.failure)) == (RuntimeError, "a bug")


def test_a_process_that_fails_though_no_test_did_is_told(
    shown: list[State],
) -> None:
    engine = FakeEngine()

    def spoil() -> None:
        engine.left = [
            replace(one, fault="pytest ended with code 1", folder="runs/0-1") for one in engine.left
        ]

    engine.on_collect = spoil
    dealer = make_dealer(1)
    ran = run_batches(dealer, engine, make_job, shown.append)
    assert ran.warnings == (
        "batch 0: no test failed, yet pytest ended with code 1; see output.log in runs/0-1",
    )
    assert [(one.outcome, one.message) for one in dealer.tries["t0"]] == [("passed", "")]
