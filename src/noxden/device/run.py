"""The loop of a run: deal batches to free cards, learn from what ended, until nothing is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.device.live import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noxden.device.dealer import Deal, Dealer
    from noxden.device.engines import Engine
    from noxden.device.values import Attempt, Card, Job

__all__ = ["Ran", "Use", "run_batches"]

_TICK_S = 0.25


class Use(msgspec.Struct, kw_only=True):
    """What a card was used for."""

    card: Card
    busy_s: float = 0.0
    batches: int = 0


class Ran(NamedTuple):
    """What a run of batches leaves."""

    uses: dict[str, Use]
    """By name of the card."""
    overheads: list[float]
    """Of each attempt that came to its end: its seconds beyond those of its tests."""
    interrupted: bool
    """Whether Ctrl-C ended it."""


class _Loop:
    """One run; ``step`` is called until it says that nothing is left."""

    def __init__(
        self,
        dealer: Dealer,
        engine: Engine,
        make_job: Callable[[Deal, tuple[Card, ...]], Job],
        show: Callable[[State], None],
        grace_s: float,
    ) -> None:
        self._dealer = dealer
        self._engine = engine
        self._make_job = make_job
        self._show = show
        self._grace_s = grace_s
        self._busy: dict[str, tuple[Job, float]] = {}
        self._begun = self._seen = self._shown = time.monotonic()
        self.uses: dict[str, Use] = {}
        self.overheads: list[float] = []

    def step(self) -> bool:
        cards = self._engine.find_cards()
        usable = [card for card in cards if card.name not in self._dealer.drained]
        self._deal(usable)
        if not self._busy and not self._wait_for_cards(usable):
            return False
        for attempt in self._engine.collect(_TICK_S):
            self._learn(attempt)
        if (now := time.monotonic()) - self._shown >= _TICK_S:
            self._shown = now
            self._show(self._describe())
        return not self._dealer.is_done

    def _deal(self, usable: Sequence[Card]) -> None:
        free = [card for card in usable if card.name not in self._busy]
        while (found := self._dealer.deal(free, usable)) is not None:
            job = self._make_job(*found)
            for card in job.cards:
                self.uses.setdefault(card.name, Use(card=card))
                self._busy[card.name] = job, time.monotonic()
            free = [card for card in free if card.name not in self._busy]
            self._engine.submit(job)

    def _wait_for_cards(self, usable: Sequence[Card]) -> bool:
        """Whether to go on though nothing runs and nothing could be dealt."""
        if usable:
            # What is left needs more cards at once than there are.
            self._dealer.drop_impossible(usable)
            return False
        return time.monotonic() - self._seen < self._grace_s

    def take_rest(self) -> None:
        """Learn from attempts that ended with the engine: they have results until then."""
        for attempt in self._engine.collect(0.0):
            self._learn(attempt)

    def _learn(self, attempt: Attempt) -> None:
        self._seen = time.monotonic()
        for card in attempt.cards:
            self._busy.pop(card.name, None)
            use = self.uses.setdefault(card.name, Use(card=card))
            use.busy_s += attempt.seconds - attempt.waited
            use.batches += 1
        if attempt.status == "done":
            tests_s = sum(result.seconds for result in attempt.results)
            self.overheads.append(max(0.0, attempt.seconds - attempt.waited - tests_s))
        self._dealer.record(attempt)

    def _describe(self) -> State:
        now = time.monotonic()
        tally = self._dealer.tally
        cards = {
            name: f"batch {job.batch}, {len(job.tests)} tests, {now - since:.0f} s"
            for name, (job, since) in self._busy.items()
        }
        drained = {name: f"drained: {why}" for name, why in self._dealer.drained.items()}
        return State(
            done=tally.done,
            left=tally.total - tally.done,
            failed=tally.failed,
            flaky=tally.flaky,
            retried=tally.retried,
            seconds=now - self._begun,
            expected_left_s=self._dealer.left_s / max(1, len(self._busy)),
            cards=cards | drained,
        )


def run_batches(
    dealer: Dealer,
    engine: Engine,
    make_job: Callable[[Deal, tuple[Card, ...]], Job],
    show: Callable[[State], None],
    *,
    grace_s: float = 0.0,
) -> Ran:
    """Run everything that ``dealer`` has on the cards of ``engine``.

    ``grace_s`` is how long to wait where there is no card at all: on a cluster they come and go.
    After Ctrl-C what runs is ended, and what was learned until then is kept.
    """
    loop = _Loop(dealer, engine, make_job, show, grace_s)
    interrupted = False
    try:
        while loop.step():
            pass
    except KeyboardInterrupt:
        interrupted = True
    finally:
        engine.close()
    if interrupted:
        loop.take_rest()
    return Ran(loop.uses, loop.overheads, interrupted)
