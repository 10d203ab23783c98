"""Shared nox sessions on environments and wheels named by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noxden.sessions.decorator import session
    from noxden.sessions.device import device
    from noxden.sessions.heavy import heavy
    from noxden.sessions.lint import lint
    from noxden.sessions.packaging import packaging
    from noxden.sessions.plan import plan
    from noxden.sessions.publish import publish
    from noxden.sessions.register import register
    from noxden.sessions.unit import unit
    from noxden.sessions.wheelhouse import wheelhouse

__all__ = [
    "device",
    "heavy",
    "lint",
    "packaging",
    "plan",
    "publish",
    "register",
    "session",
    "unit",
    "wheelhouse",
]

_HOMES = {
    "device": "noxden.sessions.device",
    "heavy": "noxden.sessions.heavy",
    "lint": "noxden.sessions.lint",
    "packaging": "noxden.sessions.packaging",
    "plan": "noxden.sessions.plan",
    "publish": "noxden.sessions.publish",
    "register": "noxden.sessions.register",
    "session": "noxden.sessions.decorator",
    "unit": "noxden.sessions.unit",
    "wheelhouse": "noxden.sessions.wheelhouse",
}


def __getattr__(name: str) -> object:
    """Load a part of the API when it is first used; ``import noxden`` alone stays cheap."""
    if name not in _HOMES:
        message = f"module 'noxden' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    _refuse_windows()
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def _refuse_windows() -> None:
    """End a noxfile on Windows in one sentence, before anything of POSIX is imported."""
    import sys

    from noxden.errors import UsageError, refuse_windows

    try:
        refuse_windows()
    except UsageError as error:
        sys.stderr.write(f"noxden: {error}\n")
        sys.exit(error.exit_code)
