"""A fresh checkout while caches and den are warm: until the session's command is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.peers import (
    FLOOR,
    FLOOR_WITH_COMMAND,
    NOX,
    NOX_UV,
    NOXDEN,
    NOXDEN_IDLE,
    TOX_UV,
    UV_RUN,
)
from tests.bench.rounds import measure_rounds
from tests.bench.values import Fact, Outcome, find_row, paired_difference
from tests.bench.workload import Workload

from ._fresh import fresh_contestants

if TYPE_CHECKING:
    from tests.bench.values import Row
    from tests.bench.workshop import Workshop

__all__ = ["PEERS", "collect_fresh_facts", "measure"]

PEERS = (FLOOR, FLOOR_WITH_COMMAND, NOXDEN, NOXDEN_IDLE, NOX, NOX_UV, TOX_UV, UV_RUN)
TINY = " (tiny)"
BEYOND_NOTHING_MS = 150.0
HEAVY_TO_TINY = 1.3


def measure(shop: Workshop) -> Outcome:
    """Measure the example and a tiny project in the same rounds, for a ratio of like minutes."""
    workload = Workload()
    rows = measure_rounds(
        [
            *fresh_contestants(shop, PEERS, shop.heavyweight, workload),
            *fresh_contestants(shop, (NOXDEN, NOX_UV, UV_RUN), shop.tiny, workload, mark=TINY),
        ],
        runs=shop.runs,
    )
    small = find_row(rows, NOXDEN.name + TINY).median
    ratio = Fact(
        name="noxden: example / tiny",
        value=find_row(rows, NOXDEN.name).median / small,
        unit="x",
        limit=HEAVY_TO_TINY,
    )
    return Outcome(
        scenario="fresh",
        title="Fresh checkout, warm caches, same filesystem",
        rows=rows,
        facts=(*collect_fresh_facts(rows), ratio),
    )


def collect_fresh_facts(rows: tuple[Row, ...]) -> tuple[Fact, ...]:
    """Return what noxden costs beyond nox itself, with and without the session's own command."""
    noxden, idle = find_row(rows, NOXDEN.name), find_row(rows, NOXDEN_IDLE.name)
    floor, floor_with_command = find_row(rows, FLOOR.name), find_row(rows, FLOOR_WITH_COMMAND.name)
    return (
        Fact(
            name="noxden no-op - nox no-op (environment ready)",
            value=paired_difference(idle, floor),
            unit="ms",
            limit=BEYOND_NOTHING_MS,
        ),
        Fact(
            name="noxden - nox no-op + command",
            value=paired_difference(noxden, floor_with_command),
            unit="ms",
            limit=BEYOND_NOTHING_MS,
        ),
        Fact(
            name="noxden - nox no-op (command counted)",
            value=paired_difference(noxden, floor),
            unit="ms",
        ),
    )
