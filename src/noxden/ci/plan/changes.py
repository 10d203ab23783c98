"""``--changed-since REV``: which sessions a change concerns, and why."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.ci.plan.selections import collect_selections
from noxden.ci.plan.values import Plan, Skipped
from noxden.errors import NoxdenError
from noxden.lock.project import read_project
from noxden.tools.revisions import (
    collect_changed,
    extract_files,
    find_base,
    find_changed_below,
    read_at,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.ci.plan.selections import Selected
    from noxden.ci.plan.values import Job, PlannedSession
    from noxden.config import CiConfig
    from noxden.den.resolve import Workplace
    from noxden.lock.request import Request

__all__ = ["Change", "leave_out_unchanged"]

_DECIDING = ("noxfile.py", "sessions/", ".github/", ".forgejo/", ".gitlab-ci.yml", "Jenkinsfile")
"""Files that say what sessions and jobs are; with another of these everything runs."""
_DEPENDENCIES = ("dependencies", "optional-dependencies")
_SELECTED = ("pyproject.toml", "uv.lock")
"""What is compared by what a session selects of it, not by its bytes."""


class Change(NamedTuple):
    """What has changed since a revision."""

    revision: str
    """As it was named."""
    base: str
    """The commit that is compared with: where this branch left the revision."""
    files: tuple[str, ...]
    """Paths from the root of the repository, sorted."""


def leave_out_unchanged(
    plan: Plan,
    sessions: Sequence[PlannedSession],
    revision: str,
    place: Workplace,
    selections: Mapping[Request, Selected],
    config: CiConfig,
) -> Plan:
    """``plan`` without the jobs of sessions that nothing since ``revision`` concerns.

    A session is concerned where its selection differs, where one of its declared paths changed, or
    where it has declared none and anything did. With a changed noxfile all are. Where
    the revision is not to be had all run, and a note says why.
    """
    root, env = place.project.root, place.env
    base, problem = find_base(root, revision, env)
    if not base:
        note = f"everything runs: {problem}"
        return plan._replace(notes=(*plan.notes, note))
    change = Change(revision, base, collect_changed(root, base, env))
    if why := _find_deciding(change, place):
        note = f"everything runs: {why} changed since {revision}"
        return plan._replace(notes=(*plan.notes, note))
    before = _collect_before(change, sessions, place)
    by_name = {one.name: one for one in sessions}
    jobs: list[Job] = []
    skipped = list(plan.skipped)
    notes = list(plan.notes)
    for job in plan.jobs:
        session = by_name[job.session[0]]
        why = _find_reason(session, change, place, config, before, selections)
        if why:
            jobs.append(job)
            notes.append(f"{job.name} runs: {why}")
        else:
            reason = f"neither its selection nor its files changed since {revision}"
            skipped.append(Skipped(job.name, reason))
    return Plan(tuple(jobs), tuple(skipped), tuple(notes))


def _find_deciding(change: Change, place: Workplace) -> str:
    """A file that concerns every session; empty where none changed."""
    for path in change.files:
        if path.startswith(_DECIDING):
            return path
    if "pyproject.toml" in change.files:
        before = read_at(place.project.root, change.base, "pyproject.toml", place.env)
        if _without_dependencies(before) != _without_dependencies(
            place.project.read("pyproject.toml")
        ):
            return "a table of pyproject.toml beside the dependencies"
    return ""


def _without_dependencies(text: bytes) -> object:
    """pyproject.toml without what the selections tell of; the bytes where it is not TOML."""
    try:
        table: dict[str, Any] = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return text
    table.pop("dependency-groups", None)
    project = table.get("project", {})
    return table | {
        "project": {key: value for key, value in project.items() if key not in _DEPENDENCIES}
    }


def _collect_before(
    change: Change, sessions: Sequence[PlannedSession], place: Workplace
) -> Mapping[Request, Selected] | None:
    """What the sessions selected at the base; ``None`` where that cannot be told."""
    if not any(Path(path).name in _SELECTED for path in change.files):
        return {}
    with tempfile.TemporaryDirectory(prefix="noxden-plan-") as folder:
        extract_files(place.project.root, change.base, _SELECTED, Path(folder), place.env)
        try:
            then = place._replace(project=read_project(Path(folder)))
            return collect_selections(then, sessions)
        except NoxdenError:
            return None


def _find_reason(
    session: PlannedSession,
    change: Change,
    place: Workplace,
    config: CiConfig,
    before: Mapping[Request, Selected] | None,
    now: Mapping[Request, Selected],
) -> str:
    """Why ``session`` is concerned; empty where it is not."""
    if before is None:
        return f"what it selected at {change.revision} cannot be told"
    request = session.request
    then, ours = (before.get(request), now.get(request)) if request else (None, None)
    if before and then is not None and ours is not None and then.closure_id != ours.closure_id:
        return "it selects other packages"
    files = [path for path in change.files if Path(path).name not in _SELECTED]
    paths = config.paths.get(session.name) or config.paths.get(session.group)
    if paths is None:
        return f"{files[0]} changed, and it declares no paths" if files else ""
    found = find_changed_below(place.project.root, change.base, paths, place.env)
    return f"{found[0]} changed" if found else ""
