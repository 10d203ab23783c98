"""What the lint session runs follows from its settings and from what the project has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from noxden.config import LintConfig
from noxden.sessions.lint import STEPS, choose_environment
from noxden.sessions.lint_plan import LintFacts, collect_lint_facts, plan_lint
from noxden.sessions.options import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path

    from noxden.sessions.steps import Step

EVERYTHING = LintFacts(("ci", "types", "imports", "hooks"), ("src",), "prek", hooks_installed=True)


def words(steps: tuple[Step, ...]) -> dict[str, str]:
    """The one command of each step."""
    return {
        step.name: " ".join(word for command in step.commands for word in command.expand())
        for step in steps
    }


def test_a_plain_project_gets_the_four_steps_that_every_project_has() -> None:
    assert words(plan_lint(LintConfig(), LintFacts())) == {
        "lock": "uv lock --check",
        "spelling": "codespell --skip *uv.lock",
        "check": "ruff check --extend-select I",
        "format": "ruff format --check",
    }


def test_configured_tools_add_their_steps() -> None:
    assert words(plan_lint(LintConfig(), EVERYTHING)) == {
        "lock": "uv lock --check",
        "ci": f"{sys.executable} -m noxden ci check",
        "spelling": "codespell --skip *uv.lock",
        "check": "ruff check --extend-select I",
        "format": "ruff format --check",
        "types": "mypy src",
        "imports": "lint-imports",
        "hooks": "prek run --all-files",
    }


def test_fix_repairs_where_a_tool_can() -> None:
    assert words(plan_lint(LintConfig(spelling="typos"), EVERYTHING, fix=True)) == {
        "lock": "uv lock",
        "ci": f"{sys.executable} -m noxden ci write",
        "spelling": "typos --exclude uv.lock -w",
        "check": "ruff check --extend-select I --fix",
        "format": "ruff format",
        "types": "mypy src",
        "imports": "lint-imports",
        "hooks": "prek run --all-files",
    }


def test_named_steps_come_in_the_order_of_their_names_and_once() -> None:
    asked = LintConfig(steps=("types", "lock", "types"))
    assert [step.name for step in plan_lint(asked, LintFacts())] == ["types", "lock"]


def test_spelling_can_be_left_out() -> None:
    names = [step.name for step in plan_lint(LintConfig(spelling="none"), EVERYTHING)]
    assert names == [name for name in STEPS if name != "spelling"]


def test_a_missing_tool_is_to_be_added_to_the_group_of_the_session() -> None:
    imports = plan_lint(LintConfig(groups=("quality",), steps=("imports",)), LintFacts())[0]
    assert (imports.requires, imports.advice) == (
        "lint-imports",
        "not in group quality; run: uv add --group quality import-linter",
    )


def test_hooks_outside_of_a_checkout_are_skipped_with_the_reason() -> None:
    hooks = plan_lint(LintConfig(steps=("hooks",)), EVERYTHING._replace(checkout=False))[0]
    assert hooks.skip == "not a git checkout"


def test_a_hook_runner_on_path_will_do_but_one_that_is_nowhere_is_missed() -> None:
    asked = LintConfig(steps=("hooks",))
    assert plan_lint(asked, EVERYTHING)[0].requires == ""
    nowhere = plan_lint(asked, EVERYTHING._replace(hooks_installed=False))[0]
    assert nowhere.requires == "prek"
    assert nowhere.advice == "not in group lint; run: uv add --group lint prek"


@pytest.mark.parametrize(
    ("in_environment", "on_path", "chosen"),
    [
        (["prek", "pre-commit"], [], ("prek", True)),
        (["pre-commit"], ["prek"], ("pre-commit", True)),
        ([], ["pre-commit"], ("pre-commit", True)),
        ([], [], ("prek", False)),
    ],
)
def test_prek_is_preferred_and_the_environment_comes_before_path(
    tmp_path: Path, in_environment: list[str], on_path: list[str], chosen: tuple[str, bool]
) -> None:
    for name in on_path:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    facts = collect_lint_facts(tmp_path, in_environment.__contains__, str(tmp_path))
    assert (facts.hooks, facts.hooks_installed) == chosen


@pytest.mark.parametrize(
    ("file", "text", "configured"),
    [
        ("pyproject.toml", "[tool.mypy]\nstrict = true\n", ("types",)),
        ("pyproject.toml", "[[tool.mypy.overrides]]\nmodule = 'x'\n", ("types",)),
        ("pyproject.toml", "# [tool.mypy]\n[tool.mypy-other]\n", ()),
        ("pyproject.toml", "[tool.importlinter]\n", ("imports",)),
        ("mypy.ini", "[mypy]\n", ("types",)),
        (".mypy.ini", "[mypy]\n", ("types",)),
        ("setup.cfg", "[mypy]\n", ("types",)),
        ("setup.cfg", "[flake8]\n", ()),
        ("setup.cfg", "[importlinter]\n", ("imports",)),
        (".importlinter", "[importlinter]\n", ("imports",)),
        (".pre-commit-config.yaml", "repos: []\n", ("hooks",)),
        ("Jenkinsfile", "// Made by `noxden ci write` from [tool.noxden]\n", ("ci",)),
        (".gitlab-ci.yml", "stages: []\n# Made by `noxden ci write`\n", ()),
    ],
)
def test_a_tool_is_configured_where_it_would_read_it(
    tmp_path: Path, file: str, text: str, configured: tuple[str, ...]
) -> None:
    (tmp_path / file).write_text(text)
    assert collect_lint_facts(tmp_path, lambda _: True, "").configured == configured


@pytest.mark.parametrize(
    ("file", "text", "given"),
    [
        ("pyproject.toml", "[tool.mypy]\nfiles = ['a']\n", ()),
        ("pyproject.toml", "[tool.mypy]\npackages = ['a']\n", ()),
        ("pyproject.toml", "[tool.mypy]\nstrict = true\n", ("src",)),
        ("mypy.ini", "[mypy]\nfiles = a\n", ()),
        ("mypy.ini", "[mypy]\nstrict = True\n", ("src",)),
        ("setup.cfg", "[mypy]\nmodules = a\n", ()),
    ],
)
def test_mypy_is_given_src_only_where_its_configuration_names_no_files(
    tmp_path: Path, file: str, text: str, given: tuple[str, ...]
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / file).write_text(text)
    assert collect_lint_facts(tmp_path, lambda _: True, "").types == given


def test_the_project_is_installed_only_where_a_step_imports_it(tmp_path: Path) -> None:
    alone = SessionOptions(only_groups=("lint",), any_lock=True)
    with_project = SessionOptions(groups=("lint",), any_lock=True)
    assert choose_environment(LintConfig(), tmp_path) == alone
    assert choose_environment(LintConfig(steps=("types", "lock")), tmp_path) == with_project
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    assert choose_environment(LintConfig(), tmp_path) == with_project
    assert choose_environment(LintConfig(steps=("lock",)), tmp_path) == alone


@pytest.mark.parametrize("steps", [("format",), ("types",), ("check", "imports")])
def test_a_stale_lock_is_for_the_environment_to_refuse_where_no_step_checks_it(
    steps: tuple[str, ...], tmp_path: Path
) -> None:
    assert not choose_environment(LintConfig(steps=steps), tmp_path).any_lock
