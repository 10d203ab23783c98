"""The engine ``dask`` on a real Slurm, with two cards on one node."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import pytest

from noxden.config import ClusterConfig
from noxden.devices.engines.clusters import start_jobs
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
    see,
)
from tests.servers import wait_for
from tests.slurm import slurm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.devices.values import Attempt
    from tests.slurm import Slurm

pytestmark = pytest.mark.e2e
# Sets Dask's configuration, which the tests change.
distributed = pytest.importorskip("distributed")
_CONFIG = ClusterConfig(
    kind="slurm",
    memory="200MB",
    walltime="00:10:00",
    directives=("--gres=card:1", "--no-requeue"),
)


@pytest.fixture
def cluster(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slurm]:
    root = tmp_path / "slurm"
    root.mkdir()
    with slurm(root, environment(env)) as made:
        for name in ("SLURM_CONF", "PYTHONPATH"):
            monkeypatch.setenv(name, made.env[name])
        # How long Dask waits before it takes the job of a worker that is gone for ended.
        monkeypatch.setitem(
            dask.config.config["distributed"]["deploy"], "lost-worker-timeout", "1s"
        )
        yield made


def await_dead(found: list[Attempt]) -> None:
    """Wait until no worker is left that ran one of the attempts."""
    wait_for(lambda: not any(Path(f"/proc/{one.fault}").exists() for one in found))


def test_slurm_runs_the_batches_on_its_cards_each_once(cluster: Slurm, tmp_path: Path) -> None:
    # Three jobs, two cards: the third waits in the queue for as long as the others run.
    jobs = start_jobs(_CONFIG, 3, tmp_path / "jobs")
    with DaskEngine(jobs, see(2), run_id="r", run=act) as engine:
        await_cards(engine, 2)
        assert sorted(cluster.ask("squeue", "-h", "-o", "%T").split()) == [
            "PENDING",
            "RUNNING",
            "RUNNING",
        ]
        found = run_batches(engine, tmp_path, 8)
        assert sorted(one.batch for one in found) == list(range(8))
        assert {one.status for one in found} == {"done"}
        assert len({one.fault for one in found}) == 2
    await_dead(found)
    wait_for(lambda: cluster.ask("squeue", "-h") == "")


def test_results_are_whole_when_slurmd_and_a_worker_are_killed(
    cluster: Slurm, tmp_path: Path
) -> None:
    with DaskEngine(
        start_jobs(_CONFIG, 2, tmp_path / "jobs"), see(2), run_id="r", run=act
    ) as engine:
        cards = await_cards(engine, 2)
        lost, kept = (make_job(tmp_path, card, n, "wait") for n, card in enumerate(cards))
        engine.submit(lost)
        engine.submit(kept)
        await_began(lost, kept)
        cluster.daemons[-1].kill()
        cluster.daemons[-1].wait()
        os.kill(began(lost)[0], signal.SIGKILL)
        [first] = collect(engine, 1)
        assert (first.batch, first.status) == (0, "lost")
        # A job outlives the slurmd that started it, and starts its worker again.
        await_cards(engine, 2)
        (tmp_path / "1-1" / "go").touch()
        [second] = collect(engine, 1)
        assert (second.batch, second.status) == (1, "done")
        cluster.start_daemon()
        # A job in place of one that was cancelled is asked for, and the run goes on.
        jobs = cluster.ask("squeue", "-h", "-o", "%i").split()
        assert len(jobs) == 2
        cluster.ask("scancel", jobs[0])
        await_cards(engine, 1)
        await_cards(engine, 2)
        found = run_batches(engine, tmp_path / "more", 4)
        assert [one.status for one in found] == ["done"] * 4
    await_dead(found)
