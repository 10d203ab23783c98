"""Jobs and plans as values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden._rule import Rule
    from noxden.config import StageConfig
    from noxden.lock.request import Request

__all__ = [
    "NO_CACHE",
    "PIPELINES",
    "Cache",
    "Job",
    "Pipeline",
    "Plan",
    "PlannedSession",
    "Skipped",
    "job_to_json",
    "plan_to_json",
]

Pipeline = Literal["checks", "heavy", "device", "all"]
PIPELINES: tuple[Pipeline, ...] = ("checks", "heavy", "device", "all")
"""What a workflow is for: default sessions, those with a gate, stages on cards, all of them."""


class PlannedSession(NamedTuple):
    """A session of the noxfile, as far as a plan needs to know it."""

    name: str
    """Full name, as ``nox -l`` shows it: ``unit-3.12``."""
    group: str
    """Name without Python and parameters: ``unit``."""
    kind: str
    """``lint``, ``unit``, ``heavy``, ``device``, ``packaging``, ``plan``, ``publish``,
    ``wheelhouse``, or empty for a session that no factory made."""
    python: str | None
    """Interpreter request; ``None`` is the project's own choice."""
    default: bool
    """Whether plain ``nox`` runs it."""
    rule: Rule | None = None
    """What opens its gate; ``None`` is no gate."""
    request: Request | None = None
    """What it asks of the den; ``None`` where its environment is not the den's."""
    stages: tuple[StageConfig, ...] = ()
    """Of a device session: the stages of its rollout."""


class Cache(NamedTuple):
    """What a job restores before its session, and saves after it."""

    key: str = ""
    """Empty where nothing is worth a cache."""
    prefix: str = ""
    """What older keys of the same kind begin with; their wheels are mostly the same."""
    path: str = ""
    """The folder, from the checkout."""
    save: bool = False
    """Whether this run may save: trusted, and not for a pull request."""


NO_CACHE = Cache()


class Job(NamedTuple):
    """One job: a session on a runner."""

    name: str
    """What people see: ``unit-3.12``, ``device stage 1``."""
    session: tuple[str, ...]
    """Full names of the sessions; several where jobs were folded."""
    arguments: tuple[str, ...]
    """Words after ``--``."""
    python: str
    """Interpreter request; empty is the project's own choice."""
    runner: tuple[str, ...]
    """Labels of the runner."""
    timeout: int
    """Minutes."""
    blocking: bool
    """Whether its failure fails the run."""
    cache: Cache = NO_CACHE
    stage: int | None = None
    """Number of the stage, of a job on cards."""

    @property
    def slug(self) -> str:
        """The name in the letters that names of artifacts may have."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-")

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the job."""
        found = {"NOXDEN_BLOCKING": "1" if self.blocking else "0"}
        return found | ({"NOXDEN_BUNDLE": self.cache.path} if self.cache.key else {})


class Skipped(NamedTuple):
    """A session that has no job in this run."""

    session: str
    reason: str


class Plan(NamedTuple):
    """The jobs of one run, and why others are not among them."""

    jobs: tuple[Job, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()
    """What people should know of how the plan came about; a line each."""


def plan_to_json(plan: Plan, trigger: Mapping[str, Any]) -> dict[str, Any]:
    """The plan for scripts and for the matrix of a workflow; lists of words are lines.

    A workflow puts the lines into variables, where nothing can break out of them.
    """
    return {
        "trigger": dict(trigger),
        "jobs": [job_to_json(job) for job in plan.jobs],
        "skipped": [one._asdict() for one in plan.skipped],
        "notes": list(plan.notes),
    }


def job_to_json(job: Job) -> dict[str, Any]:
    """A job as an entry of a matrix."""
    return {
        "name": job.name,
        "slug": job.slug,
        "session": "\n".join(job.session),
        "arguments": "\n".join(job.arguments),
        "python": job.python,
        "runner": job.runner[0] if len(job.runner) == 1 else list(job.runner),
        "timeout": job.timeout,
        "blocking": job.blocking,
        "cache": job.cache._asdict(),
        "stage": job.stage,
        "environment": job.environment,
    }
