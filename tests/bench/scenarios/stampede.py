"""Eight processes in eight checkouts want the same environment, which nobody has yet."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.peers import FLOOR, NOXDEN, Peer
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.values import Fact, Outcome, find_row
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bench.process import Done
    from tests.bench.values import Row
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

EVERYBODY = 8
WORKLOAD = Workload()
UV_SYNC = Peer(
    name="uv sync",
    toolbox="uv",
    render_files=lambda _: {},
    build_command=lambda workload: ("uv", "sync", "--quiet", "--frozen", *workload.group_options),
)
ONE_COLD, ALL_COLD, ALL_WARM, ALL = (
    "one, cold",
    f"{EVERYBODY} at once, cold",
    f"{EVERYBODY} at once, warm",
    f"{EVERYBODY} at once",
)
ONE = "one"
BUILDS_OF_ONE = 1.2
"""Limit of the issue: the wall of all is at most this many builds, and everybody's own start."""


@dataclass(frozen=True)
class _Noxden:
    shop: Workshop
    bases: list[int] = field(default_factory=list)
    """Base environments in the den after each cold stampede."""
    announced: list[int] = field(default_factory=list)
    """Processes of each cold stampede that said they had built one."""

    def attempt(self) -> Mapping[str, Done]:
        self.shop.forget_environments()
        one = _together(self.shop, NOXDEN, 1)
        self.shop.forget_environments()
        cold = _together(self.shop, NOXDEN, EVERYBODY)
        self.bases.append(_count_bases(self.shop.den))
        self.announced.append(cold.output.count("building base environment"))
        return {ONE_COLD: one, ALL_COLD: cold, ALL_WARM: _together(self.shop, NOXDEN, EVERYBODY)}


def measure(shop: Workshop) -> Outcome:
    """Measure one cold build, everybody cold, everybody warm; and as many `uv sync`."""
    noxden = _Noxden(shop)
    rows = measure_rounds(
        [
            Contestant(name=NOXDEN.name, attempt=noxden.attempt),
            Contestant(name=FLOOR.name, attempt=partial(_attempt_all, shop, FLOOR)),
            Contestant(name=UV_SYNC.name, attempt=partial(_attempt_one_and_all, shop, UV_SYNC)),
        ],
        runs=max(2, shop.runs // 2),
    )
    return Outcome(
        scenario="stampede",
        title=f"{EVERYBODY} checkouts at once on a key that nobody has built",
        rows=rows,
        facts=_collect_facts(rows, noxden),
        notes=(
            f"base environments after each stampede: {noxden.bases}; announced: {noxden.announced}",
        ),
    )


def _attempt_all(shop: Workshop, peer: Peer) -> Mapping[str, Done]:
    return {ALL: _together(shop, peer, EVERYBODY)}


def _attempt_one_and_all(shop: Workshop, peer: Peer) -> Mapping[str, Done]:
    return {ONE: _together(shop, peer, 1), **_attempt_all(shop, peer)}


def _together(shop: Workshop, peer: Peer, number: int) -> Done:
    """Run in that many new checkouts at once."""
    folders = [shop.check_out(shop.heavyweight, peer, WORKLOAD) for _ in range(number)]
    try:
        return shop.run_together(peer, folders, WORKLOAD)
    finally:
        for folder in folders:
            shutil.rmtree(folder.parent, ignore_errors=True)


def _count_bases(den: Path) -> int:
    return sum(1 for entry in (den / "envs").glob("*") if (entry / "env.json").exists())


def _collect_facts(rows: tuple[Row, ...], noxden: _Noxden) -> tuple[Fact, ...]:
    def median(peer: Peer, step: str) -> float:
        return find_row(rows, f"{peer.name}: {step}").median

    one, cold, warm = (median(NOXDEN, step) for step in (ONE_COLD, ALL_COLD, ALL_WARM))
    starts = median(FLOOR, ALL)
    return (
        Fact(
            name="base environments after a stampede", value=_most(noxden.bases), unit="", limit=1
        ),
        Fact(
            name="builds announced in a stampede", value=_most(noxden.announced), unit="", limit=1
        ),
        Fact(
            name="allowed: 1.2 builds + 8 starts in ready checkouts",
            value=BUILDS_OF_ONE * one + warm,
            unit="s",
        ),
        Fact(name="all, cold", value=cold, unit="s", limit=BUILDS_OF_ONE * one + warm),
        Fact(
            name="stricter: 1.2 builds + 8 starts of nox alone",
            value=BUILDS_OF_ONE * one + starts,
            unit="s",
        ),
        Fact(name="8 x uv sync", value=median(UV_SYNC, ALL), unit="s"),
    )


def _most(counts: list[int]) -> float:
    """Return the largest count; NaN where there was nothing to count, which is no good news."""
    return max(counts, default=0) or float("nan")
