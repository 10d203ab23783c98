"""What a lint session runs: a pure function of its settings and of what the project has."""

from __future__ import annotations

import configparser
import shutil
import sys
import tomllib
from typing import TYPE_CHECKING, NamedTuple

from noxden.sessions.lint import PLACES, STEPS, collect_configured, is_configured
from noxden.sessions.steps import Command, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from noxden.config import LintConfig

__all__ = ["LintFacts", "collect_lint_facts", "plan_lint"]


class LintFacts(NamedTuple):
    """What a project has for the steps to work on."""

    configured: tuple[str, ...] = ()
    """Of ``ci``, ``types``, ``imports`` and ``hooks``, those that the project has files for."""
    types: tuple[str, ...] = ()
    """What mypy is to be given; empty where its configuration says it."""
    hooks: str = "prek"
    """The program that runs the hooks: ``prek`` or ``pre-commit``."""
    hooks_installed: bool = False
    """Whether that program is in the environment or on PATH."""
    checkout: bool = True
    """Whether the project is in a git checkout, without which hooks do not run."""


def collect_lint_facts(project: Path, has: Callable[[str], bool], path: str | None) -> LintFacts:
    """Look at the project; ``has`` says what is in the environment, ``path`` is the PATH."""
    places = (has, lambda program: shutil.which(program, path=path) is not None)
    found = [name for look in places for name in ("prek", "pre-commit") if look(name)]
    return LintFacts(
        configured=collect_configured(project),
        types=_collect_types(project),
        hooks=found[0] if found else "prek",
        hooks_installed=bool(found),
        checkout=any((at / ".git").exists() for at in (project, *project.parents)),
    )


def _collect_types(project: Path) -> tuple[str, ...]:
    """What mypy is to be given, where its configuration names no files."""
    if {"files", "packages", "modules"} & _read_mypy(project).keys():
        return ()
    return ("src",) if (project / "src").is_dir() else (".",)


def _read_mypy(project: Path) -> Mapping[str, object]:
    """The main section of mypy's configuration, from the first file that mypy would read."""
    for file, line in PLACES["types"]:
        if not is_configured(project / file, line):
            continue
        text = (project / file).read_text("utf-8", "replace")
        if file == "pyproject.toml":
            found = tomllib.loads(text)["tool"]["mypy"]
            return found if isinstance(found, dict) else {}
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(text)
        return dict(parser["mypy"]) if parser.has_section("mypy") else {}
    return {}


def plan_lint(settings: LintConfig, facts: LintFacts, *, fix: bool = False) -> tuple[Step, ...]:
    """The steps of a run, in order; ``fix`` repairs where a tool can.

    Named steps (``settings.steps``) come in the order of their names.
    """
    by_default = [
        name
        for name in STEPS
        if name in facts.configured
        or (name == "spelling" and settings.spelling != "none")
        or name in {"lock", "check", "format"}
    ]
    names = dict.fromkeys(settings.steps or by_default)
    return tuple(_plan_step(name, settings, facts, fix=fix) for name in names)


def _plan_step(name: str, settings: LintConfig, facts: LintFacts, *, fix: bool) -> Step:
    group = settings.groups[0] if settings.groups else "lint"

    def plan(*words: str, package: str = "") -> Step:
        advice = f"not in group {group}; run: uv add --group {group} {package or words[0]}"
        return Step(name, (Command(words),), requires=words[0], advice=advice)

    if name == "lock":
        return Step(name, (Command(("uv", "lock", *([] if fix else ["--check"]))),))
    if name == "ci":
        command = Command((sys.executable, "-m", "noxden", "ci", "write" if fix else "check"))
        return Step(name, (command,))
    if name == "spelling":
        return _plan_spelling(settings, plan, fix=fix)
    if name == "hooks":
        return _plan_hooks(facts, plan)
    words = {
        "check": ["ruff", "check", "--extend-select", "I", *(["--fix"] if fix else [])],
        "format": ["ruff", "format", *([] if fix else ["--check"])],
        "types": ["mypy", *facts.types],
        "imports": ["lint-imports"],
    }
    return plan(*words[name], package="import-linter" if name == "imports" else "")


def _plan_spelling(settings: LintConfig, plan: Callable[..., Step], *, fix: bool) -> Step:
    if settings.spelling == "none":
        return Step("spelling", skip="spelling is none")
    # The hashes in uv.lock are full of words.
    skip = ("--skip", "*uv.lock") if settings.spelling == "codespell" else ("--exclude", "uv.lock")
    return plan(settings.spelling, *skip, *(["-w"] if fix else []))


def _plan_hooks(facts: LintFacts, plan: Callable[..., Step]) -> Step:
    if not facts.checkout:
        return Step("hooks", skip="not a git checkout")
    step = plan(facts.hooks, "run", "--all-files")
    # One on PATH will do: many people have it there, for all their projects.
    return step._replace(requires="", advice="") if facts.hooks_installed else step
