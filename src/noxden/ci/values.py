"""What started a run, as the same value for every CI system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Event", "Trigger", "Trust", "find_input", "name_variable"]

Event = Literal["push", "pull-request", "schedule", "manual", "tag", "other"]


class Trust(NamedTuple):
    """Whose code a run executes."""

    level: Literal["trusted", "untrusted", "unknown"]
    """``untrusted`` only where a fact says so, ``trusted`` only where one does."""
    why: str
    """A few words that name the run: ``pull request from the fork stranger/demo``."""
    source: str
    """The variable, and the key of the payload, that says so."""


class Trigger(NamedTuple):
    """What started this run."""

    system: str
    """``github``, ``forgejo``, ``gitea``, ``gitlab``, ``jenkins``, ``unknown`` or ``local``."""
    event: Event
    name: str
    """The system's own name for the event; empty where it has none."""
    ref: str
    """The branch or tag; of a pull request the branch it comes from."""
    default_branch: bool | None
    """Whether ``ref`` is the default branch; ``None`` where nothing says."""
    labels: tuple[str, ...]
    """The labels of the pull request, as they were when the run was started."""
    inputs: Mapping[str, str]
    """What was given to a run that was started by hand."""
    trust: Trust
    sources: Mapping[str, str]
    """Where each of the other facts comes from, by the name of its field."""
    schedule: str = ""
    """Which schedule it was, its five fields; empty where nothing says."""

    @property
    def trusted(self) -> bool:
        """Whether it is known that no stranger's code runs."""
        return self.trust.level == "trusted"


def name_variable(given: str) -> str:
    """The variable that stands for an input on systems whose inputs are variables.

    >>> name_variable("run-heavy-deps")
    'RUN_HEAVY_DEPS'
    """
    return "".join(sign if sign.isalnum() else "_" for sign in given).upper()


def find_input(env: Mapping[str, str], given: str) -> dict[str, str]:
    """The input ``given``, where a variable of its name, or of that in capitals, is set."""
    for name in (given, name_variable(given)):
        if name in env:
            return {given: env[name]}
    return {}
