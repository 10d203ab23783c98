"""One run of a heavy session: gate, wheels, environment, tests."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.config import UnitConfig, find_config
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.workplace import open_workplace
from noxden.errors import UsageError
from noxden.render import render_size
from noxden.sessions.backend import DenEnvironment
from noxden.sessions.meter import show_progress
from noxden.sessions.options import SessionOptions
from noxden.sessions.output import StepResult
from noxden.sessions.results import WHEELS
from noxden.sessions.unit_run import run_unit

if TYPE_CHECKING:
    from noxden.config import HeavyConfig
    from noxden.den.resolve import Workplace
    from noxden.sessions.factory import Run

__all__ = ["run_heavy"]


def run_heavy(settings: HeavyConfig, run: Run) -> tuple[StepResult, ...]:
    """Run the tests, or only fill the store.

    Raises:
        NoxdenError: they could not be run to their end.
    """
    venv = run.session.virtualenv
    if not isinstance(venv, DenEnvironment):
        message = f"{run.session.name} needs an environment of its own; run nox without --no-venv"
        raise UsageError(message)
    place = _open_place(run)
    if run.options.prepare:
        _refuse_words(run)
        return (_fill(run, venv, place),)
    if run.options.refresh:
        _fill(run, venv, place)
    with show_progress(run.session.log) as show:
        supply = Supply(from_index=True, need=run.session.name, show=show)
        venv.enter(supply, collect_variables(run))
    if venv.prepared is not None and venv.prepared.built_base:
        _tell_verdict(run, place)
    unit = UnitConfig(settings.groups, settings.python, settings.markers, settings.workers)
    return run_unit(unit, run)


def collect_variables(run: Run) -> dict[str, str]:
    """What the options after ``--`` say in place of variables."""
    variables = {"NOXDEN_OFFLINE": "1"} if run.options.offline else {}
    return variables | ({"NOXDEN_REMOTE": run.options.remote} if run.options.remote else {})


def _refuse_words(run: Run) -> None:
    """Refuse words for pytest where it does not run.

    Raises:
        UsageError: there are some.
    """
    if run.rest:
        message = f"--prepare runs no tests, so {' '.join(run.rest)} has no effect; leave it out"
        raise UsageError(message)


def _open_place(run: Run) -> Workplace:
    env = {**os.environ, **collect_variables(run)}
    return open_workplace(Path.cwd(), env, find_config(Path.cwd(), env).den)


def _fill(run: Run, venv: DenEnvironment, place: Workplace) -> StepResult:
    """Fill the store; with ``--refresh`` hash what it has before."""
    # A warm session needs nothing of this.
    from noxden.den.wheels.fill import fill_store, mend_store, refuse_missing
    from noxden.den.wheels.records import record_run

    start = time.perf_counter()
    options = SessionOptions.from_venv_params(venv.venv_params)
    resolution = resolve(place, options.request(venv.interpreter), complete=True)
    with show_progress(run.session.log) as show:
        supply = Supply(from_index=True, need=run.session.name, show=show)
        mended = mend_store(place, resolution, supply) if run.options.refresh else []
        verify_s = time.perf_counter() - start if run.options.refresh else 0.0
        fetched = fill_store(place, resolution, supply)
    for warning in (*mended, *fetched.warnings):
        run.session.warn(warning)
    refuse_missing(place, fetched)
    record_run(place, resolution, fetched, need=run.session.name, verify_s=verify_s)
    _tell_verdict(run, place)
    total = len(resolution.artifacts)
    number = sum(transfer.artifacts for transfer in fetched.transfers)
    detail = f"{number} of {total} wheels fetched, {render_size(fetched.bytes)}"
    run.session.log(f"wheels: {detail}")
    return StepResult("wheels", "passed", time.perf_counter() - start, detail)


def _tell_verdict(run: Run, place: Workplace) -> None:
    """Say what caching wheels gained or cost here, and which wheels are of no use here."""
    from noxden.den.wheels.records import collect_runs
    from noxden.den.wheels.verdict import compute_verdicts, find_wasted
    from noxden.render_verdict import render_verdict_markdown, render_waste

    runs = collect_runs(place.den)
    for given in runs[-1].given if runs else ():
        said = f"{given.artifacts} from the {given.source}, {render_size(given.bytes)}"
        told = f"{WHEELS}{said} in {given.seconds:.1f} s"
        run.session.log(told)
        run.notes.append(f"{told}\n")
    wasted = find_wasted(runs[-1:])
    run.notes.append(render_verdict_markdown(compute_verdicts(runs), wasted))
    if wasted:
        told = render_waste(wasted).partition(";")[0]
        run.session.warn(f"{told}; noxden wheels verdict says how to lock others")
