"""Watch the process of an attempt: keep its output within bounds, see faults, stalls and limits."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from noxden.devices.output import Output
from noxden.devices.stragglers import measure_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from noxden.devices.values import Limits, Status

__all__ = ["Ended", "watch"]

_TICK_S = 0.25
"""How often limits are looked at; the end of the process is seen at once."""
_TICK_BLIND_S = 0.02
"""The same where the end of a process cannot be waited for together with its output."""
_WORK = 0.02
"""A process that uses less than this share of a processor waits for something."""
_DUMP_S = 2.0
"""What a process gets to say where it hangs, before it is killed."""
_DRAIN_S = 1.0
"""How long output is read that others than the process itself still hold open."""
_PIECE = 1 << 16


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    """Exit code, or minus the signal."""
    status: Status | None
    """Set where we ended it."""
    fault: str
    """Why we ended it, or the fault of the card that its output names."""
    last: str
    """The last line that it said."""


class _Clock:
    """Since when nothing happened, by the files that grow with every test."""

    def __init__(self, pid: int, progress: Sequence[Path], limits: Limits) -> None:
        self._pid = pid
        self._worked_s = 0.0
        self._progress = progress
        self._limits = limits
        self._sizes = [0] * len(progress)
        self._alive = self._began = time.monotonic()

    def hear(self) -> None:
        """It said something."""
        self._alive = time.monotonic()

    def judge(self) -> tuple[Status, str] | None:
        """Whether it took too long, and for what."""
        now = time.monotonic()
        sizes = [_size(file) for file in self._progress]
        if sizes != self._sizes:
            # The first file grows when a test begins.
            self._sizes, self._alive, self._began = sizes, now, now
        if now - self._began > self._limits.test:
            return "timeout", f"one test took longer than {self._limits.test:g} s"
        if now - self._alive > self._limits.stall and not self._works():
            return "stalled", f"no output and no result for {self._limits.stall:g} s"
        return None

    def _works(self) -> bool:
        """Whether it used the processor since this was asked last: silent, but no stall.

        pytest captures what tests print, so a compiler that runs for minutes says nothing.
        """
        before, self._worked_s = self._worked_s, measure_work(self._pid)
        is_working = self._worked_s - before > _WORK * self._limits.stall
        if is_working:
            self._alive = time.monotonic()
        return is_working


def watch(
    process: subprocess.Popen[bytes],
    *,
    output: Path,
    progress: Sequence[Path],
    limits: Limits,
    find_fault: Callable[[str], str],
    is_over: Callable[[], bool],
) -> Ended:
    """Watch ``process`` to its end, which comes early where a limit is over or ``is_over``.

    One that hangs gets SIGABRT first: pytest's faulthandler then says where it hangs.
    """
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    clock = _Clock(process.pid, progress, limits)
    with Output(output, find_fault) as kept, _wait_on(process) as pieces:
        cut: tuple[Status, str] | None = None
        for piece in pieces:
            if piece:
                kept.write(piece)
                clock.hear()
            cut = ("stopped", "the run was ended") if is_over() else clock.judge()
            if cut is not None:
                _end(process, process.stdout.fileno(), kept, dump=cut[0] != "stopped")
                break
        code = process.wait()
        _drain(process.stdout.fileno(), kept)
    status, why = cut or (None, kept.fault)
    if status in {"stalled", "timeout"} and kept.fault:
        # A card that breaks mostly hangs what uses it.
        status, why = "infra", kept.fault
    return Ended(code, status, why, kept.last)


@contextlib.contextmanager
def _wait_on(process: subprocess.Popen[bytes]) -> Iterator[Iterator[bytes]]:
    """The output of ``process`` as it comes, an empty piece with every tick, until it has ended."""
    assert process.stdout is not None  # noqa: S101
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    with selectors.DefaultSelector() as selector, _open_pid(process.pid) as pid:
        selector.register(descriptor, selectors.EVENT_READ)
        if pid is not None:
            selector.register(pid, selectors.EVENT_READ)
        yield _read_all(process, selector, descriptor, _TICK_BLIND_S if pid is None else _TICK_S)


def _read_all(
    process: subprocess.Popen[bytes],
    selector: selectors.BaseSelector,
    descriptor: int,
    tick_s: float,
) -> Iterator[bytes]:
    while process.poll() is None:
        ready = selector.select(tick_s)
        if not any(key.fd == descriptor for key, _ in ready):
            yield b""
            continue
        piece = _read(descriptor)
        if piece == b"":
            # It closed its output and lives on.
            selector.unregister(descriptor)
        yield piece or b""


@contextlib.contextmanager
def _open_pid(pid: int) -> Iterator[int | None]:
    """A descriptor that can be read when the process has ended; ``None`` where there is none."""
    try:
        descriptor: int = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # macOS has none, and a container may refuse it.
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes | None:
    """What there is to read; ``None`` where nothing is, empty at the end."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def _drain(descriptor: int, kept: Output) -> None:
    """Read what was said before the end; who holds the pipe beyond it is not waited for long."""
    limit = time.monotonic() + _DRAIN_S
    while time.monotonic() < limit and (piece := _read(descriptor)):
        kept.write(piece)


def _end(process: subprocess.Popen[bytes], descriptor: int, kept: Output, *, dump: bool) -> None:
    """End the process; with ``dump`` let it say before where it is."""
    if dump:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGABRT)
        limit = time.monotonic() + _DUMP_S
        while process.poll() is None and time.monotonic() < limit:
            if piece := _read(descriptor):
                kept.write(piece)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TICK_BLIND_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
