"""What a lint session of a project needs: ruff, and the tools that the project has set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.adopt.draft import Draft

__all__ = ["plan_lint"]

_NAMES = ("lint", "linting", "dev")


def plan_lint(draft: Draft) -> None:
    """Find or propose the groups of the lint session, with what its steps run."""
    given = draft.said("lint", "groups")
    having = draft.find(_NAMES, "ruff")
    groups = list(given or having[:1] or ["lint"])
    spelling = _plan_spelling(draft, groups[0], is_new=not (given or having))
    tools = [("ruff",), *_collect_tools(draft), *([(spelling,)] if spelling != "none" else [])]
    for alternatives in tools:
        if not draft.holding(groups).isdisjoint(alternatives):
            continue
        if not given and (elsewhere := draft.find(_NAMES, *alternatives)):
            groups.append(elsewhere[0])
        else:
            draft.require(groups[0], [_spell(draft, alternatives[0])])
    draft.set("lint", "groups", groups, ["lint"])
    draft.set("lint", "spelling", spelling, "codespell")


def _collect_tools(draft: Draft) -> Iterator[tuple[str, ...]]:
    """The tools that the project's own configuration asks for, each with its alternatives."""
    if draft.facts.types:
        yield ("mypy",)
    if draft.facts.imports:
        yield ("import-linter",)
    if draft.facts.hooks:
        yield ("prek", "pre-commit")


def _plan_spelling(draft: Draft, group: str, *, is_new: bool) -> str:
    """What checks the spelling; a project that never had it checked is not surprised by it."""
    if said := draft.said("lint", "spelling"):
        return str(said)
    everything = draft.holding(draft.facts.groups)
    found = [one for one in ("codespell", "typos") if one in everything]
    if draft.facts.spelling or found:
        return draft.facts.spelling or found[0]
    if is_new:
        return "codespell"
    draft.notes.append(
        f"lint does not check the spelling yet; to have it: uv add --group {group} codespell, and "
        f"remove spelling from [tool.noxden.lint]"
    )
    return "none"


def _spell(draft: Draft, package: str) -> str:
    """A requirement for ``package``, as an extra of the project spells it where one does."""
    extras = draft.facts.table.get("project", {}).get("optional-dependencies", {})
    for entry in (entry for entries in extras.values() for entry in entries):
        try:
            if canonicalize_name(Requirement(entry).name) == package:
                return str(entry)
        except InvalidRequirement:
            continue
    return package
