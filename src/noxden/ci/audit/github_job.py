"""One job of a workflow: what its steps install and cache."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.audit.actions import find_action_installs
from noxden.ci.audit.caches import Step, merge_saves, read_cache
from noxden.ci.audit.nodes import MISSING
from noxden.ci.audit.scripts import Script, read_scripts
from noxden.ci.audit.steps import name_action
from noxden.ci.audit.values import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from noxden.ci.audit.nodes import Node
    from noxden.ci.audit.steps import LoadAction, RawStep
    from noxden.ci.audit.values import Job, System

__all__ = ["Source", "fill_job"]

_TAG = re.compile(r"@v?(\d{1,4})(\.\d+)*$")
_COMMENT = re.compile(r"#\D*?\bv?(\d{1,4})(\.\d+)*\b")
_MATRIX = re.compile(r"matrix\.([\w-]+)")
_OURS = ("NOXDEN_DIR", "NOXDEN_REMOTE")


class Source(NamedTuple):
    """A file, and how what it names is found."""

    system: System
    lines: Mapping[str, Sequence[str]]
    """Of each file that was read, by path: comments are no part of the nodes."""
    load: LoadAction
    made: bool = False
    """Whether ``noxden ci write`` made it."""


def fill_job(job: Job, steps: Sequence[RawStep], source: Source, node: Node = MISSING) -> Job:
    """``job``, spelled as ``node``, with what its ``steps`` install and cache."""
    done = read_scripts(
        Script(text, place, step.guarded) for step in steps for text, place in step.scripts()
    )
    labels = " ".join(one.word for one in node.get("runs-on").scalars())
    own = "self-hosted" in labels
    actions = [
        Step(
            name_action(step.uses),
            _find_version(step, source),
            Place(step.node.path, step.node.get("uses").line),
            step.inputs(),
            step.guarded,
            hosted=source.system == "github" and not own,
            systems=[f"matrix.{one}" for one in _MATRIX.findall(labels)],
            wheels=done.wheels,
        )
        for step in steps
        if step.uses
    ]
    installs = [one for action in actions for one in find_action_installs(action)]
    caches = [cache for action in actions if (cache := read_cache(action))]
    return job._replace(
        installs=(*done.installs, *installs),
        caches=merge_saves(caches),
        kept=_find_kept(steps, source, own=own and not node.get("container").there),
        systems="matrix." in labels,
        pythons=_has_pythons(node, (one.inputs.get("python-version", "") for one in actions)),
        drops_wheels=done.drops_wheels,
        prunes=done.prunes,
        pushes=done.pushes,
    )


def _find_kept(steps: Sequence[RawStep], source: Source, *, own: bool) -> str:
    """Where packages stay without a cache of the CI system; empty where nowhere."""
    if source.made:
        return "noxden, which made this file"
    for name in _OURS:
        if any(name in step.scope.env for step in steps):
            return name
    return "the runner's own disk" if own else ""


def _find_version(step: RawStep, source: Source) -> int | None:
    """The major version that the tag says, or the comment beside the commit."""
    node = step.node.get("uses")
    found = _TAG.search(step.uses)
    if found is None:
        lines = source.lines.get(node.path, ())
        line = lines[node.line - 1] if 0 < node.line <= len(lines) else ""
        found = _COMMENT.search(line.partition("@")[2])
    return int(found[1]) if found else None


def _has_pythons(node: Node, versions: Iterable[str]) -> bool:
    """Whether the Python differs between the jobs that a matrix makes."""
    for name in {one for said in versions for one in _MATRIX.findall(said)}:
        matrix = node.get("strategy", "matrix")
        listed = {one.word for one in matrix.get(name).scalars()}
        listed |= {one.get(name).word for one in matrix.get("include").items} - {""}
        spelled = matrix.entries and not matrix.get(name).text
        if not spelled or len(listed) > 1:
            return True
    return False
