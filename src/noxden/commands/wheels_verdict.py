"""``noxden wheels verdict``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.render import print_json

if TYPE_CHECKING:
    from noxden.cli import Caller

_THIS = "."


@click.command(
    epilog=examples(
        "noxden wheels verdict", "noxden wheels verdict --project", "noxden wheels verdict --json"
    )
)
@click.option(
    "--project",
    metavar="[NAME]",
    is_flag=False,
    flag_value=_THIS,
    help="Count only runs of this project; without a name, of the one here.",
)
@click.option(
    "--restore",
    "restore_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="What the CI system takes to restore a bundle before noxden runs.",
)
@as_json
@click.pass_obj
def verdict(caller: Caller, *, project: str | None, restore_s: float, json: bool) -> None:
    """Tell from recorded runs whether caches help on machines like this one.

    For each kind of machine: how quick the index, each cache and installing were, and what a
    cache gained or cost a run against fetching the same bytes from the index. Below three runs
    of each nothing is said. JSON: {"machines": [...], "wasted": [...], "wasted_bytes", "remedy"}.
    """
    from noxden.den.layout import open_den
    from noxden.den.wheels.records import collect_runs
    from noxden.den.wheels.verdict import compute_verdicts, find_wasted
    from noxden.render_verdict import print_verdicts, verdict_to_json

    name = _name_here(caller) if project == _THIS else project
    runs = collect_runs(open_den(caller.env))
    chosen = [run for run in runs if name in {None, run.project}]
    verdicts = compute_verdicts(chosen, restore_s=restore_s)
    wasted = find_wasted(chosen)
    if json:
        print_json(verdict_to_json(verdicts, wasted))
    else:
        print_verdicts(verdicts, wasted)


def _name_here(caller: Caller) -> str:
    from noxden.den.wheels.records import name_project
    from noxden.lock.project import read_project

    return name_project(read_project(caller.cwd))
