"""What the sessions of a plan select from uv.lock: closures for comparison, keys for caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.plan.values import Cache
from noxden.den.limits import parse_size
from noxden.den.resolve import find_interpreter, resolve_target
from noxden.den.wheels.cache_key import compute_cache_key, describe_system
from noxden.errors import InterpreterMissingError, UsageError
from noxden.lock.target import describe_target, find_native_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.ci.plan.values import PlannedSession
    from noxden.ci.values import Trigger
    from noxden.config import CiConfig
    from noxden.den.resolve import Workplace
    from noxden.lock.interpreter import Interpreter
    from noxden.lock.request import Request

__all__ = ["BUNDLE", "Selected", "collect_selections", "plan_caches"]

BUNDLE = ".noxden-bundle"
"""The bundle of a job; beside ``.noxden``, which jobs upload as a whole."""


class Selected(NamedTuple):
    """What a session selects on a machine like this one."""

    closure_id: str
    interpreter: Interpreter
    """Of this machine where it has one, else described."""
    size: int
    """Bytes of all wheels, as far as uv.lock says them."""


def collect_selections(
    place: Workplace, sessions: Sequence[PlannedSession]
) -> dict[Request, Selected]:
    """What each request of ``sessions`` selects.

    A Python that this machine lacks is described: a plan is made on another machine than its jobs
    run on. One that cannot be described (PyPy) has no entry.

    Raises:
        UsageError: uv.lock is missing, malformed or out of date.
    """
    found: dict[Request, Selected] = {}
    for request in dict.fromkeys(one.request for one in sessions if one.request is not None):
        interpreter = _find_interpreter(place, request.python)
        if interpreter is not None:
            made = resolve_target(place, request, interpreter)
            size = sum(artifact.size or 0 for artifact in made.artifacts)
            found[request] = Selected(made.closure_id, interpreter, size)
    return found


def _find_interpreter(place: Workplace, python: str | None) -> Interpreter | None:
    try:
        return find_interpreter(place, python)
    except InterpreterMissingError:
        if python is None:
            raise
    try:
        return describe_target(python, find_native_platform())
    except UsageError:
        return None


def plan_caches(
    place: Workplace,
    sessions: Sequence[PlannedSession],
    selections: Mapping[Request, Selected],
    config: CiConfig,
    trigger: Trigger,
    repository: str,
) -> dict[str, Cache]:
    """The cache of each session by name, where its wheels are worth one.

    A key has the runner in it where that is not the usual one: what is right there may be wrong
    elsewhere.
    """
    least = parse_size(config.cache_min_size)
    path = place.env.get("NOXDEN_BUNDLE") or BUNDLE
    # Caches that a pull request saves are read by that pull request alone, and cost the same.
    save = trigger.trusted and trigger.event in {"push", "schedule", "manual"}
    caches = {}
    for session in sessions:
        selected = selections.get(session.request) if session.request else None
        if selected is None or selected.size < least:
            continue
        labels = config.runners.get(session.name) or config.runners.get(session.group) or ()
        system = ".".join((describe_system(selected.interpreter), *labels))
        made = compute_cache_key(
            repository, system, selected.interpreter, session.group, selected.closure_id
        )
        caches[session.name] = Cache(made.key, made.prefix, path, save)
    return caches
