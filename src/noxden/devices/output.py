"""The output of an attempt: its beginning and its end on disk, and the faults that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = ["Output"]

_HEAD = 1 << 20
_TAIL = 1 << 20
"""Bytes that are kept of the beginning and of the end; a test may print a gigabyte."""
_LONGEST_LINE = 1 << 16
"""A line without an end is looked at in pieces of this size."""


class Output:
    """Keeps the output of one process in a file; close it to have the file whole."""

    def __init__(self, file: Path, find_fault: Callable[[str], str]) -> None:
        """Write to ``file``; ``find_fault`` says of a line why it is a fault of the card."""
        self.fault = ""
        """The first fault that a line named."""
        self._file = file.open("wb")
        self._find_fault = find_fault
        self._head = 0
        self._tail = bytearray()
        self._dropped = 0
        self._line = b""
        self._last = b""

    @property
    def last(self) -> str:
        """The last line that is not empty, up to now."""
        line = self._line.strip() or self._last
        return line.decode("utf-8", "replace")[:500]

    def write(self, piece: bytes) -> None:
        """Take what came."""
        self._look(piece)
        room = max(0, _HEAD - self._head)
        if room:
            self._file.write(piece[:room])
            self._head += len(piece[:room])
        self._tail += piece[room:]
        if len(self._tail) > 2 * _TAIL:
            self._dropped += len(self._tail) - _TAIL
            del self._tail[:-_TAIL]

    def _look(self, piece: bytes) -> None:
        *lines, rest = (self._line + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._line = rest
        for line in lines:
            if stripped := line.strip():
                self._last = stripped
            if not self.fault:
                self.fault = self._find_fault(line.decode("utf-8", "replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the end, and how much is missing before it."""
        with self._file:
            if self._dropped:
                self._file.write(f"\n[... {self._dropped} bytes left out ...]\n".encode())
            self._file.write(self._tail)
        if self._line and not self.fault:
            self.fault = self._find_fault(self._line.decode("utf-8", "replace"))
