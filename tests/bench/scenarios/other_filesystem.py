"""A fresh checkout on another filesystem than den and uv cache, where hard links end."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.rounds import measure_rounds
from tests.bench.values import Outcome
from tests.bench.workload import Workload

from ._fresh import fresh_contestants
from .fresh import PEERS, collect_fresh_facts

if TYPE_CHECKING:
    from tests.bench.workshop import Workshop

__all__ = ["ELSEWHERE", "measure", "why_not_elsewhere"]

ELSEWHERE = Path("/dev/shm")  # noqa: S108 - a tmpfs wherever Linux is
TITLE = "Fresh checkout on another filesystem than den and uv cache"
NEEDED_GB = {False: 2.0, True: 12.0}


def measure(shop: Workshop) -> Outcome:
    """Measure as ``fresh`` does, the checkouts on a tmpfs."""
    reason = why_not_elsewhere(shop)
    if reason is not None:
        return Outcome(scenario="other-filesystem", title=TITLE, skipped=reason)
    with tempfile.TemporaryDirectory(prefix="noxden-bench-", dir=ELSEWHERE) as parent:
        contestants = fresh_contestants(
            shop, PEERS, shop.heavyweight, Workload(), parent=Path(parent)
        )
        rows = measure_rounds(contestants, runs=shop.runs)
    return Outcome(
        scenario="other-filesystem", title=TITLE, rows=rows, facts=collect_fresh_facts(rows)
    )


def why_not_elsewhere(shop: Workshop) -> str | None:
    """Return why there is no second filesystem to use, or None when there is one."""
    if not os.access(ELSEWHERE, os.W_OK):
        return f"{ELSEWHERE} is not there or not writable"
    if ELSEWHERE.stat().st_dev == shop.root.stat().st_dev:
        return f"{ELSEWHERE} and {shop.root} are one filesystem"
    free, needed = shutil.disk_usage(ELSEWHERE).free / 1e9, NEEDED_GB[shop.heavy]
    return f"{ELSEWHERE} has {free:.1f} GB free, {needed:.0f} are needed" if free < needed else None
