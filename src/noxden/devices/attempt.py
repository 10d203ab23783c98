"""One attempt: a fresh pytest process for a batch, on cards that are leased to it alone.

The process has a process group of its own and holds the leases by inherited descriptors, so that
a card is free only when the last of them is gone. It ends with noxden: it waits for the other
end of a pipe that closes when noxden dies. What it leaves behind, in its group or out of it, is
found by a token in the environment and killed before the cards are given back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from noxden.devices.cards import load_provider
from noxden.devices.lease import LeaseError, find_lock_folder, lease
from noxden.devices.reportlog import Log, read_log
from noxden.devices.stragglers import TOKEN, kill_stragglers
from noxden.devices.values import Attempt, Result
from noxden.devices.watch import Ended, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from noxden.devices.cards import Provider
    from noxden.devices.lease import Lease
    from noxden.devices.values import Job, Status

__all__ = ["run_attempt"]

logger = logging.getLogger(__name__)

_INSIDE = Path(__file__).parent.parent / "inside"
_NORMAL = (0, 1, 5)
"""pytest's exit codes for a run that came to its end: all passed, some failed, none was found."""


def _never() -> bool:
    return False


def run_attempt(job: Job, is_over: Callable[[], bool] = _never) -> Attempt:
    """Run one attempt to its end and tell how it ended; it does not raise for what a test does.

    ``is_over`` is asked while it runs; where it says so, the attempt is ``stopped``. The folder
    of an attempt in which nothing went wrong is removed, and what its tests left in temporary
    folders with it. A folder that cannot be written and a Python that cannot be started are
    ``infra``, as a fault of the machine.
    """
    clock = time.perf_counter()
    begun = Attempt(
        batch=job.batch,
        attempt=job.attempt,
        cards=job.cards,
        status="done",
        started=time.time(),
        folder=job.folder,
    )
    attempt = _run_leased(job, begun, clock, is_over)
    is_clean = attempt.status == "done" and not attempt.fault
    if is_clean and all(one.outcome != "failed" for one in attempt.results):
        shutil.rmtree(job.folder, ignore_errors=True)
    return replace(attempt, seconds=time.perf_counter() - clock)


def _run_leased(job: Job, begun: Attempt, clock: float, is_over: Callable[[], bool]) -> Attempt:
    """How the attempt ``begun`` ended."""
    provider = load_provider(job.provider)
    try:
        with lease(
            job.cards,
            folder=find_lock_folder(job.env),
            limit_s=job.limits.lease,
            is_open=provider.is_open,
            say=logger.info,
            is_over=is_over,
            command=f"noxden device, batch {job.batch} in {job.cwd}",
        ) as held:
            waited = time.perf_counter() - clock
            ended, log = _run(job, provider, held, is_over)
    except LeaseError as error:
        status: Status = "stopped" if is_over() else "busy"
        return replace(begun, status=status, fault=str(error), culprit=error.card.name)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return replace(begun, status="infra", fault=f"{place}{error.strerror or error}")
    status, fault = _judge(ended, log)
    return replace(
        begun,
        status=status,
        fault=fault,
        signal=max(0, -ended.code) if status == "crashed" else 0,
        waited=waited,
        results=_fill_gaps(job, ended, log) if status == "done" else log.results,
        running=log.running if status != "done" else "",
    )


def _run(
    job: Job, provider: Provider, held: Lease, is_over: Callable[[], bool]
) -> tuple[Ended, Log]:
    """Start pytest, watch it, and leave nothing of it behind."""
    folder = Path(job.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "tests.json").write_bytes(msgspec.json.encode(job.tests))
    token = secrets.token_hex(16)
    with _start(job, provider, held, token) as process:
        try:
            ended = watch(
                process,
                output=folder / "output.log",
                progress=(folder / "starts.jsonl", folder / "reportlog.jsonl"),
                limits=job.limits,
                find_fault=provider.find_fault,
                is_over=is_over,
            )
        finally:
            _kill_group(process)
            kill_stragglers(token)
    return ended, read_log(folder / "reportlog.jsonl", folder / "starts.jsonl")


@contextlib.contextmanager
def _start(
    job: Job, provider: Provider, held: Lease, token: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of an attempt; its lifeline is held as long as the block runs."""
    lifeline, ours = os.pipe()
    folder = Path(job.folder)
    try:
        with subprocess.Popen(
            [
                *(job.python, "-m", "pytest", "-p", "noxden_device"),
                *_plan_temp(job),
                *job.arguments,
                f"--report-log={folder / 'reportlog.jsonl'}",
                *("-o", f"cache_dir={folder / 'cache'}", "--continue-on-collection-errors"),
                # An option to end with the first failure, which addopts may hold, costs results.
                "--maxfail=0",
                *job.files,
            ],
            cwd=job.cwd,
            env=_make_environment(job, provider, lifeline, token),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(*held.descriptors, lifeline),
        ) as process:
            yield process
    finally:
        os.close(lifeline)
        os.close(ours)


def _plan_temp(job: Job) -> tuple[str, ...]:
    """A root of its own for ``tmp_path``; one that ``job.arguments`` name goes before it.

    The usual one is shared by all runs of a user, and the many that end at once there trip over
    each other while they tidy it up. Not by the variable: pytest would add two folders to it, and
    the paths of Unix sockets are short.
    """
    return () if "PYTEST_DEBUG_TEMPROOT" in job.env else (f"--basetemp={Path(job.folder) / 'tmp'}",)


def _make_environment(job: Job, provider: Provider, lifeline: int, token: str) -> dict[str, str]:
    folder = Path(job.folder)
    env = dict(job.env)
    for name, value in provider.plan_environment(job.cards, job.env, folder).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    paths = [str(_INSIDE), *([env["PYTHONPATH"]] if env.get("PYTHONPATH") else [])]
    return env | {
        "PYTHONPATH": os.pathsep.join(paths),
        "NOXDEN_ATTEMPT_TESTS": str(folder / "tests.json"),
        "NOXDEN_ATTEMPT_STARTS": str(folder / "starts.jsonl"),
        "NOXDEN_ATTEMPT_LIFELINE": str(lifeline),
        TOKEN: token,
    }


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process group; its number is that of its leader."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _judge(ended: Ended, log: Log) -> tuple[Status, str]:
    """How the attempt ended, and why where it is not ``done``."""
    if ended.status is not None:
        return ended.status, ended.fault
    if ended.fault and (ended.code not in _NORMAL or _has_failed(log)):
        return "infra", ended.fault
    if ended.code in _NORMAL and log.finished:
        return "done", "" if _is_explained(ended, log) else _describe_end(ended)
    if ended.code < 0:
        return "crashed", f"ended by {_name_signal(-ended.code)}"
    # Where no test ran it is its configuration that pytest cannot use, and no fault of a card.
    began = log.running or log.results
    return ("crashed", _describe_end(ended)) if began else ("done", "")


def _describe_end(ended: Ended) -> str:
    last = f": {ended.last}" if ended.last else ""
    return f"pytest ended with code {ended.code}{last}"


def _is_explained(ended: Ended, log: Log) -> bool:
    """Whether the results say why pytest ended with its code; what ends after them can fail too."""
    return ended.code != 1 or _has_failed(log) or bool(log.broken)


def _has_failed(log: Log) -> bool:
    return any(result.outcome == "failed" for result in log.results)


def _fill_gaps(job: Job, ended: Ended, log: Log) -> tuple[Result, ...]:
    """The results of a run that came to its end; tests that it did not find have failed."""
    known = {result.id for result in log.results}
    why = next(filter(None, map(_find_reason, log.broken.values())), "")
    said = "pytest did not find it again" if ended.code in _NORMAL else _describe_end(ended)
    said = f"its file could not be collected: {why}" if why else said
    return (
        *log.results,
        *(
            Result(id=test, outcome="failed", message=said, stack="\n".join(log.broken.values()))
            for test in job.tests
            if test not in known
        ),
    )


def _find_reason(stack: str) -> str:
    """The line of ``stack`` that says what went wrong, which pytest marks; else the last."""
    lines = [line.rstrip() for line in stack.splitlines() if line.strip()]
    marked = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return (marked or lines or [""])[-1]


def _name_signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"
