"""The session factory ``noxden.publish``: the project's own distributions, or a wheelhouse.

What packaging built and checked is uploaded as a release. A wheelhouse, what a selection needs, is
fetched into the wheel store, exported, and given to an index or left as files.
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

__all__ = ["PublishArguments", "PublishSettings", "publish"]

_HELP = """\
what and where to:
  project [URL]  upload the project's sdist and wheels that nox -s packaging built, to PyPI or URL;
                 refused unless the tree is clean, HEAD has the version's tag, and checks passed
  index URL      upload a wheelhouse to the index at URL, what it does not have
  release DIR    write a wheelhouse as a flat folder of files with hashes, fit for a release

examples:
  nox -s packaging {name} -- project --dry-run
  nox -s {name} -- index https://packages.example/legacy/
  nox -s {name} -- index http://localhost:8080/ --check-url http://localhost:8080/simple/
  nox -s {name} -- release dist/wheels --group test --group torch

User and password of the index: UV_PUBLISH_USERNAME and UV_PUBLISH_PASSWORD, or UV_PUBLISH_TOKEN;
for the project also trusted publishing, where the CI system has it.
"""


class PublishSettings(NamedTuple):
    """What the session publishes where the command line names nothing."""

    groups: tuple[str, ...]
    """Dependency groups beside the project and its dependencies."""
    python: str | None = None
    """Interpreter request; ``None`` is the project's own choice."""


class PublishArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.publish``, and those of nox."""

    groups: Sequence[str] | None
    python: str | None


@entry_point
def publish(name: str = "publish", **arguments: Unpack[PublishArguments]) -> SessionFunction:
    """Register a session that publishes the project, or gives a wheelhouse to others.

    Args:
        name: the name of the session.
        **arguments: ``groups`` in place of what ``[tool.noxden.heavy]`` says, and ``python``;
            everything else goes to ``nox.session``.

    It is not among the default sessions, makes no environment, and refuses untrusted runs.

    Example::

        noxden.publish(groups=["test", "torch"], python="3.12")
    """
    settings = PublishSettings(read_config().heavy.groups)
    settings, nox_arguments = override(settings, "publish", arguments)
    environment = SessionOptions(groups=settings.groups, deferred=True)
    nox_arguments = {"default": False, **nox_arguments, "python": settings.python}
    return register(_KIND, name, settings, environment, nox_arguments)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP.format(name=parser.prog.split()[2])
    parser.add_argument(
        "kind", nargs="?", default="", metavar="project|index|release", help="see below"
    )
    parser.add_argument("target", nargs="?", default="", metavar="URL|DIR", help="see below")
    parser.add_argument(
        "--group",
        action="append",
        metavar="NAME",
        help="a dependency group beside the project; repeatable",
    )
    parser.add_argument(
        "--check-url", metavar="URL", help="where the index lists what it has (PEP 503)"
    )
    parser.add_argument("--dry-run", action="store_true", help="project: check all, upload nothing")
    parser.add_argument(
        "--packaging",
        metavar="DIR",
        default=".noxden/packaging",
        help="project: what the packaging session wrote (default: .noxden/packaging)",
    )
    parser.add_argument("--remote", metavar="URI", help="take wheels from this object store")


def _work(settings: PublishSettings, run: Run) -> tuple[StepResult, ...]:
    # A noxfile that only lists its sessions does not need what runs them.
    if run.options.kind == "project":
        from noxden.sessions.publish_project import publish_project

        return publish_project(run)
    from noxden.sessions.publish_run import run_publish

    return run_publish(settings, run)


_KIND = Kind("Publish the project, or give a wheelhouse to an index", _work, _add_options)
