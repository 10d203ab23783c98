"""The actions of the wheelhouse session that move wheels: fetch, pull, push, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.supply import Supply
from noxden.den.wheels.fill import collect_sources, fill_store, refuse_missing
from noxden.den.wheels.installable import explain_unbuilt, find_unbuilt, refuse_wheelless
from noxden.den.wheels.targets import resolve_wheels
from noxden.errors import InfrastructureError, UsageError
from noxden.render import render_size
from noxden.sessions.meter import show_progress
from noxden.sessions.output import StepResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxden.den.resolve import Resolution, Workplace
    from noxden.den.wheels.fetch import Fetched, Missing
    from noxden.lock.selection import Artifact
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

    def resolve(self, wanted: Wanted) -> Resolution:
        """What ``wanted`` selects.

        Raises:
            InfrastructureError: it is for a Python that is not here, on this machine, and the
                lock has no wheels for that.
        """
        resolution = resolve_wheels(self.place, wanted.request, wanted.platform)
        if not wanted.platform:
            refuse_wheelless(resolution)
        return resolution

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
        InfrastructureError: no source has some of it, or it was not built.
    """
    for wanted in task.order.wanted:
        resolution = task.resolve(wanted)
        fetched = task.fill(wanted, resolution)
        unbuilt = _find_unbuilt(task, resolution, fetched)
        yield _describe(wanted, resolution, fetched, unbuilt)
        refuse_missing(task.place, fetched)
        if unbuilt:
            again = f"nox -s {task.run.session.name} -- fetch"
            raise InfrastructureError(explain_unbuilt(task.place, resolution, unbuilt, again))


def pull(task: Task) -> Iterator[Outcome]:
    """Bring in what the bundle and the remote have of the selections; nothing else is asked.

    Raises:
        UsageError: there is neither.
        InfrastructureError: they lack some of it, or wheels that were built of it, or these are
            not trusted; the rest is in the store.
    """
    fetch_it = f"nox -s {task.run.session.name} -- fetch"
    names = [source.name for source in collect_sources(task.place, index=False)]
    if not names:
        raise UsageError(_NO_REMOTE)
    missing: dict[str, Missing] = {}
    lost: list[str] = []
    for wanted in task.order.wanted:
        resolution = task.resolve(wanted)
        fetched = task.fill(wanted, resolution, from_index=False)
        missing |= {one.artifact.content: one for one in fetched.missing}
        unbuilt = _find_unbuilt(task, resolution, fetched)
        if unbuilt:
            lost.append(explain_unbuilt(task.place, resolution, unbuilt, fetch_it))
        yield _describe(wanted, resolution, fetched, unbuilt)
    if missing:
        packages = [_spell(one.artifact) for one in missing.values()]
        more = f" and {len(packages) - _SHOWN} more" if len(packages) > _SHOWN else ""
        lost.insert(
            0,
            f"{' and '.join(names)} cannot give {', '.join(packages[:_SHOWN])}{more} "
            f"({next(iter(missing.values())).reason}); what they gave is in the store, "
            f"the index may give the rest: {fetch_it}",
        )
    if lost:
        raise InfrastructureError("; ".join(dict.fromkeys(lost)))


def push(task: Task) -> Iterator[Outcome]:
    """Give the remote what it lacks of the selections, fetched before where need be.

    With ``--replace`` it gets all of them, whatever it has.

    Raises:
        UsageError: there is no remote.
        InfrastructureError: no source has some of it, or the remote does not take it.
        SafetyError: this run is for an untrusted trigger.
    """
    from noxden.den.wheels.built import collect_built
    from noxden.den.wheels.push import prepare_push
    from noxden.den.wheels.push import push as push_to
    from noxden.den.wheels.remote import open_remote

    if not task.place.remote:
        raise UsageError(_NO_REMOTE)
    remote = open_remote(task.place.remote, task.place.env)
    # Before the wheels are fetched, which asks the remote too.
    made = prepare_push(task.place, remote)
    replace: bool = task.run.options.replace
    for wanted in task.order.wanted:
        resolution = task.resolve(wanted)
        refuse_missing(task.place, task.fill(wanted, resolution))
        extra = collect_built(task.place, resolution)
        with show_progress(task.run.session.log) as show:
            pushed = push_to(
                task.place, resolution, remote, extra=extra, replace=replace, show=show
            )
        detail = (
            f"{pushed.files} files pushed, {render_size(pushed.bytes)}; {pushed.there} were there"
            f"{f'; {made}' if made else ''}"
        )
        made = ""
        data = {"files": pushed.files, "bytes": pushed.bytes, "there": pushed.there}
        yield Outcome(
            wanted.label, detail, {**_head(wanted, resolution), "remote": remote.name, **data}
        )


def export(task: Task) -> Iterator[Outcome]:
    """Write a folder that installs a selection without an index.

    Raises:
        UsageError: several Pythons are selected.
        InfrastructureError: no source has some of it, no wheel was built of it, or the folder
            cannot be written.
    """
    from noxden.den.wheels.export import export as export_to

    if len(task.order.wanted) != 1:
        known = ", ".join(one.label for one in task.order.wanted)
        message = f"a folder is for one Python; name it by --python, one of {known}"
        raise UsageError(message)
    wanted = task.order.wanted[0]
    folder = Path(task.run.session.invoked_from, task.order.folder)
    resolution = task.resolve(wanted)
    refuse_missing(task.place, task.fill(wanted, resolution))
    exported = export_to(task.place, resolution, folder, flat=task.run.options.flat)
    for warning in exported.warnings:
        task.run.session.warn(warning)
    yield Outcome(
        wanted.label,
        f"{exported.files} wheels, {render_size(exported.bytes)} in {task.order.folder}",
        {**_head(wanted, resolution), **exported._asdict()},
    )


def _find_unbuilt(task: Task, resolution: Resolution, fetched: Fetched) -> tuple[Artifact, ...]:
    """What is not installable with a store that was filled as far as it can be."""
    return find_unbuilt(task.place, resolution, [one.artifact for one in fetched.missing])


def _describe(
    wanted: Wanted, resolution: Resolution, fetched: Fetched, unbuilt: Sequence[Artifact]
) -> Outcome:
    """What a fetch did, for people and for scripts."""
    transfers = fetched.transfers
    number, total = sum(one.artifacts for one in transfers), len(resolution.artifacts)
    sources = sum(artifact.is_built for artifact in resolution.artifacts)
    parts = [
        f"{number} of {total} wheels fetched, {render_size(fetched.bytes)}",
        f"{sources} of them come as source" if sources else "",
        f"closure {resolution.closure_id[:12]}",
    ]
    data = {
        **_head(wanted, resolution),
        "fetched": number,
        "bytes": fetched.bytes,
        "sources": [one._asdict() for one in transfers],
        "missing": [_spell(one.artifact) for one in fetched.missing],
        "unbuilt": [_spell(one) for one in unbuilt],
        "warnings": list(fetched.warnings),
    }
    status = "failed" if fetched.missing or unbuilt else "passed"
    return Outcome(wanted.label, "; ".join(filter(None, parts)), data, status)


def _head(wanted: Wanted, resolution: Resolution) -> dict[str, Any]:
    return {
        "python": resolution.interpreter.version,
        "platform": wanted.platform,
        "closure": resolution.closure_id,
        "packages": len(resolution.artifacts),
    }


def _spell(artifact: Artifact) -> str:
    return f"{artifact.name} {artifact.version or ''}".strip()
