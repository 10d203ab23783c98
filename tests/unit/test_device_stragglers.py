"""Processes that an attempt left behind are found by their token."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from noxden.devices.stragglers import TOKEN, kill_stragglers

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    print("here", flush=True)
    time.sleep(60)
os._exit(0)
"""


def start(token: str) -> subprocess.Popen[str]:
    """A process with ``token``, once it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('here', flush=True); sys.stdin.read()"],
        env={**os.environ, TOKEN: token}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def test_processes_with_the_token_are_killed_and_no_others() -> None:
    with start("wanted") as ours, start("wanted-not") as other:
        assert kill_stragglers("wanted") >= 1
        assert ours.wait(30) == -9
        assert other.poll() is None
        other.kill()


def test_a_daemon_in_a_session_of_its_own_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON], env={**os.environ, TOKEN: "daemon"}, text=True,
        stdout=subprocess.PIPE,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        assert parent.stdout.readline() == "here\n"
        parent.wait(30)
        assert kill_stragglers("daemon") >= 1
        # Its end closes the pipe.
        assert parent.stdout.read() == ""


def test_where_there_is_no_proc_nothing_is_found(tmp_path: Path) -> None:
    assert kill_stragglers("any", tmp_path / "proc") == 0


def make_process(proc: Path, pid: str, token: str) -> Path:
    folder = proc / pid
    folder.mkdir()
    (folder / "environ").write_bytes(f"A=1\0{TOKEN}={token}\0".encode())
    return folder


def test_processes_of_others_and_those_that_are_gone_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    (tmp_path / "version").touch()
    (tmp_path / "12").mkdir()
    make_process(tmp_path, "13", "other")
    make_process(tmp_path, "14", "mine")
    # It does not go: after a while that is enough.
    assert kill_stragglers("mine", tmp_path) == len(killed)
    assert set(killed) == {14}
    killed.clear()
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    assert kill_stragglers("mine", tmp_path) == 0
