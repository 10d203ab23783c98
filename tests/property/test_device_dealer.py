"""Laws of the dealer: whatever comes back, in whatever order, a run ends and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from hypothesis import given
from hypothesis import strategies as st

from noxden.devices.dealer import Dealer, Policy
from noxden.devices.outcome import combine
from noxden.devices.values import Attempt, Batch, Card, Result, Status, TestOutcome

if TYPE_CHECKING:
    from noxden.devices.dealer import Deal

    Running = tuple[Deal, tuple[Card, ...]]

CARDS = tuple(
    Card(index=at % 2, address=f"sim:{at % 2}", kind="simulated", host=f"host{at // 2}")
    for at in range(4)
)
OUTCOMES: tuple[TestOutcome, ...] = get_args(TestOutcome)
STATUSES: tuple[Status, ...] = get_args(Status)
NEVER_RAN = ("busy", "lost")
MOST_FAULTS = 3


@st.composite
def batches(draw: st.DrawFn) -> tuple[Batch, ...]:
    """Batches with tests of their own; a few need two cards."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    found, begin = [], 0
    for number, size in enumerate(sizes):
        tests = tuple(f"t{at}" for at in range(begin, begin + size))
        begin += size
        seconds, cards = draw(st.sampled_from([0.5, 1.0, 9.0])), draw(st.sampled_from([1, 1, 2]))
        found.append(Batch(number=number, tests=tests, expected_s=seconds, cards=cards))
    return tuple(found)


class World:
    """Runs what a dealer deals, and does to it what Hypothesis likes."""

    def __init__(self, data: st.DataObject, dealer: Dealer) -> None:
        self.dealer = dealer
        self.attempts: list[Attempt] = []
        self._draw = data.draw
        self._running: list[Running] = []

    def run(self) -> None:
        """Go on until nothing is left, or no card is."""
        limit = 1000
        while not self.dealer.is_done:
            limit -= 1
            assert limit, "it does not end"
            usable = [card for card in CARDS if card.name not in self.dealer.drained]
            if self._deal(usable):
                continue
            if not self._running:
                assert not usable
                return
            self._end(self._running.pop(self._draw(st.integers(0, len(self._running) - 1))))

    def _deal(self, usable: list[Card]) -> bool:
        busy = {card.name for _, cards in self._running for card in cards}
        free = [card for card in usable if card.name not in busy]
        found = self.dealer.deal(free, usable)
        if found is None:
            if not self._running and usable:
                left = self.dealer.left_s
                self.dealer.drop_impossible(usable)
                assert self.dealer.left_s < left or self.dealer.is_done
                return True
            return False
        deal, cards = found
        assert len(cards) == deal.cards
        assert not {card.name for card in cards} & busy
        assert len({card.host for card in cards}) == 1
        self._running.append(found)
        return True

    def _end(self, running: Running) -> None:
        attempt = self._make_attempt(*running)
        self.attempts.append(attempt)
        self.dealer.record(attempt)
        if self._draw(st.booleans()):
            # An engine may run a batch twice.
            self.dealer.record(attempt)

    def _make_attempt(self, deal: Deal, cards: tuple[Card, ...]) -> Attempt:
        status = self._draw(st.sampled_from(["done", *STATUSES]))
        count = len(deal.tests)
        if status != "done":
            count = 0 if status in NEVER_RAN else self._draw(st.integers(0, count))
        results = tuple(
            Result(id=test, outcome=self._draw(st.sampled_from(OUTCOMES)))
            for test in deal.tests[:count]
        )
        rest = deal.tests[count:]
        running = rest[0] if rest and status not in NEVER_RAN and self._draw(st.booleans()) else ""
        return Attempt(
            batch=deal.number,
            attempt=deal.attempt,
            cards=cards,
            status=status,
            results=results,
            running=running,
            fault="" if status == "done" else "so it is",
            started=float(len(self.attempts)),
        )


def expect(tests: object) -> float:
    """What a test takes that is put into a batch anew."""
    assert tests
    return 1.0


@given(
    data=st.data(),
    batches=batches(),
    retries=st.integers(0, 2),
    card_faults=st.sampled_from([1, 2, 1000]),
)
def test_a_run_ends_and_loses_nothing(
    data: st.DataObject, batches: tuple[Batch, ...], retries: int, card_faults: int
) -> None:
    dealer = Dealer(batches, Policy(retries, card_faults), expect)
    world = World(data, dealer)
    world.run()
    tests = {test for batch in batches for test in batch.tests}

    # Every result that an attempt brought is kept, and none is made up.
    brought = sorted(
        (result.id, attempt.batch, result.outcome)
        for attempt in world.attempts
        for result in attempt.results
    )
    kept = sorted(
        (test, one.batch, one.outcome)
        for test, tries in dealer.tries.items()
        for one in tries
        if one.outcome
    )
    assert kept == brought

    # Each test ends once, and all do where a card is left.
    assert dealer.ended <= tests
    assert dealer.tally.total == len(tests)
    assert dealer.tally.done == len(dealer.ended)
    if len(dealer.drained) < len(CARDS):
        assert dealer.ended == tests
        assert dealer.is_done

    # No test is tried more often than it may.
    for tries in dealer.tries.values():
        assert len(tries) <= retries + 1 + MOST_FAULTS
        assert [one.attempt for one in tries] == list(range(1, len(tries) + 1))


@given(data=st.data(), batches=batches(), retries=st.integers(0, 2))
def test_the_tally_says_what_the_verdicts_say(
    data: st.DataObject, batches: tuple[Batch, ...], retries: int
) -> None:
    dealer = Dealer(batches, Policy(retries, 1000), expect)
    World(data, dealer).run()
    verdicts = [combine(tuple(dealer.tries.get(test, ()))) for test in dealer.ended]
    assert dealer.tally.done == len(verdicts)
    assert dealer.tally.failed == verdicts.count("failed")
    assert dealer.tally.flaky == verdicts.count("flaky")
