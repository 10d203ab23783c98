"""One run of the plan session: look at sessions and trigger, plan, and tell CI and people."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from noxden.ci.plan.changes import leave_out_unchanged
from noxden.ci.plan.child import Jobs
from noxden.ci.plan.jobs import STAGE_INPUT, fold, plan_jobs, with_caches
from noxden.ci.plan.outputs import publish_plan
from noxden.ci.plan.selections import collect_selections, plan_caches
from noxden.ci.plan.values import plan_to_json
from noxden.ci.trigger import read_trigger
from noxden.config import find_config
from noxden.den.workplace import open_workplace
from noxden.render import print_json, print_lines, print_table
from noxden.sessions.output import StepResult
from noxden.sessions.planned import describe_sessions
from noxden.sessions.registered import describe_runner
from noxden.tools.repository import find_repository_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.ci.plan.values import Pipeline, Plan, PlannedSession
    from noxden.ci.values import Trigger
    from noxden.sessions.factory import Run
    from noxden.sessions.plan import PlanSettings

__all__ = ["run_plan"]


def run_plan(settings: PlanSettings, run: Run) -> tuple[StepResult, ...]:
    """Plan, write plan.json and the outputs of the CI system, and show it.

    Raises:
        NoxdenError: lock, configuration or trigger do not allow it, or the output is not to be
            written.
    """
    start = time.perf_counter()
    sessions = list(_collect_sessions(run))
    inputs = [one.rule.input for one in sessions if one.rule] + [STAGE_INPUT]
    trigger = read_trigger(os.environ, inputs)
    plan = _make_plan(settings, run, sessions, trigger)
    shown = plan_to_json(plan, _show_trigger(trigger))
    (run.output / "plan.json").write_text(json.dumps(shown, indent=2) + "\n", "utf-8")
    project = run.project / "pyproject.toml"
    how = Jobs.plan(find_config(run.project, os.environ).ci, project.read_bytes())
    publish_plan(plan, trigger, run.output, how, os.environ)
    _show(run, plan, shown)
    detail = f"{len(plan.jobs)} jobs, {len(plan.skipped)} skipped"
    run.notes.extend(_render_notes(plan))
    return (StepResult("plan", "passed", time.perf_counter() - start, detail),)


def _collect_sessions(run: Run) -> Iterator[PlannedSession]:
    """All sessions of the noxfile that runs, those too that were not asked for."""
    # nox tells a session nothing of the others.
    manifest: Any = run.session._runner.manifest  # noqa: SLF001
    folder = Path.cwd()
    runners = [runner for runner, _ in manifest.list_all_sessions()]
    yield from describe_sessions(describe_runner(runner, folder) for runner in runners)


def _make_plan(
    settings: PlanSettings, run: Run, sessions: list[PlannedSession], trigger: Trigger
) -> Plan:
    config = find_config(run.project, os.environ)
    pipeline = cast("Pipeline", run.options.pipeline or settings.pipeline)
    plan = plan_jobs(sessions, trigger, config.ci, pipeline)
    place = open_workplace(run.project, os.environ, config.den)
    names = {job.session[0] for job in plan.jobs}
    wanted = [one for one in sessions if one.name in names]
    selections = collect_selections(place, wanted)
    if run.options.changed_since:
        plan = leave_out_unchanged(
            plan, wanted, run.options.changed_since, place, selections, config.ci
        )
    repository = find_repository_name(place.project.root, os.environ)
    caches = plan_caches(place, wanted, selections, config.ci, trigger, repository)
    return plan._replace(jobs=fold(with_caches(plan.jobs, caches)))


def _show_trigger(trigger: Trigger) -> dict[str, object]:
    return {
        "system": trigger.system,
        "event": trigger.event,
        "ref": trigger.ref,
        "trust": trigger.trust.level,
    }


def _show(run: Run, plan: Plan, shown: dict[str, Any]) -> None:
    if run.options.json:
        print_json(shown)
        return
    rows = [
        (
            job.name,
            " ".join(job.runner),
            f"{job.timeout} min",
            "yes" if job.blocking else "no",
            job.cache.key.removeprefix(job.cache.prefix)[:12] or "-",
        )
        for job in plan.jobs
    ]
    if rows:
        print_table(("job", "runner", "timeout", "blocking", "wheels"), rows)
    lines = [f"{one.session} is skipped: {one.reason}" for one in plan.skipped]
    print_lines([*lines, *plan.notes] or ([] if rows else ["no session is in this pipeline"]))


def _render_notes(plan: Plan) -> list[str]:
    """The plan for the page of the step."""
    lines = [f"- {job.name}, on {' '.join(job.runner)}" for job in plan.jobs]
    lines += [f"- {one.session} is skipped: {one.reason}" for one in plan.skipped]
    lines += [f"- {note}" for note in plan.notes]
    return ["", *lines] if lines else []
