"""Run a program to its end and keep what it said."""

from __future__ import annotations

import logging
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Completed", "ProgramError", "check", "hide_users", "run"]

logger = logging.getLogger(__name__)

_SHOWN = 40
"""Words of a command that the log shows."""
_USER = re.compile(r"://[^/\s]*@")
"""The user of a URL, mostly with a password or a token."""


class Completed(NamedTuple):
    """A program that has ended."""

    args: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class ProgramError(InfrastructureError):
    """A program ended with a code that its caller did not expect.

    What it tells of the program, :attr:`completed` too, is without the users of URLs.
    """

    def __init__(self, completed: Completed) -> None:
        completed = Completed(
            tuple(hide_users(word) for word in completed.args),
            completed.returncode,
            hide_users(completed.stdout),
            hide_users(completed.stderr),
        )
        said = "\n".join(part.strip() for part in (completed.stdout, completed.stderr) if part)
        super().__init__(
            f"`{shlex.join(completed.args)}` ended with code {completed.returncode}"
            + (f":\n{said}" if said else " and said nothing")
        )
        self.completed = completed


def hide_users(text: str) -> str:
    """``text`` with ``***`` in place of the user and the password of each URL.

    >>> hide_users("cannot reach https://me:secret@packages.example/simple")
    'cannot reach https://***@packages.example/simple'
    """
    return _USER.sub("://***@", text)


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str | None = None,
    expect: Sequence[int] | None = (0,),
) -> Completed:
    """Run ``args`` with exactly ``env`` and return what it printed.

    Raises:
        InfrastructureError: the program is missing or cannot be started.
        ProgramError: its exit code is not in ``expect``; with ``None`` every code is expected.
    """
    words = tuple(str(arg) for arg in args)
    logger.debug("%s", shlex.join(map(hide_users, words[:_SHOWN])))
    try:
        ended = subprocess.run(
            words,
            env=dict(env),
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        message = f"cannot start {words[0]}: {error.strerror}; is it installed and executable?"
        raise InfrastructureError(message) from error
    completed = Completed(words, ended.returncode, ended.stdout, ended.stderr)
    return completed if expect is None else check(completed, expect)


def check(completed: Completed, expect: Sequence[int]) -> Completed:
    """``completed``, when its exit code is in ``expect``.

    Raises:
        ProgramError: it is not.
    """
    if completed.returncode not in expect:
        raise ProgramError(completed)
    return completed
