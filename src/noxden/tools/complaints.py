"""What uv complains about, in one sentence with the next step."""

from __future__ import annotations

import contextlib
import logging
import re
from typing import TYPE_CHECKING

from noxden.errors import InfrastructureError, NoxdenError, SafetyError, UsageError
from noxden.tools.process import ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["explain_export_failure", "explained", "first_cause"]

logger = logging.getLogger(__name__)

_ADVICE = {
    "No space left on device": "free space, then run again",
    "Disk quota exceeded": "free space, then run again",
    "Network connectivity is disabled": "run once without NOXDEN_OFFLINE and UV_OFFLINE",
    "No interpreter found": "install one that fits, put it on PATH, or run: uv python install",
    "Failed to fetch": "make sure that the index can be reached, then run again",
    "Failed to download": "make sure that the index can be reached, then run again",
    "Request failed after": "make sure that the index can be reached, then run again",
}
"""What to do about failures that are not the project's."""

_TAMPERED = "Hash mismatch"
"""How uv says that a file is not the one that the lock names."""

_OUTPUT = ("[stdout]", "[stderr]")
"""How uv marks what a build backend printed."""


@contextlib.contextmanager
def explained(task: str) -> Iterator[None]:
    """Say of a uv that fails in the block that it cannot do ``task``, why, and what to do.

    What a build backend printed is shown in full before.

    Raises:
        SafetyError: uv was given another file than the lock names.
        InfrastructureError: uv failed otherwise.
    """
    try:
        yield
    except ProgramError as error:
        said = error.completed.stderr
        if any(mark in said for mark in _OUTPUT):
            logger.warning("%s", said.strip())
        if _TAMPERED in " ".join(said.split()):
            message = (
                f"uv cannot {task}: {first_cause(said)}; "
                f"find out who changed the file, then run: uv lock --refresh"
            )
            raise SafetyError(message) from error
        advice = _find_advice(said) or "NOXDEN_DEBUG=1 shows the commands"
        message = f"uv cannot {task}: {first_cause(said)}; {advice}"
        raise InfrastructureError(message) from error


def explain_export_failure(said: str, project: Path) -> NoxdenError:
    """The error for what ``uv export --locked`` printed."""
    if advice := _find_advice(said):
        return InfrastructureError(f"uv cannot read {project}: {first_cause(said)}; {advice}")
    if "needs to be updated" in said:
        return UsageError(f"{project / 'uv.lock'} does not fit pyproject.toml; run: uv lock")
    if missing := re.search(r"(Group|Extra) `([^`]+)` is not defined", said):
        kind, name = missing.groups()
        words = ("dependency group", "--group") if kind == "Group" else ("extra", "--optional")
        return UsageError(
            f"{project / 'pyproject.toml'} has no {words[0]} {name!r}; "
            f"run: uv add {words[1]} {name} PACKAGE"
        )
    if missing := re.search(r"does not have a member (\S+):", said):
        name = missing.group(1)
        return UsageError(
            f"{project} has no package {name!r} in its workspace; name one of its members"
        )
    return UsageError(f"uv cannot read the project in {project}: {first_cause(said)}")


def first_cause(said: str) -> str:
    """uv's message in one line: its ``error:`` and each ``cause``, without decoration.

    uv wraps its lines; a line that is indented deeper than a cause goes on with it. What a
    build backend printed is left out.
    """
    kept: list[str] = []
    inside = True
    for line in said.splitlines():
        start = re.match(r"\s*(?:error|cause|Caused by):\s*", line)
        # What a backend printed is indented deeper than uv's own lines.
        if start and (inside or not line.startswith("   ")):
            kept.append(line[start.end() :].rstrip())
            inside = True
        elif line.strip().startswith(_OUTPUT):
            inside = False
        elif kept and inside and line.startswith("   "):
            kept[-1] += f" {line.strip()}"
    return "; ".join(kept) or " ".join(said.split()) or "it said nothing"


def _find_advice(said: str) -> str | None:
    joined = " ".join(said.split())
    return next((advice for sign, advice in _ADVICE.items() if sign in joined), None)
