"""Simulate a run: cards that pull batches from a queue, and some that fail meanwhile."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.devices.values import Batch

__all__ = ["Simulated", "simulate"]


class Simulated(NamedTuple):
    """How a run would go."""

    makespan_s: float
    """From the first batch to the end of the last."""
    finished: int
    """Batches that came to their end."""
    repeated: int
    """Batches that a failed card gave back."""


class _Queue:
    """The batches that wait, in their order, and those that come back at a known moment."""

    def __init__(self, count: int) -> None:
        self._waiting = list(range(count))
        self._coming: list[tuple[float, int]] = []

    def pull(self, now: float) -> int | None:
        while self._coming and self._coming[0][0] <= now:
            heapq.heappush(self._waiting, heapq.heappop(self._coming)[1])
        return heapq.heappop(self._waiting) if self._waiting else None

    def give_back(self, at: float, batch: int) -> None:
        heapq.heappush(self._coming, (at, batch))

    @property
    def next_back(self) -> float | None:
        return self._coming[0][0] if self._coming else None


def simulate(
    batches: Sequence[Batch],
    cards: int,
    *,
    seconds: Mapping[str, float] | None = None,
    overhead_s: float = 0.0,
    failures: Mapping[int, float] | None = None,
) -> Simulated:
    """How ``cards`` cards that pull ``batches`` in their order would do.

    ``seconds`` are the true ones by test, in place of the expected; ``failures`` are moments at
    which cards (0 to ``cards - 1``) fail for good: the batch on one is begun anew by the next
    free card. A batch for more cards than there are gets all of them.
    """
    lengths = [overhead_s + _length(batch, seconds) for batch in batches]
    failing = dict(failures or {})
    queue = _Queue(len(batches))
    free = [(0.0, card) for card in range(cards)]
    makespan, finished, repeated = 0.0, 0, 0
    while free:
        now, card = heapq.heappop(free)
        if failing.get(card, now + 1) <= now:
            continue
        batch = queue.pull(now)
        if batch is None:
            if (then := queue.next_back) is not None:
                heapq.heappush(free, (then, card))
            continue
        team = [(now, card), *_take(free, batches[batch].cards - 1, failing)]
        begin = team[-1][0]
        end = begin + lengths[batch]
        failure = min((failing.get(one, end) for _, one in team), default=end)
        if failure < end:
            repeated += 1
            end = max(begin, failure)
            queue.give_back(end, batch)
        else:
            finished += 1
            makespan = max(makespan, end)
        for _, one in team:
            heapq.heappush(free, (end, one))
    return Simulated(makespan, finished, repeated)


def _take(
    free: list[tuple[float, int]], wanted: int, failing: Mapping[int, float]
) -> list[tuple[float, int]]:
    """The next ``wanted`` cards that will be free and alive then; fewer where there are not."""
    team: list[tuple[float, int]] = []
    while free and len(team) < wanted:
        then, card = heapq.heappop(free)
        if failing.get(card, then + 1) > then:
            team.append((then, card))
    return team


def _length(batch: Batch, seconds: Mapping[str, float] | None) -> float:
    if seconds is None:
        return batch.expected_s
    return sum(map(seconds.__getitem__, batch.tests))
