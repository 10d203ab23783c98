"""Propose sessions, dependency groups and settings for a project: a pure function of its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from noxden.adopt.draft import Draft
from noxden.adopt.groups import find_groups, find_heavy
from noxden.adopt.lint import plan_lint
from noxden.adopt.noxfile import render_calls
from noxden.adopt.values import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from noxden.adopt.values import Facts

__all__ = ["Wishes", "plan_proposal"]

_OURS = "noxden"
_OLDEST = 11
"""The minor version of the oldest Python 3 that noxden runs on."""
_TEST_NAMES = ("test", "tests", "testing", "dev")
_PACKAGING_NAMES = ("packaging", "release", "publish", "build")
_PACKAGING = {
    "check-wheel-contents": "check-wheel-contents",
    "twine": "twine",
    "validate-pyproject": "validate-pyproject[all]",
}


class Wishes(NamedTuple):
    """What the caller wants beside what the project has."""

    version: str
    """The version of noxden that the project is to have at least."""
    providers: tuple[str, ...] = ()
    """CI systems to write files for; empty leaves it to the project."""
    ci: bool = True
    device: bool = False
    source: Mapping[str, Any] | None = None
    """Where noxden comes from, as ``tool.uv.sources`` takes it."""


def plan_proposal(facts: Facts, wishes: Wishes) -> Proposal:
    """What is to be added so that the project has noxden's sessions.

    Sessions that its noxfile has already, by noxden or of its own, are left alone with all that
    they need.
    """
    draft = Draft(facts)
    sessions = tuple(_choose_sessions(facts, wishes))
    missing = _leave_known(draft, sessions)
    unit = list(draft.said("unit", "groups") or draft.find(_TEST_NAMES, "pytest")[:1] or ["test"])
    for name in missing:
        if name == "lint":
            plan_lint(draft)
        elif name == "packaging":
            _plan_packaging(draft)
        elif name in _WITH_TESTS:
            _WITH_TESTS[name](draft, unit)
    if wishes.ci and "plan" in missing:
        draft.set("ci", "providers", list(wishes.providers or facts.providers), ["github"])
        draft.set("ci", "branch", facts.branch, "main")
    _plan_noxden(draft, wishes)
    groups = {name: tuple(added) for name, added in draft.groups.items() if added}
    sources = {_OURS: dict(wishes.source)} if wishes.source and _lacks_source(facts) else {}
    return Proposal(sessions, groups, draft.settings, sources, tuple(draft.notes))


def _choose_sessions(facts: Facts, wishes: Wishes) -> Iterator[str]:
    """The sessions that the project has something for, in the order of the noxfile."""
    yield "lint"
    tested = facts.tests or find_groups({**facts.groups, **facts.extras}, (), "pytest")
    if tested:
        yield "unit"
        unit = find_groups(facts.groups, _TEST_NAMES, "pytest")[:1]
        known = facts.groups[unit[0]].packages if unit else frozenset[str]()
        heavy = find_heavy(facts.groups, known) or find_heavy(facts.extras, known)
        if heavy or "heavy" in facts.markers:
            yield "heavy"
    if wishes.device:
        yield "device"
    if facts.packaged:
        yield "packaging"
    if wishes.ci:
        yield "plan"


def _leave_known(draft: Draft, sessions: tuple[str, ...]) -> list[str]:
    """The sessions that an existing noxfile lacks; it is told what to add, and never changed."""
    noxfile = draft.facts.noxfile
    if noxfile is None:
        if draft.facts.has_tox:
            draft.notes.append("tox stays as it is; what only it does can become a session")
        return list(sessions)
    known = set(noxfile.factories) | (set(sessions) if "register" in noxfile.factories else set())
    missing = [name for name in sessions if name not in known]
    clashing = [name for name in missing if name in noxfile.sessions]
    added = [name for name in missing if name not in clashing]
    if added:
        lines = "; ".join(["import noxden", *render_calls(added)])
        draft.notes.append(f"noxfile.py stays as it is; add to it: {lines}")
    if clashing:
        names, calls = ", ".join(clashing), "; ".join(render_calls(clashing))
        draft.notes.append(f"it has sessions {names} of its own; to have noxden's instead: {calls}")
    return added


def _plan_unit(draft: Draft, groups: list[str]) -> None:
    """The group with pytest, else one on the extra with pytest, else a new one."""
    facts = draft.facts
    if "pytest" not in draft.holding(groups):
        extras = find_groups(facts.extras, _TEST_NAMES, "pytest")[:1]
        draft.require(groups[0], _take_extras(draft, extras) or ["pytest"])
    draft.set("unit", "groups", groups, ["test"])
    if len(facts.pythons) > 1:
        draft.set("unit", "python", list(facts.pythons), [])


def _take_extras(draft: Draft, extras: list[str]) -> list[str]:
    """Requirements for what ``extras`` of the project hold.

    A package names its own extra; a project that is none has nothing that could be named.
    """
    facts = draft.facts
    if facts.packaged:
        return [f"{facts.name}[{extra}]" for extra in extras]
    said = facts.table.get("project", {}).get("optional-dependencies", {})
    return [str(entry) for extra in extras for entry in said[extra]]


def _plan_heavy(draft: Draft, unit: list[str]) -> None:
    facts, known = draft.facts, draft.holding(unit)
    groups = [name for name in find_heavy(facts.groups, known) if name not in unit]
    extras = [] if groups else find_heavy(facts.extras, known)
    if extras:
        draft.require("heavy", _take_extras(draft, extras))
        groups = ["heavy"]
    draft.set("heavy", "groups", [*unit, *groups], ["test", "heavy"])
    if "heavy" not in facts.markers:
        needed = ", ".join(extras or groups)
        draft.notes.append(
            f"mark tests that need {needed} with @pytest.mark.heavy: nox -s heavy runs those"
        )


def _plan_device(draft: Draft, unit: list[str]) -> None:
    groups = list(unit)
    if "pytest-reportlog" not in draft.holding(groups):
        having = draft.find(("device",), "pytest-reportlog")
        groups += having[:1] or ["device"]
        if not having:
            draft.require("device", ["pytest-reportlog"])
    draft.set("device", "groups", groups, ["test"])
    if "device" in draft.facts.markers:
        draft.set("device", "markers", "device", "")


_WITH_TESTS = {"unit": _plan_unit, "heavy": _plan_heavy, "device": _plan_device}


def _plan_packaging(draft: Draft) -> None:
    """The group of that purpose, or one that has most of the tools; else a new one."""
    given = draft.said("packaging", "groups")
    found = draft.find(_PACKAGING_NAMES, *_PACKAGING)
    fitting = [
        name
        for name in found
        if name in _PACKAGING_NAMES or len(draft.holding([name]) & _PACKAGING.keys()) > 1
    ]
    groups = list(given or fitting[:1] or ["packaging"])
    having = draft.holding(groups)
    draft.require(
        groups[0], [spelled for name, spelled in _PACKAGING.items() if name not in having]
    )
    draft.set("packaging", "groups", groups, ["packaging"])


def _plan_noxden(draft: Draft, wishes: Wishes) -> None:
    """noxden itself: beside nox where the project has it in a group, else in ``dev``."""
    facts = draft.facts
    if facts.name == _OURS or _OURS in draft.holding(facts.groups):
        return
    group = next(iter(draft.find(("dev",), "nox")), "dev")
    draft.require(group, [f"{_OURS}>={wishes.version}{_render_marker(facts)}"])


def _render_marker(facts: Facts) -> str:
    """For a project that works with older Pythons too: noxden is for the newer ones."""
    said = facts.table.get("project", {}).get("requires-python")
    try:
        wanted = SpecifierSet(str(said)) if said else None
    except InvalidSpecifier:
        return ""
    older = wanted and any(wanted.contains(f"3.{minor}.99") for minor in range(6, _OLDEST))
    return f"; python_version >= '3.{_OLDEST}'" if older else ""


def _lacks_source(facts: Facts) -> bool:
    return _OURS not in facts.table.get("tool", {}).get("uv", {}).get("sources", {})
