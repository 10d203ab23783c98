"""Workflows and composite actions of GitHub, Forgejo and Gitea."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from noxden.ci.audit.expressions import Scope, read_texts
from noxden.ci.audit.github_job import fill_job
from noxden.ci.audit.steps import LOCAL, collect_steps, is_guarded, read_defaults
from noxden.ci.audit.values import Job, Pipeline, Place, Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.ci.audit.github_job import Source
    from noxden.ci.audit.nodes import Node

__all__ = ["read_action", "read_workflow"]

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.IGNORECASE)
_RELEASES = frozenset({"release", "workflow_dispatch"})


def read_workflow(document: Node, source: Source) -> Pipeline:
    """What a workflow says."""
    found = document.get("jobs")
    triggers = _find_triggers(document)
    jobs = [_read_job(name, document, triggers, source) for name in found.entries]
    # A workflow that others call gets their permissions; Forgejo and Gitea have none.
    asks = source.system == "github" and triggers != {"workflow_call"}
    open_ = asks and not document.get("permissions").there
    unlimited = [job for job in jobs if open_ and not found.get(job.name, "permissions").there]
    return Pipeline(tuple(jobs), tuple(_find_uses(found)), tuple(unlimited))


def read_action(document: Node, source: Source, name: str) -> Pipeline:
    """What a composite action says, as if it were a job."""
    runs = document.get("runs")
    scope = Scope(inputs=read_defaults(document))
    job = Job(source.system, f"action {name}", Place(document.path, runs.line))
    steps = collect_steps(runs.get("steps"), scope, source.load)
    return Pipeline((fill_job(job, list(steps), source),), tuple(_find_step_uses(runs)))


def _find_triggers(document: Node) -> frozenset[str]:
    on = document.get("on")
    return frozenset([*(one.word for one in on.scalars()), *on.entries])


def _is_release(document: Node, triggers: frozenset[str]) -> bool:
    """Whether nothing but releases, tags and people start it."""
    pushed = document.get("on", "push")
    tags = pushed.get("tags").there and not pushed.get("branches").there
    rest = triggers - _RELEASES - ({"push"} if tags else set())
    return not rest and bool(triggers - {"workflow_dispatch"})


def _read_job(name: str, document: Node, triggers: frozenset[str], source: Source) -> Job:
    node = document.get("jobs", name)
    scope = Scope({**read_texts(document.get("env")), **read_texts(node.get("env"))})
    steps = collect_steps(
        node.get("steps"), scope, source.load, guarded=is_guarded(node.get("if").word)
    )
    job = Job(
        source.system,
        name,
        Place(document.path, document.get("jobs").lines[name]),
        triggers=triggers,
        release=_is_release(document, triggers),
        timeout=node.get("timeout-minutes").there,
    )
    return fill_job(job, list(steps), source, node)


def _find_uses(jobs: Node) -> Iterator[Use]:
    """The actions, images and workflows that jobs use."""
    for job in jobs.entries.values():
        yield from _find_step_uses(job)
        if job.get("uses").word:
            yield from _judge_use(job.get("uses"))


def _find_step_uses(holder: Node) -> Iterator[Use]:
    for step in holder.get("steps").items:
        if step.get("uses").word:
            yield from _judge_use(step.get("uses"))


def _judge_use(node: Node) -> Iterator[Use]:
    """What is used, unless it lies in the repository."""
    name = node.word
    if name.startswith(LOCAL) or "${{" in name:
        return
    place = Place(node.path, node.line)
    if name.startswith("docker://"):
        yield Use(name, place, "@sha256:" in name, "its digest, @sha256:")
        return
    ref = name.partition("@")[2]
    yield Use(name, place, bool(_COMMIT.fullmatch(ref)), "a commit, 40 hexadecimal digits")
