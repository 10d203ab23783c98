"""A real Slurm of one node with two cards, as Debian has it (packages slurm-wlm and munge)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.servers import find_port, running, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdTimeout=60
GresTypes=card
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 Gres=card:2 State=UNKNOWN
PartitionName=cards Nodes={host} Default=YES MaxTime=60 State=UP
"""
_GRES = "NodeName={host} Name=card Count=2 Flags=CountOnly\n"


@dataclass
class Slurm:
    """The cluster as a test uses it."""

    root: Path
    env: dict[str, str]
    """With the settings by which Slurm's commands find it."""
    stack: contextlib.ExitStack
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """The slurmd that were started, the last one last."""

    def start_daemon(self) -> None:
        """Start slurmd, and wait until its node can be used."""
        args: list[str | Path] = [_find("slurmd"), "-D", "-f", self.root / "slurm.conf"]
        log = self.root / f"slurmd-{len(self.daemons)}.log"
        daemon = self.stack.enter_context(running(args, log, self.env))
        self.daemons.append(daemon)
        wait_for(
            lambda: self.ask("sinfo", "-h", "-o", "%T") in {"idle", "mixed", "allocated"}, daemon
        )

    def ask(self, *command: str) -> str:
        """What a command says; empty while nobody answers."""
        ended = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        return ended.stdout.strip()


def _find(program: str) -> str:
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian packages slurm-wlm and munge)")
    return found


@contextlib.contextmanager
def slurm(root: Path, env: dict[str, str]) -> Iterator[Slurm]:
    """Slurm while the block runs; its jobs are gone at the end."""
    munged, controller = _find("munged"), _find("slurmctld")
    if os.geteuid() != 0:
        pytest.skip("Slurm starts jobs of others as root only")
    ports = {"controller": find_port(), "daemon": find_port()}
    for folder in ("munge", "state", "spool"):
        (root / folder).mkdir(mode=0o700)
    (root / "munge" / "key").write_bytes(os.urandom(128))
    (root / "munge" / "key").chmod(0o600)
    host = os.uname().nodename.partition(".")[0]
    (root / "slurm.conf").write_text(_CONFIG.format(root=root, host=host, **ports))
    (root / "gres.conf").write_text(_GRES.format(host=host))
    env = {**env, "SLURM_CONF": str(root / "slurm.conf")}
    with contextlib.ExitStack() as stack:
        socket = root / "munge" / "socket"
        guard = stack.enter_context(running(
            [
                munged, "--foreground", "--force", "--socket", socket, "--key-file", root / "munge" / "key",
                "--pid-file", root / "munge" / "pid", "--seed-file", root / "munge" / "seed",
                "--log-file", root / "munge" / "log",
            ],
            root / "munged.log",
        ))  # fmt: skip
        wait_for(socket.exists, guard)
        stack.enter_context(running(
            [controller, "-D", "-f", root / "slurm.conf"], root / "slurmctld.log", env
        ))  # fmt: skip
        made = Slurm(root, env, stack)
        made.start_daemon()
        try:
            yield made
        finally:
            made.ask("scancel", "--user=root", "--full")
            wait_for(lambda: made.ask("squeue", "-h") == "")
