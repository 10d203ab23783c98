"""The live view of a run: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from rich.console import RenderableType

__all__ = ["LiveView", "State", "render_state", "show_live"]

_FIRST_S = 2.0
_EVERY_S = 15.0
_LONGEST_S = 240.0
_ROWS = 24
"""So many cards have a row; a table that is longer than the terminal flickers."""


class State(NamedTuple):
    """How far a run is."""

    done: int
    """Tests with a result or a verdict."""
    left: int
    failed: int
    flaky: int
    retried: int
    """Tests that are tried again, or were."""
    seconds: float
    """Since the run began."""
    expected_left_s: float
    """What is left, by recorded times on the cards in use."""
    cards: Mapping[str, str]
    """What each card does now, by name: ``batch 12, 34 tests, 5 s``, ``waits for ...``,
    ``drained: ...``; empty is nothing."""


class LiveView(Protocol):
    """What shows a run as long as its block lasts."""

    def update(self, state: State) -> None:
        """Show ``state``; cheap, may be called at every result."""


@contextlib.contextmanager
def show_live(
    total: int,
    cards: Sequence[str],
    log: Callable[[str], None],
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[LiveView]:
    """A view of a run of ``total`` tests on ``cards``, on ``stream``, by default stderr.

    Where that is no terminal, ``log`` gets a line after 2 s and then every 15 s.
    """
    target = stream or sys.stderr
    if target.isatty():
        with _show_table(total, cards, target) as view:
            yield view
    else:
        yield _Lines(total, log, clock)


def render_state(total: int, state: State) -> str:
    """``1200 of 5000 tests, 3 failed, 40/s, 95 s left, 2 cards busy``, as far as there is any."""
    parts = [f"{state.done} of {total} tests"]
    counted = (("failed", state.failed), ("flaky", state.flaky), ("tried again", state.retried))
    parts += [f"{count} {name}" for name, count in counted if count]
    if state.done and state.seconds > 0:
        rate = state.done / state.seconds
        parts.append(f"{rate:.0f}/s" if rate >= 1 else f"{rate * 60:.0f}/min")
    if state.left:
        parts.append(f"{state.expected_left_s:.0f} s left")
    busy = sum(what.startswith("batch") for what in state.cards.values())
    drained = sum(what.startswith("drained") for what in state.cards.values())
    parts.append(f"{busy} {'card' if busy == 1 else 'cards'} busy")
    return ", ".join([*parts, *([f"{drained} drained"] if drained else [])])


class _Lines:
    """A line now and then."""

    def __init__(self, total: int, log: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._total, self._log, self._clock = total, log, clock
        self._next = clock() + _FIRST_S
        self._every = _EVERY_S
        self._done = -1

    def update(self, state: State) -> None:
        now = self._clock()
        if now >= self._next:
            # Where nothing moves, the same line again and again tells nothing.
            self._every = _EVERY_S if state.done != self._done else min(2 * self._every, _LONGEST_S)
            self._done = state.done
            self._next = now + self._every
            self._log(f"device: {render_state(self._total, state)}")


class _Table:
    """The same as a table that rich draws anew four times a second."""

    def __init__(self, total: int, cards: Sequence[str]) -> None:
        self._total = total
        self._state = State(0, total, 0, 0, 0, 0.0, 0.0, dict.fromkeys(cards, ""))

    def update(self, state: State) -> None:
        self._state = state

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        state = self._state
        table = Table(box=None, pad_edge=False)
        for name, what in _choose_rows(state.cards):
            table.add_row(Text(name), Text(what or "idle", style="" if what else "dim"))
        bar = ProgressBar(total=max(self._total, 1), completed=state.done, width=40)
        return Group(Text(render_state(self._total, state)), bar, table)


def _choose_rows(cards: Mapping[str, str]) -> list[tuple[str, str]]:
    """The cards to show: where there are too many, those first that do not simply run."""
    ordered = list(cards.items())
    if len(ordered) <= _ROWS:
        return ordered
    ordered.sort(key=lambda card: (card[1].startswith("batch"), not card[1]))
    return [*ordered[: _ROWS - 1], (f"and {len(ordered) - _ROWS + 1} more", "...")]


@contextlib.contextmanager
def _show_table(total: int, cards: Sequence[str], stream: TextIO) -> Iterator[LiveView]:
    from rich.console import Console
    from rich.live import Live

    table = _Table(total, cards)
    console = Console(file=stream)
    with Live(table, console=console, transient=True, refresh_per_second=4):
        yield table
