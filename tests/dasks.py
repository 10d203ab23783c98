"""Dask schedulers and workers as programs, and what stands for attempts in them."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.devices.engines._dask_worker import Seen
from noxden.devices.values import Attempt, Card, Job, Limits
from tests.sandbox import LIMIT_S
from tests.servers import is_open, running, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from noxden.devices.engines.dask import DaskEngine

_ROOT = Path(__file__).parents[1]


def see_cards(count: int) -> Seen:
    """What a worker finds on a host with so many cards."""
    cards = tuple(
        Card(index=i, address=f"card-{i}", kind="made", host="here") for i in range(count)
    )
    return Seen("made", cards, ("a made host",))


def see(count: int) -> Callable[[], Seen]:
    """A host with so many cards."""
    return functools.partial(see_cards, count)


def act(job: Job, is_over: Callable[[], bool]) -> Attempt:
    """An attempt that does what the name of its only test says; ``fault`` is the worker's pid."""
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"began-{os.getpid()}").touch()
    if job.tests[0] == "raise":
        message = "no such card"
        raise ValueError(message)
    while job.tests[0] == "wait" and not is_over() and not (folder / "go").exists():
        time.sleep(0.02)
    (folder / f"ended-{os.getpid()}").touch()
    return Attempt(
        batch=job.batch,
        attempt=job.attempt,
        cards=job.cards,
        status="stopped" if is_over() else "done",
        fault=str(os.getpid()),
    )


def make_job(folder: Path, card: Card, batch: int, test: str = "pass", attempt: int = 1) -> Job:
    return Job(
        batch=batch,
        attempt=attempt,
        tests=(test,),
        files=(),
        cards=(card,),
        python=sys.executable,
        arguments=(),
        env={},
        cwd=str(folder),
        folder=str(folder / f"{batch}-{attempt}"),
        limits=Limits(),
        provider="made",
    )


def began(job: Job) -> list[int]:
    """The processes in which an attempt began."""
    return [int(file.name.partition("-")[2]) for file in Path(job.folder).glob("began-*")]


def await_began(*jobs: Job) -> None:
    wait_for(lambda: all(began(job) for job in jobs))


def await_cards(engine: DaskEngine, count: int) -> tuple[Card, ...]:
    """The cards of an engine, as soon as there are so many."""
    wait_for(lambda: len(engine.find_cards()) == count)
    return engine.find_cards()


def collect(engine: DaskEngine, count: int) -> list[Attempt]:
    """So many attempts, in the order of their batches."""
    limit = time.monotonic() + LIMIT_S
    found: list[Attempt] = []
    while len(found) < count:
        assert time.monotonic() < limit, f"waited for too long, found {found}"
        found += engine.collect(1.0)
    assert engine.collect(0.2) == []
    return sorted(found, key=lambda one: (one.batch, one.attempt))


def run_batches(engine: DaskEngine, folder: Path, batches: int) -> list[Attempt]:
    """Run so many batches on whatever card is free, each again until it is not lost."""
    waiting = [(batch, 1) for batch in range(batches)]
    free = list(engine.find_cards())
    busy: set[str] = set()
    found: list[Attempt] = []
    limit = time.monotonic() + LIMIT_S
    while waiting or busy:
        assert time.monotonic() < limit, f"waited for too long, found {found}"
        free = [card for card in engine.find_cards() if card.name not in busy]
        for card in free[: len(waiting)]:
            batch, attempt = waiting.pop(0)
            busy.add(card.name)
            engine.submit(make_job(folder, card, batch, attempt=attempt))
        for one in engine.collect(1.0):
            busy.discard(one.cards[0].name)
            found.append(one)
            if one.status == "lost":
                waiting.append((one.batch, one.attempt + 1))
    return found


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """For programs that have to find what is in this module."""
    return {**env, "PYTHONPATH": str(_ROOT)}


@contextlib.contextmanager
def scheduler(
    folder: Path, port: int, env: Mapping[str, str], more: Sequence[str | Path] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler on loopback."""
    args: list[str | Path] = [
        *(sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"),
        *("--port", str(port), "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *more),
    ]
    with running(args, folder / "scheduler.log", environment(env), folder) as process:
        wait_for(lambda: is_open(port), process)
        yield process


@contextlib.contextmanager
def worker(
    folder: Path,
    address: str,
    env: Mapping[str, str],
    more: Sequence[str | Path] = ("--resources", "card=1"),
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on loopback; it has a card unless ``more`` leaves it out."""
    args: list[str | Path] = [
        *(sys.executable, "-m", "distributed.cli.dask_worker", address, "--host", "127.0.0.1"),
        *("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", folder, *more),
    ]
    with running(args, folder / "worker.log", environment(env), folder) as process:
        yield process
