"""Batches, and how a run of them would go."""

from __future__ import annotations

import pytest

from noxden.devices import values
from noxden.devices.balance import compute_lower_bound, plan_batches
from noxden.devices.simulate import Simulated, simulate


def make_tests(file: str, count: int, *, group: str = "", cards: int = 1) -> list[values.Test]:
    names = [f"{file}::{group}{cards}_{index}" for index in range(count)]
    return [values.Test(id=name, file=file, group=group, cards=cards) for name in names]


def make_batch(number: int, seconds: float, cards: int = 1) -> values.Batch:
    return values.Batch(number=number, tests=(f"t{number}",), expected_s=seconds, cards=cards)


def test_nothing_makes_no_batch() -> None:
    assert plan_batches([], [], 4) == ()
    assert compute_lower_bound([], [], 4) == 0.0


def test_rounds_take_half_of_what_is_left_until_batches_are_small() -> None:
    tests = make_tests("a.py", 512)
    batches = plan_batches(tests, [1.0] * 512, 2)
    assert [batch.expected_s for batch in batches[:10]] == [128, 128, 64, 64, 32, 32, 16, 16, 8, 8]
    assert {batch.expected_s for batch in batches[10:]} == {4.0}
    assert [batch.number for batch in batches] == list(range(len(batches)))


def test_batches_are_no_smaller_than_four_times_what_a_start_costs() -> None:
    tests = make_tests("a.py", 512)
    batches = plan_batches(tests, [1.0] * 512, 2, 8.0)
    assert [batch.expected_s for batch in batches] == [128, 128, 64, 64, 32, 32, 32, 32]


def test_a_card_gets_two_batches_though_a_start_costs_much() -> None:
    batches = plan_batches(make_tests("a.py", 40), [1.0] * 40, 2, 6.0)
    assert [batch.expected_s for batch in batches] == [10.0] * 4


def test_a_card_gets_one_batch_where_a_second_start_would_cost_more_than_it_evens_out() -> None:
    batches = plan_batches(make_tests("a.py", 40), [0.1] * 40, 4, 5.0)
    assert [len(batch.tests) for batch in batches] == [10] * 4


def test_long_tests_go_first_and_the_longest_alone() -> None:
    tests = [*make_tests("a.py", 100), *make_tests("b.py", 2)]
    batches = plan_batches(tests, [1.0] * 100 + [90.0, 70.0], 2)
    assert [batch.tests for batch in batches[:2]] == [("b.py::1_0",), ("b.py::1_1",)]


def test_a_long_test_is_filled_up_with_short_ones_in_the_order_of_the_collection() -> None:
    tests = [*make_tests("a.py", 40), *make_tests("b.py", 1)]
    (first, *_) = plan_batches(tests, [1.0] * 40 + [10.0], 2)
    assert first.tests == (*(f"a.py::1_{index}" for index in range(3)), "b.py::1_0")
    assert first.expected_s == 13.0


def test_batches_touch_few_files() -> None:
    tests = [test for file in "abcdefgh" for test in make_tests(f"{file}.py", 64)]
    batches = plan_batches(tests, [1.0] * 512, 2)
    touched = [len({name.partition("::")[0] for name in batch.tests}) for batch in batches]
    assert max(touched[2:]) == 1


def test_groups_stay_together_across_files() -> None:
    tests = [
        *make_tests("a.py", 50),
        *make_tests("a.py", 3, group="g"),
        *make_tests("b.py", 3, group="g", cards=1),
    ]
    batches = plan_batches(tests, [1.0] * 56, 4)
    (holder,) = [batch for batch in batches if "a.py::g1_0" in batch.tests]
    wanted = {f"{file}::g1_{index}" for file in ("a.py", "b.py") for index in range(3)}
    assert wanted <= set(holder.tests)


def test_tests_on_several_cards_are_batched_with_their_like() -> None:
    tests = [
        *make_tests("a.py", 20),
        *make_tests("a.py", 6, cards=2),
        *make_tests("a.py", 1, cards=9),
    ]
    batches = plan_batches(tests, [1.0] * 27, 4)
    for batch in batches:
        assert {f"{batch.cards}"} == {name[6] for name in batch.tests}
    assert {batch.cards for batch in batches} == {1, 2, 9}


def test_a_group_that_needs_different_numbers_of_cards_gets_the_most() -> None:
    tests = [*make_tests("a.py", 1, group="g"), *make_tests("a.py", 1, group="g", cards=3)]
    (batch,) = plan_batches(tests, [1.0, 1.0], 4)
    assert batch == values.Batch(
        number=0, tests=("a.py::g1_0", "a.py::g3_0"), expected_s=2.0, cards=3
    )


def test_tests_that_take_no_time_make_one_batch() -> None:
    (batch,) = plan_batches(make_tests("a.py", 5), [0.0] * 5, 2)
    assert len(batch.tests) == 5


def test_the_lower_bound_is_the_work_of_a_card_or_the_longest_unit() -> None:
    tests = make_tests("a.py", 4)
    assert compute_lower_bound(tests, [1.0, 1.0, 1.0, 2.0], 2) == 2.5
    assert compute_lower_bound(tests, [1.0, 1.0, 1.0, 9.0], 2) == 9.0
    grouped = make_tests("a.py", 4, group="g")
    assert compute_lower_bound(grouped, [1.0] * 4, 4) == 4.0
    assert compute_lower_bound(make_tests("a.py", 2, cards=2), [3.0, 3.0], 2) == 6.0


def test_free_cards_pull_the_next_batch() -> None:
    batches = [make_batch(0, 5), make_batch(1, 3), make_batch(2, 3), make_batch(3, 1)]
    assert simulate(batches, 2) == Simulated(makespan_s=6.0, finished=4, repeated=0)
    assert simulate(batches, 2, overhead_s=1.0).makespan_s == 8.0


def test_true_seconds_count_in_place_of_the_expected() -> None:
    batches = [make_batch(0, 5), make_batch(1, 3)]
    assert simulate(batches, 2, seconds={"t0": 1.0, "t1": 9.0}).makespan_s == 9.0


def test_a_batch_on_a_card_that_fails_is_begun_anew_on_another() -> None:
    batches = [make_batch(0, 4), make_batch(1, 4), make_batch(2, 4)]
    # Card 1 fails one second before its batch would end; the other has two more to do.
    assert simulate(batches, 2, failures={1: 3.0}) == Simulated(12.0, 3, 1)


def test_a_card_that_waits_takes_what_comes_back_later() -> None:
    batches = [make_batch(0, 10), make_batch(1, 1)]
    assert simulate(batches, 2, failures={0: 9.0}) == Simulated(19.0, 2, 1)


def test_a_card_that_fails_while_idle_gives_nothing_back() -> None:
    batches = [make_batch(0, 2), make_batch(1, 2), make_batch(2, 2)]
    assert simulate(batches, 2, failures={0: 0.0}) == Simulated(6.0, 3, 0)


def test_without_cards_that_work_nothing_is_finished() -> None:
    assert simulate([make_batch(0, 5)], 2, failures={0: 1.0, 1: 2.0}) == Simulated(0.0, 0, 2)


@pytest.mark.parametrize(
    ("cards", "makespan"), [pytest.param(4, 3.0, id="enough"), pytest.param(1, 6.0, id="too few")]
)
def test_a_batch_for_several_cards_waits_until_so_many_are_free(
    cards: int, makespan: float
) -> None:
    batches = [make_batch(0, 3, cards=2), make_batch(1, 2), make_batch(2, 1)]
    assert simulate(batches, cards) == Simulated(makespan, 3, 0)


def test_a_team_goes_on_without_the_card_that_failed() -> None:
    batches = [make_batch(0, 3), make_batch(1, 1), make_batch(2, 4, cards=3)]
    # Card 2 fails while it waits for the other two: nothing was lost but the card.
    assert simulate(batches, 3, failures={2: 2.0}) == Simulated(7.0, 3, 1)
    # Card 1 is gone before its team is chosen.
    assert simulate(batches, 2, failures={1: 1.0}) == Simulated(7.0, 3, 0)
