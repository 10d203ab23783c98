"""Outcomes as tables for people and as JSON for machines."""

from __future__ import annotations

import math
import os
import platform
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from .peers import NOXDEN
from .values import find_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from .values import Fact, Outcome, Row
    from .workshop import Workshop

__all__ = ["describe_machine", "print_outcome", "render_json"]


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print one scenario: rows, then numbers with their limits, then the failures in full."""
    console.print()
    console.rule(f"[bold]{outcome.scenario}[/]: {outcome.title}", align="left")
    if outcome.skipped is not None:
        console.print(f"skipped: {outcome.skipped}")
        return
    if outcome.rows:
        console.print(_render_rows(outcome.rows))
    if outcome.facts:
        console.print(_render_facts(outcome.facts))
    for note in outcome.notes:
        console.print(note)
    for failure, names in _group_failures(outcome.rows).items():
        console.print(f"[red]{', '.join(names)} failed[/]")
        console.print(failure, markup=False, highlight=False)


def _group_failures(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return who failed by what was said, so that the same trouble is told once."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row.failure is not None:
            groups.setdefault(row.failure, []).append(row.name)
    return groups


def _render_rows(rows: Sequence[Row]) -> Table:
    table = Table("who", box=None, header_style="bold", pad_edge=False)
    for head in ("median s", "min", "max", "processor s", "runs", f"/ {NOXDEN.name}"):
        table.add_column(head, justify="right")
    reference = find_row(rows, NOXDEN.name).median
    for row in rows:
        table.add_row(row.name, *_render_cells(row, reference))
    return table


def _render_cells(row: Row, reference: float) -> Iterator[str]:
    if not row.seconds:
        yield "[red]failed[/]"
        return
    yield f"{row.median:.3f}"
    yield f"{min(row.seconds):.3f}"
    yield f"{max(row.seconds):.3f}"
    yield f"{row.cpu_median:.3f}" if row.cpu_seconds else ""
    yield str(len(row.seconds))
    yield "" if math.isnan(reference) else f"{row.median / reference:.2f}x"


def _render_facts(facts: Sequence[Fact]) -> Table:
    table = Table("", box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    for fact in facts:
        value = f"{fact.value:.4g} {fact.unit}" if fact.measured else "not measured"
        table.add_row(fact.name, value, _render_verdict(fact))
    return table


def _render_verdict(fact: Fact) -> str:
    if fact.limit is None or not fact.measured:
        return ""
    return (
        f"{'[green]ok[/]' if fact.met else '[red]missed[/]'} (limit {fact.limit:.4g} {fact.unit})"
    )


def render_json(outcomes: Sequence[Outcome], shop: Workshop) -> dict[str, object]:
    """Return everything measured, every repetition included."""
    return {
        "machine": describe_machine(),
        "heavy": shop.heavy,
        "versions": {name: dict(box.versions) for name, box in shop.toolboxes.made.items()},
        "outcomes": [_render_outcome(outcome) for outcome in outcomes],
    }


def _render_outcome(outcome: Outcome) -> dict[str, object]:
    rows = [
        {**asdict(row), "median": row.median, "cpu_median": row.cpu_median} for row in outcome.rows
    ]
    facts = [{**asdict(fact), "met": fact.met} for fact in outcome.facts]
    return {**asdict(outcome), "rows": rows, "facts": facts}


def describe_machine() -> dict[str, object]:
    """Return what a reader must know of the machine to compare two runs."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
