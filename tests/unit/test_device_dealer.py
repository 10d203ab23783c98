"""The dealer: which attempt comes next, and what one that ended means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxden.devices.dealer import Dealer, Policy
from noxden.devices.outcome import combine
from noxden.devices.values import Attempt, Batch, Card, Result

if TYPE_CHECKING:
    from noxden.devices.dealer import Deal
    from noxden.devices.values import Status, TestOutcome, Verdict

CARDS = tuple(Card(index=at, address=f"sim:{at}", kind="simulated", host="here") for at in range(3))


def batch(number: int, *tests: str, seconds: float = 1.0, cards: int = 1) -> Batch:
    return Batch(number=number, tests=tests, expected_s=seconds, cards=cards)


def make(*batches: Batch, retries: int = 1, card_faults: int = 2) -> Dealer:
    return Dealer(batches, Policy(retries, card_faults), lambda tests: float(len(list(tests))))


def take(dealer: Dealer, *cards: Card) -> tuple[Deal, tuple[Card, ...]]:
    usable = [card for card in CARDS if card.name not in dealer.drained]
    found = dealer.deal(cards or usable, usable)
    assert found is not None
    return found


def end(
    dealer: Dealer,
    dealt: tuple[Deal, tuple[Card, ...]],
    status: Status = "done",
    *,
    running: str = "",
    fault: str = "",
    signal: int = 0,
    **outcomes: TestOutcome,
) -> None:
    deal, cards = dealt
    results = tuple(Result(id=name, outcome=said) for name, said in outcomes.items())
    dealer.record(
        Attempt(
            batch=deal.number,
            attempt=deal.attempt,
            cards=cards,
            status=status,
            results=results,
            running=running,
            fault=fault,
            signal=signal,
            started=float(deal.number),
        )
    )


def verdicts(dealer: Dealer) -> dict[str, Verdict]:
    return {test: combine(tries) for test, tries in sorted(dealer.tries.items())}


def test_the_longest_batch_comes_first() -> None:
    dealer = make(batch(0, "a", seconds=1), batch(1, "b", seconds=9), batch(2, "c", seconds=5))
    assert [take(dealer)[0].tests for _ in range(3)] == [("b",), ("c",), ("a",)]
    assert dealer.deal(CARDS, CARDS) is None
    assert not dealer.is_done


def test_nothing_is_dealt_without_a_free_card() -> None:
    assert make(batch(0, "a")).deal((), CARDS) is None


def test_a_test_that_fails_and_passes_on_another_card_is_flaky() -> None:
    dealer = make(batch(0, "a", "b"))
    first = take(dealer, CARDS[0])
    end(dealer, first, a="passed", b="failed")
    again = take(dealer)
    assert (again[0].tests, again[0].attempt) == (("b",), 2)
    assert again[1] != first[1]
    end(dealer, again, b="passed")
    assert dealer.is_done
    assert verdicts(dealer) == {"a": "passed", "b": "flaky"}
    assert (dealer.tally.done, dealer.tally.failed, dealer.tally.flaky, dealer.tally.retried) == (
        2, 0, 1, 1,
    )  # fmt: skip


def test_a_test_that_fails_again_has_failed_and_is_not_tried_a_third_time() -> None:
    dealer = make(batch(0, "a"))
    end(dealer, take(dealer), a="failed")
    end(dealer, take(dealer), a="failed")
    assert dealer.is_done
    assert verdicts(dealer) == {"a": "failed"}
    assert dealer.tally.failed == 1


def test_without_retries_a_failure_is_one_at_once() -> None:
    dealer = make(batch(0, "a"), retries=0)
    end(dealer, take(dealer), a="failed")
    assert dealer.is_done


def test_where_there_is_one_card_a_test_is_tried_again_on_it() -> None:
    dealer = make(batch(0, "a"))
    end(dealer, take(dealer, CARDS[0]), a="failed")
    found = dealer.deal(CARDS[:1], CARDS[:1])
    assert found is not None
    assert found[1] == CARDS[:1]


def test_a_retry_waits_for_another_card_that_is_busy_now() -> None:
    dealer = make(batch(0, "a"))
    end(dealer, take(dealer, CARDS[0]), a="failed")
    assert dealer.deal(CARDS[:1], CARDS[:2]) is None
    assert dealer.deal(CARDS[1:2], CARDS[:2]) is not None


@pytest.mark.parametrize("status", ["crashed", "timeout", "stalled"])
def test_a_death_is_pinned_on_the_test_that_ran_and_the_rest_goes_on(status: Status) -> None:
    dealer = make(batch(0, "a", "b", "c", "d"))
    end(dealer, take(dealer), status, running="b", fault="ended", a="passed")
    found = sorted(take(dealer)[0].tests for _ in range(2))
    assert found == [("b",), ("c", "d")]
    assert verdicts(dealer) == {"a": "passed", "b": "failed"}


def test_a_test_that_dies_twice_has_failed() -> None:
    dealer = make(batch(0, "a", "b"))
    end(dealer, take(dealer), "crashed", running="a", fault="ended by SIGSEGV (signal 11)")
    for _ in range(2):
        dealt = take(dealer)
        if dealt[0].tests == ("a",):
            end(dealer, dealt, "crashed", running="a", fault="ended by SIGSEGV (signal 11)")
        else:
            end(dealer, dealt, b="passed")
    assert dealer.is_done
    assert verdicts(dealer) == {"a": "failed", "b": "passed"}


def test_failures_beside_a_fault_of_the_card_prove_nothing() -> None:
    dealer = make(batch(0, "a", "b", "c"))
    end(dealer, take(dealer, CARDS[0]), "infra", fault="RAS", a="passed", b="failed")
    again = take(dealer)
    assert set(again[0].tests) == {"b", "c"}
    assert again[1] != CARDS[:1]
    end(dealer, again, b="passed", c="passed")
    assert verdicts(dealer) == {"a": "passed", "b": "passed", "c": "passed"}
    assert dealer.faults == {"here/sim:0": 1}
    assert dealer.drained == {}


def test_a_card_is_drained_after_faults_in_a_row() -> None:
    dealer = make(*(batch(at, f"t{at}") for at in range(4)))
    end(dealer, take(dealer, CARDS[0]), "infra", fault="first")
    end(dealer, take(dealer, CARDS[0]), t1="passed")
    end(dealer, take(dealer, CARDS[0]), "infra", fault="second")
    assert dealer.drained == {}
    end(dealer, take(dealer, CARDS[0]), "busy", fault="third")
    assert dealer.drained == {"here/sim:0": "third"}


def test_a_process_that_dies_before_its_first_test_is_the_cards_fault() -> None:
    dealer = make(batch(0, "a"))
    end(dealer, take(dealer, CARDS[0]), "crashed", fault="ended by SIGKILL (signal 9)", signal=9)
    assert dealer.faults == {"here/sim:0": 1}
    end(dealer, take(dealer), a="passed")
    assert verdicts(dealer) == {"a": "passed"}


def test_a_test_that_meets_only_faults_is_given_up() -> None:
    dealer = make(batch(0, "a"), card_faults=9)
    for _ in range(3):
        end(dealer, take(dealer), "infra", fault="RAS")
    assert dealer.is_done
    assert verdicts(dealer) == {"a": "infra"}


@pytest.mark.parametrize("status", ["stalled", "crashed"])
def test_a_death_counts_for_the_card_once_the_test_passes_elsewhere(status: Status) -> None:
    dealer = make(batch(0, "a"), card_faults=1)
    end(dealer, take(dealer, CARDS[0]), status, running="a", fault="no output")
    assert dealer.drained == {}
    end(dealer, take(dealer), a="passed")
    assert dealer.drained == {"here/sim:0": "no output"}
    assert verdicts(dealer) == {"a": "flaky"}


def test_a_batch_of_a_lost_worker_begins_again_and_counts_once() -> None:
    dealer = make(batch(0, "a", "b"))
    dealt = take(dealer)
    end(dealer, dealt, "lost", fault="worker gone")
    end(dealer, dealt, a="failed", b="failed")  # it comes back, too late
    again = take(dealer)
    assert again[0].tests == ("a", "b")
    end(dealer, again, a="passed", b="passed")
    end(dealer, again, a="failed", b="failed")  # a batch that ran twice
    assert verdicts(dealer) == {"a": "passed", "b": "passed"}
    assert dealer.faults == {}


def test_what_was_stopped_is_not_tried_again() -> None:
    dealer = make(batch(0, "a", "b"))
    end(dealer, take(dealer), "stopped", a="passed")
    assert dealer.is_done
    assert verdicts(dealer) == {"a": "passed"}


def test_a_batch_on_two_cards_holds_free_cards_back_until_it_has_them() -> None:
    dealer = make(batch(0, "wide", seconds=9, cards=2), batch(1, "narrow"))
    assert dealer.deal(CARDS[:1], CARDS) is None
    found = dealer.deal(CARDS[:2], CARDS)
    assert found is not None
    assert (found[0].tests, found[1]) == (("wide",), CARDS[:2])
    assert take(dealer, CARDS[2])[0].tests == ("narrow",)


def test_cards_of_a_batch_are_all_of_one_host() -> None:
    there = Card(index=0, address="sim:0", kind="simulated", host="there")
    dealer = make(batch(0, "wide", cards=2))
    assert dealer.deal((CARDS[0], there), (*CARDS, there)) is None
    found = dealer.deal((CARDS[0], there, CARDS[1]), (*CARDS, there))
    assert found is not None
    assert found[1] == CARDS[:2]


def test_a_batch_that_needs_more_cards_than_any_host_has_is_given_up() -> None:
    dealer = make(batch(0, "wide", cards=4), batch(1, "narrow"))
    assert take(dealer)[0].tests == ("narrow",)
    assert dealer.deal(CARDS, CARDS) is None
    dealer.drop_impossible(CARDS)
    assert dealer.ended == {"wide"}
    assert verdicts(dealer) == {}


def test_a_wide_batch_holds_back_cards_of_one_host_only() -> None:
    there = tuple(
        Card(index=at, address=f"sim:{at}", kind="simulated", host="there") for at in range(3)
    )
    dealer = make(batch(0, "wide", cards=3), batch(1, "narrow"))
    found = dealer.deal((*CARDS[:1], *there[:2]), (*CARDS, *there))
    assert found is not None
    assert (found[0].tests, found[1]) == (("narrow",), CARDS[:1])


def test_of_several_cards_the_one_that_is_known_to_be_stuck_is_blamed() -> None:
    dealer = make(batch(0, "wide", cards=2))
    deal, cards = take(dealer)
    dealer.record(
        Attempt(batch=0, attempt=1, cards=cards, status="busy", fault="held", culprit=cards[1].name)
    )
    assert deal.cards == 2
    assert dealer.faults == {cards[1].name: 1}


def test_an_exit_of_pytest_before_the_first_test_is_no_fault_of_the_card() -> None:
    dealer = make(batch(0, "a"))
    end(dealer, take(dealer, CARDS[0]), "crashed", fault="pytest ended with code 3")
    assert dealer.faults == {}
