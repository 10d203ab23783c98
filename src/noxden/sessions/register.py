"""``noxden.register()``: all sessions that ``[tool.noxden]`` names."""

from __future__ import annotations

from importlib import import_module

from noxden.sessions.factory import entry_point, read_config

__all__ = ["register"]


@entry_point
def register() -> None:
    """Register the sessions of ``[tool.noxden] sessions`` (default: all of them).

    Each is what its factory makes without arguments, so their tables decide. A noxfile that
    wants another name or argument for one calls its factory and leaves it out of the table.

    Example::

        import noxden

        noxden.register()
    """
    for name in read_config().sessions:
        getattr(import_module(f"noxden.sessions.{name}"), name)()
