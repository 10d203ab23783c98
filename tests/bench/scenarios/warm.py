"""The everyday run: nothing changed since the last one."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.peers import (
    FLOOR,
    FLOOR_WITH_COMMAND,
    NOX,
    NOX_BLIND,
    NOX_UV,
    NOX_UV_BLIND,
    NOXDEN,
    NOXDEN_IDLE,
    STRICT_FLOOR,
    TOX_UV,
    UV_RUN,
)
from tests.bench.process import BenchError, run
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.values import Fact, Outcome, Row, find_row, paired_difference
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bench.peers import Peer
    from tests.bench.process import Done
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

PEERS = (
    FLOOR,
    STRICT_FLOOR,
    FLOOR_WITH_COMMAND,
    NOXDEN_IDLE,
    NOXDEN,
    NOX,
    NOX_BLIND,
    NOX_UV,
    NOX_UV_BLIND,
    TOX_UV,
    UV_RUN,
)
RUNS_EACH = 3
"""Warm runs are short, so each of the asked runs is this many."""

BEYOND_NOTHING_MS = 10.0
IMPORT_MS = 15.0
IMPORT_PROBE = """
import time, nox.__main__
begin = time.perf_counter()
import noxden
noxden.session
print(time.perf_counter() - begin)
"""


def measure(shop: Workshop) -> Outcome:
    """Measure each peer in a checkout of its own that it has made ready in the warm-up."""
    workload = Workload()
    homes = {peer.name: shop.check_out(shop.heavyweight, peer, workload) for peer in PEERS}
    contestants = [
        Contestant(
            name=peer.name, attempt=partial(_attempt, shop, peer, homes[peer.name], workload)
        )
        for peer in PEERS
    ]
    rows = measure_rounds(contestants, runs=shop.runs * RUNS_EACH, warmups=2)
    imports = _measure_import(shop)
    started = _count_programs(shop, NOXDEN, homes[NOXDEN.name], workload)
    for home in homes.values():
        shutil.rmtree(home.parent, ignore_errors=True)
    return Outcome(
        scenario="warm",
        title="Warm run of one session",
        rows=(*rows, imports),
        facts=(*_collect_facts(rows, imports), *_programs_fact(started)),
        notes=() if started is not None else ("programs not counted: no strace, or it failed",),
    )


def _attempt(shop: Workshop, peer: Peer, folder: Path, workload: Workload) -> Mapping[str, Done]:
    return {"": shop.run(peer, folder, workload)}


def _collect_facts(rows: tuple[Row, ...], imports: Row) -> tuple[Fact, ...]:
    idle, noxden = find_row(rows, NOXDEN_IDLE.name), find_row(rows, NOXDEN.name)
    floor, floor_with_command = find_row(rows, FLOOR.name), find_row(rows, FLOOR_WITH_COMMAND.name)
    return (
        Fact(
            name="noxden no-op - nox no-op",
            value=paired_difference(idle, floor),
            unit="ms",
            limit=BEYOND_NOTHING_MS,
        ),
        Fact(
            name=f"noxden no-op - {STRICT_FLOOR.name}",
            value=paired_difference(idle, find_row(rows, STRICT_FLOOR.name)),
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
        Fact(
            name="processor time of the second difference",
            value=(idle.cpu_median - find_row(rows, STRICT_FLOOR.name).cpu_median) * 1e3,
            unit="ms",
        ),
        Fact(
            name="import noxden in a noxfile",
            value=imports.median * 1e3,
            unit="ms",
            limit=IMPORT_MS,
        ),
    )


def _measure_import(shop: Workshop) -> Row:
    """Time the import in processes that have imported nox already, as every noxfile has."""
    name = "import noxden, noxden.session (inside the process)"
    try:
        box = shop.toolboxes[NOXDEN.toolbox]
    except BenchError as error:
        return Row(name=name, failure=str(error))
    command = (box.program("python"), "-c", IMPORT_PROBE)
    seconds = []
    for _ in range(1 + shop.runs * RUNS_EACH):
        done = run(command, cwd=box.folder, env=box.environment)
        if done.failure is not None:
            return Row(name=name, failure=done.failure)
        seconds.append(float(done.output))
    return Row(name=name, seconds=tuple(seconds[1:]))


def _count_programs(shop: Workshop, peer: Peer, folder: Path, workload: Workload) -> int | None:
    """Return how many programs a warm run starts; None where they cannot be counted."""
    strace = shutil.which("strace")
    if (
        strace is None
        or run((strace, "-f", "true"), cwd=folder, env=shop.uv.environment).failure is not None
    ):
        return None
    trace = folder / "execve.txt"
    options = ("-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", str(trace))
    try:
        done = run(
            (strace, *options, *shop.command(peer, workload)),
            cwd=folder,
            env=shop.environment(peer),
        )
    except BenchError:
        return None
    if done.failure is not None:
        return None
    return sum(line.endswith("= 0") for line in trace.read_text(encoding="utf-8").splitlines())


def _programs_fact(started: int | None) -> tuple[Fact, ...]:
    if started is None:
        return ()
    own = len(("nox", "the session's command"))
    name = "programs noxden starts beyond nox and the command"
    return (Fact(name=name, value=started - own, unit="", limit=0),)
