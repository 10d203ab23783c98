"""One run of a device session: environment, cards, plan, batches, and what came of them."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden._switches import refuse_untrusted_write
from noxden.den.bases import site_packages
from noxden.den.layout import open_den
from noxden.den.supply import FROM_UV
from noxden.device.hosts import open_engine
from noxden.device.hud import read_upstream
from noxden.device.jobs import plan_variables
from noxden.device.judge import judge
from noxden.device.live import show_live
from noxden.device.plan import render_plan
from noxden.device.publish import write_outcome
from noxden.device.records import record_run
from noxden.device.report_md import render_report
from noxden.device.stage_run import StageRun, run_stage
from noxden.device.staging import Setting, Wanted, find_stage, plan_stage
from noxden.errors import InfrastructureError, UsageError
from noxden.render import print_lines
from noxden.sessions.backend import DenEnvironment
from noxden.sessions.output import StepResult
from noxden.sessions.unit_facts import collect_distributions

if TYPE_CHECKING:
    from noxden.config import DeviceConfig, StageConfig
    from noxden.device.hosts import Opened
    from noxden.device.outcome import Outcome
    from noxden.device.staging import Staged
    from noxden.sessions.factory import Run

__all__ = ["run_device"]

_INTERRUPTED = 130


def run_device(settings: DeviceConfig, run: Run) -> tuple[StepResult, ...]:
    """Run a stage, or show what it would run.

    Raises:
        NoxdenError: it could not be run to its end.
        KeyboardInterrupt: it was stopped; what was learned until then is written.
    """
    refuse_untrusted_write(os.environ, "use cards")
    settings = _apply_options(settings, run)
    stage = find_stage(settings, run.options.stage)
    setting = _enter(settings, run)
    if run.options.dry_run:
        kind = "" if settings.provider == "auto" else settings.provider
        staged = _plan(setting, stage, run, settings.cards or stage.cards, kind)
        print_lines(render_plan(staged.plan))
        return tuple(run.done)
    workers = run.output / "workers"
    opened = open_engine(settings, setting.env, stage.cards, workers, run.project, run.session.log)
    with contextlib.ExitStack() as stack:
        stack.callback(opened.engine.close)
        _compare_cards(run, stage, opened)
        staged = _plan(setting, stage, run, opened.planned, opened.cards[0].kind)
        _run_batches(run, setting, staged, opened)
        return tuple(run.done)


def _apply_options(settings: DeviceConfig, run: Run) -> DeviceConfig:
    """The settings with what the options after ``--`` say over them.

    Raises:
        UsageError: an option has no effect.
    """
    options = run.options
    for name in ("cards", "provider", "engine", "scheduler"):
        if (value := getattr(options, name)) is not None:
            settings = settings._replace(**{name: value})
    if settings.cards < 0:
        message = f"--cards takes a number from 1 on, got {settings.cards}"
        raise UsageError(message)
    if settings.scheduler and settings.engine != "dask":
        message = f"the engine local has no scheduler {settings.scheduler}; add --engine dask"
        raise UsageError(message)
    return settings


def _enter(settings: DeviceConfig, run: Run) -> Setting:
    """Make the environment of the session, and say what is in it.

    Raises:
        UsageError: nox runs without an environment.
        NoxdenError: it cannot be made.
    """
    venv = run.session.virtualenv
    if not isinstance(venv, DenEnvironment):
        message = f"{run.session.name} needs an environment of its own; run nox without --no-venv"
        raise UsageError(message)
    venv.enter(FROM_UV, {})
    prepared = venv.prepared
    if prepared is None:
        message = f"{run.session.name} got no environment; run: noxden doctor"
        raise InfrastructureError(message)
    at = prepared.environment
    env = {**os.environ, **venv.env, "PATH": _join_path(run)}
    return Setting(
        config=settings,
        project=run.project,
        python=str(Path(venv.location).absolute() / "bin" / "python"),
        key=prepared.resolution.key,
        env=plan_variables(env, settings),
        den=open_den(os.environ),
        installed=collect_distributions(at.site, site_packages(at.base, at.label)),
        words=run.rest,
    )


def _join_path(run: Run) -> str:
    return os.pathsep.join([*map(str, run.session.bin_paths or ()), os.environ.get("PATH", "")])


def _compare_cards(run: Run, stage: StageConfig, opened: Opened) -> None:
    """Say where there are fewer cards than the stage is meant for.

    Raises:
        InfrastructureError: there are, and ``--strict-cards`` is given.
    """
    if opened.planned >= stage.cards:
        return
    said = f"stage {stage.number} is meant for {stage.cards} cards, and there are {opened.planned}"
    if run.options.strict_cards:
        message = f"{said}; add cards, or leave out --strict-cards"
        raise InfrastructureError(message)
    run.session.warn(f"{said}: it takes longer")


def _plan(setting: Setting, stage: StageConfig, run: Run, cards: int, kind: str) -> Staged:
    start = time.perf_counter()
    named = run.options.shards_file
    file = Path(run.session.invoked_from, named) if named else None
    staged = plan_stage(setting, stage, Wanted(cards, kind, run.options.shard, file))
    for warning in staged.warnings:
        run.session.warn(warning)
    plan = staged.plan
    part = f", shard {plan.shard}" if plan.shard else ""
    detail = (
        f"{plan.collected} collected, {plan.in_scope} in scope, {plan.selected} selected{part}, "
        f"{len(plan.batches)} batches"
    )
    run.session.log(f"stage {stage.number}: {detail}, expected {plan.expected_s:.0f} s")
    run.done.append(StepResult("plan", "passed", time.perf_counter() - start, detail))
    return staged


def _run_batches(run: Run, setting: Setting, staged: Staged, opened: Opened) -> None:
    """Run the plan and write what came of it, also of a run that was stopped.

    Raises:
        InfrastructureError: tests have no result for want of cards, or files of the run could
            not be written.
        KeyboardInterrupt: it was stopped.
    """
    planned = StageRun(setting, staged, opened, run.session.name, run.output / "attempts")
    names = [card.name for card in opened.cards]
    with show_live(staged.plan.selected, names, run.session.log) as view:
        outcome = run_stage(planned, view.update)
    judgement = judge(outcome)
    run.notes.append(render_report(outcome))
    status = "failed" if judgement.exit_code else "passed"
    run.done.append(StepResult("tests", status, outcome.seconds, judgement.message))
    _write(run, setting, outcome)
    if judgement.exit_code == _INTERRUPTED:
        run.session.warn(judgement.message)
        raise KeyboardInterrupt
    if judgement.exit_code == InfrastructureError.exit_code:
        raise InfrastructureError(judgement.message)
    # Failures of a stage that does not block are warnings too.
    is_clean = not (judgement.exit_code or outcome.counts["failed"] or outcome.broken)
    tell = run.session.log if is_clean else run.session.warn
    tell(judgement.message)


def _write(run: Run, setting: Setting, outcome: Outcome) -> None:
    """Write the files of a run, and its record into the den."""
    try:
        written = write_outcome(run.output, outcome, read_upstream(os.environ))
        run.session.log(f"results: {os.path.relpath(written.junit)} and beside it")
    finally:
        if record_run(setting.den, outcome) is None:
            run.session.warn(f"the den {setting.den.root} could not keep a record of this run")
