"""What follows once the files are written: lock, and list the sessions."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from noxden.ci.launch import AUTO, find_launch
from noxden.errors import InfrastructureError, UsageError, WorkError
from noxden.tools.process import ProgramError, run
from noxden.tools.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["list_sessions", "lock"]


def lock(root: Path, env: Mapping[str, str], *, offline: bool) -> None:
    """Run ``uv lock``.

    Raises:
        UsageError: what the project asks for does not go together, or cannot be had.
        InfrastructureError: there is no uv.
    """
    uv = Uv(env, None, offline=offline)
    try:
        uv("lock", "--quiet", cwd=root)
    except ProgramError as error:
        said = error.completed.stderr.strip() or error.completed.stdout.strip()
        message = f"uv lock failed, so everything was put back as it was:\n{said}"
        raise UsageError(message) from error


def list_sessions(root: Path, env: Mapping[str, str], *, offline: bool) -> str:
    """What ``nox -l`` prints, by the nox that uv.lock has, else by the one beside noxden.

    Raises:
        WorkError: the noxfile cannot be loaded.
    """
    uv = Uv(env, None, offline=offline)
    launch = shlex.split(find_launch(AUTO, (root / "pyproject.toml").read_bytes()))
    try:
        # Isolated: the project's own .venv is not touched.
        return uv("run", "--isolated", "--quiet", *launch[2:], "nox", "-l", cwd=root).stdout
    except InfrastructureError:
        said = run([sys.executable, "-m", "nox", "-l"], env=uv.env, cwd=root, expect=None)
    if said.returncode:
        message = f"the files are written, but nox -l fails:\n{said.stderr.strip()}"
        raise WorkError(message)
    return said.stdout
