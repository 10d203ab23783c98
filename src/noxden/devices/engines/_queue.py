"""Why jobs of a batch system do not start, in its own words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from noxden.errors import InfrastructureError
from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["explain_queue", "render_queue"]

_ASK: Mapping[str, tuple[str, ...]] = {
    "slurm": ("squeue", "--noheader", "--format=%T %r", "--jobs"),
    "lsf": ("bjobs", "-noheader", "-o", "stat pend_reason"),
}
"""The command that says state and reason of jobs, a line each, without their numbers."""
_NO_REASON = {"", "None", "-"}


def explain_queue(kind: str, jobs: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """What the batch system ``kind`` says of ``jobs``; nothing where it does not answer.

    A job that can never start stands in the queue like one whose turn comes later: Slurm takes
    one that wants more time than its partition gives (squeue(1), JOB REASON CODES).
    """
    if not jobs:
        return ()
    words = [",".join(jobs)] if kind == "slurm" else jobs
    try:
        said = run([*_ASK[kind], *words], env=env, expect=None).stdout
    except InfrastructureError:
        return ()
    return render_queue(said.splitlines())


def render_queue(lines: Sequence[str]) -> tuple[str, ...]:
    """``2 jobs PENDING (PartitionTimeLimit)``: equal lines of state and reason together.

    >>> render_queue(["PENDING Resources", "RUNNING None", "PENDING Resources"])
    ('2 jobs PENDING (Resources)', '1 job RUNNING')
    """
    parts = (line.strip().partition(" ") for line in lines if line.strip())
    counts = Counter((state, reason.strip(" ;")) for state, _, reason in parts)
    return tuple(
        f"{count} {'job' if count == 1 else 'jobs'} {state}"
        + (f" ({reason})" if reason not in _NO_REASON else "")
        for (state, reason), count in counts.items()
    )
