"""Start a program, bound its time, and measure it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["BenchError", "Done", "Started", "run", "run_checked", "run_together", "start"]

TAIL = 2000
"""Characters of a program's output that a failure shows."""


class BenchError(Exception):
    """Something that had to work before anything could be measured did not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A program that has ended."""

    args: tuple[str, ...]
    code: int
    """Exit code; negative for a signal, as with :mod:`subprocess`."""
    seconds: float
    cpu_seconds: float
    output: str
    """Both streams in the order they were written."""

    @property
    def failure(self) -> str | None:
        """What to show when the program failed, else None."""
        if self.code == 0:
            return None
        return f"$ {shlex.join(self.args)}\nexit code {self.code}\n{self.output.strip()[-TAIL:]}"


class Started:
    """A running program in a process group of its own, ended at its time limit."""

    def __init__(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> None:
        self._args = tuple(args)
        self._ended = False
        self._lock = threading.Lock()
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by wait()
        self._begin = time.perf_counter()
        self._process = subprocess.Popen(
            self._args,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._timer = threading.Timer(timeout, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        """End the group; never after it was waited for, when its number may be another's."""
        with self._lock, suppress(ProcessLookupError):
            if not self._ended:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """End a program that would go on, and wait for it."""
        self._end()
        self.wait()

    def wait(self) -> Done:
        """Wait for the end and return what was measured; an interrupt ends the program first."""
        try:
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            seconds = time.perf_counter() - self._begin
        except BaseException:
            self._end()
            raise
        finally:
            with self._lock:
                self._ended = True
                _, status, usage = os.wait4(self._process.pid, 0)
            self._timer.cancel()
        self._process.returncode = os.waitstatus_to_exitcode(status)
        with self._output as output:
            output.seek(0)
            text = output.read().decode(errors="replace")
        return Done(
            args=self._args,
            code=self._process.returncode,
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            output=text,
        )


def start(
    args: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float = 600.0
) -> Started:
    """Start ``args``; after ``timeout`` seconds its whole process group is killed."""
    return Started(args, cwd=cwd, env=env, timeout=timeout)


def run(args: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float = 600.0) -> Done:
    """Run ``args`` to their end."""
    return start(args, cwd=cwd, env=env, timeout=timeout).wait()


def run_checked(
    args: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float = 1800.0
) -> Done:
    """Run a preparation; raise :class:`BenchError` with its output when it fails."""
    done = run(args, cwd=cwd, env=env, timeout=timeout)
    if done.failure is not None:
        raise BenchError(done.failure)
    return done


def run_together(
    args: Sequence[str], *, folders: Sequence[Path], env: Mapping[str, str], timeout: float = 600.0
) -> Done:
    """Run ``args`` in every folder at once.

    The seconds are until the last has ended; processor time and output are everybody's.
    """
    begin = time.perf_counter()
    everybody = [start(args, cwd=folder, env=env, timeout=timeout) for folder in folders]
    ended = [one.wait() for one in everybody]
    return Done(
        args=tuple(args),
        code=next((done.code for done in ended if done.code != 0), 0),
        seconds=time.perf_counter() - begin,
        cpu_seconds=sum(done.cpu_seconds for done in ended),
        output="".join(done.output for done in ended),
    )
