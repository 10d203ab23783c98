"""The loop of a run: deal batches to free cards, learn from what ended, until nothing is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxden.devices.live import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noxden.devices.dealer import Deal, Dealer
    from noxden.devices.engines import Engine
    from noxden.devices.values import Attempt, Card, Job

__all__ = ["Ran", "Use", "run_batches"]

_TICK_S = 0.25
_SETTLE_S = 60.0
"""How long a cluster gets to bring back the cards that a batch on several needs."""


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
    warnings: tuple[str, ...] = ()
    """Sentences about processes that did not end well and cost no result."""
    failure: Exception | None = None
    """What ended it otherwise than by its end; to be raised when the results are safe."""


class _Loop:
    """One run; ``step`` is called until it says that nothing is left."""

    def __init__(
        self,
        dealer: Dealer,
        engine: Engine,
        make_job: Callable[[Deal, tuple[Card, ...]], Job],
        show: Callable[[State], None],
        grace_s: float,
        note: Callable[[Attempt], None],
    ) -> None:
        self._dealer = dealer
        self._engine = engine
        self._make_job = make_job
        self._show = show
        self._grace_s = grace_s
        self._note = note
        self._busy: dict[str, tuple[Job, float, float]] = {}
        """By name of the card: what runs on it, since when, and for how long it is expected to."""
        self._begun = self._seen = self._shown = time.monotonic()
        self.uses: dict[str, Use] = {}
        self.overheads: list[float] = []
        self.warnings: list[str] = []

    def step(self) -> bool:
        cards = self._engine.find_cards()
        usable = [card for card in cards if card.name not in self._dealer.drained]
        self._deal(usable)
        if not self._busy and not self._wait_for_cards(cards, usable):
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
                self._busy[card.name] = job, time.monotonic(), found[0].expected_s
            free = [card for card in free if card.name not in self._busy]
            self._engine.submit(job)

    def _wait_for_cards(self, cards: Sequence[Card], usable: Sequence[Card]) -> bool:
        """Whether to go on though nothing runs and nothing could be dealt."""
        silent_s = time.monotonic() - self._seen
        if usable and silent_s >= min(self._grace_s, _SETTLE_S):
            # What is left needs more cards at once than there are.
            self._dealer.drop_impossible(usable)
            return False
        # Cards that are all drained stay so; where there is none, others may come.
        return (bool(usable) or not cards) and silent_s < self._grace_s

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
        if attempt.status == "crashed" and attempt.results and not attempt.running:
            self.warnings.append(f"batch {attempt.batch}, after its last test: {attempt.fault}")
        if attempt.status == "done" and attempt.fault:
            said = f"no test failed, yet {attempt.fault}; see output.log in {attempt.folder}"
            self.warnings.append(f"batch {attempt.batch}: {said}")
        if attempt.status == "done":
            tests_s = sum(result.seconds for result in attempt.results)
            self.overheads.append(max(0.0, attempt.seconds - attempt.waited - tests_s))
        self._dealer.record(attempt)
        self._note(attempt)

    def _expect_left(self, now: float) -> float:
        """Seconds until the end: what waits and what is left of what runs, on the cards in use."""
        running = sum(max(0.0, job_s - (now - since)) for _, since, job_s in self._busy.values())
        return (self._dealer.left_s + running) / max(1, len(self._busy))

    def _describe(self) -> State:
        now = time.monotonic()
        tally = self._dealer.tally
        cards = {
            name: f"batch {job.batch}, {len(job.tests)} tests, {now - since:.0f} s"
            for name, (job, since, _) in self._busy.items()
        }
        drained = {name: f"drained: {why}" for name, why in self._dealer.drained.items()}
        return State(
            done=tally.done,
            left=tally.total - tally.done,
            failed=tally.failed,
            flaky=tally.flaky,
            retried=tally.retried,
            seconds=now - self._begun,
            expected_left_s=self._expect_left(now),
            cards=cards | drained,
        )


def run_batches(
    dealer: Dealer,
    engine: Engine,
    make_job: Callable[[Deal, tuple[Card, ...]], Job],
    show: Callable[[State], None],
    *,
    grace_s: float = 0.0,
    note: Callable[[Attempt], None] = lambda _: None,
) -> Ran:
    """Run everything that ``dealer`` has on the cards of ``engine``.

    ``grace_s`` is how long to wait where there is no card at all: on a cluster they come and go.
    After Ctrl-C what runs is ended, and what was learned until then is kept; so it is where an
    engine fails. ``note`` gets every attempt that ended.
    """
    loop = _Loop(dealer, engine, make_job, show, grace_s, note)
    interrupted, failure = False, None
    try:
        while loop.step():
            pass
    except KeyboardInterrupt:
        interrupted = True
    except Exception as error:  # noqa: BLE001 - raised again once the results are written
        failure = error
    finally:
        engine.close()
    if interrupted:
        loop.take_rest()
    return Ran(loop.uses, loop.overheads, interrupted, tuple(loop.warnings), failure)
