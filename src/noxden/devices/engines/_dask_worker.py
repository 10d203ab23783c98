"""What runs inside a Dask worker: looking for cards, and attempts that can be stopped."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Worker

    from noxden.devices.values import Attempt, Card, Job

__all__ = ["Seen", "find_here", "run_here", "wait_until_idle"]

_LOOK_S = 0.05


class Seen(NamedTuple):
    """What a worker sees of the machine that it is on."""

    provider: str
    """Module of the cards; empty where there are none."""
    cards: tuple[Card, ...]
    looked: tuple[str, ...] = ()
    """Where was looked, for people."""


def find_here(provider: str, variable: str, count: int, simulate: tuple[str, ...]) -> Seen:
    """The cards that can be used of the machine on which this is called, by its environment.

    The arguments are those of ``[tool.noxden.device]``. This is the one place of the device floor
    that reads ``os.environ``: a worker has been started by somebody else, and which cards are its
    own is told to it alone.
    """
    from noxden.devices.cards import Look, find_cards

    look = Look(
        env=dict(os.environ),
        host=socket.gethostname(),
        count=count,
        variable=variable,
        simulate=simulate,
    )
    name, found = find_cards(provider, look)
    return Seen(name, found.usable, found.looked)


def run_here(run: Callable[[Job, Callable[[], bool]], Attempt], job: Job) -> Attempt:
    """Run an attempt in the thread of a task; it is over when nobody waits for it any more."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def is_over() -> bool:
        # The scheduler releases a task when its client cancels it or is gone; the task is then
        # ``cancelled`` here until its thread comes back. A worker that closes waits for threads.
        task = worker.state.tasks.get(key)
        wanted = task is not None and task.state in {"executing", "resumed"}
        return not wanted or worker.status.name not in {"running", "paused"}

    return run(job, is_over)


async def wait_until_idle(limit_s: float, dask_worker: Worker) -> bool:
    """Wait until no attempt runs in a worker, so long at most; whether it is so."""
    limit = time.monotonic() + limit_s
    # Dask tells nobody when a thread ends.
    while dask_worker.active_threads and time.monotonic() < limit:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    return not dask_worker.active_threads
