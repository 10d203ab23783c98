"""Balance: tests into batches, so that cards that pull them come to an end together.

Factoring (Hummel, Schonberg, Flynn: Factoring, a method for scheduling parallel loops, 1992): in
each round every card gets a batch, and together they take half of what is left. The large
batches at first cost few starts of pytest, the small ones at last even out what went otherwise
than expected.

A unit is what stays in one batch: a group of tests, or a test alone. Long units go first, the
longest in a batch of its own. The others keep the order of their files and are cut where a batch
is full: each file that a batch touches costs it an import and a collection.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.values import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noxden.devices.values import Test

__all__ = ["compute_lower_bound", "plan_batches"]

_HALF = 2
"""A round takes one part in so many of what is left."""
_FINEST = 64
"""The smallest batches are a card's share divided by this: what it may end late."""
_OVERHEADS = 4
"""And no less than so many times what a batch costs beyond its tests."""


class _Unit(NamedTuple):
    """What is cut: seconds of a test or a group, and the places of its tests in the sequence."""

    seconds: float
    members: tuple[int, ...]


def plan_batches(
    tests: Sequence[Test], seconds: Sequence[float], cards: int, overhead_s: float = 0.0
) -> tuple[Batch, ...]:
    """Batches of all ``tests`` for ``cards`` cards, longest first.

    ``seconds`` are those that each of the tests is expected to take, ``overhead_s`` what a batch
    takes beyond its tests. A test that needs several cards is batched with others that need as
    many.
    """
    widths: dict[int, list[_Unit]] = {}
    for unit in _make_units(tests, seconds):
        width = max(tests[member].cards for member in unit.members)
        widths.setdefault(width, []).append(unit)
    cut = [
        (sum(unit.seconds for unit in units), width, units)
        for width, pool in widths.items()
        for units in _Cutter(tests, pool, max(1, cards // width), overhead_s).cut()
    ]
    cut.sort(key=lambda one: one[0], reverse=True)
    return tuple(
        Batch(
            number=number,
            tests=tuple(
                tests[member].id for member in sorted(m for unit in units for m in unit.members)
            ),
            expected_s=total,
            cards=width,
        )
        for number, (total, width, units) in enumerate(cut)
    )


def compute_lower_bound(tests: Sequence[Test], seconds: Sequence[float], cards: int) -> float:
    """Seconds below which no balance comes: the work of a card, or the longest unit.

    What batches cost beyond their tests is not in it.
    """
    if not tests:
        return 0.0
    work = sum(test.cards * one for test, one in zip(tests, seconds, strict=True)) / max(1, cards)
    longest = max(unit.seconds for unit in _make_units(tests, seconds))
    return max(work, longest)


def _make_units(tests: Sequence[Test], seconds: Sequence[float]) -> Iterator[_Unit]:
    """In the order of the first test of each."""
    groups: dict[str, list[int]] = {}
    for index, test in enumerate(tests):
        if test.group:
            groups.setdefault(test.group, []).append(index)
    for index, test in enumerate(tests):
        if not test.group:
            yield _Unit(seconds[index], (index,))
        elif groups[test.group][0] == index:
            members = tuple(groups[test.group])
            yield _Unit(sum(seconds[member] for member in members), members)


class _Cutter:
    """Cuts units that need equally many cards, for ``slots`` batches at once."""

    def __init__(
        self, tests: Sequence[Test], units: Sequence[_Unit], slots: int, overhead_s: float
    ) -> None:
        self._slots = slots
        self._left = sum(unit.seconds for unit in units)
        self._floor = _choose_floor(self._left / slots, overhead_s)
        long = [unit for unit in units if unit.seconds > self._floor]
        long.sort(key=lambda unit: unit.seconds, reverse=True)
        short = [unit for unit in units if unit.seconds <= self._floor]
        self._long = deque(long)
        self._short = deque(_order_by_files(tests, short))

    def cut(self) -> Iterator[list[_Unit]]:
        """Rounds of ever smaller batches; the last takes all that is left."""
        while (target := self._left / (_HALF * self._slots)) > self._floor:
            for _ in range(self._slots):
                if units := self._fill(target):
                    yield units
        # Equal parts: what rounding would leave over is a batch too many.
        parts = max(1, round(self._left / self._floor)) if self._left else 0
        while self._long or self._short:
            yield self._fill(self._left / max(1, parts))
            parts -= 1

    def _fill(self, target: float) -> list[_Unit]:
        """Units of about ``target`` seconds, at least one: the long ones that fit, then short."""
        units: list[_Unit] = []
        total = 0.0
        for queue in (self._long, self._short):
            # To the nearer side of the target.
            while queue and (not units or total + queue[0].seconds / 2 <= target):
                unit = queue.popleft()
                units.append(unit)
                total += unit.seconds
        self._left = max(0.0, self._left - total)
        return units


def _choose_floor(share_s: float, overhead_s: float) -> float:
    """Seconds of the smallest batches, where a card's share of the work is ``share_s``.

    A card gets two batches at least, or one where there is so little to do that a second start
    of pytest would take longer than what it could even out.
    """
    finest = max(share_s / _FINEST, _OVERHEADS * overhead_s)
    coarsest = share_s if share_s < _HALF * overhead_s else share_s / _HALF
    return min(finest, coarsest)


def _order_by_files(tests: Sequence[Test], units: Iterable[_Unit]) -> Iterator[_Unit]:
    """Files with the longest total first, each in its own order."""
    files: dict[str, list[_Unit]] = {}
    for unit in units:
        files.setdefault(tests[unit.members[0]].file, []).append(unit)
    totals = {file: sum(unit.seconds for unit in units) for file, units in files.items()}
    for file in sorted(files, key=lambda file: -totals[file]):
        yield from files[file]
