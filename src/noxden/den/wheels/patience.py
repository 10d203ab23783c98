"""How long a source that fails goes on being asked, to read from it and to write to it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from noxden.den.wheels.sources import SourceError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

__all__ = [
    "ATTEMPTS",
    "StoppedError",
    "UnreachableError",
    "deserves_more",
    "insist",
    "pause",
]

T = TypeVar("T")

ATTEMPTS = 4
_UNREACHABLE_ATTEMPTS = 2
_LONGEST_WAIT_S = 60.0
"""A source that wants to be left alone for longer is left out."""


class UnreachableError(SourceError):
    """Nobody listens there, or no such host is known: that seldom mends itself in seconds."""


class StoppedError(Exception):
    """The transfer is being ended: Ctrl-C, or a failure elsewhere."""


def deserves_more(error: SourceError, attempt: int) -> bool:
    """Whether to ask once more after ``attempt`` attempts that gave nothing."""
    most = _UNREACHABLE_ATTEMPTS if isinstance(error, UnreachableError) else ATTEMPTS
    return error.again and attempt < most and (error.after_s or 0) <= _LONGEST_WAIT_S


def pause(stop: threading.Event, attempt: int, after_s: float | None) -> None:
    """Wait as long as the source asks, else 0.5, 1, 2 s, each plus up to as much again.

    Raises:
        StoppedError: ``stop`` was set meanwhile.
    """
    delay = 0.25 * 2**attempt
    if stop.wait(max(after_s or 0.0, delay) + random.uniform(0, delay)):  # noqa: S311
        raise StoppedError


def insist(work: Callable[[], T], stop: threading.Event) -> T:
    """Do ``work``, again where that may help.

    Raises:
        SourceError: it went on to fail.
        StoppedError: ``stop`` was set.
    """
    attempt = 0
    while True:
        try:
            return work()
        except SourceError as error:
            attempt += 1
            if not deserves_more(error, attempt):
                raise
            pause(stop, attempt, error.after_s)
