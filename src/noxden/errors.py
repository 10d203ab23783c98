"""The errors noxden raises: one root, one exit code for each class.

Only the entry points (the ``noxden`` command, the factories in a noxfile and the nox
backend) turn these into an exit; everything below raises.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "InfrastructureError",
    "InterpreterMissingError",
    "NoxdenError",
    "SafetyError",
    "UsageError",
    "WorkError",
    "explain_error",
    "refuse_windows",
]


class NoxdenError(Exception):
    """Root of all errors that noxden reports to people.

    The message is one sentence that names the place and the next step.
    """

    exit_code = 70


class WorkError(NoxdenError):
    """The work itself failed: a test, a lint step, a packaging check."""

    exit_code = 1


class UsageError(NoxdenError):
    """The command line, a configuration file or the lock is wrong."""

    exit_code = 2


class InfrastructureError(NoxdenError):
    """Something the work stands on is missing: uv, an interpreter, disk, the network."""

    exit_code = 3


class InterpreterMissingError(InfrastructureError):
    """uv finds no interpreter for a request."""

    def __init__(self, request: str | None, project: Path) -> None:
        wanted = f"Python {request}" if request else f"a Python that fits {project}"
        super().__init__(
            f"uv finds no interpreter for {wanted}; install it, put it on PATH, or "
            f"run: uv python install {request or ''}".rstrip()
        )
        self.request = request


class SafetyError(NoxdenError):
    """Refused for safety: a hash mismatch, a den of another user, a den of another trust."""

    exit_code = 4


def explain_error(error: Exception) -> tuple[int, str]:
    """The exit code for ``error`` and one sentence about it; for the last door of a program."""
    match error:
        case NoxdenError():
            return error.exit_code, str(error)
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            said = f"{place}{error.strerror or error}; run: noxden doctor"
            return InfrastructureError.exit_code, said
        case _:
            said = f"{type(error).__name__}: {error}"
            return NoxdenError.exit_code, f"a bug in noxden: {said} (NOXDEN_DEBUG=1 shows where)"


def refuse_windows() -> None:
    """Say once that noxden needs POSIX, before something is imported that Windows lacks.

    Raises:
        UsageError: this is Windows.
    """
    # mypy would take what follows a comparison of sys.platform itself for unreachable.
    platform: str = sys.platform
    if platform == "win32":
        message = "noxden needs a POSIX system and does not run on Windows; use WSL"
        raise UsageError(message)
