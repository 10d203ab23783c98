"""From sessions, trigger and configuration to jobs; a pure function."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from noxden._frequency import parse_frequency
from noxden.ci.gate import decide
from noxden.ci.plan.values import NO_CACHE, Job, Plan, Skipped
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noxden.ci.plan.values import Cache, Pipeline, PlannedSession
    from noxden.ci.values import Trigger
    from noxden.config import CiConfig, StageConfig

__all__ = ["MOST_JOBS", "STAGE_INPUT", "TOOLS", "fold", "plan_jobs", "with_caches"]

T = TypeVar("T")

MOST_JOBS = 256
"""What a matrix holds at most on GitHub, and on Forgejo."""

TOOLS = ("plan", "publish", "wheelhouse")
"""Kinds of sessions that work for others; they are in no pipeline."""

STAGE_INPUT = "stage"
"""The input of a run started by hand that names a stage."""


def plan_jobs(
    sessions: Sequence[PlannedSession], trigger: Trigger, config: CiConfig, pipeline: Pipeline
) -> Plan:
    """The jobs that ``trigger`` asks for, and why other sessions of ``pipeline`` have none.

    Raises:
        UsageError: the configuration names a session that there is not.
    """
    _refuse_unknown(sessions, config)
    jobs: list[Job] = []
    skipped: list[Skipped] = []
    for session in sessions:
        if not _is_in(session, pipeline):
            continue
        found = _plan_stages if session.kind == "device" else _plan_session
        for one in found(session, trigger, config):
            if isinstance(one, Job):
                jobs.append(one)
            else:
                skipped.append(one)
    return Plan(tuple(jobs), tuple(skipped))


def _is_in(session: PlannedSession, pipeline: Pipeline) -> bool:
    if session.kind in TOOLS:
        return False
    gated = session.rule is not None
    device = session.kind == "device"
    return {
        "checks": session.default and not gated and not device,
        "heavy": gated and not device,
        "device": device,
        "all": session.default or gated or device,
    }[pipeline]


def _plan_session(
    session: PlannedSession, trigger: Trigger, config: CiConfig
) -> Iterator[Job | Skipped]:
    if session.rule is not None:
        decision = decide(trigger, session.rule)
        if not decision.open:
            yield Skipped(session.name, decision.reason)
            return
    nightly = session.kind == "heavy" and trigger.event == "schedule"
    # The nightly run looks for rot in what the store has.
    yield _make_job(session, config, session.name, ("--refresh",) if nightly else ())


def _plan_stages(
    session: PlannedSession, trigger: Trigger, config: CiConfig
) -> Iterator[Job | Skipped]:
    """A job for each stage that is due; none for code of strangers."""
    for stage in session.stages:
        name = f"{session.name} stage {stage.number}"
        reason = _find_not_due(stage, trigger, config)
        if not trigger.trusted:
            yield Skipped(name, f"{trigger.trust.why}, and cards are for trusted runs only")
        elif reason:
            yield Skipped(name, reason)
        else:
            made = _make_job(session, config, name, ("--stage", str(stage.number)))
            blocking = made.blocking and stage.blocking
            yield made._replace(blocking=blocking, stage=stage.number)


def _find_not_due(stage: StageConfig, trigger: Trigger, config: CiConfig) -> str:
    """Why ``stage`` does not run for ``trigger``; empty where it does."""
    if trigger.system == "local":
        return ""
    wanted = trigger.inputs.get(STAGE_INPUT, "").strip()
    if trigger.event == "manual":
        due = wanted in {str(stage.number), "all"} or (not wanted and stage.number == 0)
        return "" if due else f"started by hand for stage {wanted or 0}"
    frequency = parse_frequency(stage.frequency, config.nightly)
    if trigger.event == "schedule":
        # Not every system says which of several schedules it was.
        due = trigger.schedule in frequency.crons if trigger.schedule else bool(frequency.crons)
    else:
        due = trigger.event in frequency.events
    return "" if due else f"it runs {stage.frequency}, and this is {_name_event(trigger)}"


def _name_event(trigger: Trigger) -> str:
    if trigger.event == "schedule" and trigger.schedule:
        return f"the schedule {trigger.schedule}"
    words = {"pull-request": "a pull request", "push": "a push", "schedule": "a scheduled run"}
    return words.get(trigger.event, f"a run for {trigger.name or trigger.event}")


def _make_job(
    session: PlannedSession, config: CiConfig, name: str, arguments: tuple[str, ...]
) -> Job:
    names = (name, session.name, session.group)
    return Job(
        name=name,
        session=(session.name,),
        arguments=arguments,
        python=session.python or "",
        runner=_look_up(config.runners, names, (config.runner,)),
        timeout=_look_up(config.timeouts, names, config.timeout),
        blocking=not {*names} & {*config.advisory},
    )


def _look_up(table: Mapping[str, T], names: Sequence[str], default: T) -> T:
    return next((table[name] for name in names if name in table), default)


def _refuse_unknown(sessions: Sequence[PlannedSession], config: CiConfig) -> None:
    """Refuse names of sessions in the configuration that the noxfile does not have.

    Raises:
        UsageError: with the nearest name.
    """
    stages = [f"{one.name} stage {stage.number}" for one in sessions for stage in one.stages]
    known = [*dict.fromkeys(name for one in sessions for name in (one.group, one.name)), *stages]
    for table, names in (
        ("runners", config.runners),
        ("timeouts", config.timeouts),
        ("paths", config.paths),
        ("advisory", config.advisory),
    ):
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                message = f"[tool.noxden.ci] {table} names the session {name!r}; {advice}"
                raise UsageError(message)
    for one in sessions:
        if one.request is None and not {one.name, one.group}.isdisjoint(config.advisory):
            message = (
                f"[tool.noxden.ci] advisory names {one.name}, which is not a session of noxden and "
                f"cannot end well when it fails; decorate it with noxden.session"
            )
            raise UsageError(message)


def fold(jobs: Sequence[Job], most: int = MOST_JOBS) -> tuple[Job, ...]:
    """``jobs``, in which jobs of the same kind share one where there are more than ``most``.

    Those share that differ in nothing but the session, so each runs where it would have run. A
    shared job takes the times of all, and has no cache: a key names one session's wheels.

    Raises:
        UsageError: they are too different to be that few.
    """
    if len(jobs) <= most:
        return tuple(jobs)
    kinds: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        alike = (job.arguments, job.runner, job.blocking, job.python, job.stage)
        kinds.setdefault(alike, []).append(job)
    if len(kinds) > most:
        message = (
            f"{len(jobs)} jobs of {len(kinds)} kinds are more than the {most} that a matrix holds; "
            f"use fewer runners and Pythons, or several noxfiles"
        )
        raise UsageError(message)
    # One for each kind; what is left goes to those of which there are many.
    left, surplus = most - len(kinds), len(jobs) - len(kinds)
    return tuple(
        merged
        for alike in kinds.values()
        for merged in _merge(alike, 1 + left * (len(alike) - 1) // surplus)
    )


def _merge(jobs: Sequence[Job], number: int) -> Iterator[Job]:
    """``number`` jobs, or fewer, that together run what ``jobs`` run, in their order."""
    size = -(-len(jobs) // number)
    for at in range(0, len(jobs), size):
        part = jobs[at : at + size]
        if len(part) == 1:
            yield part[0]
            continue
        yield part[0]._replace(
            name=f"{part[0].name} and {len(part) - 1} more",
            session=tuple(name for job in part for name in job.session),
            timeout=sum(job.timeout for job in part),
            cache=NO_CACHE,
        )


def with_caches(jobs: Sequence[Job], caches: Mapping[str, Cache]) -> tuple[Job, ...]:
    """``jobs`` with the cache of their (first) session, where it has one."""
    return tuple(
        job._replace(cache=caches[job.session[0]]) if job.session[0] in caches else job
        for job in jobs
    )
