"""The actions of the wheelhouse session that look after the store: verify, list, prune."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from noxden.den.supply import Supply
from noxden.den.wheels.audit import audit_selection, audit_store, refuse_absent, refuse_damaged
from noxden.den.wheels.closures import find_problem
from noxden.den.wheels.fill import mend_store, refuse_missing
from noxden.den.wheels.listing import collect_closures
from noxden.den.wheels.prune import apply_prune, plan_prune
from noxden.den.wheels.targets import resolve_wheels
from noxden.errors import UsageError
from noxden.render import progress, render_size
from noxden.render_wheels import audit_to_json, closure_to_json, print_closures, render_audit
from noxden.sessions.meter import show_progress
from noxden.sessions.wheelhouse_transfer import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.sessions.wheelhouse_transfer import Task

__all__ = ["list_store", "prune_store", "verify_store"]


def verify_store(task: Task) -> Iterator[Outcome]:
    """Hash what the store has of the selections, or all of it; fetch what is wrong or missing.

    Raises:
        SafetyError: something is wrong, and was not to be repaired or cannot be.
        InfrastructureError: something is missing, and was not to be repaired or cannot be.
        UsageError: all closures are to be repaired.
    """
    options = task.run.options
    if options.all and options.repair:
        message = "--repair needs the URLs of uv.lock, which closures do not keep; leave out --all"
        raise UsageError(message)
    yield from _repair(task) if options.repair else _verify(task)


def _verify(task: Task) -> Iterator[Outcome]:
    if task.run.options.all:
        audits = [("", audit_store(task.place.den, progress))]
    else:
        audits = [
            (wanted.label, audit_selection(task.place, resolution, progress))
            for wanted in task.order.wanted
            for resolution in [resolve_wheels(task.place, wanted.request, wanted.platform)]
        ]
    for label, audit in audits:
        data = audit_to_json(audit)
        failed = audit.lines or audit.absent
        yield Outcome(label, render_audit(audit), data, "failed" if failed else "passed")
    run = f"nox -s {task.run.session.name} --"
    for _, audit in audits:
        refuse_damaged(audit, f"{run} verify --repair fetches it again")
    for _, audit in audits:
        refuse_absent(audit, f"{run} fetch brings it, for the same groups")


def _repair(task: Task) -> Iterator[Outcome]:
    for wanted in task.order.wanted:
        resolution = resolve_wheels(task.place, wanted.request, wanted.platform)
        problem = find_problem(task.place.den, resolution.closure_id)
        with show_progress(task.run.session.log) as show:
            supply = Supply(from_index=True, need=wanted.need, show=show)
            mended = mend_store(task.place, resolution, supply)
        mended += [f"{problem}; it is written anew"] if problem else []
        for line in mended:
            task.run.session.warn(line)
        fetched = task.fill(wanted, resolution)
        number = sum(one.artifacts for one in fetched.transfers)
        wrong = f"{len(mended) - bool(problem)} of {len(resolution.artifacts)}"
        parts = [
            f"{wrong} wheels were wrong and fetched again",
            f"{number} were missing and fetched" if number else "",
            "the closure was written anew" if problem else "",
        ]
        data = {"closure": resolution.closure_id, "mended": mended, "fetched": number}
        status = "failed" if fetched.missing else "passed"
        yield Outcome(wanted.label, "; ".join(filter(None, parts)), data, status)
        refuse_missing(task.place, fetched)


def list_store(task: Task) -> Iterator[Outcome]:
    """Show the closures of the store."""
    closures = collect_closures(task.place.den)
    if not task.run.options.json and closures:
        print_closures(closures, time.time())
    size = render_size(sum(one.size for one in closures))
    detail = f"{len(closures)} closures, {size} with what they share"
    yield Outcome("", detail, {"closures": [closure_to_json(one) for one in closures]})


def prune_store(task: Task) -> Iterator[Outcome]:
    """Remove what no session of a project stands on any more.

    Raises:
        InfrastructureError: the den cannot be written.
    """
    den = task.place.den
    plan = plan_prune(den)
    if task.run.options.dry_run:
        data = {"closures": plan.closures, "artifacts": plan.artifacts, "freed": plan.freed}
        what = f"{len(plan.closures)} closures and {len(plan.artifacts)} artifacts"
        detail = f"would remove {what}, {render_size(plan.freed)} (--dry-run: nothing was removed)"
        yield Outcome("", detail, {**data, "dry_run": True})
        return
    pruned = apply_prune(den, plan)
    for note in pruned.notes:
        task.run.session.warn(note)
    gone = [one for one in plan.closures if not (den.closures / f"{one}.toml").exists()]
    data = {"closures": gone, "artifacts": list(pruned.removed), "freed": pruned.freed}
    what = f"{len(gone)} closures and {len(pruned.removed)} artifacts"
    detail = f"removed {what}, freed {render_size(pruned.freed)}"
    yield Outcome("", detail, {**data, "dry_run": False})
