"""Bad days of a Dask cluster: results stay whole and are counted once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.devices.engines.clusters import join_scheduler, start_workers
from noxden.devices.engines.dask import DaskEngine
from tests.dasks import (
    act,
    await_began,
    await_cards,
    began,
    collect,
    environment,
    make_job,
    run_batches,
    scheduler,
    see,
    worker,
)
from tests.servers import find_port, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from noxden.devices.values import Attempt, Job


def _let_go(job: Job) -> None:
    (Path(job.folder) / "go").touch()


def test_the_attempt_of_a_killed_worker_is_lost_and_its_card_comes_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with DaskEngine(start_workers(2, tmp_path), see(2), run_id="r", run=act) as engine:
        cards = await_cards(engine, 2)
        killed, other = (make_job(tmp_path, card, n, "wait") for n, card in enumerate(cards))
        engine.submit(killed)
        engine.submit(other)
        await_began(killed, other)
        os.kill(began(killed)[0], signal.SIGKILL)
        [attempt] = collect(engine, 1)
        assert (attempt.batch, attempt.status, attempt.results) == (0, "lost", ())
        assert attempt.fault.startswith("the worker tcp://127.0.0.1:")
        # A new worker has the card; the lost attempt does not run again by itself.
        assert set(await_cards(engine, 2)) == set(cards)
        assert len(began(killed)) == 1
        again = make_job(tmp_path, cards[0], 0, attempt=2)
        engine.submit(again)
        _let_go(other)
        assert [(one.batch, one.attempt, one.status) for one in collect(engine, 2)] == [
            (0, 2, "done"),
            (1, 1, "done"),
        ]
    # What Dask has to say of it is not for the terminal.
    assert capfd.readouterr() == ("", "")


def test_many_killed_workers_cost_no_batch_and_count_none_twice(tmp_path: Path) -> None:
    with DaskEngine(start_workers(2, tmp_path), see(2), run_id="r", run=act) as engine:
        found: list[Attempt] = []
        for turn in range(3):
            card = await_cards(engine, 2)[0]
            job = make_job(tmp_path, card, 100 + turn, "wait")
            engine.submit(job)
            await_began(job)
            os.kill(began(job)[0], signal.SIGKILL)
            found += collect(engine, 1)
            await_cards(engine, 2)
        assert [one.status for one in found] == ["lost"] * 3
        done = run_batches(engine, tmp_path, 6)
    assert sorted(one.batch for one in done if one.status == "done") == list(range(6))


def test_a_worker_that_dies_between_its_end_and_its_result_is_lost(tmp_path: Path) -> None:
    with DaskEngine(start_workers(1, tmp_path), see(1), run_id="r", run=act) as engine:
        job = make_job(tmp_path, await_cards(engine, 1)[0], 0)
        engine.submit(job)
        wait_for(lambda: bool(list(Path(job.folder).glob("ended-*"))))
        [pid] = began(job)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{pid}").exists())
        [attempt] = collect(engine, 1)
        assert (attempt.batch, attempt.status) == (0, "lost")


def test_an_attempt_that_dask_gives_up_is_lost(tmp_path: Path, env: dict[str, str]) -> None:
    port = find_port()
    env = {**env, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(scheduler(tmp_path, port, env))
        first, _ = _start(stack, tmp_path, port, env)
        cluster = join_scheduler(f"127.0.0.1:{port}")
        engine = stack.enter_context(DaskEngine(cluster, see(2), run_id="r", run=act))
        cards = await_cards(engine, 2)
        jobs = [make_job(tmp_path, card, n, "wait") for n, card in enumerate(cards)]
        for job in jobs:
            engine.submit(job)
        await_began(*jobs)
        os.kill(first, signal.SIGKILL)
        [attempt] = collect(engine, 1)
        assert attempt.status == "lost"
        assert first in began(jobs[attempt.batch])


def _start(
    stack: contextlib.ExitStack, folder: Path, port: int, env: dict[str, str]
) -> Sequence[int]:
    """Two workers for a scheduler at ``port``, each with a folder of its own."""
    pids = []
    for _ in range(2):
        own = folder / f"worker-{len(list(folder.glob('worker-*')))}"
        own.mkdir()
        pids.append(stack.enter_context(worker(own, f"tcp://127.0.0.1:{port}", env)).pid)
    return pids


def test_a_scheduler_that_is_killed_and_started_again_loses_attempts_and_no_batch(
    tmp_path: Path, env: dict[str, str]
) -> None:
    port = find_port()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(scheduler(tmp_path, port, env))
        _start(stack, tmp_path, port, env)
        cluster = join_scheduler(f"127.0.0.1:{port}")
        engine = stack.enter_context(DaskEngine(cluster, see(2), run_id="r", run=act))
        cards = await_cards(engine, 2)
        jobs = [make_job(tmp_path, card, n, "wait") for n, card in enumerate(cards)]
        for job in jobs:
            engine.submit(job)
        await_began(*jobs)
        first.kill()
        first.wait()
        stack.enter_context(scheduler(tmp_path, port, env))
        _start(stack, tmp_path, port, env)
        assert [(one.batch, one.status) for one in collect(engine, 2)] == [(0, "lost"), (1, "lost")]
        # The old workers stop what they ran: it would be counted nowhere.
        wait_for(lambda: all(list(Path(job.folder).glob("ended-*")) for job in jobs))
        await_cards(engine, 2)
        done = run_batches(engine, tmp_path / "more", 4)
        assert sorted(one.batch for one in done if one.status == "done") == list(range(4))


def test_a_scheduler_that_is_gone_for_good_leaves_no_cards(
    tmp_path: Path, env: dict[str, str]
) -> None:
    port = find_port()
    address = f"tcp://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(scheduler(tmp_path, port, env))
        _start(stack, tmp_path, port, env)
        engine = stack.enter_context(
            DaskEngine(join_scheduler(address), see(2), run_id="r", run=act, patience_s=2.0)
        )
        job, late = (
            make_job(tmp_path, card, n, "wait") for n, card in enumerate(await_cards(engine, 2))
        )
        engine.submit(job)
        await_began(job)
        process.kill()
        process.wait()
        [attempt] = collect(engine, 1)
        assert (attempt.batch, attempt.status) == (0, "lost")
        await_cards(engine, 0)
        assert engine.explain() == (f"the scheduler {address} has not answered for 2 s",)
        engine.submit(late)
        [attempt] = collect(engine, 1)
        assert (attempt.batch, attempt.status) == (1, "lost")


def test_a_worker_that_hangs_is_stopped_when_its_attempt_is_given_up(
    tmp_path: Path, env: dict[str, str]
) -> None:
    """The scheduler drops a worker that it does not hear of; what it says later is not counted."""
    port = find_port()
    env = {**env, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(scheduler(tmp_path, port, env))
        first, second = _start(stack, tmp_path, port, env)
        cluster = join_scheduler(f"127.0.0.1:{port}")
        engine = stack.enter_context(DaskEngine(cluster, see(2), run_id="r", run=act))
        cards = await_cards(engine, 2)
        jobs = [make_job(tmp_path, card, n, "wait") for n, card in enumerate(cards)]
        for job in jobs:
            engine.submit(job)
        await_began(*jobs)
        os.kill(first, signal.SIGSTOP)
        [attempt] = collect(engine, 1)
        assert attempt.status == "lost"
        os.kill(first, signal.SIGCONT)
        hung = next(job for job in jobs if first in began(job))
        wait_for(lambda: bool(list(Path(hung.folder).glob("ended-*"))))
        kept = next(job for job in jobs if second in began(job))
        _let_go(kept)
        [attempt] = collect(engine, 1)
        assert (attempt.batch, attempt.status) == (kept.batch, "done")


_PARENT = """
import sys
from pathlib import Path
from noxden.devices.engines.clusters import start_workers
from noxden.devices.engines.dask import DaskEngine
from tests.dasks import act, await_cards, make_job, see

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with DaskEngine(start_workers(1, folder), see(1), run_id="r", run=act) as engine:
        engine.submit(make_job(folder, await_cards(engine, 1)[0], 0, "wait"))
        engine.collect(600)
"""


def test_workers_of_this_host_die_with_a_killed_parent(tmp_path: Path, env: dict[str, str]) -> None:
    program = tmp_path / "parent.py"
    program.write_text(_PARENT)
    with running([sys.executable, program, tmp_path], tmp_path / "log", environment(env)) as parent:
        folder = tmp_path / "0-1"
        wait_for(lambda: bool(list(folder.glob("began-*"))), parent)
        [pid] = (int(file.name.partition("-")[2]) for file in folder.glob("began-*"))
        parent.kill()
        wait_for(lambda: not Path(f"/proc/{pid}").exists())
