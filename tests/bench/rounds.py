"""Interleaved rounds: every contestant once a round, so that a slow minute hits all alike."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .process import BenchError
from .values import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .process import Done

__all__ = ["Contestant", "measure_rounds"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """One way to do the work of a scenario."""

    name: str
    attempt: Callable[[], Mapping[str, Done]]
    """Prepare (not timed), run, tidy (not timed); return what was timed, by the step's name.

    A single step is called ``""``."""


def measure_rounds(
    contestants: Sequence[Contestant], *, runs: int, warmups: int = 1
) -> tuple[Row, ...]:
    """Run every contestant ``warmups + runs`` times; return a row a step, without the warm-up.

    A contestant that fails once is out: its row carries the failure.
    """
    kept: dict[str, dict[str, list[Done]]] = {one.name: defaultdict(list) for one in contestants}
    failed: dict[str, str] = {}
    for number in range(warmups + runs):
        for contestant in _turn(contestants, number):
            if contestant.name in failed:
                continue
            steps, failure = _attempt(contestant)
            if failure is not None:
                failed[contestant.name] = failure
            elif number >= warmups:
                for step, done in steps.items():
                    kept[contestant.name][step].append(done)
    return tuple(_rows(contestants, kept, failed))


def _turn(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """Return the contestants beginning with another one each round."""
    first = number % len(contestants)
    return [*contestants[first:], *contestants[:first]]


def _attempt(contestant: Contestant) -> tuple[Mapping[str, Done], str | None]:
    try:
        steps = contestant.attempt()
    except (BenchError, OSError) as error:
        return {}, str(error)
    return steps, next((done.failure for done in steps.values() if done.failure is not None), None)


def _rows(
    contestants: Sequence[Contestant],
    kept: Mapping[str, Mapping[str, list[Done]]],
    failed: Mapping[str, str],
) -> Iterable[Row]:
    for contestant in contestants:
        name = contestant.name
        if name in failed:
            yield Row(name=name, failure=failed[name])
            continue
        for step, ended in kept[name].items():
            yield Row(
                name=f"{name}: {step}" if step else name,
                seconds=tuple(done.seconds for done in ended),
                cpu_seconds=tuple(done.cpu_seconds for done in ended),
            )
