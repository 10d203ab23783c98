"""How distributed is loaded, and its parts that are used, with types that it does not state."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import ModuleType

    from distributed.core import Status
    from distributed.security import Security

    from noxden.devices.values import Attempt

__all__ = ["Client", "Future", "MakeClient", "MakeCluster", "Started", "load_extra"]

_QUIET = ("distributed", "dask_jobqueue", "tornado", "asyncio")


def load_extra(name: str) -> ModuleType:
    """Import a module of the extra ``cluster``, and keep its talk from the terminal.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        message = "the dask engine needs noxden[cluster]; run: uv add --dev 'noxden[cluster]'"
        raise UsageError(message) from error
    # Importing distributed gives some of its loggers levels of their own, so each is told.
    known = list(logging.root.manager.loggerDict)
    for logger in {*_QUIET, *(one for one in known if one.startswith(_QUIET))}:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    return module


class Future(Protocol):
    """A task as its client sees it."""

    status: str
    """``pending``, ``finished``, ``error``, ``lost`` or ``cancelled``."""

    def result(self, timeout: float) -> Attempt:
        """What the task returned; raises what it raised."""

    def cancel(self) -> None:
        """Nobody waits for it any more."""

    def add_done_callback(self, act: Callable[[Future], None]) -> None:
        """Call when it has ended, in a thread of the client."""


class Client(Protocol):
    """A connection to a scheduler."""

    status: str
    """``running``; ``connecting`` while it looks for its scheduler again; ``closed``."""

    def submit(self, function: Callable[..., Attempt], *args: object, **how: object) -> Future:
        """Give a task to the scheduler."""

    def run(
        self, function: object, *args: object, workers: Sequence[str], on_error: str
    ) -> Mapping[str, object]:
        """Call a function on workers, beside their tasks; answers by address."""

    def sync(
        self, function: Callable[..., object], *, callback_timeout: float
    ) -> Mapping[str, object]:
        """Call a coroutine function in the loop of the client."""

    @property
    def scheduler(self) -> _Scheduler:
        """What can be asked of the scheduler."""

    def close(self) -> None:
        """Leave the scheduler."""


class _Scheduler(Protocol):
    def identity(self, *, n_workers: int) -> object:
        """What it is and which workers it has."""


class MakeClient(Protocol):
    """``distributed.Client``."""

    def __call__(
        self,
        address: str,
        *,
        security: Security | None,
        timeout: float,
        set_as_default: bool,
        name: str,
    ) -> Client:
        """Connect to the scheduler at ``address``."""


class Job(Awaitable[object], Protocol):
    """A job of a batch system that is a worker."""

    status: Status
    job_id: str | None
    """Its number in the batch system, once it is submitted."""


class Started(Protocol):
    """A cluster that was started here."""

    scheduler_address: str
    workers: Mapping[object, Job]
    """Its workers, or the jobs that they are, by name; each can be awaited for its start."""

    def __await__(self) -> Generator[object, None, object]:
        """Wait until it has started what it wants; raises why it cannot."""

    def sync(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        """Call a coroutine function in its loop."""

    def scale(self, n: int) -> None:
        """Have so many workers, new ones in place of those that are gone."""

    def close(self) -> None:
        """End it."""


class MakeCluster(Protocol):
    """``distributed.LocalCluster`` and its likes."""

    def __call__(self, **options: object) -> Started:
        """Start one."""
