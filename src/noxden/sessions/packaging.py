"""The session factory ``noxden.packaging``: build what is released, and try it.

The wheel is built from the sdist, as an index or a distribution would build it. Everything is
built a second time and compared. The wheel is then installed beside exactly the packages that
uv.lock names for it, in an environment that knows nothing of the checkout.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Unpack

from noxden.sessions.factory import (
    FactoryArguments,
    Kind,
    entry_point,
    override,
    read_config,
    refuse_unknown,
    register,
)
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from noxden.config import PackagingConfig
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = ["STEPS", "PackagingArguments", "packaging"]

STEPS = (
    "metadata",
    "sdist",
    "wheel",
    "description",
    "contents",
    "reproducible",
    "install",
    "imports",
    "dependencies",
    "sums",
)
"""The names of all steps, in their order."""


class PackagingArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.packaging``: values of its table, and those of nox."""

    groups: Sequence[str] | None
    python: str | None
    steps: Sequence[str] | None


@entry_point
def packaging(name: str = "packaging", **arguments: Unpack[PackagingArguments]) -> SessionFunction:
    """Register a session that builds sdist and wheel, and checks and tries them.

    Args:
        name: the name of the session.
        **arguments: ``groups``, ``python`` and ``steps`` in place of what
            ``[tool.noxden.packaging]`` says; everything else goes to ``nox.session``.

    The files are in ``.noxden/packaging/dist/`` afterwards, with their SHA256SUMS.
    """
    settings, nox_arguments = override(read_config().packaging, "packaging", arguments)
    refuse_unknown(settings.steps, STEPS, "the packaging session has no step")
    environment = SessionOptions(only_groups=settings.groups)
    return register(
        _KIND, name, settings, environment, {**nox_arguments, "python": settings.python}
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--step",
        action="append",
        metavar="NAME",
        help=f"run only this step and those it needs: {', '.join(STEPS)}",
    )


def _work(settings: PackagingConfig, run: Run) -> tuple[StepResult, ...]:
    # Not needed to register a session, which every run of any session does.
    import tempfile
    from pathlib import Path

    from noxden.sessions.ci_output import open_voice
    from noxden.sessions.packaging_plan import (
        Layout,
        compute_variables,
        plan_packaging,
        refuse_unpackaged,
    )
    from noxden.sessions.steps import NoxRunner, run_steps

    refuse_unpackaged(run.project)
    asked = settings._replace(steps=tuple(run.options.step or settings.steps))
    refuse_unknown(asked.steps, STEPS, "the packaging session has no step")
    with tempfile.TemporaryDirectory(prefix="noxden-packaging-") as work:
        python = f"{run.session.bin}/python" if run.session.bin_paths else "python"
        layout = Layout(run.project, Path(work), run.output / "dist", python)
        steps = plan_packaging(asked, layout, compute_variables(run.project, os.environ))
        runner, voice = NoxRunner(run.session, os.environ), open_voice(os.environ, run.project)
        return run_steps(steps, runner, log=run.session.log, voice=voice)


_KIND = Kind("Build sdist and wheel, check them, and try the wheel", _work, _add_options)
