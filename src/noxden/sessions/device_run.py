"""One run of a device session: environment, cards, plan, batches, and what came of them."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden._switches import refuse_untrusted_write
from noxden.den.bases import site_packages
from noxden.den.layout import open_den
from noxden.den.supply import FROM_UV
from noxden.devices.hosts import open_engine
from noxden.devices.hud import read_upstream
from noxden.devices.jobs import plan_variables
from noxden.devices.judge import judge
from noxden.devices.live import show_live
from noxden.devices.plan import render_plan
from noxden.devices.publish import write_outcome
from noxden.devices.records import record_run
from noxden.devices.report_md import render_report
from noxden.devices.shards import parse_shard
from noxden.devices.stage_run import StageRun, run_stage
from noxden.devices.staging import Setting, Wanted, find_stage, plan_stage
from noxden.errors import InfrastructureError, UsageError
from noxden.render import print_lines
from noxden.sessions.backend import DenEnvironment
from noxden.sessions.ci_output import open_voice
from noxden.sessions.output import StepResult
from noxden.sessions.unit_facts import collect_distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.config import DeviceConfig, StageConfig
    from noxden.devices.hosts import Opened
    from noxden.devices.hud import Upstream
    from noxden.devices.outcome import Outcome
    from noxden.devices.staging import Staged
    from noxden.sessions.factory import Run

__all__ = ["run_device"]

_INTERRUPTED = 130
_NEAR = 0.85
"""Words that are so much alike (:mod:`difflib`) are one with a slip; those of pytest are less."""


def run_device(settings: DeviceConfig, run: Run) -> tuple[StepResult, ...]:
    """Run a stage, or show what it would run.

    Raises:
        NoxdenError: it could not be run to its end.
        KeyboardInterrupt: it was stopped; what was learned until then is written.
    """
    refuse_untrusted_write(os.environ, "use cards")
    # What is wrong with it is to be known before hours of tests, not after.
    upstream = read_upstream(os.environ)
    _refuse_mistyped(run)
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
        with _ended_by_sigterm():
            _run_batches(
                run,
                StageRun(setting, staged, opened, run.session.name, run.output / "attempts"),
                upstream,
            )
        return tuple(run.done)


def _refuse_mistyped(run: Run) -> None:
    """Refuse a word that is nearly one of our options, which pytest would get otherwise.

    Raises:
        UsageError: there is one before a second ``--``.
    """
    known = [f"--{name.replace('_', '-')}" for name in vars(run.options)]
    for word in itertools.takewhile(lambda word: word != "--", run.session.posargs):
        option = word.partition("=")[0]
        if not option.startswith("--") or option in known:
            continue
        if near := difflib.get_close_matches(option, known, n=1, cutoff=_NEAR):
            message = (
                f"there is no option {option}; did you mean {near[0]}? What is for pytest goes "
                f"after a second --"
            )
            raise UsageError(message)


def _apply_options(settings: DeviceConfig, run: Run) -> DeviceConfig:
    """The settings with what the options after ``--`` say over them.

    Raises:
        UsageError: an option has no effect.
    """
    options = run.options
    for name in ("cards", "provider", "engine", "scheduler"):
        if (value := getattr(options, name)) is not None:
            settings = settings._replace(**{name: value})
    if options.cards is not None and options.cards < 1:
        message = f"--cards takes a number from 1 on, got {options.cards}"
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
    if named and parse_shard(run.options.shard, setting.env) is None:
        message = f"--shards-file {named} has no effect without --shard I/M; add it"
        raise UsageError(message)
    file = Path(run.session.invoked_from, named) if named else None
    staged = plan_stage(setting, stage, Wanted(cards, kind, run.options.shard, file))
    for warning in staged.warnings:
        run.session.warn(warning)
    plan = staged.plan
    widest = max((batch.cards for batch in plan.batches), default=1)
    if widest > cards:
        run.session.warn(f"some tests need {widest} cards at once, and there are {cards}")
    part = f", shard {plan.shard}" if plan.shard else ""
    detail = (
        f"{plan.collected} collected, {plan.in_scope} in scope, {plan.selected} selected{part}, "
        f"{len(plan.batches)} batches"
    )
    run.session.log(f"stage {stage.number}: {detail}, expected {plan.expected_s:.0f} s")
    run.done.append(StepResult("plan", "passed", time.perf_counter() - start, detail))
    return staged


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Take SIGTERM, by which CI systems and clusters end jobs, for Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_batches(run: Run, planned: StageRun, upstream: Upstream) -> None:
    """Run the plan and write what came of it, also of a run that was stopped.

    Raises:
        InfrastructureError: tests have no result for want of cards, or files of the run could
            not be written.
        KeyboardInterrupt: it was stopped.
    """
    names = [card.name for card in planned.opened.cards]
    title = f"{run.session.name}: stage {planned.staged.plan.stage}"
    with (
        open_voice(os.environ, run.project).group(title, stream=sys.stderr),
        show_live(planned.staged.plan.selected, names, run.session.log) as view,
    ):
        outcome, failure = run_stage(planned, view.update)
    judgement = judge(outcome)
    for warning in outcome.warnings[len(planned.staged.warnings) :]:
        run.session.warn(warning)
    run.notes.append(render_report(outcome))
    status = "failed" if judgement.exit_code else "passed"
    run.done.append(StepResult("tests", status, outcome.seconds, judgement.message))
    _write(run, planned.setting, outcome, upstream)
    if failure is not None:
        raise failure
    if judgement.exit_code == _INTERRUPTED:
        run.session.warn(judgement.message)
        raise KeyboardInterrupt
    if judgement.exit_code == InfrastructureError.exit_code:
        raise InfrastructureError(judgement.message)
    # Failures of a stage that does not block are warnings too.
    is_clean = not (judgement.exit_code or outcome.counts["failed"] or outcome.broken)
    tell = run.session.log if is_clean else run.session.warn
    tell(judgement.message)


def _write(run: Run, setting: Setting, outcome: Outcome, upstream: Upstream) -> None:
    """Write the files of a run, and its record into the den."""
    try:
        written = write_outcome(run.output, outcome, upstream)
        run.session.log(f"results: {os.path.relpath(written.junit)} and beside it")
    finally:
        if record_run(setting.den, outcome) is None:
            run.session.warn(f"the den {setting.den.root} could not keep a record of this run")
