"""Dask clusters that attempts can run on: of this host, of jobs, or one that runs already.

Who reaches a scheduler can run what they want as its user. So everything here listens on loopback,
or speaks TLS with certificates of one's own.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from noxden.devices.engines._distributed import load_extra
from noxden.devices.engines._queue import explain_queue
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from distributed.security import Security

    from noxden.config import ClusterConfig
    from noxden.devices.engines._distributed import MakeCluster, Started

__all__ = ["Cluster", "join_scheduler", "start_jobs", "start_workers"]

_LOOPBACK = "127.0.0.1"
_KINDS = {"slurm": ("SLURMCluster", "sbatch"), "lsf": ("LSFCluster", "bsub")}
_DEATH_S = 60


def _nothing() -> None:
    return


def _silence() -> tuple[str, ...]:
    return ()


class Cluster(NamedTuple):
    """A scheduler and what there is to do for its workers."""

    address: str
    """Of the scheduler, ``tcp://127.0.0.1:8786``."""
    security: Security | None = None
    """The certificates, where it speaks TLS."""
    renew: Callable[[], None] = _nothing
    """Ask for workers in place of those that are gone."""
    explain: Callable[[], tuple[str, ...]] = _silence
    """What the batch system says of its jobs, in lines for people."""
    close: Callable[[], None] = _nothing
    """End what was started for it."""


def start_workers(count: int, folder: Path) -> Cluster:
    """Workers on this host, one for each card, with a scheduler in this process.

    A worker that dies is started again. ``folder`` is for their files.

    Raises:
        UsageError: the extra ``cluster`` is not installed.
    """
    make = cast("MakeCluster", load_extra("distributed").LocalCluster)
    made = make(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host=_LOOPBACK,
        # Without an address the scheduler asks for a fixed port for its page, and warns.
        dashboard_address=f"{_LOOPBACK}:0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
        local_directory=str(folder),
        memory_limit=None,
        resources={"card": 1},
    )
    return Cluster(made.scheduler_address, close=made.close)


def join_scheduler(address: str, tls: Sequence[str] = (), root: Path | None = None) -> Cluster:
    """A scheduler that runs already; ``tls`` are authority, certificate and key, from ``root`` on.

    Raises:
        UsageError: its address is neither on loopback nor ``tls://``, a certificate is missing, or
            the extra ``cluster`` is not installed.
    """
    full = address if "://" in address else f"tcp://{address}"
    scheme = full.partition("://")[0]
    if scheme == "tls" and not tls:
        message = (
            f"the scheduler {address} speaks TLS and there are no certificates; name authority, "
            "certificate and key in tool.noxden.device.cluster.tls"
        )
        raise UsageError(message)
    if scheme not in {"tcp", "tls"} or (scheme == "tcp" and not _is_loopback(full)):
        message = (
            f"the scheduler {address} is refused: loopback or TLS only; use a tls:// address and "
            "tool.noxden.device.cluster.tls, or a tunnel to 127.0.0.1"
        )
        raise UsageError(message)
    return Cluster(full, _read_tls(tls, root) if scheme == "tls" else None)


def start_jobs(
    config: ClusterConfig,
    count: int,
    folder: Path,
    env: Mapping[str, str],
    root: Path | None = None,
) -> Cluster:
    """Jobs of a batch system, one for each card, with a scheduler in this process.

    The jobs wait in the queue as others do; their workers join when they start. ``folder`` gets
    their output and has to be on a disk that all machines share, as this environment has. ``env``
    is that of the command which says why jobs wait.

    Raises:
        UsageError: another interface than loopback without TLS, an interface that this host does
            not have, a missing certificate, or the extra ``cluster`` is not installed.
        InfrastructureError: the batch system's command for a new job is not there or refuses.
    """
    name, command = _KINDS[config.kind]
    make = cast("MakeCluster", getattr(load_extra("dask_jobqueue"), name))
    load_extra("distributed")
    options = _plan_jobs(config, folder, _find_host(config), _read_tls(config.tls, root))
    if shutil.which(command) is None:
        message = f"{command} is not on PATH; run this on a machine where jobs are submitted"
        raise InfrastructureError(message)
    made = make(**options)
    try:
        made.scale(count)
        made.sync(_await_submitted, made)
    except (OSError, RuntimeError, ValueError) as error:
        _end_jobs(made)
        # The last line is what the command said.
        said = [line for line in str(error).splitlines() if line.strip()]
        message = f"{command} takes no jobs: {said[-1]}; see tool.noxden.device.cluster"
        raise InfrastructureError(message) from error
    return Cluster(
        made.scheduler_address,
        cast("Security | None", options["security"]),
        renew=lambda: made.scale(count),
        explain=functools.partial(_explain_jobs, config.kind, made, env),
        close=lambda: _end_jobs(made),
    )


def _explain_jobs(kind: str, made: Started, env: Mapping[str, str]) -> tuple[str, ...]:
    jobs = [job.job_id for job in list(made.workers.values()) if job.job_id is not None]
    return explain_queue(kind, jobs, env)


async def _await_submitted(made: Started) -> None:
    await made
    # A job that could not be submitted is silent until it is asked; it tries again and raises.
    await asyncio.gather(*made.workers.values())


def _end_jobs(made: Started) -> None:
    """Cancel the jobs and end the scheduler."""
    from distributed.core import Status

    # A cluster that closes insists that each job has begun to end, but never marks those that
    # could not be submitted.
    for job in made.workers.values():
        job.status = Status.closing
    made.close()


def _plan_jobs(
    config: ClusterConfig, folder: Path, host: str, security: Security | None
) -> dict[str, object]:
    """What dask-jobqueue takes: a job is a worker is a card."""
    own = ["--host", host] if not config.interface else []
    return {
        "cores": config.cores,
        "processes": 1,
        "memory": config.memory,
        "walltime": config.walltime,
        "queue": config.queue or None,
        # Starts a worker that died again, in its job; and ends it in order at a SIGTERM.
        "nanny": True,
        "python": sys.executable,
        "death_timeout": _DEATH_S,
        "job_name": "noxden",
        "job_extra_directives": list(config.directives),
        "job_script_prologue": list(config.prologue),
        "log_directory": str(folder),
        "worker_extra_args": ["--resources", "card=1", "--no-dashboard", *own],
        "interface": config.interface or None,
        "scheduler_options": {
            "host": host,
            "dashboard": False,
            "dashboard_address": f"{_LOOPBACK}:0",
        },
        "security": security,
        "silence_logs": logging.CRITICAL,
    }


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _find_host(config: ClusterConfig) -> str:
    """The address that the scheduler listens on."""
    if not config.interface:
        return _LOOPBACK
    from distributed.utils import get_ip_interface

    place = f"tool.noxden.device.cluster.interface: {config.interface}"
    try:
        host = cast("Callable[[str], str]", get_ip_interface)(config.interface)
    except ValueError as error:
        message = f"{place} is no interface of this host with an IPv4 address; see: ip address"
        raise UsageError(message) from error
    if not config.tls and not ipaddress.ip_address(host).is_loopback:
        message = (
            f"{place} is refused: loopback or TLS only; name authority, certificate and key in "
            "tool.noxden.device.cluster.tls"
        )
        raise UsageError(message)
    return host


def _read_tls(tls: Sequence[str], root: Path | None) -> Security | None:
    """The certificates for all three parts, that of the client, the scheduler and the workers."""
    if not tls:
        return None
    load_extra("distributed")
    from distributed.security import Security

    authority, certificate, key = (str(root / file) if root else file for file in tls)
    for file in (authority, certificate, key):
        try:
            with open(file, "rb"):  # noqa: PTH123 - a path as it was given
                pass
        except OSError as error:
            message = f"tool.noxden.device.cluster.tls: {file}: {error.strerror}"
            raise UsageError(message) from error
    roles = ("client", "scheduler", "worker")
    return cast("Callable[..., Security]", Security)(
        require_encryption=True,
        tls_ca_file=authority,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )
