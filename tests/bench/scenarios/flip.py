"""The lock goes to another version and back, as it does between two branches."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench.peers import NOX, NOX_UV, NOXDEN, TOX_UV, UV_RUN
from tests.bench.process import run_checked
from tests.bench.projects import export_requirements
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.values import Fact, Outcome, find_row
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bench.peers import Peer
    from tests.bench.process import Done
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

PEERS = (NOXDEN, NOX, NOX_UV, TOX_UV, UV_RUN)
OTHER = "numpy==2.3.5"
FLIPPED = ("uv.lock", "requirements.txt")
MARK = "flip-bench numpy "
WORKLOAD = Workload(
    command=(
        "python",
        "-c",
        f"import importlib.metadata as m; print({MARK!r} + m.version('numpy'), flush=True)",
    )
)
WARM, CHANGED, BACK = "warm", "changed", "changed back"
BACK_TO_WARM = 1.15
"""A little more than 1 for the noise of a shared machine."""


def measure(shop: Workshop) -> Outcome:
    """Measure three runs a round: nothing changed, the other lock, the first lock again."""
    other = _prepare_other(shop)
    flippers = [
        _Flipper(shop, peer, other, shop.check_out(shop.heavyweight, peer, WORKLOAD))
        for peer in PEERS
    ]
    contestants = [
        Contestant(name=flipper.peer.name, attempt=flipper.attempt) for flipper in flippers
    ]
    rows = measure_rounds(contestants, runs=shop.runs)
    for flipper in flippers:
        shutil.rmtree(flipper.folder.parent, ignore_errors=True)
    facts = [
        Fact(
            name=f"{peer.name}: {BACK} / {WARM}",
            value=find_row(rows, f"{peer.name}: {BACK}").median
            / find_row(rows, f"{peer.name}: {WARM}").median,
            unit="x",
            limit=BACK_TO_WARM if peer is NOXDEN else None,
        )
        for peer in PEERS
    ]
    return Outcome(
        scenario="flip", title=f"Lock flipped A-B-A ({OTHER})", rows=rows, facts=tuple(facts)
    )


def _prepare_other(shop: Workshop) -> Path:
    """Return a copy of the template with the other lock."""
    folder = shop.new_folder("templates")
    shutil.copytree(shop.heavyweight, folder)
    command = (shop.uv.program("uv"), "lock", "--quiet", "--upgrade-package", OTHER)
    run_checked(command, cwd=folder, env=shop.uv.environment)
    export_requirements(folder, shop.uv)
    return folder


@dataclass(frozen=True)
class _Flipper:
    shop: Workshop
    peer: Peer
    other: Path
    folder: Path

    def attempt(self) -> Mapping[str, Done]:
        """Run with the first lock, the other, the first; the wrong environment is a failure."""
        warm = self.run_with(self.shop.heavyweight)
        changed = self.run_with(self.other)
        back = self.run_with(self.shop.heavyweight)
        wrong = _find_wrong(*map(_version, (warm, changed, back)))
        if wrong is not None and back.code == 0:
            back = replace(back, code=1, output=wrong)
        return {WARM: warm, CHANGED: changed, BACK: back}

    def run_with(self, template: Path) -> Done:
        """Copy a template's lock into the checkout and run."""
        for name in FLIPPED:
            shutil.copyfile(template / name, self.folder / name)
        return self.shop.run(self.peer, self.folder, WORKLOAD)


def _version(done: Done) -> str:
    """Return what the session's command printed; empty when it did not run."""
    lines = (
        line.partition(MARK)[2]
        for line in done.output.splitlines()
        if MARK in line and "print(" not in line
    )
    return next(lines, "")


def _find_wrong(warm: str, changed: str, back: str) -> str | None:
    expected = OTHER.partition("==")[2]
    if changed == expected and warm == back != changed:
        return None
    return f"ran with numpy {warm}, {changed}, {back} where the lock said x, {expected}, x"
