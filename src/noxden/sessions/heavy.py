"""The session factory ``noxden.heavy``: tests that need gigabytes of native wheels.

On CI a gate decides first whether this run is one for them. Their wheels come into the den's
wheel store, from the remote where there is one, else from the index; the environment is built
from the store, and then pytest runs as in a unit session.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Unpack

from noxden._rule import make_rule
from noxden.sessions.factory import (
    FactoryArguments,
    Kind,
    entry_point,
    override,
    read_config,
    register,
)
from noxden.sessions.options import SessionOptions
from noxden.sessions.workers import parse_workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden._rule import Rule
    from noxden.config import HeavyConfig
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = ["HeavyArguments", "heavy"]

_EXAMPLES = """\
examples:
  nox -s {name} -- -x -k large            these words go to pytest
  nox -s {name} -- --prepare              only fill the wheel store (the nightly job)
  nox -s {name} -- --refresh              hash what the store has, fetch again what is wrong
  nox -s {name} -- --offline              from the store and the remote, never from an index

Everything else goes to pytest; after a second -- everything does.
"""


class HeavyArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.heavy``: values of ``[tool.noxden.heavy]``, and those of nox."""

    groups: Sequence[str] | None
    python: str | Sequence[str] | None
    markers: str | None
    workers: int | str | None
    label: str | None
    input: str | None
    events: Sequence[str] | None


@entry_point
def heavy(name: str = "heavy", **arguments: Unpack[HeavyArguments]) -> SessionFunction:
    """Register a session that runs the tests with heavy dependencies.

    Args:
        name: the name of the session.
        **arguments: ``groups``, ``python``, ``markers``, ``workers``, ``label``, ``input`` and
            ``events`` in place of what ``[tool.noxden.heavy]`` says; everything else goes to
            ``nox.session``.

    It is not among the default sessions. On CI it skips itself, with the reason, unless the
    trigger is one of ``events``; a run on somebody's own machine is never skipped.

    Example::

        noxden.heavy(groups=["test", "torch"], events=["label", "schedule"])
    """
    settings, nox_arguments = override(read_config().heavy, "heavy", arguments)
    parse_workers(settings.workers)
    environment = SessionOptions(groups=settings.groups, deferred=True)
    python = list(settings.python) or None
    nox_arguments = {"default": False, **nox_arguments, "python": python}
    return register(_KIND, name, settings, environment, nox_arguments)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES.format(name=parser.prog.split()[2])
    parser.add_argument("--prepare", action="store_true", help="only fill the wheel store")
    parser.add_argument(
        "--refresh", action="store_true", help="hash what the store has before it is used"
    )
    parser.add_argument("--offline", action="store_true", help="never ask an index")
    parser.add_argument("--remote", metavar="URI", help="take wheels from this object store")
    parser.add_argument("--workers", metavar="N", help="pytest-xdist workers: a number or auto")
    parser.add_argument(
        "--coverage",
        action=argparse.BooleanOptionalAction,
        help="measure coverage with branches and write coverage.xml",
    )
    parser.add_argument("--installpkg", metavar="WHEEL", help="test this wheel, not the checkout")


def _make_rule(settings: HeavyConfig) -> Rule:
    return make_rule(settings.events, settings.label, settings.input, "noxden.heavy(events=)")


def _work(settings: HeavyConfig, run: Run) -> tuple[StepResult, ...]:
    # A noxfile that only lists its sessions does not need what runs them.
    from noxden.sessions.heavy_run import run_heavy

    return run_heavy(settings, run)


_KIND = Kind(
    "Run the tests with heavy dependencies, their wheels from the den's store",
    _work,
    _add_options,
    passes_on="pytest",
    rule=_make_rule,
)
