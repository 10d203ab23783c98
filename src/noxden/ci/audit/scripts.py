"""What the shell scripts of a job do to Python packages and their caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.audit.installs import find_installs
from noxden.ci.audit.shell import split_commands
from noxden.ci.audit.values import Install, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noxden.ci.audit.shell import Command

__all__ = ["Done", "Script", "read_scripts", "show_command"]

_LONGEST = 120


class Script(NamedTuple):
    """A shell script of a job."""

    text: str
    place: Place
    """Where it starts."""
    guarded: bool = False
    """Whether a condition on event, branch or repository stands before it."""


class Done(NamedTuple):
    """What the scripts of a job do."""

    installs: tuple[Install, ...] = ()
    drops_wheels: Place | None = None
    prunes: bool = False
    pushes: Place | None = None
    wheels: bool = False
    """Whether ``noxden wheels`` is asked for a key."""


def read_scripts(scripts: Iterable[Script]) -> Done:
    """What ``scripts`` do together."""
    done = Done()
    for script in scripts:
        commands = list(split_commands(script.text, script.place.line))
        found = [
            Install(
                one.tool,
                script.place._replace(line=one.command.line),
                show_command(one.command.words),
                one.light,
            )
            for one in find_installs(commands)
        ]
        done = done._replace(installs=(*done.installs, *found))
        for command in commands:
            done = _note(done, command, script)
    return done


def _note(done: Done, command: Command, script: Script) -> Done:
    """``done`` with what ``command`` does to caches and remotes."""
    words = set(command.words)
    place = script.place._replace(line=command.line)
    if {"cache", "prune"} <= words and "--ci" in words and done.drops_wheels is None:
        done = done._replace(drops_wheels=place)
    if (words >= {"cache"} and words & {"prune", "clean", "purge", "clear"}) or (
        words & {"conda", "mamba", "micromamba"} and "clean" in words
    ):
        done = done._replace(prunes=True)
    if "push" in words and "wheelhouse" in words and not script.guarded and done.pushes is None:
        done = done._replace(pushes=place)
    asks = {"noxden", "wheels"} <= words and bool(words & {"key", "bundle"})
    return done._replace(wheels=done.wheels or asks)


def show_command(words: Sequence[str]) -> str:
    """``words`` on one line, cut where it is long."""
    line = " ".join(" ".join(words).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
