"""The session factory ``noxden.unit``: the tests that no other session claims, by pytest.

A marker expression leaves out what is end to end, heavy or for a device. Tests run in as many
pytest-xdist workers as make the suite quicker (:mod:`noxden.sessions.workers`), and the session
fails where no test ran.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Unpack

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

    from noxden.config import UnitConfig
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = ["UnitArguments", "unit"]

_EXAMPLES = """\
examples:
  nox -s {name} -- -x -k loads tests/test_io.py   these words go to pytest
  nox -s {name} -- --coverage --workers 4
  nox -s {name} -- --installpkg dist/example-1.0-py3-none-any.whl
  nox -s {name} -- --output out -- --help          pytest's own help

Everything else goes to pytest; after a second -- everything does.
"""


class UnitArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.unit``: values of ``[tool.noxden.unit]``, and those of nox."""

    groups: Sequence[str] | None
    python: str | Sequence[str] | None
    markers: str | None
    workers: int | str | None
    coverage: bool | None


@entry_point
def unit(name: str = "unit", **arguments: Unpack[UnitArguments]) -> SessionFunction:
    """Register a session that runs the unit tests.

    Args:
        name: the name of the session.
        **arguments: ``groups``, ``python``, ``markers``, ``workers`` and ``coverage`` in place of
            what ``[tool.noxden.unit]`` says; everything else goes to ``nox.session``.

    A ``-m`` in pytest's addopts is kept beside the default markers; markers that are set here or
    in the table replace it. A list of Pythons gives a session each, ``unit-3.12``.

    Example::

        noxden.unit(python=["3.11", "3.13"], coverage=True)
        noxden.unit("slow", markers="slow", workers=0)
    """
    settings, nox_arguments = override(read_config().unit, "unit", arguments)
    parse_workers(settings.workers)
    environment = SessionOptions(groups=settings.groups)
    python = list(settings.python) or None
    return register(_KIND, name, settings, environment, {**nox_arguments, "python": python})


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES.format(name=parser.prog.split()[2])
    parser.add_argument("--workers", metavar="N", help="pytest-xdist workers: a number or auto")
    parser.add_argument(
        "--coverage",
        action=argparse.BooleanOptionalAction,
        help="measure coverage with branches and write coverage.xml",
    )
    parser.add_argument("--installpkg", metavar="WHEEL", help="test this wheel, not the checkout")


def _work(settings: UnitConfig, run: Run) -> tuple[StepResult, ...]:
    # A noxfile that only lists its sessions does not need what runs them.
    from noxden.sessions.unit_run import run_unit

    return run_unit(settings, run)


_KIND = Kind(
    "Run the unit tests by pytest, in as many processes as make them quicker",
    _work,
    _add_options,
    passes_on="pytest",
)
