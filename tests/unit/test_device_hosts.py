"""The engine of a run, and its cards, before anything is planned for them."""

from __future__ import annotations

import math
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.config import ClusterConfig, DeviceConfig
from noxden.devices import hosts
from noxden.devices.engines import _dask_worker, clusters, dask
from noxden.devices.engines.local import LocalEngine
from noxden.devices.hosts import find_local, open_engine
from noxden.devices.values import Card
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = socket.gethostname()
CARDS = tuple(Card(index=at, address=f"sim:{at}", kind="simulated", host=HOST) for at in range(2))
CONFIG = DeviceConfig(provider="simulated", cards=2)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"NOXDEN_CARD_LOCKS": str(tmp_path / "locks")}


def lose(env: dict[str, str]) -> Path:
    """Make card 0 one that is lost; the file that says so."""
    file = Path(find_local(LOSING, env)[1][0].node)
    file.parent.mkdir(parents=True)
    file.write_text("lost")
    return file


LOSING = CONFIG._replace(simulate=("0:lost",))


def test_the_cards_of_this_host_are_found(env: dict[str, str]) -> None:
    assert find_local(CONFIG, env) == ("simulated", CARDS, ())


def test_cards_that_are_not_well_are_told_apart(env: dict[str, str]) -> None:
    lose(env)
    provider, well, unwell = find_local(LOSING, env)
    assert (provider, well, [card.index for card in unwell]) == ("simulated", CARDS[1:], [0])


def test_where_no_card_is_well_it_says_why(env: dict[str, str]) -> None:
    node = lose(env)
    with pytest.raises(InfrastructureError) as caught:
        find_local(LOSING, {**env, "SIMULATED_DEVICES": "0"})
    assert str(caught.value) == (
        f"none of 1 cards can be used: sim:0: lost; to repair it, remove {node}; run: noxden "
        f"device cards"
    )


def test_the_local_engine_has_the_cards_of_this_host(env: dict[str, str], tmp_path: Path) -> None:
    opened = open_engine(CONFIG, env, 9, tmp_path / "workers", tmp_path, print)
    assert isinstance(opened.engine, LocalEngine)
    with opened.engine:
        assert opened.engine.find_cards() == CARDS
        assert opened.find_provider() == "simulated"
        assert (opened.cards, opened.planned, opened.grace_s) == (CARDS, 2, 0.0)
    assert not (tmp_path / "workers").exists()


class FakeEngine:
    """In place of the one of Dask: has the cards that come one by one."""

    provider = "simulated"
    coming: int = 2
    why: tuple[str, ...] = ()
    made: list[FakeEngine]

    def __init__(
        self, cluster: object, find: Callable[[], object], *, run_id: str, patience_s: float
    ) -> None:
        assert run_id
        assert patience_s == hosts._PATIENCE_S
        self.cluster = cluster
        self.find = find
        self.is_closed = False
        self.looked = 0
        self.made.append(self)

    def find_cards(self) -> tuple[Card, ...]:
        self.looked += 1
        return CARDS[: min(self.looked - 1, self.coming)]

    def explain(self) -> tuple[str, ...]:
        return self.why

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """The engines that were made; time goes fast."""
    made: list[FakeEngine] = []
    monkeypatch.setattr(FakeEngine, "made", made, raising=False)
    monkeypatch.setattr(dask, "DaskEngine", FakeEngine)
    monkeypatch.setattr(hosts, "_LOOK_S", 0.01)
    monkeypatch.setattr(clusters, "start_workers", lambda count, folder: ("workers", count, folder))
    monkeypatch.setattr(clusters, "start_jobs", lambda *given: ("jobs", *given))
    monkeypatch.setattr(clusters, "join_scheduler", lambda *given: ("joined", *given))
    return made


DASK = CONFIG._replace(engine="dask")


def test_dask_here_has_a_worker_for_each_card(
    engines: list[FakeEngine], env: dict[str, str], tmp_path: Path
) -> None:
    opened = open_engine(DASK, env, 9, tmp_path / "workers", tmp_path, print)
    assert engines[0].cluster == ("workers", 2, tmp_path / "workers")
    assert (opened.cards, opened.planned, opened.find_provider()) == (CARDS, 2, "simulated")
    assert opened.grace_s == hosts._PATIENCE_S
    assert (tmp_path / "workers").is_dir()
    assert engines[0].looked == 3


@pytest.mark.parametrize(("cards", "planned"), [(0, 9), (3, 3)])
def test_a_batch_system_is_asked_for_as_many_jobs_as_there_are_to_be_cards(
    cards: int,
    planned: int,
    engines: list[FakeEngine],
    env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "_SETTLE_S", 0.0)
    cluster = ClusterConfig(kind="slurm")
    config = DASK._replace(cards=cards, cluster=cluster)
    opened = open_engine(config, env, 9, tmp_path / "workers", tmp_path, print)
    assert engines[0].cluster == ("jobs", cluster, planned, tmp_path / "workers", env, tmp_path)
    assert (opened.planned, len(opened.cards)) == (planned, 1)
    # Its jobs may stand in the queue for hours.
    assert opened.grace_s == math.inf


def test_a_scheduler_that_runs_already_has_what_cards_it_has(
    engines: list[FakeEngine], env: dict[str, str], tmp_path: Path
) -> None:
    config = DASK._replace(scheduler="tls://head:1")
    opened = open_engine(config, env, 9, tmp_path / "workers", tmp_path, print)
    assert engines[0].cluster == ("joined", "tls://head:1", (), tmp_path)
    assert opened.planned == len(opened.cards) == 1
    assert opened.grace_s == hosts._PATIENCE_S


def test_while_jobs_stand_in_a_queue_it_says_that_it_waits(
    engines: list[FakeEngine],
    env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(hosts, "_TELL_S", 0.0)
    monkeypatch.setattr(FakeEngine, "why", ("the queue is long",))
    monkeypatch.setattr(hosts, "_PATIENCE_S", 0.0)
    config = DASK._replace(cards=2, cluster=ClusterConfig(kind="lsf"))
    opened = open_engine(config, env, 9, tmp_path / "workers", tmp_path, print)
    assert opened.cards == CARDS
    said = "no card on the cluster for 0 s; the queue is long; waiting, Ctrl-C ends it"
    assert set(capsys.readouterr().out.splitlines()) == {said}
    assert len(engines) == 1


@pytest.mark.parametrize(
    ("why", "said"),
    [((), "no worker has the resource card=1"), (("one: too old", "two: gone"), "one: too old; two: gone")],
)  # fmt: skip
def test_a_cluster_without_cards_is_closed_and_said_why(
    why: tuple[str, ...],
    said: str,
    engines: list[FakeEngine],
    env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(FakeEngine, "coming", 0)
    monkeypatch.setattr(FakeEngine, "why", why)
    with pytest.raises(InfrastructureError) as caught:
        open_engine(DASK, env, 9, tmp_path / "workers", tmp_path, print)
    assert str(caught.value) == f"no cards on the cluster after 0 s: {said}"
    assert engines[0].is_closed


def test_workers_look_for_cards_by_the_same_configuration(
    engines: list[FakeEngine], env: dict[str, str], tmp_path: Path
) -> None:
    open_engine(DASK, env, 9, tmp_path / "workers", tmp_path, print)
    find = engines[0].find
    assert getattr(find, "func", None) is _dask_worker.find_here
    assert getattr(find, "args", None) == ("simulated", "", 2, ())
