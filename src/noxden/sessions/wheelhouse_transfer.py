"""The actions of the wheelhouse session that move wheels: fetch, pull, push, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.supply import Supply
from noxden.den.wheels.fill import collect_sources, fill_store, refuse_missing
from noxden.den.wheels.targets import resolve_wheels
from noxden.errors import InfrastructureError, UsageError
from noxden.render import render_size
from noxden.sessions.meter import show_progress
from noxden.sessions.output import StepResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.fetch import Fetched, Missing
    from noxden.sessions.factory import Run
    from noxden.sessions.wheelhouse_plan import Order, Wanted

__all__ = ["Outcome", "Task", "export", "fetch", "pull", "push"]

_SHOWN = 20
"""Packages that a message names; --json has all."""
_NO_REMOTE = (
    "there is no remote; name one by remote in [tool.noxden.den], NOXDEN_REMOTE or --remote URI"
)


class Task(NamedTuple):
    """What an action is done with."""

    run: Run
    place: Workplace
    order: Order

    def fill(self, wanted: Wanted, resolution: Resolution, *, from_index: bool = True) -> Fetched:
        """Bring into the store what it lacks, and pass the warnings on."""
        with show_progress(self.run.session.log) as show:
            supply = Supply(from_index=from_index, need=wanted.need, show=show)
            fetched = fill_store(self.place, resolution, supply)
        for warning in fetched.warnings:
            self.run.session.warn(warning)
        return fetched


class Outcome(NamedTuple):
    """What an action did for one selection, or for the whole store."""

    label: str
    """Python and platform; empty for this machine and the project's Python."""
    detail: str
    """One line for people."""
    data: dict[str, Any]
    """The same for scripts."""
    status: str = "passed"

    def step(self, action: str, seconds: float) -> StepResult:
        """The step of the session that this is."""
        return StepResult(f"{action} {self.label}".strip(), self.status, seconds, self.detail)


def fetch(task: Task) -> Iterator[Outcome]:
    """Bring the selections into the store.

    Raises:
        InfrastructureError: no source has some of it.
    """
    for wanted in task.order.wanted:
        resolution = resolve_wheels(task.place, wanted.request, wanted.platform)
        fetched = task.fill(wanted, resolution)
        yield _describe(wanted, resolution, fetched)
        refuse_missing(task.place, fetched)


def pull(task: Task) -> Iterator[Outcome]:
    """Bring in what the bundle and the remote have of the selections.

    Raises:
        UsageError: there is neither.
        InfrastructureError: they lack some of it; the rest is in the store.
    """
    names = [source.name for source in collect_sources(task.place, index=False)]
    if not names:
        raise UsageError(_NO_REMOTE)
    missing: dict[str, Missing] = {}
    for wanted in task.order.wanted:
        resolution = resolve_wheels(task.place, wanted.request, wanted.platform)
        fetched = task.fill(wanted, resolution, from_index=False)
        missing |= {one.artifact.content: one for one in fetched.missing}
        yield _describe(wanted, resolution, fetched)
    if missing:
        packages = [_spell(one) for one in missing.values()]
        more = f" and {len(packages) - _SHOWN} more" if len(packages) > _SHOWN else ""
        message = (
            f"{' and '.join(names)} cannot give {', '.join(packages[:_SHOWN])}{more} "
            f"({next(iter(missing.values())).reason}); what they gave is in the store, "
            f"the index may give the rest: nox -s {task.run.session.name} -- fetch"
        )
        raise InfrastructureError(message)


def push(task: Task) -> Iterator[Outcome]:
    """Give the remote what it lacks of the selections, fetched before where need be.

    Raises:
        UsageError: there is no remote.
        InfrastructureError: no source has some of it, or the remote does not take it.
        SafetyError: this run is for an untrusted trigger.
    """
    from noxden.den.wheels.built import collect_built
    from noxden.den.wheels.push import push as push_to
    from noxden.den.wheels.remote import open_remote

    if not task.place.remote:
        raise UsageError(_NO_REMOTE)
    remote = open_remote(task.place.remote, task.place.env)
    for wanted in task.order.wanted:
        resolution = resolve_wheels(task.place, wanted.request, wanted.platform)
        refuse_missing(task.place, task.fill(wanted, resolution))
        extra = collect_built(task.place, resolution)
        with show_progress(task.run.session.log) as show:
            pushed = push_to(task.place, resolution, remote, show=show, extra=extra)
        detail = (
            f"{pushed.files} files pushed, {render_size(pushed.bytes)}; {pushed.there} were there"
        )
        data = {"files": pushed.files, "bytes": pushed.bytes, "there": pushed.there}
        yield Outcome(
            wanted.label, detail, {**_head(wanted, resolution), "remote": remote.name, **data}
        )


def export(task: Task) -> Iterator[Outcome]:
    """Write a folder that installs a selection without an index.

    Raises:
        UsageError: several Pythons are selected.
        InfrastructureError: no source has some of it, or the folder cannot be written.
    """
    from noxden.den.wheels.export import export as export_to

    if len(task.order.wanted) != 1:
        known = ", ".join(one.label for one in task.order.wanted)
        message = f"a folder is for one Python; name it by --python, one of {known}"
        raise UsageError(message)
    wanted = task.order.wanted[0]
    folder = Path(task.run.session.invoked_from, task.order.folder)
    resolution = resolve_wheels(task.place, wanted.request, wanted.platform)
    refuse_missing(task.place, task.fill(wanted, resolution))
    exported = export_to(task.place, resolution, folder, flat=task.run.options.flat)
    for warning in exported.warnings:
        task.run.session.warn(warning)
    yield Outcome(
        wanted.label,
        f"{exported.files} wheels, {render_size(exported.bytes)} in {task.order.folder}",
        {**_head(wanted, resolution), **exported._asdict()},
    )


def _describe(wanted: Wanted, resolution: Resolution, fetched: Fetched) -> Outcome:
    """What a fetch did, for people and for scripts."""
    transfers = fetched.transfers
    number, total = sum(one.artifacts for one in transfers), len(resolution.artifacts)
    built = sum(artifact.is_built for artifact in resolution.artifacts)
    parts = [
        f"{number} of {total} wheels fetched, {render_size(fetched.bytes)}",
        f"{built} of them to be built from source" if built else "",
        f"closure {resolution.closure_id[:12]}",
    ]
    data = {
        **_head(wanted, resolution),
        "fetched": number,
        "bytes": fetched.bytes,
        "sources": [one._asdict() for one in transfers],
        "missing": [_spell(one) for one in fetched.missing],
        "warnings": list(fetched.warnings),
    }
    return Outcome(wanted.label, "; ".join(filter(None, parts)), data)


def _head(wanted: Wanted, resolution: Resolution) -> dict[str, Any]:
    return {
        "python": resolution.interpreter.version,
        "platform": wanted.platform,
        "closure": resolution.closure_id,
        "packages": len(resolution.artifacts),
    }


def _spell(missing: Missing) -> str:
    return f"{missing.artifact.name} {missing.artifact.version or ''}".strip()
