"""A fetch that ends in the middle: killed, interrupted, out of disk."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import LIMIT_S, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from tests.conftest import MakeProject, RunNox
    from tests.sandbox import Index, Sample

WHEEL = "bulky-1.0-py3-none-any.whl"
NOXFILE = """
import noxden

noxden.heavy(groups=["heavy"])
"""
PREPARE = ("-s", "heavy", "--", "--prepare")
GIVEN = 3_000_000


@pytest.fixture
def sample(project: MakeProject, index: Index) -> Sample:
    make_wheel(index.folder, "bulky", files={"bulky.py": "#" * 6_000_000})
    more = f"{index.setting}\n[tool.uv.sources]\nbulky = {{ index = 'local' }}\n"
    made = project(groups={"heavy": ["bulky"]}, more=more, noxfile=NOXFILE)
    index.seen.clear()
    return made


class Holding:
    """Gives half of the wheel, then holds the connection until it is told to go on."""

    def __init__(self, index: Index) -> None:
        self.content = (index.folder / WHEEL).read_bytes()
        self.given = threading.Event()
        self.release = threading.Event()
        index.answers[WHEEL] = self

    def __call__(self, handler: BaseHTTPRequestHandler) -> bool:
        if handler.headers.get("Range") or self.release.is_set():
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[:GIVEN])
        handler.wfile.flush()
        self.given.set()
        self.release.wait(LIMIT_S)
        handler.close_connection = True
        return True


@pytest.fixture
def holding(sample: Sample, index: Index) -> Iterator[Holding]:
    del sample
    made = Holding(index)
    yield made
    made.release.set()


def start(sample: Sample, env: dict[str, str], den: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nox", *PREPARE],
        cwd=sample.path, env={**env, "NOXDEN_DIR": str(den)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def wait_for_size(folder: Path, size: int) -> None:
    """Wait until the one file in ``folder`` has grown to ``size``."""
    tick = threading.Event()
    for _ in range(LIMIT_S * 50):
        if any(path.stat().st_size >= size for path in folder.glob("*")):
            return
        tick.wait(0.02)
    message = f"{folder} never held {size} bytes"
    raise AssertionError(message)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_fetch_that_is_ended_in_the_middle_is_gone_on_with(
    number: signal.Signals,
    sample: Sample,
    holding: Holding,
    nox: RunNox,
    env: dict[str, str],
    fresh_den: Path,
    index: Index,
) -> None:
    process = start(sample, env, fresh_den)
    wait_for_size(fresh_den / "wheels" / "partial", GIVEN)
    os.killpg(process.pid, number)
    said, _ = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in said
    (partial,) = (fresh_den / "wheels" / "partial").iterdir()
    kept = partial.stat().st_size
    assert kept == GIVEN
    assert not [*fresh_den.glob("wheels/??/*/*")]

    holding.release.set()
    ran = nox(sample, *PREPARE, den=fresh_den)
    assert ran.code == 0, ran.text
    assert index.ranges == [f"bytes={kept}-"]
    (wheel,) = fresh_den.glob("wheels/??/*/*")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == wheel.parent.name


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB, half of what the wheel takes."""
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_full_at_half_of_a_wheel_is_said_and_not_left_full(
    sample: Sample, nox: RunNox, small_disk: Path
) -> None:
    ran = nox(sample, *PREPARE, den=small_disk)
    assert ran.code == 1
    assert "No space left on device; free space" in ran.stderr
    assert "(exit code 3)" in ran.stderr
    assert [*(small_disk / "wheels" / "partial").iterdir()] == []
    assert not [*small_disk.glob("wheels/??/*")]
