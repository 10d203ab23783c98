"""The engine ``dask`` on clusters of this host, by programs that are Dask's own."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from noxden.config import ClusterConfig
from noxden.devices.engines._dask_worker import Seen, find_here
from noxden.devices.engines.clusters import Cluster, join_scheduler, start_jobs, start_workers
from noxden.devices.engines.dask import DaskEngine
from noxden.devices.values import Attempt, Card
from noxden.errors import InfrastructureError, UsageError
from tests.dasks import (
    act,
    await_began,
    await_cards,
    collect,
    environment,
    make_job,
    run_batches,
    scheduler,
    see,
    worker,
)
from tests.servers import find_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def local(folder: Path, workers: int, cards: int) -> Iterator[DaskEngine]:
    with DaskEngine(start_workers(workers, folder), see(cards), run_id="r", run=act) as engine:
        yield engine


def test_each_card_of_this_host_gets_a_worker_and_each_batch_ends_once(tmp_path: Path) -> None:
    with local(tmp_path, 2, 2) as engine:
        cards = await_cards(engine, 2)
        assert sorted(card.name for card in cards) == ["here/card-0", "here/card-1"]
        assert engine.provider == "made"
        assert engine.explain() == ()
        found = run_batches(engine, tmp_path, 8)
    assert sorted(one.batch for one in found) == list(range(8))
    assert {one.status for one in found} == {"done"}
    # The same card is always in the same worker.
    assert len({(one.cards[0].name, one.fault) for one in found}) == 2


def test_closing_stops_what_runs_and_waits_for_it(tmp_path: Path) -> None:
    with local(tmp_path, 1, 1) as engine:
        job = make_job(tmp_path, await_cards(engine, 1)[0], 0, "wait")
        engine.submit(job)
        await_began(job)
    assert len(list(Path(job.folder).glob("ended-*"))) == 1


def test_what_an_attempt_raises_is_a_fault_of_the_place(tmp_path: Path) -> None:
    with local(tmp_path, 1, 1) as engine:
        job = make_job(tmp_path, await_cards(engine, 1)[0], 3, "raise", 2)
        engine.submit(job)
        assert collect(engine, 1) == [
            Attempt(
                batch=3,
                attempt=2,
                cards=job.cards,
                status="infra",
                fault="ValueError: no such card",
                folder=job.folder,
            )
        ]


def test_a_job_for_a_card_that_nobody_has_is_lost_at_once(tmp_path: Path) -> None:
    with local(tmp_path, 1, 1) as engine:
        await_cards(engine, 1)
        stranger = Card(index=7, address="card-7", kind="made", host="there")
        engine.submit(make_job(tmp_path, stranger, 0))
        [attempt] = collect(engine, 1)
    assert (attempt.status, attempt.fault) == ("lost", "the worker of its card is gone")


def test_workers_that_cannot_be_used_are_explained(tmp_path: Path) -> None:
    with local(tmp_path, 2, 1) as engine:
        await_cards(engine, 1)
        [line] = engine.explain()
    assert line.endswith(": each card that it sees has a worker already")
    with local(tmp_path, 1, 0) as engine:
        assert engine.find_cards() == ()
        [line] = engine.explain()
    assert line.endswith(": no cards; a made host")


def test_the_attempts_of_this_floor_run_unless_others_are_given(tmp_path: Path) -> None:
    with DaskEngine(start_workers(1, tmp_path), see(1), run_id="r") as engine:
        engine.submit(make_job(tmp_path, await_cards(engine, 1)[0], 0))
        [attempt] = collect(engine, 1)
    # There is no provider of that name, and an attempt does not hide it.
    assert attempt.status == "infra"
    assert "made" in attempt.fault


def _fail() -> Seen:
    message = "cannot look"
    raise ValueError(message)


def _see_by_pid(folder: str) -> Seen:
    """The first to come sees cards of one provider, the other of another."""
    kind = "cuda"
    with contextlib.suppress(FileExistsError):
        (Path(folder) / "first").touch(exist_ok=False)
        kind = "spyre"
    return Seen(kind, (Card(index=0, address=kind, kind=kind),))


def test_a_worker_that_cannot_look_has_no_card(tmp_path: Path) -> None:
    with DaskEngine(start_workers(1, tmp_path), _fail, run_id="r", run=act) as engine:
        assert engine.find_cards() == ()
        [line] = engine.explain()
    assert line.endswith(": ValueError: cannot look")


def test_a_run_has_cards_of_one_provider(tmp_path: Path) -> None:
    look = functools.partial(_see_by_pid, str(tmp_path))
    with DaskEngine(start_workers(2, tmp_path), look, run_id="r", run=act) as engine:
        [card] = await_cards(engine, 1)
        [line] = engine.explain()
    other = {"cuda": "spyre", "spyre": "cuda"}[card.kind]
    assert line.endswith(f": its cards are of {other}, those of the run of {card.kind}")


def test_a_scheduler_by_its_address_is_used_for_the_cards_of_its_workers(
    tmp_path: Path, env: dict[str, str]
) -> None:
    port = find_port()
    folders = [tmp_path / name for name in ("first", "second", "plain")]
    for folder in folders:
        folder.mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(scheduler(tmp_path, port, env))
        address = f"tcp://127.0.0.1:{port}"
        cluster = join_scheduler(f"127.0.0.1:{port}")
        assert cluster.address == address
        engine = stack.enter_context(DaskEngine(cluster, see(2), run_id="r", run=act))
        assert engine.explain() == ("the scheduler has no worker",)
        stack.enter_context(worker(folders[0], address, env))
        await_cards(engine, 1)
        # Those that come later join.
        second = stack.enter_context(worker(folders[1], address, env))
        stack.enter_context(worker(folders[2], address, env, ()))
        await_cards(engine, 2)
        wait_for(lambda: engine.find_cards() != () and engine.explain() != ())
        assert engine.explain() == ("workers without the resource card: 1",)
        assert len(run_batches(engine, tmp_path, 4)) == 4
        # Those that leave are gone.
        second.terminate()
        await_cards(engine, 1)


def test_a_worker_finds_the_cards_of_its_own_host(tmp_path: Path) -> None:
    find = functools.partial(find_here, "simulated", "", 2, ())
    with DaskEngine(start_workers(2, tmp_path), find, run_id="r", run=act) as engine:
        cards = await_cards(engine, 2)
        assert engine.provider == "simulated"
    assert {card.host for card in cards} == {socket.gethostname()}
    assert sorted(card.index for card in cards) == [0, 1]


def test_nothing_listens_beyond_loopback(tmp_path: Path) -> None:
    with local(tmp_path, 1, 1) as engine:
        job = make_job(tmp_path, await_cards(engine, 1)[0], 0)
        engine.submit(job)
        [attempt] = collect(engine, 1)
        hosts = _find_listeners(os.getpid()) | _find_listeners(int(attempt.fault))
    assert hosts == {"0100007F"}


def _find_listeners(pid: int) -> set[str]:
    """Addresses on which a process listens, in hexadecimal as Linux has them."""
    found = set()
    inodes = {
        str(link.readlink()).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:")
    }
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.add(words[1].partition(":")[0])
    return found


def _certify(folder: Path) -> tuple[str, str, str]:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(folder / "cert.pem"), append=True)
    return "ca.pem", "cert.pem", "key.pem"


def test_a_scheduler_with_tls_is_reached_with_certificates(
    tmp_path: Path, env: dict[str, str]
) -> None:
    tls = _certify(tmp_path)
    names = ("--tls-ca-file", "--tls-cert", "--tls-key")
    flags = [
        str(part) for name, file in zip(names, tls, strict=True) for part in (name, tmp_path / file)
    ]
    port = find_port()
    address = f"tls://127.0.0.1:{port}"
    with (
        scheduler(tmp_path, port, env, ["--protocol", "tls", *flags]),
        worker(tmp_path, address, env, ["--resources", "card=1", *flags]),
        DaskEngine(join_scheduler(address, tls, tmp_path), see(1), run_id="r", run=act) as engine,
    ):
        await_cards(engine, 1)
        assert [one.status for one in run_batches(engine, tmp_path, 2)] == ["done", "done"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "tcp://10.1.2.3:8786",
            "the scheduler tcp://10.1.2.3:8786 is refused: loopback or TLS only; use a tls:// address and tool.noxden.device.cluster.tls, or a tunnel to 127.0.0.1",
        ),
        (
            "host.example:8786",
            "the scheduler host.example:8786 is refused: loopback or TLS only; use a tls:// address and tool.noxden.device.cluster.tls, or a tunnel to 127.0.0.1",
        ),
        (
            "ws://127.0.0.1:8786",
            "the scheduler ws://127.0.0.1:8786 is refused: loopback or TLS only; use a tls:// address and tool.noxden.device.cluster.tls, or a tunnel to 127.0.0.1",
        ),
        (
            "tls://host.example:8786",
            "the scheduler tls://host.example:8786 speaks TLS and there are no certificates; name authority, certificate and key in tool.noxden.device.cluster.tls",
        ),
    ],
)
def test_an_open_scheduler_is_refused(address: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        join_scheduler(address)
    assert str(caught.value) == message


@pytest.mark.parametrize("address", ["localhost:1", "tcp://127.0.0.1:1", "tcp://[::1]:1"])
def test_loopback_is_open_to_no_other_host(address: str) -> None:
    assert join_scheduler(address).security is None


def test_a_certificate_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        join_scheduler("tls://h:1", ("ca.pem", "cert.pem", "key.pem"), tmp_path)
    place = "tool.noxden.device.cluster.tls"
    assert str(caught.value) == f"{place}: {tmp_path}/ca.pem: No such file or directory"


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    port = find_port()
    ended: list[bool] = []
    cluster = Cluster(f"tcp://127.0.0.1:{port}", close=lambda: ended.append(True))
    with pytest.raises(InfrastructureError) as caught:
        DaskEngine(cluster, see(1), run_id="r", run=act, patience_s=0.2)
    assert str(caught.value) == (
        f"no Dask scheduler answers at tcp://127.0.0.1:{port}; "
        "start it with: dask scheduler --host 127.0.0.1"
    )
    assert ended == [True]


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as caught:
        start_workers(1, tmp_path)
    assert str(caught.value) == (
        "the dask engine needs noxden[cluster]; run: uv add --dev 'noxden[cluster]'"
    )


def _imitate(folder: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of LSF and Slurm that start jobs here, as they come."""
    bin_ = folder / "bin"
    bin_.mkdir()
    submit = f"""\
        #!/bin/bash
        cat "${{1:-/dev/stdin}}" > {folder}/job-$$.sh
        setsid bash {folder}/job-$$.sh > {folder}/job-$$.log 2>&1 < /dev/null &
        echo $! >> {folder}/pids
        echo "Job <$!> is submitted"
        """
    for name, text in {
        "bsub": submit,
        "sbatch": submit,
        "bkill": '#!/bin/bash\nkill -- -"$1"\n',
        "scancel": '#!/bin/bash\nkill -- -"$1"\n',
    }.items():
        (bin_ / name).write_text(textwrap.dedent(text))
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{env['PATH']}")
    monkeypatch.setenv("PYTHONPATH", environment({})["PYTHONPATH"])


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("lsf", {"#BSUB -J noxden", "#BSUB -q long", "#BSUB -W 00:20", "#BSUB -gpu num=1"}),
        (
            "slurm",
            {"#SBATCH -J noxden", "#SBATCH -p long", "#SBATCH -t 00:20", "#SBATCH -gpu num=1"},
        ),
    ],
)
def test_each_job_of_a_cluster_is_a_worker_with_one_card(
    kind: str,
    header: set[str],
    tmp_path: Path,
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _imitate(tmp_path, env, monkeypatch)
    config = ClusterConfig(
        kind=kind,
        queue="long",
        memory="1GB",
        walltime="00:20",
        directives=("-gpu num=1",),
        prologue=(f"cd {tmp_path}",),
    )
    cluster = start_jobs(config, 2, tmp_path / "jobs", env)
    with DaskEngine(cluster, see(4), run_id="r", run=act) as engine:
        await_cards(engine, 2)
        assert len(run_batches(engine, tmp_path, 4)) == 4
        scripts = [file.read_text() for file in tmp_path.glob("job-*.sh")]
        assert len(scripts) == 2
        for script in scripts:
            assert header <= set(script.splitlines())
            assert "--resources card=1" in script
            assert "--host 127.0.0.1" in script
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    wait_for(lambda: not any(_is_alive(pid) for pid in pids))


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, 0)
        return True
    return False


def test_a_batch_system_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError) as caught:
        start_jobs(ClusterConfig(kind="slurm"), 1, tmp_path / "jobs", {})
    assert str(caught.value) == (
        "sbatch is not on PATH; run this on a machine where jobs are submitted"
    )


def test_a_batch_system_that_refuses_is_quoted(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _imitate(tmp_path, env, monkeypatch)
    refusal = "sbatch: error: invalid partition specified: long"
    (tmp_path / "bin" / "sbatch").write_text(f"#!/bin/bash\necho '{refusal}' >&2\nexit 1\n")
    with pytest.raises(InfrastructureError) as caught:
        start_jobs(ClusterConfig(kind="slurm", queue="long"), 1, tmp_path / "jobs", env)
    assert str(caught.value) == (f"sbatch takes no jobs: {refusal}; see tool.noxden.device.cluster")


def test_an_interface_that_is_not_loopback_needs_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distributed.utils.get_ip_interface", lambda _: "10.1.2.3")
    with pytest.raises(UsageError) as caught:
        start_jobs(ClusterConfig(kind="slurm", interface="ib0"), 1, tmp_path, {})
    assert str(caught.value) == (
        "tool.noxden.device.cluster.interface: ib0 is refused: loopback or TLS only; name authority, certificate and key in tool.noxden.device.cluster.tls"
    )


def test_an_interface_that_is_loopback_needs_nothing(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _imitate(tmp_path, env, monkeypatch)
    config = ClusterConfig(kind="slurm", memory="1GB", interface="lo")
    with DaskEngine(
        start_jobs(config, 1, tmp_path / "jobs", env), see(1), run_id="r", run=act
    ) as engine:
        await_cards(engine, 1)


def test_an_interface_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        start_jobs(ClusterConfig(kind="lsf", interface="none0"), 1, tmp_path, {})
    assert str(caught.value) == (
        "tool.noxden.device.cluster.interface: none0 is no interface of this host with an IPv4 address; see: ip address"
    )
