"""One small batch many times, by noxden and by pytest alone, in turns; prints JSON.

Run as a program of its own, with nothing but noxden; its arguments are the Python of a session's
environment, a folder that is its own, and how many times.

pytest alone gets the same file and options, and nothing of noxden: neither its plugin nor
pytest-reportlog. So all that noxden adds is in the difference, within pytest and around it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.devices.attempt import run_attempt
from noxden.devices.values import Card, Job, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

TESTS = 5
_FILE = "test_trivial.py"
_ARGUMENTS = ("-q", "-n", "0")


def make_job(python: str, folder: Path, env: Mapping[str, str]) -> Job:
    """The batch: a few tests that do nothing, on one card."""
    file = folder / _FILE
    file.write_text(
        "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(TESTS)), "utf-8"
    )
    return Job(
        batch=0,
        attempt=1,
        tests=tuple(f"{_FILE}::test_{number}" for number in range(TESTS)),
        files=(str(file),),
        cards=(Card(index=0, address="sim:bench", kind="simulated"),),
        python=python,
        arguments=(*_ARGUMENTS, f"--rootdir={folder}"),
        env=dict(env),
        cwd=str(folder),
        folder=str(folder / "attempt"),
        limits=Limits(),
        provider="simulated",
    )


def time_noxden(job: Job) -> float:
    """Seconds of an attempt from the lease to its results."""
    begin = time.perf_counter()
    attempt = run_attempt(job)
    seconds = time.perf_counter() - begin
    if [one.outcome for one in attempt.results] != ["passed"] * TESTS:
        message = f"the batch did not pass: {attempt}"
        raise SystemExit(message)
    return seconds


def time_pytest(job: Job) -> float:
    """Seconds of pytest alone on the same tests; what it says is kept, as noxden does."""
    command = [job.python, "-m", "pytest", *job.arguments, *job.files]
    begin = time.perf_counter()
    subprocess.run(command, cwd=job.cwd, env=job.env, check=True, capture_output=True)
    return time.perf_counter() - begin


def main(python: str, folder: str, count: str) -> None:
    """Print the seconds of both, an entry a turn, without a first one that warms up."""
    job = make_job(python, Path(folder), os.environ)
    found: dict[str, list[float]] = {"noxden": [], "pytest": []}
    for _ in range(int(count) + 1):
        found["noxden"].append(time_noxden(job))
        found["pytest"].append(time_pytest(job))
    print(json.dumps({name: seconds[1:] for name, seconds in found.items()}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
