"""One run of a heavy session: gate, wheels, environment, tests."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.config import UnitConfig, find_config
from noxden.den.resolve import resolve
from noxden.den.supply import Supply
from noxden.den.wheels.fill import fill_store, mend_store, refuse_missing
from noxden.den.workplace import open_workplace
from noxden.errors import UsageError
from noxden.render import render_size
from noxden.sessions.backend import DenEnvironment
from noxden.sessions.meter import show_progress
from noxden.sessions.options import SessionOptions
from noxden.sessions.output import StepResult
from noxden.sessions.unit_run import run_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.config import HeavyConfig
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
    variables = collect_variables(run)
    if run.options.prepare:
        return (_fill(run, venv, variables),)
    if run.options.refresh:
        _fill(run, venv, variables)
    with show_progress(run.session.log) as show:
        venv.enter(Supply(from_index=True, need=run.session.name, show=show), variables)
    unit = UnitConfig(settings.groups, settings.python, settings.markers, settings.workers)
    return run_unit(unit, run)


def collect_variables(run: Run) -> dict[str, str]:
    """What the options after ``--`` say in place of variables."""
    variables = {"NOXDEN_OFFLINE": "1"} if run.options.offline else {}
    return variables | ({"NOXDEN_REMOTE": run.options.remote} if run.options.remote else {})


def _fill(run: Run, venv: DenEnvironment, variables: Mapping[str, str]) -> StepResult:
    """Fill the store; with ``--refresh`` hash what it has before."""
    start = time.perf_counter()
    env = {**os.environ, **variables}
    place = open_workplace(Path.cwd(), env, find_config(Path.cwd(), env).den)
    options = SessionOptions.from_venv_params(venv.venv_params)
    resolution = resolve(place, options.request(venv.interpreter), complete=True)
    with show_progress(run.session.log) as show:
        supply = Supply(from_index=True, need=run.session.name, show=show)
        mended = mend_store(place, resolution, supply) if run.options.refresh else []
        fetched = fill_store(place, resolution, supply)
    for warning in (*mended, *fetched.warnings):
        run.session.warn(warning)
    refuse_missing(place, fetched)
    total = len(resolution.artifacts)
    number = sum(transfer.artifacts for transfer in fetched.transfers)
    detail = f"{number} of {total} wheels fetched, {render_size(fetched.bytes)}"
    return StepResult("wheels", "passed", time.perf_counter() - start, detail)
