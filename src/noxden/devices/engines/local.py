"""The engine ``local``: a thread for each attempt on the cards of this host."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, Self

from noxden.devices.attempt import run_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from noxden.devices.values import Attempt, Card, Job

__all__ = ["LocalEngine"]


class LocalEngine:
    """Runs attempts here; leaving its block ends those that still run."""

    def __init__(
        self,
        cards: Sequence[Card],
        run: Callable[[Job, Callable[[], bool]], Attempt] = run_attempt,
    ) -> None:
        """Use ``cards``; ``run`` runs one attempt."""
        self._cards = tuple(cards)
        self._run = run
        self._over = threading.Event()
        self._ended: queue.SimpleQueue[Attempt | BaseException] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def find_cards(self) -> tuple[Card, ...]:
        """The cards of this host."""
        return self._cards

    def submit(self, job: Job) -> None:
        """Begin an attempt."""
        thread = threading.Thread(target=self._work, args=(job,), name=f"batch-{job.batch}")
        self._threads.append(thread)
        thread.start()

    def _work(self, job: Job) -> None:
        try:
            self._ended.put(self._run(job, self._over.is_set))
        except BaseException as error:  # noqa: BLE001 - raised again by collect()
            self._ended.put(error)

    def collect(self, timeout_s: float) -> Sequence[Attempt]:
        """The attempts that ended since the last call; waits for the first, so long at most.

        Raises:
            BaseException: what an attempt raised, which is a bug of ours.
        """
        found: list[Attempt | BaseException] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._ended.get(timeout=timeout_s))
            while True:
                found.append(self._ended.get_nowait())
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        attempts = [one for one in found if not isinstance(one, BaseException)]
        if failures := [one for one in found if isinstance(one, BaseException)]:
            # What came with it is not to be lost: it is taken with the next call.
            for attempt in attempts:
                self._ended.put(attempt)
            raise failures[0]
        return attempts

    def close(self) -> None:
        """End what still runs and wait until its cards are given back."""
        self._over.set()
        for thread in self._threads:
            thread.join()

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
