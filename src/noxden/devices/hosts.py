"""Open the engine of a run, and know its cards before anything is planned for them."""

from __future__ import annotations

import functools
import math
import secrets
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.cards import Look, find_cards
from noxden.devices.engines.local import LocalEngine
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from noxden.config import DeviceConfig
    from noxden.devices.engines import Engine
    from noxden.devices.engines.clusters import Cluster
    from noxden.devices.engines.dask import DaskEngine
    from noxden.devices.values import Card

__all__ = ["Opened", "find_local", "open_engine"]

_PATIENCE_S = 60.0
"""How long a scheduler may be silent, and a run be without a card, before that is the end."""
_SETTLE_S = 10.0
"""How long to wait for further cards once there is one."""
_TELL_S = 15.0
_LOOK_S = 0.25


class Opened(NamedTuple):
    """An engine that has cards."""

    engine: Engine
    find_provider: Callable[[], str]
    """The provider of the cards that it has now."""
    cards: tuple[Card, ...]
    """The cards that it had when it was opened."""
    planned: int
    """How many it is going to have."""
    grace_s: float
    """How long to wait for a card where all are gone: on a cluster others come. Jobs of a batch
    system may stand in its queue for hours, so those are waited for without an end."""


def find_local(
    config: DeviceConfig, env: Mapping[str, str]
) -> tuple[str, tuple[Card, ...], tuple[Card, ...]]:
    """Provider, cards that are well, and cards that are not, of this host.

    Raises:
        InfrastructureError: there are none, or none is well.
        UsageError: the configuration is wrong.
    """
    look = Look(
        env=env,
        host=socket.gethostname(),
        variable=config.variable,
        count=config.cards,
        simulate=config.simulate,
    )
    provider, found = find_cards(config.provider, look)
    well = tuple(card for card in found.cards if card.health == "ok")
    unwell = tuple(card for card in found.cards if card.health != "ok")
    if not well:
        said = "; ".join(f"{card.address}: {card.health}" for card in unwell)
        message = f"none of {len(unwell)} cards can be used: {said}; run: noxden device cards"
        raise InfrastructureError(message)
    return provider, well, unwell


def open_engine(
    config: DeviceConfig,
    env: Mapping[str, str],
    wanted: int,
    folder: Path,
    root: Path,
    say: Callable[[str], None],
) -> Opened:
    """The engine that ``config`` names, with its cards; whoever gets it closes it.

    ``wanted`` is how many jobs a batch system is asked for where the configuration has no number
    of cards. ``folder`` is for files of workers, ``root`` where the project is. ``say`` gets a
    line where cards are waited for.

    Raises:
        InfrastructureError: there are no cards, or no scheduler.
        UsageError: the configuration is wrong, or the extra ``cluster`` is missing.
    """
    if config.engine == "local":
        provider, well, _ = find_local(config, env)
        return Opened(LocalEngine(well), lambda: provider, well, len(well), 0.0)
    return _open_dask(config, _open_cluster(config, env, wanted, folder, root), say)


def _open_dask(
    config: DeviceConfig, opened: tuple[Cluster, int], say: Callable[[str], None]
) -> Opened:
    from noxden.devices.engines._dask_worker import find_here
    from noxden.devices.engines.dask import DaskEngine

    cluster, count = opened
    in_queue = bool(config.cluster.kind and not config.scheduler)
    patience_s = math.inf if in_queue else _PATIENCE_S
    find = functools.partial(
        find_here, config.provider, config.variable, config.cards, config.simulate
    )
    engine = DaskEngine(cluster, find, run_id=secrets.token_hex(4), patience_s=_PATIENCE_S)
    try:
        cards = _await_cards(engine, count, patience_s, say)
    except BaseException:
        engine.close()
        raise
    return Opened(engine, lambda: engine.provider, cards, max(count, len(cards)), patience_s)


def _open_cluster(
    config: DeviceConfig, env: Mapping[str, str], wanted: int, folder: Path, root: Path
) -> tuple[Cluster, int]:
    """A cluster, and how many cards it is going to have; 0 where that is not ours to say."""
    from noxden.devices.engines.clusters import join_scheduler, start_jobs, start_workers

    if config.scheduler:
        return join_scheduler(config.scheduler, config.cluster.tls, root), 0
    folder.mkdir(parents=True, exist_ok=True)
    if config.cluster.kind:
        count = config.cards or wanted
        return start_jobs(config.cluster, count, folder, env, root), count
    _, well, _ = find_local(config, env)
    return start_workers(len(well), folder), len(well)


def _await_cards(
    engine: DaskEngine, count: int, patience_s: float, say: Callable[[str], None]
) -> tuple[Card, ...]:
    """The cards, once the first is there; workers that start now come within a moment.

    Raises:
        InfrastructureError: none came in time, and why.
    """
    begun = told = time.monotonic()
    while (now := time.monotonic()) - begun < patience_s:
        cards = engine.find_cards()
        if cards and (len(cards) >= count or now - begun > _SETTLE_S):
            return cards
        if now - told > _TELL_S:
            told = now
            why = "".join(f"; {line}" for line in engine.explain())
            say(f"no card on the cluster for {now - begun:.0f} s{why}; waiting, Ctrl-C ends it")
        time.sleep(_LOOK_S)
    said = "; ".join(engine.explain()) or "no worker has the resource card=1"
    message = f"no cards on the cluster after {patience_s:.0f} s: {said}"
    raise InfrastructureError(message)
