"""Which files of a project change, and how."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from noxden.adopt.manifest import extend_manifest
from noxden.adopt.noxfile import render_noxfile
from noxden.adopt.refuse import read_text
from noxden.adopt.values import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from noxden.adopt.values import Facts, Proposal

__all__ = ["plan_changes", "render_diff"]

_IGNORED = (".nox", ".noxden")


def plan_changes(
    facts: Facts, proposal: Proposal, env: Mapping[str, str]
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """The files to write, and a line for each that stays although noxden would have another.

    A noxfile.py that is there stays; then CI files wait for ``noxden ci write``.

    Raises:
        UsageError: pyproject.toml cannot be added to, or its ``[tool.noxden]`` is wrong.
        SafetyError: a file is a link to a place outside of the project.
        InfrastructureError: a file cannot be read.
    """
    root = facts.root
    manifest = extend_manifest(facts.manifest, proposal, str(root / "pyproject.toml"))
    changes = [Change("pyproject.toml", facts.manifest, manifest)]
    notes: tuple[str, ...] = ()
    if facts.noxfile is None:
        changes.append(Change("noxfile.py", None, render_noxfile(proposal.sessions)))
        if "plan" in proposal.sessions:
            found, notes = _plan_ci(facts, manifest, proposal, env)
            changes += found
    changes += _plan_ignored(facts)
    return tuple(one for one in changes if one.before != one.after), notes


def _plan_ci(
    facts: Facts, manifest: str, proposal: Proposal, env: Mapping[str, str]
) -> tuple[list[Change], tuple[str, ...]]:
    """The CI files; those that somebody wrote stay."""
    # Templates and pins are loaded only where there is something to render.
    from noxden.adopt.ci import plan_ci_files

    if facts.checkout is not None and facts.checkout.resolve() != facts.root.resolve():
        note = f"CI files belong into {facts.checkout}, the root of the repository; none is written"
        return [], (note,)
    changes, notes = [], []
    for one in plan_ci_files(facts.root, manifest, proposal.sessions, env):
        if one.foreign:
            notes.append(
                f"{one.path} was not made by noxden and stays; to replace it run: noxden ci write "
                f"--force"
            )
        elif one.after is not None:
            changes.append(Change(one.path, one.before, one.after))
    return changes, tuple(notes)


def _plan_ignored(facts: Facts) -> Iterator[Change]:
    """The .gitignore with lines for what nox and noxden write, where git or it is there."""
    before = read_text(facts.root, ".gitignore")
    if before is None and facts.checkout is None:
        return
    known = {_normalise(line) for text in _read_ignores(facts, before) for line in text.split("\n")}
    missing = [f"{name}/\n" for name in _IGNORED if name not in known]
    if missing:
        text = before or ""
        gap = "" if not text or text.endswith("\n") else "\n"
        yield Change(".gitignore", before, text + gap + "".join(missing))


def _read_ignores(facts: Facts, own: str | None) -> Iterator[str]:
    """The texts of this .gitignore and of those above, up to the root of the checkout."""
    yield own or ""
    at: Path = facts.root.resolve()
    top = facts.checkout.resolve() if facts.checkout else at
    while at != top:
        at = at.parent
        yield read_text(at, ".gitignore") or ""


def _normalise(line: str) -> str:
    """``/.nox/`` and ``.nox/*`` as ``.nox``."""
    return line.strip().removesuffix("*").strip("/").removeprefix("**/")


def render_diff(change: Change) -> Iterator[str]:
    """The change as a unified diff, a line each."""
    before, after = ((text or "").splitlines() for text in (change.before, change.after))
    old = "/dev/null" if change.before is None else f"a/{change.path}"
    yield from difflib.unified_diff(before, after, old, f"b/{change.path}", lineterm="")
