"""The session factory ``noxden.plan``: the jobs of a run on CI, as data.

Which sessions a trigger asks for, on which runners and with which caches, is decided here; a
workflow turns what this prints into a matrix and calls nox in each job.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple, Unpack

from noxden.ci.plan.values import PIPELINES
from noxden.sessions.factory import FactoryArguments, Kind, entry_point, override, register
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = ["PlanSettings", "plan"]

_HELP = """\
pipelines:
  checks   sessions that plain nox runs
  heavy    sessions with a gate, where it is open for what started this run
  device   stages on cards that are due
  all      all of them

examples:
  nox -s {name}                                    what a run would have, as a table
  nox -s {name} -- --json | jq .jobs               the same for scripts
  nox -s {name} -- --pipeline checks --changed-since origin/main

On GitHub and Forgejo the matrix and the number of jobs are outputs of the step, named matrix and
count; on GitLab .noxden/{name}/gitlab.yml is the child pipeline. Everywhere the plan is in
.noxden/{name}/plan.json.
"""


class PlanSettings(NamedTuple):
    """What the session plans where the command line names nothing."""

    pipeline: str = "all"


@entry_point
def plan(name: str = "plan", **arguments: Unpack[FactoryArguments]) -> SessionFunction:
    """Register a session that plans the jobs of a run on CI.

    Args:
        name: the name of the session.
        **arguments: goes to ``nox.session``.

    It is not among the default sessions, and makes no environment.

    Example::

        noxden.plan()
    """
    settings, nox_arguments = override(PlanSettings(), "plan", arguments)
    environment = SessionOptions(deferred=True)
    return register(_KIND, name, settings, environment, {"default": False, **nox_arguments})


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP.format(name=parser.prog.split()[2])
    parser.add_argument(
        "--pipeline", choices=PIPELINES, help="which sessions to plan (default: all)"
    )
    parser.add_argument(
        "--changed-since",
        metavar="REV",
        default="",
        help="leave out what nothing since REV concerns; empty leaves out nothing",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")


def _work(settings: PlanSettings, run: Run) -> tuple[StepResult, ...]:
    # A noxfile that only lists its sessions does not need what runs them.
    from noxden.sessions.plan_run import run_plan

    return run_plan(settings, run)


_KIND = Kind(
    "Plan the jobs of a run on CI: sessions, runners, caches, as JSON", _work, _add_options
)
