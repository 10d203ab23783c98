"""A rollout planned: a million tests for 2,048 cards, beside the ways in which others deal them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.bench import rollout
from tests.bench.peers import NOXDEN
from tests.bench.process import run_checked
from tests.bench.values import Fact, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.workshop import Workshop

__all__ = ["measure"]

COUNT = 1_000_000
PLAN_S = 10.0
MEMORY_MB = 1_500.0
KNOWN, WRONG, FAILING = 1.03, 1.15, 1.10
"""Makespans over the bound: times known, off by a factor of 3, and 2 % of the cards failing."""


def measure(shop: Workshop) -> Outcome:
    """Plan and simulate in a program that holds nothing else."""
    box = shop.toolboxes[NOXDEN.toolbox]
    command = (box.program("python"), rollout.__file__, str(COUNT))
    done = run_checked(command, cwd=shop.new_folder("checkouts").parent, env=box.environment)
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return Outcome(
        scenario="device-plan",
        title=f"A rollout of {COUNT:,} tests on {rollout.CARDS:,} cards, planned and simulated",
        facts=tuple(_state_facts(found)),
        notes=(
            f"{found['selected']:,} tests selected; {found['bound_s']:.0f} s for each card, the "
            f"longest test {found['longest_s']:.0f} s; lognormal times, wrong ones off by 1/3 to 3",
            f"noxden: {found['batches']:,} batches; {found['batches_with_starts']:,} where each "
            f"costs {rollout.OVERHEAD_S:.0f} s more than its tests",
            "the others deal once, so a card that fails loses its part; noxden's batches go on",
        ),
    )


def _state_facts(found: dict[str, Any]) -> Iterator[Fact]:
    yield Fact(
        name="scope + sample + batches", value=found["plan_s"] * 1e3, unit="ms", limit=PLAN_S * 1e3
    )
    yield Fact(name="memory at its peak", value=found["memory_mb"], unit="MB", limit=MEMORY_MB)
    for name, (known, wrong) in found["ratios"].items():
        limits = (KNOWN, WRONG) if name == "noxden" else (None, None)
        yield Fact(name=f"{name}: times known", value=known, unit="bounds", limit=limits[0])
        yield Fact(name=f"{name}: times wrong", value=wrong, unit="bounds", limit=limits[1])
    for key, what in (("with_starts", "known"), ("with_starts_wrong", "wrong")):
        name = f"noxden: times {what}, starts of pytest counted"
        yield Fact(name=name, value=found[key], unit="bounds")
    share = f"{rollout.FAILING:.0%} of the cards fail"
    yield Fact(
        name=f"noxden: {share}, bound of the others",
        value=found["failing"],
        unit="bounds",
        limit=FAILING,
    )
    yield Fact(
        name=f"noxden: {share}, never finished", value=found["unfinished"], unit="batches", limit=0
    )
