"""What a run of the wheelhouse session is to do, from the words after ``--``; nothing is done."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError
from noxden.lock.request import Request
from noxden.sessions.factory import refuse_unknown

if TYPE_CHECKING:
    import argparse

    from noxden.sessions.wheelhouse import WheelhouseSettings

__all__ = ["ACTIONS", "Order", "Wanted", "collect_groups", "plan_order"]

ACTIONS = ("fetch", "pull", "push", "export", "verify", "list", "prune")

_ONLY = {
    "all": "verify",
    "repair": "verify",
    "dry_run": "prune",
    "folder": "export",
    "flat": "export",
    "replace": "push",
}
"""Options that mean something to one action, and that action."""


class Wanted(NamedTuple):
    """A selection for one Python on one platform."""

    request: Request
    platform: str
    """Empty for this machine."""

    @property
    def label(self) -> str:
        """How people are told of it: ``3.12 manylinux_2_28_aarch64``; empty where it is plain."""
        return f"{self.request.python or ''} {self.platform}".strip()

    @property
    def need(self) -> str:
        """What the den remembers its closure for: each selection has one of its own."""
        names = (*self.request.groups, *self.request.only_groups, *self.request.extras)
        return " ".join(("wheelhouse", *sorted(set(names)), self.label)).strip()


class Order(NamedTuple):
    """An action, and what it is done with."""

    action: str
    folder: str
    wanted: tuple[Wanted, ...]


def plan_order(settings: WheelhouseSettings, options: argparse.Namespace, manifest: bytes) -> Order:
    """The order that the words after ``--`` spell; ``manifest`` is pyproject.toml.

    Raises:
        UsageError: there is no such action or option, or they do not go together.
    """
    refuse_unknown([options.action] if options.action else [], ACTIONS, "wheelhouse has no action")
    if not options.action:
        message = f"name an action after --: {', '.join(ACTIONS)}"
        raise UsageError(message)
    folder: str = options.folder
    for name, action in _ONLY.items():
        given = folder if name == "folder" else getattr(options, name)
        if given and options.action != action:
            spelled = repr(given) if name == "folder" else "--" + name.replace("_", "-")
            message = f"{spelled} is for {action}, not for {options.action}"
            raise UsageError(message)
    if options.action == "export" and not folder:
        message = "name the folder to write to: export DIR"
        raise UsageError(message)
    return Order(options.action, folder, _plan_wanted(settings, options, manifest))


def _plan_wanted(
    settings: WheelhouseSettings, options: argparse.Namespace, manifest: bytes
) -> tuple[Wanted, ...]:
    """The selections that are named, else the session's own, for each Python."""
    groups, only, extras = options.group, options.only_group, options.extra
    if options.all_groups:
        groups = [*groups, *collect_groups(manifest)]
    elif not (groups or only or extras):
        groups = settings.groups
    named = [options.python] if options.python else settings.python
    pythons: tuple[str | None, ...] = (*named,) or (None,)
    return tuple(
        Wanted(Request(tuple(groups), tuple(only), tuple(extras), python=python), options.platform)
        for python in pythons
    )


def collect_groups(manifest: bytes) -> tuple[str, ...]:
    """The dependency groups of a pyproject.toml, uv's older spelling of ``dev`` too.

    Raises:
        UsageError: it is not TOML.
    """
    try:
        content = tomllib.loads(manifest.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"pyproject.toml is not TOML: {error}"
        raise UsageError(message) from error
    groups = dict.fromkeys(content.get("dependency-groups", {}))
    if "dev-dependencies" in content.get("tool", {}).get("uv", {}):
        groups["dev"] = None
    return tuple(groups)
