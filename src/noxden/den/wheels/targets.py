"""Resolve for the machine that the wheels are for: this one, or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.resolve import find_interpreter, resolve, resolve_target
from noxden.errors import InterpreterMissingError
from noxden.lock.target import describe_target, find_native_platform

if TYPE_CHECKING:
    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.request import Request

__all__ = ["resolve_wheels"]


def resolve_wheels(place: Workplace, request: Request, platform: str = "") -> Resolution:
    """The selection of ``request`` on ``platform``; without one, on this machine.

    The Python of ``request`` need not be installed. Where it is, and no platform is named, it is
    asked what it can install; a platform alone takes the project's own Python.

    Raises:
        UsageError: the platform or the Python is none, or uv.lock does not fit them.
        InterpreterMissingError: the project has no Python here, and none was named.
    """
    if not platform:
        try:
            return resolve(place, request, complete=True)
        except InterpreterMissingError:
            if request.python is None:
                raise
    target = describe_target(
        request.python or _find_version(place), platform or find_native_platform()
    )
    return resolve_target(place, request, target)


def _find_version(place: Workplace) -> str:
    """The version of the project's own Python, ``3.12.4``, ``3.13.1t``."""
    found = find_interpreter(place, None)
    return found.version + ("t" if found.identity["free-threaded"] else "")
