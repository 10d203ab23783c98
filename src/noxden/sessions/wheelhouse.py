"""The session factory ``noxden.wheelhouse``: wheels as such, without an environment.

It fills the wheel store, moves wheels to and from the remote, exports them for machines that
have neither, and looks after the store. What is to be done stands after ``--``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple, Unpack

from noxden.sessions.factory import (
    FactoryArguments,
    Kind,
    entry_point,
    override,
    read_config,
    register,
)
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = ["WheelhouseArguments", "WheelhouseSettings", "wheelhouse"]

_HELP = """\
actions:
  fetch        bring what the lock selects into the wheel store
  pull         the same, from the bundle and the remote only; tells what they lack
  push         fetch, and give the remote what it lacks
  export DIR   fetch, and write a folder that pip and uv install from without an index
  verify       hash what the store has and compare, tell what it lacks
  list         the closures of the store
  prune        remove what no session of a project stands on any more

examples:
  nox -s {name} -- fetch --group test --group torch
  nox -s {name} -- fetch --python 3.12 --platform manylinux_2_28_aarch64
  nox -s {name} -- pull --remote s3://bucket/wheels
  nox -s {name} -- export dist/wheels --only-group docs
  nox -s {name} -- verify --all
  nox -s {name} -- prune --dry-run
"""


class WheelhouseSettings(NamedTuple):
    """What the session selects where the command line names nothing."""

    groups: tuple[str, ...]
    """Dependency groups beside the project and its dependencies."""
    python: tuple[str, ...]
    """Interpreter requests; empty is the project's own choice."""


class WheelhouseArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.wheelhouse``, and those of nox."""

    groups: Sequence[str] | None
    python: str | Sequence[str] | None


@entry_point
def wheelhouse(
    name: str = "wheelhouse", **arguments: Unpack[WheelhouseArguments]
) -> SessionFunction:
    """Register a session that fetches, moves, exports and verifies wheels.

    Args:
        name: the name of the session.
        **arguments: ``groups`` and ``python`` in place of what ``[tool.noxden.heavy]`` says;
            everything else goes to ``nox.session``.

    It is not among the default sessions, and makes no environment.

    Example::

        noxden.wheelhouse(groups=["test", "torch"], python=["3.12", "3.13"])
    """
    heavy = read_config().heavy
    settings = WheelhouseSettings(heavy.groups, heavy.python)
    settings, nox_arguments = override(settings, "wheelhouse", arguments)
    environment = SessionOptions(groups=settings.groups, deferred=True)
    # One session for all Pythons: none of them has to be there.
    return register(_KIND, name, settings, environment, {"default": False, **nox_arguments})


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = f"{parser.prog} ACTION [options]"
    parser.epilog = _HELP.format(name=parser.prog.split()[2])
    add = parser.add_argument
    add("action", nargs="?", default="", help="what to do, see below")
    add("folder", nargs="?", default="", metavar="DIR", help="where export writes")
    for option, text in (
        ("--group", "a dependency group beside the project; repeatable"),
        ("--only-group", "a dependency group without the project; repeatable"),
        ("--extra", "an extra of the project; repeatable"),
    ):
        add(option, action="append", default=[], metavar="NAME", help=text)
    add("--all-groups", action="store_true", help="every dependency group of pyproject.toml")
    add("--python", metavar="REQ", default="", help="for this Python: 3.12, 3.12.4, 3.13t")
    add("--platform", metavar="TAG", default="", help="for this platform: musllinux_1_2_x86_64")
    add("--remote", metavar="URI", help="the object store to pull from and push to")
    add("--offline", action="store_true", help="never ask an index")
    add("--flat", action="store_true", help="export: no folders in DIR, as in a release")
    add("--all", action="store_true", help="verify: all closures of the store")
    add("--replace", action="store_true", help="push: send everything, whatever is there")
    add("--repair", action="store_true", help="verify: fetch what is wrong or missing")
    add("--dry-run", action="store_true", help="prune: show what would go, remove nothing")
    add("--json", action="store_true", help="print JSON for scripts")


def _work(settings: WheelhouseSettings, run: Run) -> tuple[StepResult, ...]:
    # A noxfile that only lists its sessions does not need what runs them.
    from noxden.sessions.wheelhouse_run import run_wheelhouse

    return run_wheelhouse(settings, run)


_KIND = Kind(
    "Fetch, move, export and verify the wheels of the lock",
    _work,
    _add_options,
)
