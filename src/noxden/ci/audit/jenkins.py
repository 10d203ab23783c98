"""Jenkinsfiles: declarative ones by stage, scripted ones as far as they have stages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from noxden.ci.audit.groovy import Block, Call, TooLargeError, read_calls
from noxden.ci.audit.keys import find_content
from noxden.ci.audit.nodes import BadYamlError
from noxden.ci.audit.scripts import Script, read_scripts
from noxden.ci.audit.values import Cache, Job, Key, Pipeline, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_jenkinsfile"]

_SHELLS = frozenset({"sh", "bat", "powershell", "pwsh"})
_AGENTS = frozenset({"docker", "dockerfile", "kubernetes"})
_AROUND = frozenset({"inside", "podTemplate"})
_VOLUME = re.compile(
    r"(^|\s)(-v|--volume|--mount)[ =]?\S*(cache|pip|uv\b|conda|poetry|venv|wheel|/root|/home)"
)
_OURS = re.compile(r"\bNOXDEN_(DIR|REMOTE)\b")


def read_jenkinsfile(path: str, text: str, *, made: bool) -> Pipeline:
    """What a Jenkinsfile says, a job for each stage that runs a shell.

    Raises:
        BadYamlError: it is longer, or nested deeper, than an audit follows.
    """
    try:
        calls = read_calls(text)
    except TooLargeError as error:
        message = "is too long, or has blocks that are nested too deep"
        raise BadYamlError(message) from error
    kept = "noxden, which made this file" if made else ""
    if not kept and (found := _OURS.search(text)):
        kept = found.group()
    stages: dict[Block, list[Script]] = {}
    inside: dict[Block, list[Call]] = {}
    settings: dict[Block, list[Call]] = {}
    for call in calls:
        around = list(call.block.around())
        if (holder := _find_holder(call)) is not call.block:
            settings.setdefault(holder, []).append(call)
        for block in around:
            inside.setdefault(block, []).append(call)
        if call.name in _SHELLS and call.texts:
            stage = next(filter(_is_stage, around), around[-1])
            spelled = next((one for one in call.texts if one[0] in {"", "script"}), call.texts[0])
            script = Script(spelled[1], Place(path, spelled[2]))
            stages.setdefault(stage, []).append(script)
    jobs = []
    for stage, scripts in stages.items():
        outer = list(stage.around())[1:]
        near = [*inside[stage], *(one for block in outer for one in settings.get(block, ()))]
        jobs.append(_read_stage(path, stage, scripts, near, kept))
    return Pipeline(tuple(jobs))


def _read_stage(
    path: str, stage: Block, scripts: Sequence[Script], near: Sequence[Call], kept: str
) -> Job:
    """The job for ``stage``; ``near`` is what it has in it, and settings of blocks around it."""
    done = read_scripts(scripts)
    names = {one.name for one in near} | {one.name for one in stage.around()}
    return Job(
        "jenkins",
        stage.title or stage.name or "pipeline",
        Place(path, stage.line),
        installs=done.installs,
        caches=tuple(_find_caches(path, near)),
        kept=kept or _find_kept(near, stage),
        timeout="timeout" in names,
        drops_wheels=done.drops_wheels,
        prunes=done.prunes,
        pushes=done.pushes,
    )


def _is_stage(block: Block) -> bool:
    return block.name == "stage"


def _find_holder(call: Call) -> Block:
    """The block that a setting is of: the one around ``agent``, ``options``, ``docker``."""
    block = call.block
    while block.parent is not None and block.name in {"agent", "options", *_AGENTS}:
        block = block.parent
    return block


def _find_kept(near: Sequence[Call], stage: Block) -> str:
    """Where packages stay from run to run: on agents that are machines, or in a volume."""
    inside = any(block.name in _AROUND for block in stage.around())
    agents = any(one.name in _AGENTS and one.block.name == "agent" for one in near)
    if not (inside or agents or any(one.name in _AROUND for one in near)):
        return "the agent's own disk"
    mounts = any(_VOLUME.search(text) for one in near for _, text, _ in one.texts)
    return "a volume" if mounts else ""


def _find_caches(path: str, near: Sequence[Call]) -> Iterator[Cache]:
    """Caches of the plugin Job Cacher, and what earlier stages stashed."""
    for call in near:
        place = Place(path, call.line)
        given = call.text("path", "", "name")
        content = find_content([given], given)
        if call.name == "arbitraryFileCache" and content:
            deciding = call.text("cacheValidityDecidingFile")
            files = tuple(one.strip() for one in deciding.split(",") if one.strip())
            key = Key(call.text("cacheName"), files, system=True, python=True)
            yield Cache("Job Cacher", place, content, (given,), key, rewritten=not files)
        elif call.name == "unstash" and content:
            yield Cache("stash", place, content, (given,), saves=False)
