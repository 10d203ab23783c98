"""The session factory ``noxden.lint``: formatting, rules, spelling, types, imports, hooks.

Every step runs, even if one before it failed. A step is there when the project has something
for it: ``types`` where mypy is configured, ``imports`` where import-linter is, ``hooks`` where
there is a .pre-commit-config.yaml, ``ci`` where ``noxden ci write`` made files. Steps that are
named, in the table or after ``--``, run in any case.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Unpack

from noxden.sessions.factory import (
    FactoryArguments,
    Kind,
    entry_point,
    find_project,
    override,
    read_config,
    refuse_unknown,
    register,
)
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from noxden.config import LintConfig
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.factory import Run
    from noxden.sessions.output import StepResult

__all__ = [
    "PLACES",
    "STEPS",
    "LintArguments",
    "choose_environment",
    "collect_configured",
    "is_configured",
    "lint",
]

STEPS = ("lock", "ci", "spelling", "check", "format", "types", "imports", "hooks")
"""The names of all steps, in the order in which repairs do not undo each other."""

_SPELLING = ("codespell", "typos", "none")
_GENERATED = r"\A.* Made by `noxden ci write`"
PLACES = {
    "ci": (
        (".github/workflows/noxden.yml", _GENERATED),
        (".forgejo/workflows/noxden.yml", _GENERATED),
        (".gitlab-ci.yml", _GENERATED),
        ("Jenkinsfile", _GENERATED),
    ),
    "types": (
        ("mypy.ini", ""),
        (".mypy.ini", ""),
        ("pyproject.toml", r"^\[+tool\.mypy[.\]]"),
        ("setup.cfg", r"^\[mypy\]"),
    ),
    "imports": (
        (".importlinter", ""),
        ("pyproject.toml", r"^\[+tool\.importlinter[.\]]"),
        ("setup.cfg", r"^\[importlinter\]"),
    ),
    "hooks": ((".pre-commit-config.yaml", ""),),
}
"""Where the tool of a step is configured: files, and what a line of them has to look like."""


class LintArguments(FactoryArguments, total=False):
    """The keywords of ``noxden.lint``: values of ``[tool.noxden.lint]``, and those of nox."""

    groups: Sequence[str] | None
    python: str | None
    spelling: str | None
    steps: Sequence[str] | None


@entry_point
def lint(name: str = "lint", **arguments: Unpack[LintArguments]) -> SessionFunction:
    """Register a session that lints the project.

    Args:
        name: the name of the session.
        **arguments: ``groups``, ``python``, ``spelling`` and ``steps`` in place of what
            ``[tool.noxden.lint]`` says; everything else goes to ``nox.session``.

    Where mypy or import-linter is configured, the environment holds the project and its
    dependencies beside the groups; otherwise the groups alone, which is made sooner.

    Example::

        noxden.lint(spelling="typos", tags=["fast"])
    """
    settings, nox_arguments = override(read_config().lint, "lint", arguments)
    refuse_unknown(settings.steps, STEPS, "the lint session has no step")
    refuse_unknown([settings.spelling], _SPELLING, "lint cannot check the spelling by")
    environment = choose_environment(settings, find_project())
    return register(
        _KIND, name, settings, environment, {**nox_arguments, "python": settings.python}
    )


def choose_environment(settings: LintConfig, project: Path) -> SessionOptions:
    """What the environment holds: with the project only where a step has to import it."""
    wanted = settings.steps or ("lock", *collect_configured(project))
    # A lock that does not fit is news for its step to tell, and for --fix to repair.
    any_lock = "lock" in wanted
    if {"types", "imports"} & set(wanted):
        return SessionOptions(groups=settings.groups, any_lock=any_lock)
    return SessionOptions(only_groups=settings.groups, any_lock=any_lock)


def collect_configured(project: Path) -> tuple[str, ...]:
    """Of ``ci``, ``types``, ``imports`` and ``hooks``, those that the project has files for."""
    return tuple(
        step
        for step, places in PLACES.items()
        if any(is_configured(project / file, line) for file, line in places)
    )


def is_configured(file: Path, line: str) -> bool:
    """Whether ``file`` is there and, where ``line`` is not empty, has a line like that."""
    if not line:
        return file.is_file()
    try:
        return re.search(line, file.read_text("utf-8", "replace"), re.MULTILINE) is not None
    except OSError:
        return False


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="repair what the tools can repair")
    parser.add_argument(
        "--step",
        action="append",
        metavar="NAME",
        help=f"run only this step; may be given several times: {', '.join(STEPS)}",
    )
    parser.add_argument("--spelling", metavar="TOOL", help=", ".join(_SPELLING))


def _work(settings: LintConfig, run: Run) -> tuple[StepResult, ...]:
    # Not needed to register a session, which every run of any session does.
    from noxden.sessions.ci_output import open_voice
    from noxden.sessions.lint_plan import collect_lint_facts, plan_lint
    from noxden.sessions.steps import NoxRunner, run_steps

    asked = settings._replace(
        steps=tuple(run.options.step or settings.steps),
        spelling=run.options.spelling or settings.spelling,
    )
    refuse_unknown(asked.steps, STEPS, "the lint session has no step")
    refuse_unknown([asked.spelling], _SPELLING, "lint cannot check the spelling by")
    runner = NoxRunner(run.session, os.environ)
    facts = collect_lint_facts(run.project, runner.has, os.environ.get("PATH"))
    steps = plan_lint(asked, facts, fix=run.options.fix)
    voice = open_voice(os.environ, run.project)
    return run_steps(steps, runner, log=run.session.log, voice=voice)


_KIND = Kind("Check formatting, rules, spelling, types and imports", _work, _add_options)
