"""The environment key of a project with a large lock: computed first, then remembered."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.peers import NOXDEN
from tests.bench.process import run, run_checked
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.synthetic import write_synthetic_project
from tests.bench.values import Fact, Outcome, find_row, paired_difference
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bench.process import Done
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

PACKAGES = 500
WORKLOAD = Workload()
RUNS_EACH = 3
"""Keys are quick, so each of the asked runs is this many."""

PROBE = f"""
import os, time
from pathlib import Path
import noxden.sessions.backend
from noxden.den.resolve import resolve
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request

def key():
    begin = time.perf_counter()
    found = resolve(open_workplace(Path.cwd(), os.environ), Request(groups={WORKLOAD.groups!r})).key
    return time.perf_counter() - begin, found

(first, found), (second, again) = key(), key()
assert found == again
print("probe", first, second)
"""
"""What a session does for its key, where noxden is loaded as by a noxfile; seconds of two calls."""

EXPORT, NEW, EMPTY, KNOWN, REMEMBERED, AGAIN = (
    "uv export alone",
    "noxden, new den (uv's cache is cold too)",
    "noxden, memo empty",
    "noxden, interpreter known",
    "noxden, memoized",
    "noxden, memoized, second call in the process",
)
BEYOND_EXPORT_MS = 150.0
REMEMBERED_MS = 5.0


def measure(shop: Workshop) -> Outcome:
    """Measure with a den of its own, so that no other scenario's memo helps."""
    project = shop.new_folder("checkouts")
    write_synthetic_project(project, PACKAGES)
    run_checked(
        (shop.uv.program("uv"), "lock", "--check", "--offline"),
        cwd=project,
        env=shop.uv.environment,
    )
    prober = _Prober(shop, project, shop.new_folder("checkouts").with_name("den"))
    rows = measure_rounds(
        [
            Contestant(name=EXPORT, attempt=partial(_export, shop, project)),
            Contestant(name="key", attempt=prober.attempt),
        ],
        runs=shop.runs * RUNS_EACH,
    )
    size_mb = (project / "uv.lock").stat().st_size / 1e6
    rows = tuple(replace(row, name=row.name.removeprefix("key: ")) for row in rows)
    return Outcome(
        scenario="key",
        title=f"Environment key on a lock of {PACKAGES} packages ({size_mb:.1f} MB)",
        rows=rows,
        facts=(
            Fact(
                name=f"{EMPTY} - {EXPORT}",
                value=paired_difference(find_row(rows, EMPTY), find_row(rows, EXPORT)),
                unit="ms",
                limit=BEYOND_EXPORT_MS,
            ),
            Fact(
                name=f"{KNOWN} - {EXPORT}",
                value=paired_difference(find_row(rows, KNOWN), find_row(rows, EXPORT)),
                unit="ms",
            ),
            Fact(
                name=REMEMBERED,
                value=find_row(rows, REMEMBERED).median * 1e3,
                unit="ms",
                limit=REMEMBERED_MS,
            ),
        ),
    )


def _export(shop: Workshop, project: Path) -> Mapping[str, Done]:
    """Time the export that noxden's own first key cannot do without."""
    options = (
        "--locked",
        "--quiet",
        "--no-header",
        "--format",
        "pylock.toml",
        *WORKLOAD.group_options,
    )
    command = (shop.uv.program("uv"), "export", *options)
    return {"": run(command, cwd=project, env=shop.uv.environment)}


@dataclass(frozen=True)
class _Prober:
    shop: Workshop
    project: Path
    den: Path

    def attempt(self) -> Mapping[str, Done]:
        """Ask for the key with less and less to find out."""
        shutil.rmtree(self.den, ignore_errors=True)
        new, _ = self.probe()
        self.forget("*")
        empty, _ = self.probe()
        self.forget("selection-*")
        known, _ = self.probe()
        remembered, again = self.probe()
        return {NEW: new, EMPTY: empty, KNOWN: known, REMEMBERED: remembered, AGAIN: again}

    def forget(self, kind: str) -> None:
        """Remove what the den remembers, of one kind or altogether."""
        for memo in (self.den / "memo").glob(kind):
            memo.unlink()

    def probe(self) -> tuple[Done, Done]:
        """Run the probe in a new process; the times are those it measured inside."""
        box = self.shop.toolboxes[NOXDEN.toolbox]
        environment = {**box.environment, "NOXDEN_DIR": str(self.den)}
        done = run((box.program("python"), "-c", PROBE), cwd=self.project, env=environment)
        if done.failure is not None:
            return done, done
        first, second = done.output.split()[-2:]
        return replace(done, seconds=float(first)), replace(done, seconds=float(second))
