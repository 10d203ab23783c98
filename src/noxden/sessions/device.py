"""The session factory ``noxden.device``: tests on accelerator cards, by the stages of a rollout."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden.config import DeviceConfig
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = ["DeviceArguments", "device"]

_EXAMPLES = """\
examples:
  nox -s {name} -- --stage 1                        what stage 1 runs, on all cards of this host
  nox -s {name} -- --stage 1 --dry-run              batches, expected time and shares; no card
  nox -s {name} -- --stage 1 --shard 2/8            the second of eight jobs
  nox -s {name} -- --provider simulated --cards 2   without an accelerator
  nox -s {name} -- --engine dask --scheduler tls://head:8786
  nox -s {name} -- --stage 0 -- -k conv --tb=short  what follows the second -- goes to pytest

Everything else goes to pytest; after a second -- everything does.
"""


class DeviceArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.device``: values of ``[tool.noxden.device]``, and those of nox.

    Scope, stages and cluster are tables, which only pyproject.toml has.
    """

    groups: Sequence[str] | None
    python: str | None
    tests: Sequence[str] | None
    markers: str | None
    provider: str | None
    variable: str | None
    cards: int | None
    simulate: Sequence[str] | None
    retries: int | None
    card_faults: int | None
    timeout: float | None
    stall: float | None
    lease: float | None
    engine: str | None
    scheduler: str | None
    env: Sequence[str] | None


@entry_point
def device(name: str = "device", **arguments: Unpack[DeviceArguments]) -> SessionFunction:
    """Register a session that runs tests on accelerator cards.

    Args:
        name: the name of the session.
        **arguments: values in place of what ``[tool.noxden.device]`` says; everything else goes
            to ``nox.session``.

    It is not among the default sessions. On CI it is refused for runs that are not known to be
    trusted: a card is no place for a stranger's code.

    Example::

        noxden.device(groups=["test", "torch"], tests=["tests/device"])
    """
    settings, nox_arguments = override(read_config().device, "device", arguments)
    environment = SessionOptions(groups=settings.groups, deferred=True)
    nox_arguments = {"default": False, **nox_arguments, "python": settings.python}
    return register(_KIND, name, settings, environment, nox_arguments)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES.format(name=parser.prog.split()[2])
    parser.add_argument("--stage", type=int, metavar="N", help="the stage to run (default: 0)")
    parser.add_argument("--cards", type=int, metavar="K", help="use at most K cards")
    parser.add_argument("--strict-cards", action="store_true", help="fail with fewer cards")
    parser.add_argument("--shard", metavar="I/M", help="run the I-th of M shares")
    parser.add_argument(
        "--shards-file", metavar="FILE", help="the split, recorded once and shared by all shards"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the batches and run nothing")
    parser.add_argument("--provider", metavar="NAME", help="spyre, cuda, env, simulated or auto")
    parser.add_argument("--engine", choices=("local", "dask"), help="where attempts run")
    parser.add_argument("--scheduler", metavar="ADDR", help="a Dask scheduler that runs already")


def _work(settings: DeviceConfig, run: Run) -> tuple[StepResult, ...]:
    # A noxfile that only lists its sessions does not need what runs them.
    from noxden.sessions.device_run import run_device

    return run_device(settings, run)


_KIND = Kind(
    "Run tests on accelerator cards: the right share of them, balanced, through faults",
    _work,
    _add_options,
    passes_on="pytest",
)
