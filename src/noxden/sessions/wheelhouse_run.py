"""One run of the wheelhouse session: the action, and what is told of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.config import find_config
from noxden.den.workplace import open_workplace
from noxden.render import print_json
from noxden.sessions.heavy_run import collect_variables
from noxden.sessions.steps import render_steps
from noxden.sessions.wheelhouse_plan import plan_order
from noxden.sessions.wheelhouse_store import list_store, prune_store, verify_store
from noxden.sessions.wheelhouse_transfer import Outcome, Task, export, fetch, pull, push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult
    from noxden.sessions.wheelhouse import WheelhouseSettings

__all__ = ["run_wheelhouse"]

_ACTIONS: dict[str, Callable[[Task], Iterator[Outcome]]] = {
    "fetch": fetch,
    "pull": pull,
    "push": push,
    "export": export,
    "verify": verify_store,
    "list": list_store,
    "prune": prune_store,
}


def run_wheelhouse(settings: WheelhouseSettings, run: Run) -> tuple[StepResult, ...]:
    """Do what the words after ``--`` say.

    What was done before an error is told before it is raised.

    Raises:
        NoxdenError: it could not be done, or something is wrong with the store.
    """
    manifest = (run.project / "pyproject.toml").read_bytes()
    order = plan_order(settings, run.options, manifest)
    # uv too would ask the net: for a package that the lock has by its URL, while it exports.
    alone = {"NOXDEN_OFFLINE": "1"} if order.action == "pull" else {}
    env = {**os.environ, **collect_variables(run), **alone}
    place = open_workplace(Path.cwd(), env, find_config(Path.cwd(), env).den)
    outcomes: list[Outcome] = []
    steps = run.done
    start = time.perf_counter()
    try:
        for outcome in _ACTIONS[order.action](Task(run, place, order)):
            now = time.perf_counter()
            outcomes.append(outcome)
            steps.append(outcome.step(order.action, now - start))
            start = now
    finally:
        if run.options.json:
            print_json([outcome.data for outcome in outcomes])
        elif steps:
            render_steps(steps)
    return tuple(steps)
