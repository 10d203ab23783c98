"""Actions that install Python packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.ci.audit.values import Install

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.ci.audit.caches import Step

__all__ = ["find_action_installs"]

_BY_INPUT = {
    "setup-micromamba": ("environment-file", "create-args"),
    "provision-with-micromamba": ("environment-file",),
    "setup-miniconda": ("environment-file",),
    "setup-python": ("pip-install",),
}
"""Actions that install where one of these inputs is given."""


def find_action_installs(step: Step) -> Iterator[Install]:
    """What the action of ``step`` installs, if it is known to."""
    name = step.action.rpartition("/")[2]
    given = [one for one in _BY_INPUT.get(name, ()) if step.says(one)]
    if name == "setup-pixi" and step.says("run-install", "true"):
        given = ["run-install"]
    if given:
        yield Install(name, step.place, f"{step.action} with {given[0]}", light=False)
