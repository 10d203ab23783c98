"""How a step of GitHub, Forgejo or Gitea caches Python packages.

Inputs and defaults are those of the actions' own action.yml: setup-uv caches by itself on
GitHub's runners since version 5, and drops downloaded wheels before version 9.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.audit.keys import find_content, read_key
from noxden.ci.audit.values import Cache, Key, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Step", "merge_saves", "read_cache"]

_FIRST_CACHING = 5
_FIRST_KEEPING = 9
_BY_NOXDEN = re.compile(r"matrix\.cache\.(key|path)|\bnoxden\b", re.IGNORECASE)
_NOT_SET = frozenset({"", "false"})


class Step(NamedTuple):
    """A step that uses an action."""

    action: str
    """Without host and version: ``actions/cache/restore``."""
    version: int | None
    """The major version, where tag or comment says one."""
    place: Place
    inputs: Mapping[str, str]
    guarded: bool
    hosted: bool
    """Whether it runs on a machine of GitHub's own."""
    systems: Sequence[str]
    """The expressions that say where the job runs."""
    wheels: bool = False
    """Whether a step of the job asks ``noxden wheels`` for a key."""

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of an input."""
        lines = (line.strip() for line in self.inputs.get(name, "").split("\n"))
        return tuple(line for line in lines if line)

    def says(self, name: str, default: str = "") -> bool:
        """Whether an input is set to something else than false."""
        return self.inputs.get(name, default).lower() not in _NOT_SET


def read_cache(step: Step) -> Cache | None:
    """The cache that ``step`` makes for Python packages, or ``None``."""
    name = step.action.rpartition("/")[2]
    if name in {"restore", "save"} and step.action.split("/")[-2:-1] == ["cache"]:
        return _read_own(step, saves=name == "save", restores=name == "restore")
    if name == "cache":
        lookup = step.says("lookup-only")
        return None if lookup else _read_own(step, saves=True, restores=True)
    read = _ACTIONS.get(name)
    return read(step) if read else None


def _read_own(step: Step, *, saves: bool, restores: bool) -> Cache | None:
    """A cache whose key is spelled in the workflow."""
    paths, spelled = step.lines("path"), step.inputs.get("key", "")
    asked = step.wheels and "steps." in spelled
    if asked or _BY_NOXDEN.search(" ".join([spelled, *paths])):
        return Cache("noxden wheels", step.place, "downloads", paths, saves=saves, guarded=True)
    content = find_content(paths, spelled)
    if content is None:
        return None
    how = (
        "actions/cache" if saves == restores else f"actions/cache/{'save' if saves else 'restore'}"
    )
    return Cache(
        how,
        step.place,
        content,
        paths,
        read_key(spelled, paths, step.systems),
        step.lines("restore-keys"),
        saves=saves,
        guarded=step.guarded,
    )


def _read_setup_uv(step: Step) -> Cache | None:
    older = step.version is not None and step.version < _FIRST_CACHING
    said = step.inputs.get("enable-cache", "false" if older else "auto").lower()
    if said in _NOT_SET or (said == "auto" and not step.hosted):
        return None
    keeps = step.version is None or step.version >= _FIRST_KEEPING
    return _own_key(
        step,
        "setup-uv",
        "cache-dependency-glob",
        saves=step.says("save-cache", "true"),
        prunes=step.says("prune-cache", "false" if keeps else "true"),
    )


def _read_setup_python(step: Step) -> Cache | None:
    if not step.says("cache"):
        return None
    return _own_key(step, "setup-python", "cache-dependency-path")


def _own_key(
    step: Step, how: str, files: str, *, saves: bool = True, prunes: bool = False
) -> Cache:
    """A cache whose key an action makes of system, Python and files."""
    patterns = step.lines(files)
    known = all("$" not in one for one in patterns)
    key = Key("", patterns, system=True, python=True) if patterns and known else None
    return Cache(
        how,
        step.place,
        "downloads",
        key=key,
        saves=saves,
        guarded=step.guarded,
        prunes=prunes,
    )


def _when(how: str, *inputs: str, default: str = "false") -> Callable[[Step], Cache | None]:
    """A reader of an action that caches where one of ``inputs`` is set."""

    def read(step: Step) -> Cache | None:
        if not any(step.says(name, default) for name in inputs):
            return None
        saves = step.says("cache-write", "true")
        return Cache(how, step.place, "downloads", saves=saves, guarded=step.guarded)

    return read


_ACTIONS: dict[str, Callable[[Step], Cache | None]] = {
    "setup-uv": _read_setup_uv,
    "setup-cached-uv": lambda step: _own_key(step, "setup-cached-uv", "cache-dependency-path"),
    "setup-python": _read_setup_python,
    "setup-micromamba": _when("setup-micromamba", "cache-environment", "cache-downloads"),
    "provision-with-micromamba": _when("setup-micromamba", "cache-env", "cache-downloads"),
    "setup-pixi": _when("setup-pixi", "cache", default="true"),
    "setup-pdm": _when("setup-pdm", "cache"),
}


def merge_saves(caches: Sequence[Cache]) -> tuple[Cache, ...]:
    """``caches`` with a save step's entry in the restore step of the same paths."""
    found: list[Cache] = []
    for cache in caches:
        for at, other in enumerate(found):
            if cache.how.endswith("/save") and (cache.paths, False) == (other.paths, other.saves):
                found[at] = other._replace(saves=True, guarded=cache.guarded)
                break
        else:
            found.append(cache)
    return tuple(found)
