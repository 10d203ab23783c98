"""Which attempt comes next, and what one that ended means: retries, crashes, faults, drained cards.

A pure state machine; engines run what it deals and tell it what came of it.

- A test that failed is tried again, on another card where there is one, in a new process.
- A process that died in a test pins that on the test, which is tried again alone; the rest of its
  batch goes on elsewhere.
- A fault of the card counts for the card and not for the tests: after ``card_faults`` of them in a
  row the card is drained. A test that met ``_MOST_FAULTS`` of them is not tried any more.
- A worker that is lost counts for nobody; its batch begins again.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.devices.outcome import Try, combine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from noxden.devices.values import Attempt, Batch, Card, Result, Status

__all__ = ["Deal", "Dealer", "Policy", "Tally"]

_MOST_FAULTS = 3
"""So many faults of cards or losses of workers a test may meet before it is given up."""
_CARD_FAULTS = ("infra", "busy")
_NOT_OF_THE_TEST = ("infra", "busy", "lost", "stopped")


class Policy(NamedTuple):
    """How often things are tried."""

    retries: int = 1
    """How often a failed test is tried again."""
    card_faults: int = 2
    """Faults in a row that drain a card."""


class Deal(NamedTuple):
    """What is to be run, before it is known on which cards."""

    order: tuple[int, float, int]
    """Those that need several cards at once first, then the longest, then as they came."""
    number: int
    """Of the batch; what is tried again is a batch of its own."""
    tests: tuple[str, ...]
    expected_s: float
    cards: int
    avoid: frozenset[str]
    """Names of cards that are taken only where there is no other."""
    attempt: int = 1


class Tally(msgspec.Struct, kw_only=True):
    """Tests, counted while they run."""

    total: int
    done: int = 0
    failed: int = 0
    flaky: int = 0
    retried: int = 0


class Dealer:
    """Deals batches to free cards and learns from attempts that ended."""

    def __init__(
        self,
        batches: Sequence[Batch],
        policy: Policy,
        expect: Callable[[Iterable[str]], float],
    ) -> None:
        """Deal ``batches``; ``expect`` gives the seconds of tests that are put together anew."""
        self._policy = policy
        self._expect = expect
        self._next_number = max((batch.number for batch in batches), default=-1) + 1
        self._waiting: list[Deal] = []
        self._running: dict[tuple[int, int], Deal] = {}
        self._faults: dict[str, int] = {}
        self._met: dict[str, int] = {}
        self.tries: dict[str, list[Try]] = {}
        """Every try of every test, as they ended."""
        self.drained: dict[str, str] = {}
        """Name of a card that is used no more -> why."""
        self.faults: dict[str, int] = {}
        """Name of a card -> all of its faults."""
        self.ended: set[str] = set()
        """Tests about which nothing more will be learned."""
        self.tally = Tally(total=sum(len(batch.tests) for batch in batches))
        for batch in batches:
            order = (-batch.cards, -batch.expected_s, batch.number)
            self._push(
                Deal(
                    order,
                    batch.number,
                    batch.tests,
                    batch.expected_s,
                    batch.cards,
                    frozenset(),
                )
            )

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be run any more."""
        return not self._waiting and not self._running

    @property
    def left_s(self) -> float:
        """Expected seconds of what waits, one after the other."""
        return sum(deal.expected_s for deal in self._waiting)

    def deal(
        self, free: Sequence[Card], usable: Sequence[Card]
    ) -> tuple[Deal, tuple[Card, ...]] | None:
        """The next batch, and cards for it out of ``free``; ``None`` where nothing fits now.

        ``usable`` are all cards that are not drained, those that work now too: a batch waits
        for another card only where there is one. A batch that needs more cards at once than
        are free holds them back from those behind it, or it would never begin.
        """
        if not free:
            return None
        kept: list[Deal] = []
        reserved: set[str] = set()
        found: tuple[Deal, tuple[Card, ...]] | None = None
        while self._waiting and found is None:
            deal = heapq.heappop(self._waiting)
            open_cards = [card for card in free if card.name not in reserved]
            chosen = _choose(deal, open_cards, usable)
            if chosen:
                found = deal, chosen
                continue
            kept.append(deal)
            if deal.cards > 1:
                reserved |= _reserve(deal, open_cards, usable)
            if len(reserved) == len(free):
                break
        for deal in kept:
            heapq.heappush(self._waiting, deal)
        if found is not None:
            self._running[found[0].number, found[0].attempt] = found[0]
        return found

    def drop_impossible(self, usable: Sequence[Card]) -> None:
        """Give up batches that need more cards at once than any host has."""
        for deal in [deal for deal in self._waiting if not _fits(deal, usable)]:
            self._waiting.remove(deal)
            self._end(deal.tests)
        heapq.heapify(self._waiting)

    def record(self, attempt: Attempt) -> None:
        """Learn what came of an attempt; one that was not dealt, or ended before, is left out."""
        deal = self._running.pop((attempt.batch, attempt.attempt), None)
        if deal is None:
            return
        self._judge_cards(attempt)
        results = {result.id: result for result in attempt.results}
        for result in attempt.results:
            self._note(attempt, result.id, result)
        missing = [test for test in deal.tests if test not in results]
        match attempt.status:
            case "done":
                self._end_results(deal, attempt, results.values())
            case "infra":
                self._end_after_fault(deal, attempt, results, missing)
            case "busy" | "lost":
                self._begin_again(deal, attempt, missing)
            case "stopped":
                self._end(deal.tests)
            case "crashed" | "stalled" | "timeout":
                self._end_results(deal, attempt, results.values())
                self._end_cut(deal, attempt, missing)

    def _judge_cards(self, attempt: Attempt) -> None:
        """Count faults of cards in a row."""
        for card in attempt.cards:
            if attempt.status == "done":
                self._faults[card.name] = 0
            elif _is_card_fault(attempt) and attempt.culprit in {"", card.name}:
                self._blame(card.name, attempt.fault)

    def _blame(self, card: str, fault: str) -> None:
        """Count a fault of ``card``, and drain it where that is one too many."""
        self._faults[card] = self._faults.get(card, 0) + 1
        self.faults[card] = self.faults.get(card, 0) + 1
        if self._faults[card] >= self._policy.card_faults:
            self.drained.setdefault(card, fault)

    def _blame_cards(self, test: str) -> None:
        """A test that came to its end here was not what ended a process on another card."""
        for one in self.tries.get(test, ()):
            if one.status in {"stalled", "crashed"} and not one.outcome:
                for card in one.card.split("+"):
                    self._blame(card, one.message)

    def _note(
        self, attempt: Attempt, test: str, result: Result | None, status: Status | None = None
    ) -> None:
        self.tries.setdefault(test, []).append(
            Try(
                attempt=len(self.tries.get(test, ())) + 1,
                batch=attempt.batch,
                card="+".join(card.name for card in attempt.cards),
                status=status or attempt.status,
                outcome=result.outcome if result else "",
                seconds=result.seconds if result else 0.0,
                message=(result.message if result else "") or _find_fault(attempt),
                stack=result.stack if result else "",
                started=attempt.started,
            )
        )

    def _end_results(self, deal: Deal, attempt: Attempt, results: Iterable[Result]) -> None:
        """Tests with a result have ended, but for those that failed and are tried again."""
        failed = []
        for result in results:
            if result.outcome == "failed":
                failed.append(result.id)
                continue
            self._end([result.id])
            self._blame_cards(result.id)
        self._retry(deal, attempt, failed)

    def _end(self, tests: Iterable[str]) -> None:
        """Nothing more will be learned about ``tests``."""
        for test in tests:
            if test in self.ended:
                continue
            self.ended.add(test)
            verdict = combine(self.tries.get(test, ()))
            self.tally.done += 1
            self.tally.failed += verdict == "failed"
            self.tally.flaky += verdict == "flaky"

    def _retry(self, deal: Deal, attempt: Attempt, failed: Sequence[str]) -> None:
        """Try failed tests again on another card, those that have a try left."""
        again = [test for test in failed if self._count_failed(test) <= self._policy.retries]
        self._end(set(failed) - set(again))
        self.tally.retried += len(again)
        self._put(deal, again, attempt, avoid=True)

    def _count_failed(self, test: str) -> int:
        """How often a test failed by itself, and not by a card or a worker."""
        return sum(map(_has_failed, self.tries.get(test, ())))

    def _end_cut(self, deal: Deal, attempt: Attempt, missing: Sequence[str]) -> None:
        """The test in which a process ended is tried again alone; the rest goes on."""
        if not attempt.running:
            # It never came to a test: the machine, or something that all tests need.
            self._begin_again(deal, attempt, missing, avoid=True)
            return
        self._note(attempt, attempt.running, None)
        self._retry(deal, attempt, [attempt.running])
        self._put(deal, [test for test in missing if test != attempt.running], attempt)

    def _end_after_fault(
        self,
        deal: Deal,
        attempt: Attempt,
        results: Mapping[str, Result],
        missing: Sequence[str],
    ) -> None:
        """What failed beside a fault of the card proves nothing: it is run again elsewhere."""
        failed = [name for name, result in results.items() if result.outcome == "failed"]
        self._end(set(results) - set(failed))
        self._begin_again(deal, attempt, [*failed, *missing], avoid=True)

    def _begin_again(
        self, deal: Deal, attempt: Attempt, tests: Sequence[str], *, avoid: bool = False
    ) -> None:
        """Run ``tests`` again, those that have not met too many faults."""
        known = {result.id for result in attempt.results}
        again = []
        for test in tests:
            self._met[test] = self._met.get(test, 0) + 1
            if test not in known:
                self._note(attempt, test, None, _blameless(attempt.status))
            if self._met[test] < _MOST_FAULTS:
                again.append(test)
            else:
                self._end([test])
        self._put(deal, again, attempt, avoid=avoid or attempt.status == "busy")

    def _put(
        self, deal: Deal, tests: Sequence[str], attempt: Attempt, *, avoid: bool = False
    ) -> None:
        """A new batch out of a part of an old one, with the cards to avoid."""
        if not tests:
            return
        cards = {card.name for card in attempt.cards} if avoid else set()
        expected = self._expect(tests)
        self._push(
            Deal(
                (-deal.cards, -expected, self._next_number),
                self._next_number,
                tuple(tests),
                expected,
                deal.cards,
                deal.avoid | cards,
                attempt=deal.attempt + 1,
            )
        )
        self._next_number += 1

    def _push(self, deal: Deal) -> None:
        heapq.heappush(self._waiting, deal)


def _has_failed(one: Try) -> bool:
    """Whether a try speaks against the test."""
    return one.status not in _NOT_OF_THE_TEST and one.outcome in {"failed", ""}


def _find_fault(attempt: Attempt) -> str:
    """What an attempt that was cut says of its tests; the end of a whole one says nothing."""
    return attempt.fault if attempt.status != "done" else ""


def _is_card_fault(attempt: Attempt) -> bool:
    """Whether an attempt speaks against its cards: also a signal before the first test."""
    if attempt.status in {"crashed", "stalled"}:
        died = attempt.status == "stalled" or attempt.signal
        return bool(died) and not attempt.running and not attempt.results
    return attempt.status in _CARD_FAULTS


def _blameless(status: Status) -> Status:
    """``status``, of an attempt that never came to the test in question."""
    return status if status in _NOT_OF_THE_TEST else "infra"


def _choose(deal: Deal, free: Sequence[Card], usable: Sequence[Card]) -> tuple[Card, ...]:
    """Cards for a batch, all of one host; none where they are not free now."""
    if deal.cards == 1 and not deal.avoid:
        # Nearly all batches; with thousands of cards the general way is long.
        return tuple(free[:1])
    others = [card for card in usable if card.name not in deal.avoid]
    allowed = [card for card in free if card.name not in deal.avoid]
    if not _hosts(others, deal.cards):
        allowed = list(free)
    for cards in _hosts(allowed, deal.cards):
        return tuple(cards[: deal.cards])
    return ()


def _reserve(deal: Deal, free: Sequence[Card], usable: Sequence[Card]) -> set[str]:
    """The free cards of the one host that comes nearest to what a batch needs at once."""
    fitting = {cards[0].host for cards in _hosts(usable, deal.cards)}
    nearest = max(
        (cards for cards in _hosts(free, 1) if cards[0].host in fitting), key=len, default=[]
    )
    return {card.name for card in nearest}


def _fits(deal: Deal, usable: Sequence[Card]) -> bool:
    return bool(_hosts(usable, deal.cards))


def _hosts(cards: Sequence[Card], wanted: int) -> list[list[Card]]:
    """The cards of each host that has as many as wanted."""
    hosts: dict[str, list[Card]] = {}
    for card in cards:
        hosts.setdefault(card.host, []).append(card)
    return [found for found in hosts.values() if len(found) >= wanted]
