"""The engine ``dask`` on a real Slurm, with two cards on one node."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import msgspec
import pytest

from noxden.config import ClusterConfig
from noxden.devices.engines.clusters import start_jobs
from noxden.devices.engines.dask import DaskEngine
from noxden.devices.outcome import Outcome
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
    from tests.conftest import MakeProject, RunNox
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
    jobs = start_jobs(_CONFIG, 3, tmp_path / "jobs", cluster.env)
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
        start_jobs(_CONFIG, 2, tmp_path / "jobs", cluster.env), see(2), run_id="r", run=act
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


def test_jobs_that_do_not_start_are_told_with_what_slurm_says_of_them(
    cluster: Slurm, tmp_path: Path
) -> None:
    # The partition gives an hour, and Slurm takes jobs that want more, for ever.
    config = _CONFIG._replace(walltime="02:00:00")
    jobs = start_jobs(config, 2, tmp_path / "jobs", cluster.env)
    with DaskEngine(jobs, see(2), run_id="r", run=act) as engine:
        said = ("the scheduler has no worker", "2 jobs PENDING (PartitionTimeLimit)")
        wait_for(lambda: engine.explain() == said)
        assert engine.find_cards() == ()
    wait_for(lambda: cluster.ask("squeue", "-h") == "")


_DEVICE = """
[tool.noxden.device]
provider = "simulated"
cards = 2
engine = "dask"
tests = ["tests"]

[[tool.noxden.device.stage]]
number = 0
cards = 2

[tool.noxden.device.cluster]
kind = "slurm"
memory = "200MB"
walltime = "00:10:00"
directives = ["--gres=card:1", "--no-requeue"]
"""
_IN_A_JOB = """
import os
from pathlib import Path

import pytest


def list_ancestors():
    pid = os.getpid()
    while pid > 1:
        at = Path("/proc", str(pid))
        yield (at / "comm").read_text().strip()
        pid = int((at / "stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("number", range(5))
def test_in_a_job(number):
    assert "slurmstepd" in list_ancestors()
    assert os.environ["SIMULATED_DEVICES"] in {"0", "1"}
"""


def test_a_device_session_runs_its_attempts_in_jobs_of_slurm(
    cluster: Slurm, project: MakeProject, nox: RunNox
) -> None:
    sample = project(
        groups={"test": ["pytest", "pytest-reportlog"]},
        more=_DEVICE,
        noxfile="import noxden\n\nnoxden.device()\n",
    )
    for name in "abcd":
        sample.write(f"tests/test_{name}.py", _IN_A_JOB)
    ran = nox(sample, "-s", "device", env=cluster.env)
    assert ran.code == 0, ran.text
    assert "stage 0: 20 passed in " in ran.stderr
    folder = sample.path / ".noxden/device"
    outcome = msgspec.json.decode((folder / "results.json").read_bytes(), type=Outcome)
    used = {one.card for record in outcome.records for one in record.attempts}
    assert used == {card.name for card in outcome.cards}
    assert {name.rpartition("/")[2] for name in used} == {"sim:0", "sim:1"}
    assert sorted(file.name for file in (folder / "workers").glob("*.err")) == [
        "noxden-1.err",
        "noxden-2.err",
    ]
    wait_for(lambda: cluster.ask("squeue", "-h") == "")
