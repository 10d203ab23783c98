"""Watching a process: its end, its output, stalls and limits."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from noxden.devices.values import Limits
from noxden.devices.watch import Ended, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Watch = Callable[..., Ended]

LONG = Limits(stall=60, test=60)


def never() -> bool:
    return False


@contextlib.contextmanager
def started(text: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def see(tmp_path: Path) -> Watch:
    """Runs a text in Python and watches it; ``starts`` is the file that tells of progress."""

    def run(text: str, limits: Limits = LONG, is_over: Callable[[], bool] = never) -> Ended:
        with started(text) as process:
            return watch(
                process,
                output=tmp_path / "output.log",
                progress=[tmp_path / "starts"],
                limits=limits,
                find_fault=lambda line: line if line.startswith("RAS") else "",
                is_over=is_over,
            )

    return run


@pytest.fixture(params=["pidfd", "without"])
def blind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as on a system that cannot wait for a process and its output together."""
    if request.param == "without":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@pytest.mark.usefixtures("blind")
def test_an_end_is_seen_at_once_and_all_output_kept(see: Watch, tmp_path: Path) -> None:
    assert see("print('one'); print('two'); raise SystemExit(3)") == Ended(3, None, "", "two")
    assert (tmp_path / "output.log").read_text() == "one\ntwo\n"


def test_a_fault_in_the_output_is_told(see: Watch) -> None:
    assert see("print('RAS::One'); print('well')") == Ended(0, None, "RAS::One", "well")


def test_a_signal_is_a_negative_code(see: Watch) -> None:
    assert see("import os; os.kill(os.getpid(), 9)").code == -9


@pytest.mark.usefixtures("blind")
def test_a_process_that_closes_its_output_and_lives_on_is_waited_for(see: Watch) -> None:
    text = "import os, time; os.close(1); os.close(2); time.sleep(0.4); os._exit(5)"
    assert see(text).code == 5


def test_silence_for_too_long_is_a_stall_and_shows_where(see: Watch, tmp_path: Path) -> None:
    text = (
        "import faulthandler, time\nfaulthandler.enable()\nprint('x', flush=True)\ntime.sleep(60)"
    )
    found = see(text, Limits(stall=0.5, test=60))
    assert (found.code, found.status) == (-signal.SIGABRT, "stalled")
    assert found.fault == "no output and no result for 0.5 s"
    assert "Fatal Python error: Aborted" in (tmp_path / "output.log").read_text()


def test_a_process_that_is_deaf_to_abort_is_killed(see: Watch) -> None:
    text = "import signal, time; signal.signal(6, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    begun = time.monotonic()
    found = see(text, Limits(stall=0.5, test=60))
    assert (found.code, found.status) == (-signal.SIGKILL, "stalled")
    assert time.monotonic() - begun < 10


def test_a_process_that_talks_but_gets_nowhere_is_over_its_time(see: Watch) -> None:
    text = "import time\nwhile True: print('x', flush=True); time.sleep(0.05)"
    found = see(text, Limits(stall=60, test=0.5))
    assert (found.status, found.fault) == ("timeout", "one test took longer than 0.5 s")


def test_a_process_that_makes_progress_is_left_alone(see: Watch, tmp_path: Path) -> None:
    starts = str(tmp_path / "starts")
    text = f"""
import time
for at in range(8):
    with open({starts!r}, "a") as file:
        file.write("x")
    time.sleep(0.25)
"""
    assert see(text, Limits(stall=1.2, test=1.2)) == Ended(0, None, "", "")


def test_what_is_over_is_killed_without_a_dump(see: Watch, tmp_path: Path) -> None:
    (tmp_path / "over").touch()
    found = see("import time; time.sleep(60)", LONG, (tmp_path / "over").exists)
    assert (found.code, found.status, found.fault) == (-9, "stopped", "the run was ended")


def test_a_child_that_holds_the_output_open_is_not_waited_for(see: Watch) -> None:
    text = """
import os, time
if os.fork() == 0:
    time.sleep(60)
print("done", flush=True)
os._exit(0)
"""
    begun = time.monotonic()
    assert see(text) == Ended(0, None, "", "done")
    assert time.monotonic() - begun < 10


def test_a_child_that_floods_the_output_after_the_end_is_read_for_a_moment_only(
    see: Watch,
) -> None:
    text = """
import os
if os.fork() == 0:
    while True:
        os.write(1, b"x" * 65536)
os._exit(0)
"""
    begun = time.monotonic()
    assert see(text).code == 0
    assert time.monotonic() - begun < 10
