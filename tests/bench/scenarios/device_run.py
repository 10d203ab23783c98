"""A real device run: half of numpy's own tests on two simulated cards, beside pytest-xdist."""

from __future__ import annotations

import json
import os
import shutil
import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench import batches
from tests.bench.peers import Peer
from tests.bench.process import BenchError, run, run_checked
from tests.bench.rounds import Contestant, measure_rounds
from tests.bench.toolboxes import REPOSITORY
from tests.bench.values import Fact, Outcome, Row, find_row
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.bench.process import Done
    from tests.bench.workshop import Workshop

__all__ = ["measure"]

STAGE = 3
CARDS = 2
XDIST_LIMIT = 1.15
ENGINES_LIMIT = 1.10
BATCH_LIMIT_MS = 50.0
BATCHES = 20
"""How often the small batch is run."""
PROJECT = REPOSITORY / "tests" / "projects" / "numpysuite"
PLUGIN = REPOSITORY / "src" / "noxden" / "inside"
WORKLOAD = Workload(sessions=("device",), groups=("test",))


def _noxden(name: str, *words: str) -> Peer:
    return Peer(
        name=name,
        toolbox="noxden-cluster",
        render_files=lambda _: {},
        build_command=lambda _: ("nox", "-s", "device", "--", "--stage", str(STAGE), *words),
    )


LOCAL = _noxden("noxden")
DASK = _noxden("noxden, engine dask", "--engine", "dask")
XDIST = f"pytest-xdist -n {CARDS}"


@dataclass(frozen=True)
class _Place:
    """One checkout with one environment, in which all take turns."""

    shop: Workshop
    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / ".noxden" / "device"

    @property
    def python(self) -> Path:
        return self.folder / ".nox" / "device" / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """Nobody else on this machine shares the simulated cards, or what numpy may skip.

        Some of its tests look for 18 GB of free memory, which others take and give back.
        """
        return {
            "NOXDEN_CARD_LOCKS": str(self.shop.root / "cards"),
            "NPY_AVAILABLE_MEM": "1 GB",
        }

    def run(self, peer: Peer) -> Done:
        return self.shop.run(peer, self.folder, WORKLOAD, self.variables)

    def read(self, name: str) -> dict[str, Any]:
        """A file of the last run, by name."""
        found: dict[str, Any] = json.loads((self.output / name).read_text("utf-8"))
        return found

    def read_verdicts(self) -> dict[str, str]:
        """What the last run says of each test."""
        return {one["id"]: one["verdict"] for one in self.read("results.json")["records"]}


def measure(shop: Workshop) -> Outcome:
    """Run the stage once with nothing known, then in rounds; then one small batch many times."""
    template = shop.new_folder("templates")
    shutil.copytree(PROJECT, template, ignore=shutil.ignore_patterns(".*"))
    shutil.rmtree(shop.den / "results" / "device", ignore_errors=True)
    load = os.getloadavg()[0]
    with shop.checked_out(template, LOCAL, WORKLOAD) as folder:
        place = _Place(shop, folder)
        first = _run_first(place)
        outcome = place.read("results.json")
        steps: dict[str, list[Mapping[str, float]]] = {LOCAL.name: [], DASK.name: []}
        verdicts: dict[str, dict[str, str]] = {}
        rows = measure_rounds(
            [
                *(
                    Contestant(
                        name=peer.name, attempt=partial(_attempt, place, peer, steps, verdicts)
                    )
                    for peer in (LOCAL, DASK)
                ),
                Contestant(name=XDIST, attempt=partial(_attempt_xdist, place, _select(place))),
            ],
            runs=max(2, shop.runs // 2),
            warmups=0,
        )
        batch = _measure_batch(place)
    return Outcome(
        scenario="device-run",
        title=f"numpy's tests at stage {STAGE} on {CARDS} simulated cards",
        rows=(first, *rows, *batch),
        facts=(
            *_compare(rows),
            *_compare_batch(batch),
            *_compare_verdicts(verdicts),
            *_state_parts(steps),
        ),
        notes=(
            f"{outcome['selected']:,} tests selected of {outcome['in_scope']:,} in scope",
            "noxden's rows hold nox's own start and the look at the environment, which stands",
            f"{XDIST}: the same tests in the same environment, by noxden's plugin that deselects",
            f"load of the machine before: {load:.1f} on {os.cpu_count()} cores",
            f"one batch: {batches.TESTS} tests that do nothing; pytest alone has no part of noxden",
        ),
    )


def _run_first(place: _Place) -> Row:
    """The run that collects and knows no times, less what the environment took."""
    done = place.run(LOCAL)
    if done.failure is not None:
        raise BenchError(done.failure)
    prepared = place.read("summary.json")["prepare_seconds"]
    return Row(
        name="noxden, first run",
        seconds=(done.seconds - prepared,),
        cpu_seconds=(done.cpu_seconds,),
    )


def _attempt(
    place: _Place,
    peer: Peer,
    steps: Mapping[str, list[Mapping[str, float]]],
    verdicts: dict[str, dict[str, str]],
) -> Mapping[str, Done]:
    done = place.run(peer)
    if done.failure is None:
        found = place.read("summary.json")["steps"]
        steps[peer.name].append({one["name"]: one["seconds"] for one in found})
        verdicts[peer.name] = place.read_verdicts()
    return {"": done}


def _select(place: _Place) -> tuple[str, ...]:
    """pytest's arguments for the tests of the last run, whose ids are left in a file."""
    chosen = list(place.read_verdicts())
    place.folder.with_name("tests.json").write_text(json.dumps(chosen), "utf-8")
    (file,) = (place.shop.den / "results" / "device" / "collections").glob("*.json")
    found = json.loads(file.read_text("utf-8"))
    paths = found["collection"]["paths"]
    files = dict.fromkeys(paths[test.partition("::")[0]] for test in chosen)
    # In a file, as they are many.
    named = place.folder.with_name("files.txt")
    named.write_text("".join(f"{file}\n" for file in files), "utf-8")
    return (f"--rootdir={found['root']}", "-c", found["config"], f"@{named}")


def _attempt_xdist(place: _Place, words: tuple[str, ...]) -> Mapping[str, Done]:
    environment = place.shop.environment(LOCAL) | place.variables
    environment |= {
        # Some tests look for the programs of their environment.
        "PATH": os.pathsep.join((str(place.python.parent), environment["PATH"])),
        "PYTHONPATH": str(PLUGIN),
        "NOXDEN_ATTEMPT_TESTS": str(place.folder.with_name("tests.json")),
    }
    command = (str(place.python), "-m", "pytest", "-p", "noxden_device", "-n", str(CARDS), *words)
    return {"": run(command, cwd=place.folder, env=environment, timeout=place.shop.timeout)}


def _measure_batch(place: _Place) -> tuple[Row, Row]:
    """Rows of the small batch: by noxden, and by pytest alone."""
    folder = place.folder.with_name("batch")
    folder.mkdir()
    box = place.shop.toolboxes[LOCAL.toolbox]
    command = (box.program("python"), batches.__file__, str(place.python), str(folder))
    done = run_checked(
        (*command, str(BATCHES)), cwd=REPOSITORY, env={**box.environment, **place.variables}
    )
    found = json.loads(done.output.splitlines()[-1])
    return (
        Row(name="one batch by noxden", seconds=tuple(found["noxden"])),
        Row(name="one batch by pytest", seconds=tuple(found["pytest"])),
    )


def _compare(rows: Sequence[Row]) -> Iterator[Fact]:
    """Median wall against that of pytest-xdist, and one engine against the other."""
    local, dask, xdist = (find_row(rows, name) for name in (LOCAL.name, DASK.name, XDIST))
    for row, other, name, limit in (
        (local, xdist, f"noxden / {XDIST}", XDIST_LIMIT),
        (dask, local, "engine dask / local", ENGINES_LIMIT),
    ):
        yield Fact(name=name, value=row.median / other.median, unit="", limit=limit)
        # Where others use the machine, this is what can be compared.
        cpu = row.cpu_median / other.cpu_median
        yield Fact(name=f"{name}, processor time", value=cpu, unit="")


def _compare_batch(rows: tuple[Row, Row]) -> Iterator[Fact]:
    ours, alone = rows
    yield Fact(
        name="one batch, beyond pytest's own",
        value=(ours.median - alone.median) * 1e3,
        unit="ms",
        limit=BATCH_LIMIT_MS,
    )


def _compare_verdicts(verdicts: Mapping[str, Mapping[str, str]]) -> Iterator[Fact]:
    """Tests of which the last runs of the two engines say something else."""
    local, dask = verdicts.get(LOCAL.name), verdicts.get(DASK.name)
    differ = float("nan")
    if local is not None and dask is not None:
        differ = len({test for test, _ in local.items() ^ dask.items()})
    yield Fact(name="tests with verdicts that differ by engine", value=differ, unit="", limit=0)


def _state_parts(steps: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[Fact]:
    """What the steps of a run take."""
    for name, runs in steps.items():
        for step in ("plan", "tests"):
            seconds = [one[step] for one in runs]
            value = statistics.median(seconds) if seconds else float("nan")
            yield Fact(name=f"{name}: {step}", value=value, unit="s")
