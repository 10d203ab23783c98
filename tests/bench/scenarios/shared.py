"""Three sessions with one selection: how long, and how much disk."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.disk import collect_inodes, compute_megabytes
from tests.bench.peers import NOX, NOX_UV, NOXDEN
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.values import Fact, Outcome
from tests.bench.workload import Workload

from .other_filesystem import ELSEWHERE, why_not_elsewhere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.peers import Peer
    from tests.bench.process import Done
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

WORKLOAD = Workload(sessions=("one", "two", "three"))
FIRST, SECOND = "first run", "second run"


@dataclass(frozen=True)
class _Sharer:
    shop: Workshop
    peer: Peer
    cold: bool = False
    """Whether noxden has to build the base too."""
    parent: Path | None = None
    """A folder on another filesystem, or None for the same."""
    disk: dict[str, float] = field(default_factory=dict)
    """Megabytes of the last round, by what was counted."""

    @property
    def name(self) -> str:
        marks = [
            mark
            for mark, on in (("base built too", self.cold), ("other filesystem", self.parent))
            if on
        ]
        return f"{self.peer.name} ({', '.join(marks)})" if marks else self.peer.name

    def attempt(self) -> Mapping[str, Done]:
        if self.cold:
            self.shop.forget_environments()
        with self.shop.checked_out(
            self.shop.heavyweight, self.peer, WORKLOAD, parent=self.parent
        ) as folder:
            done = {step: self.shop.run(self.peer, folder, WORKLOAD) for step in (FIRST, SECOND)}
            if not any(step.code for step in done.values()):
                self._weigh(folder)
        return done

    def _weigh(self, folder: Path) -> None:
        places, caches = [folder], [self.shop.cache]
        if self.peer is NOXDEN:
            places, caches = [folder, self.shop.den], [self.shop.den / "uv"]
        cached = {inode for cache in caches for inode in collect_inodes(cache)}
        self.disk["disk"] = compute_megabytes(places, without=caches)
        self.disk["disk that the uv cache does not hold too"] = compute_megabytes(
            places, without=caches, known=cached
        )


def measure(shop: Workshop) -> Outcome:
    """Measure in new checkouts, on the caches' filesystem and, where there is one, on another."""
    with ExitStack() as stack:
        sharers = [
            _Sharer(shop, NOXDEN, cold=True),
            *(_Sharer(shop, peer) for peer in (NOXDEN, NOX_UV, NOX)),
        ]
        reason = why_not_elsewhere(shop)
        if reason is None:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="noxden-bench-", dir=ELSEWHERE)
            )
            sharers += [_Sharer(shop, peer, parent=Path(folder)) for peer in (NOXDEN, NOX_UV, NOX)]
        contestants = [Contestant(name=sharer.name, attempt=sharer.attempt) for sharer in sharers]
        rows = measure_rounds(contestants, runs=max(2, shop.runs // 2))
    return Outcome(
        scenario="shared",
        title="Three sessions sharing one selection, fresh checkout, warm uv cache",
        rows=rows,
        facts=tuple(
            Fact(name=f"{sharer.name}: {what}", value=size, unit="MB")
            for sharer in sharers
            for what, size in sharer.disk.items()
        ),
        notes=(f"other filesystem left out: {reason}",) if reason else (),
    )
