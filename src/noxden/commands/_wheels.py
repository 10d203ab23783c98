"""What ``noxden wheels key`` and ``noxden wheels bundle`` do."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.commands._options import choose
from noxden.errors import UsageError
from noxden.render import render_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxden.cli import Caller
    from noxden.den.resolve import Workplace
    from noxden.den.wheels.bundle import Bundled
    from noxden.lock.request import Request

__all__ = [
    "Chosen",
    "bundle_to_json",
    "choose_wheels",
    "compute_keys",
    "make_bundle",
    "refuse_several",
    "render_bundle",
    "render_keys",
]


class Chosen(NamedTuple):
    """A selection whose wheels are wanted."""

    session: str
    """Full name of the session, ``heavy-3.12``; empty where the selection was spelled."""
    group: str
    """What stands in the key for it."""
    request: Request


def choose_wheels(caller: Caller, session: str | None, request: Request) -> list[Chosen]:
    """What ``session`` selects, or what is spelled, or what ``[tool.noxden.heavy]`` says.

    Raises:
        UsageError: a session and a selection are named, or the session is not known.
    """
    from noxden.lock.request import Request

    python = request.python
    spelled = request != Request(python=python)
    if session is not None and spelled:
        message = f"session {session!r} says itself what it holds; leave out --group and the like"
        raise UsageError(message)
    if spelled:
        return [Chosen("", _name_selection(request), request)]
    if session is None:
        return _choose_heavy(caller, python)
    found = choose(caller, [session])
    if python is not None:
        found = found[:1]
    chosen = [
        Chosen(one.name, one.group, one.options.request(python or one.python)) for one in found
    ]
    # Sessions that differ only in their parameters select the same.
    return list({one.request: one for one in reversed(chosen)}.values())[::-1]


def _choose_heavy(caller: Caller, python: str | None) -> list[Chosen]:
    from noxden.config import find_config
    from noxden.lock.request import Request

    heavy = find_config(caller.cwd, caller.env).heavy
    pythons: Sequence[str | None] = [python] if python else heavy.python or [None]
    return [
        Chosen(f"heavy-{one}" if len(pythons) > 1 else "heavy", "heavy", request)
        for one in pythons
        for request in [Request(groups=heavy.groups, python=one)]
    ]


def _name_selection(request: Request) -> str:
    """The names of a selection, sorted: the same selection has the same key."""
    names = [*request.groups, *(f"only.{name}" for name in request.only_groups)]
    names += [*(f"extra.{name}" for name in request.extras), *request.packages]
    return ".".join(sorted(set(names)))


def refuse_several(chosen: Sequence[Chosen]) -> None:
    """Refuse what has more than one key: a second ``key=`` would replace the first.

    Raises:
        UsageError: there are several, with what to name.
    """
    if len(chosen) > 1:
        names = [one.session for one in chosen]
        message = (
            f"{', '.join(names)} have a key each; name one of them by --session, or take them all "
            f"by --json"
        )
        raise UsageError(message)


def compute_keys(caller: Caller, chosen: Sequence[Chosen]) -> list[dict[str, str]]:
    """The cache key, its prefix and the bundle's path for each selection."""
    from noxden.den.resolve import resolve
    from noxden.den.wheels.bundle import find_bundle
    from noxden.den.wheels.cache_key import compute_cache_key, describe_system
    from noxden.tools.repository import find_repository_name

    place = _open(caller)
    repository = find_repository_name(place.project.root, caller.env)
    path = _shorten(find_bundle(place), caller.cwd)
    rows = []
    for one in chosen:
        found = resolve(place, one.request)
        system = describe_system(found.interpreter)
        made = compute_cache_key(repository, system, found.interpreter, one.group, found.closure_id)
        rows.append(
            {
                "session": one.session,
                "python": found.interpreter.version,
                **made._asdict(),
                "closure": found.closure_id,
                "path": path,
            }
        )
    return rows


def render_keys(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """Lines of ``name=value``, as files take them in which CI systems read outputs."""
    for row in rows:
        for field in ("key", "prefix", "path"):
            yield f"{field}={row[field]}"


def make_bundle(caller: Caller, chosen: Sequence[Chosen], folder: str | None) -> Bundled:
    """Fill the store with what is ``chosen``, and make a bundle of it.

    Raises:
        NoxdenError: a wheel cannot be had, one in the store is not what its name says, or the
            folder may not be written.
    """
    from noxden.den.resolve import resolve
    from noxden.den.supply import Supply
    from noxden.den.wheels.built import find_built
    from noxden.den.wheels.bundle import find_bundle, refuse_foreign, write_bundle
    from noxden.den.wheels.fill import fill_store, refuse_missing
    from noxden.lock.selection import Selection
    from noxden.sessions.meter import show_progress

    place = _open(caller)
    target = caller.cwd / folder if folder else find_bundle(place)
    refuse_foreign(target)
    selections: list[Selection] = []
    built: dict[str, None] = {}
    for one in chosen:
        resolution = resolve(place, one.request, complete=True)
        with show_progress(_warn) as show:
            need = one.session or f"bundle {one.group}"
            fetched = fill_store(place, resolution, Supply(from_index=True, need=need, show=show))
        for warning in fetched.warnings:
            _warn(warning)
        refuse_missing(place, fetched)
        selections.append(Selection(resolution.artifacts, ()))
        names = find_built(place, resolution)
        built |= {
            f"{a.name} {a.version or ''}".strip(): None
            for a in resolution.artifacts
            if a.name in names
        }
    return write_bundle(place.den, selections, target)._replace(built=tuple(built))


def render_bundle(done: Bundled) -> Iterator[str]:
    """What came and went, and what the bundle holds now."""
    yield from (f"+ {name}" for name in done.added)
    yield from (f"- {name}" for name in done.removed)
    if done.built:
        names = ", ".join(done.built)
        yield f"not in it, as only the lock's files are: the wheels built here of {names}"
    yield f"{done.folder}: {done.artifacts} wheels, {render_size(done.size)}"


def bundle_to_json(done: Bundled) -> dict[str, Any]:
    """What writing a bundle did, for scripts."""
    return {**done._asdict(), "folder": str(done.folder)}


def _open(caller: Caller) -> Workplace:
    from noxden.config import find_config
    from noxden.den.workplace import open_workplace

    return open_workplace(caller.cwd, caller.env, find_config(caller.cwd, caller.env).den)


def _shorten(path: Path, cwd: Path) -> str:
    """``path`` from ``cwd`` where it is below: some caches take the path for a part of the key."""
    return os.path.relpath(path, cwd) if path.is_relative_to(cwd) else str(path)


def _warn(line: str) -> None:
    sys.stderr.write(f"noxden: {line}\n")
