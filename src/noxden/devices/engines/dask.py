"""The engine ``dask``: attempts in the workers of a Dask cluster, one worker for each card.

Dask may run a task twice, lose one, or forget all of them when its scheduler starts again. Here a
job is on the list from :meth:`DaskEngine.submit` until it ends once in :meth:`DaskEngine.collect`:
by its result, or as ``lost`` when its worker is gone or Dask gave it up. What comes for a job that
is not on the list any more is dropped.
"""

from __future__ import annotations

import contextlib
import queue
import time
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from noxden.devices.engines._dask_worker import run_here, wait_until_idle
from noxden.devices.engines._roster import Roster
from noxden.devices.values import Attempt
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from noxden.devices.engines._dask_worker import Seen
    from noxden.devices.engines._distributed import Client, Future, MakeClient
    from noxden.devices.engines.clusters import Cluster
    from noxden.devices.values import Card, Job, Status

__all__ = ["DaskEngine"]

_REFRESH_S = 1.0
_RENEW_S = 5.0
_GATHER_S = 10.0
_END_S = 30.0


class _Running(NamedTuple):
    """A job on the list."""

    job: Job
    worker: str
    future: Future | None
    """``None`` for a job whose worker was gone before it began."""


class DaskEngine:
    """Runs attempts in the workers of a cluster; leaving its block ends those that still run."""

    def __init__(
        self,
        cluster: Cluster,
        find: Callable[[], Seen],
        *,
        run_id: str,
        run: Callable[[Job, Callable[[], bool]], Attempt] | None = None,
        patience_s: float = 60.0,
    ) -> None:
        """Join the scheduler of ``cluster``, which is closed with this engine.

        ``find`` is called on each worker, as ``functools.partial(find_here, ...)`` is made for;
        ``run`` is :func:`noxden.devices.attempt.run_attempt` unless given. Both are functions of
        modules that workers have. ``run_id`` is no other run's. A scheduler that does not answer
        for ``patience_s`` seconds is gone for good.

        Raises:
            InfrastructureError: no scheduler answers.
        """
        if run is None:
            from noxden.devices.attempt import run_attempt as run
        self._run = run
        self._run_id = run_id
        self._patience_s = patience_s
        self._cluster = cluster
        self._client = _connect(cluster, patience_s)
        self._roster = Roster(self._client, find)
        self._running: dict[str, _Running] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._answered = time.monotonic()
        self._looked = self._renewed = -_RENEW_S
        self._gone = False

    @property
    def provider(self) -> str:
        """Module of the cards that the workers have; empty until there is one."""
        return self._roster.provider

    def find_cards(self) -> tuple[Card, ...]:
        """The cards of the workers that are there now; none when the scheduler is gone for good."""
        self._refresh()
        return () if self._gone else tuple(self._roster.cards.values())

    def explain(self) -> tuple[str, ...]:
        """Why workers are not used, and jobs have not started, in lines for people."""
        if self._gone:
            silence = f"has not answered for {self._patience_s:.0f} s"
            return (f"the scheduler {self._cluster.address} {silence}",)
        return (*self._roster.explain(), *self._cluster.explain())

    def submit(self, job: Job) -> None:
        """Begin an attempt in the worker that has the first of its cards."""
        key = f"noxden-{self._run_id}-{job.batch}-{job.attempt}"
        first = job.cards[0].name
        worker = next(
            (address for address, card in self._roster.cards.items() if card.name == first), ""
        )
        future = self._send(job, worker, key) if worker and not self._gone else None
        self._running[key] = _Running(job, worker, future)
        if future:
            future.add_done_callback(lambda _: self._ended.put(key))
        else:
            self._ended.put(key)

    def _send(self, job: Job, worker: str, key: str) -> Future | None:
        from distributed.client import ClosedClientError

        # A client that has closed refuses, one that looks for its scheduler keeps it for later.
        with contextlib.suppress(ClosedClientError):
            return self._client.submit(
                run_here,
                self._run,
                job,
                key=key,
                workers=[worker],
                allow_other_workers=False,
                resources={"card": 1},
                retries=0,
                pure=False,
            )
        return None

    def collect(self, timeout_s: float) -> Sequence[Attempt]:
        """The attempts that ended since the last call; waits for the first, so long at most.

        One whose worker is gone ends as ``lost``; one that raised there as ``infra``.
        """
        limit = time.monotonic() + timeout_s
        while True:
            self._refresh()
            found = [*self._take_ended(limit), *self._take_lost()]
            if found or time.monotonic() >= limit:
                return found

    def _take_ended(self, limit: float) -> list[Attempt]:
        """What the client says has ended; looks up again after a while, for what is lost."""
        keys = []
        with contextlib.suppress(queue.Empty):
            rest = limit - time.monotonic()
            keys.append(self._ended.get(timeout=max(min(rest, _REFRESH_S), 0.0)))
            while True:
                keys.append(self._ended.get_nowait())
        return [
            attempt
            for key in keys
            if key in self._running and (attempt := self._end(key, self._running[key]))
        ]

    def _end(self, key: str, one: _Running) -> Attempt | None:
        """How a job ended; ``None`` where its result does not come and its worker still may."""
        if one.future is None or one.future.status == "cancelled":
            return self._lose(key, one.worker)
        try:
            attempt = one.future.result(timeout=_GATHER_S)
        except TimeoutError:
            # Its worker is slow, or was lost between its end and here, which _take_lost() sees.
            self._ended.put(key)
            return None
        except Exception as error:  # noqa: BLE001 - whatever the worker raised
            return self._explain_failure(key, one.worker, error)
        self._forget(key)
        return attempt

    def _explain_failure(self, key: str, worker: str, error: Exception) -> Attempt:
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, (CancelledError, KilledWorker, CommClosedError)):
            return self._lose(key, worker)
        return self._make(key, "infra", f"{type(error).__name__}: {error}")

    def _take_lost(self) -> list[Attempt]:
        present = self._roster.cards if not self._gone else {}
        return [
            self._lose(key, one.worker)
            for key, one in list(self._running.items())
            if one.worker not in present
        ]

    def _lose(self, key: str, worker: str) -> Attempt:
        return self._make(key, "lost", f"the worker {worker or 'of its card'} is gone")

    def _make(self, key: str, status: Status, fault: str) -> Attempt:
        job = self._forget(key)
        return Attempt(
            batch=job.batch,
            attempt=job.attempt,
            cards=job.cards,
            status=status,
            fault=fault,
            folder=job.folder,
        )

    def _forget(self, key: str) -> Job:
        """Take a job off the list; where it still runs, its attempt is told that it is over."""
        from distributed.client import ClosedClientError

        one = self._running.pop(key)
        if one.future is not None and one.future.status == "pending":
            with contextlib.suppress(OSError, ClosedClientError):
                one.future.cancel()
        return one.job

    def _refresh(self) -> None:
        """Look who is there, once a second at most."""
        now = time.monotonic()
        if self._gone or now - self._looked < _REFRESH_S:
            return
        try:
            self._roster.refresh()
            self._answered = time.monotonic()
        except OSError:
            self._gone = time.monotonic() - self._answered > self._patience_s
        self._gone = self._gone or self._client.status == "closed"
        self._looked = time.monotonic()
        if not self._gone and self._looked - self._renewed >= _RENEW_S:
            self._renewed = self._looked
            self._cluster.renew()

    def close(self) -> None:
        """End what still runs, wait until its cards are given back, and leave the cluster."""
        workers = sorted({one.worker for one in self._running.values() if one.future})
        for key in list(self._running):
            self._forget(key)
        with contextlib.suppress(OSError, RuntimeError):
            if workers and self._client.status == "running":
                self._client.run(wait_until_idle, _END_S, workers=workers, on_error="ignore")
        self._gone = True
        self._client.close()
        self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See :meth:`close`."""
        self.close()


def _connect(cluster: Cluster, patience_s: float) -> Client:
    import distributed

    make = cast("MakeClient", distributed.Client)
    try:
        # Its timeout is also how long it tries to find a scheduler again.
        return make(
            cluster.address,
            security=cluster.security,
            timeout=patience_s,
            set_as_default=False,
            name="noxden",
        )
    except OSError as error:
        cluster.close()
        message = (
            f"no Dask scheduler answers at {cluster.address}; "
            "start it with: dask scheduler --host 127.0.0.1"
        )
        raise InfrastructureError(message) from error
