"""Notice a source that gives too little: waiting for it is worse than asking the next one."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from noxden.den.wheels.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

__all__ = ["LEAST_BYTES_PER_S", "WINDOW_S", "Pace"]

WINDOW_S = 20.0
LEAST_BYTES_PER_S = 50_000


class Pace:
    """What all streams of one source give together, looked at once in a window.

    Together, because eight streams over one thin line are slow each and may be quick as one.
    """

    def __init__(
        self,
        window_s: float = WINDOW_S,
        least: float = LEAST_BYTES_PER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Expect ``least`` bytes a second in every window of ``window_s``."""
        self._window_s, self._least, self._clock = window_s, least, clock
        self._lock = threading.Lock()
        self._streams = self._bytes = 0
        self._began = 0.0
        self._slow = ""

    def watch(self, blocks: Iterator[bytes]) -> Generator[bytes]:
        """``blocks``, for as long as they come quickly enough.

        Raises:
            SourceError: they do not.
        """
        with self._lock:
            if not self._streams:
                self._began, self._bytes = self._clock(), 0
            self._streams += 1
        try:
            for block in blocks:
                self._count(len(block))
                yield block
        finally:
            with self._lock:
                self._streams -= 1

    def _count(self, number: int) -> None:
        with self._lock:
            self._bytes += number
            seconds = self._clock() - self._began
            if seconds >= self._window_s:
                if self._bytes < self._least * seconds:
                    rate, least = self._bytes / seconds / 1000, self._least / 1000
                    self._slow = f"gives {rate:.0f} kB/s, less than {least:.0f}"
                self._began, self._bytes = self._clock(), 0
            if self._slow:
                raise SourceError(self._slow)
