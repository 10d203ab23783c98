"""``noxden gc``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from noxden.commands._options import as_json, examples
from noxden.render import print_json, print_lines, print_table, render_age, render_size, render_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.cli import Caller
    from noxden.den.collect import Outcome, Plan
    from noxden.den.limits import Limits


@click.command(epilog=examples("noxden gc --dry-run", "noxden gc --max-size 20GB --max-age 14d"))
@click.option("--dry-run", is_flag=True, help="Show what would go and remove nothing.")
@click.option(
    "--max-size", metavar="SIZE", help="What may stay at most: 20GB. Default: the configuration's."
)
@click.option(
    "--max-age",
    metavar="AGE",
    help="What is unused for longer goes: 30d. Default: the configuration's.",
)
@click.option(
    "--prune", is_flag=True, help="Let uv prune its cache even if nothing else is removed."
)
@as_json
@click.pass_obj
def command(
    caller: Caller,
    *,
    dry_run: bool,
    max_size: str | None,
    max_age: str | None,
    prune: bool,
    json: bool,
) -> None:
    """Remove base environments and wheels that nothing needs, and what killed builders left.

    What is in use stays, and what a worktree environment stands on; wheels stay while a session
    of a project stands on their closure. The rest goes when it is unused for longer than
    --max-age, and packages that only removed environments selected leave uv's cache too. If the
    den, uv's cache and the wheels included, is still above --max-size, first wheels go that no
    session stands on now, then the cache drops its downloads; then the least recently used
    environments go until it is below.

    It runs only when it is called. To run it nightly, put this into a crontab:
    17 3 * * * noxden gc
    """
    from noxden.den.collect import apply_plan, compute_plan, merge_outcomes, merge_plans
    from noxden.den.inventory import collect_inventory
    from noxden.den.layout import open_den
    from noxden.tools.uv import Uv

    limits = read_limits(caller, max_size, max_age)
    den = open_den(caller.env)
    plan = compute_plan(collect_inventory(den), limits, caller.clock(), prune_cache=prune)
    outcome = None if dry_run else apply_plan(den, plan, Uv(caller.env, den.uv_cache))
    if outcome is not None and plan.drop_downloads and not outcome.notes:
        # The cache keeps what it built from source: bases go for what it kept.
        inventory = collect_inventory(den)
        if inventory.total > limits.max_size:
            more = compute_plan(inventory, limits, caller.clock(), dropped=True)
            again = apply_plan(den, more, Uv(caller.env, den.uv_cache))
            plan, outcome = merge_plans(plan, more), merge_outcomes(outcome, again)
    if json:
        print_json(_to_json(plan, outcome))
        return
    _print_plan(plan, limits, caller.clock())
    print_lines(_render_end(plan, outcome))


def read_limits(caller: Caller, max_size: str | None, max_age: str | None) -> Limits:
    """What the den may hold: the options, else the configuration of the project, if any."""
    from noxden.config import load_config
    from noxden.den.limits import Limits, parse_age, parse_size

    folders = (caller.cwd, *caller.cwd.parents)
    project = next((at for at in folders if (at / "pyproject.toml").is_file()), caller.cwd)
    den = load_config(project, caller.env).den
    return Limits(parse_size(max_size or den.max_size), parse_age(max_age or den.max_age))


def _to_json(plan: Plan, outcome: Outcome | None) -> dict[str, object]:
    removals = [
        {**removal._asdict(), "last_used": render_time(removal.last_used)}
        for removal in plan.removals
    ]
    done: dict[str, object] | None = None
    if outcome is not None:
        kept = [{"key": key, "reason": reason} for key, reason in outcome.kept]
        done = {**outcome._asdict(), "kept": kept, "wheels": outcome.wheels._asdict()}
    wheels = plan.wheels._asdict()
    return {**plan._asdict(), "removals": removals, "wheels": wheels, "outcome": done}


def _print_plan(plan: Plan, limits: Limits, now: float) -> None:
    if plan.removals:
        rows = (
            (one.key[:12], one.reason, render_age(now - one.last_used), render_size(one.frees))
            for one in plan.removals
        )
        print_table(("key", "reason", "last used", "frees>"), rows)
    print_lines(_render_rest(plan, limits))


def _render_rest(plan: Plan, limits: Limits) -> Iterator[str]:
    yield f"den: {render_size(plan.total)} of at most {render_size(limits.max_size)}"
    for number, what in (
        (len(plan.leftovers), "left-overs of killed builders"),
        (len(plan.dead_roots), "roots of worktree environments that are gone"),
        (len(plan.memos), "old memos"),
        (len(plan.packages), "packages in uv's cache that nothing selects any more"),
        (len(plan.wheels.closures), "closures that no session stands on any more"),
        (len(plan.wheels.artifacts), "wheels that nothing kept names"),
        (len(plan.wheels.partials), "downloads that were cut"),
    ):
        if number:
            yield f"{number} {what}"
    if plan.drop_downloads:
        yield "uv's cache drops its downloads"
    if plan.over:
        yield f"what is in use or stood on takes {render_size(plan.over)} more than --max-size"


def _render_end(plan: Plan, outcome: Outcome | None) -> Iterator[str]:
    if outcome is None:
        yield f"would remove {len(plan.removals)} base environments (--dry-run: none was removed)"
        return
    for key, reason in outcome.kept:
        yield f"{key[:12]} stays: {reason}"
    yield from outcome.notes
    yield from (f"wheels: {note}" for note in outcome.wheels.notes)
    wheels = f" and {len(outcome.wheels.removed)} wheels" if outcome.wheels.removed else ""
    removed = f"removed {len(outcome.removed)} base environments{wheels}"
    yield f"{removed}, freed {render_size(outcome.freed)}"
