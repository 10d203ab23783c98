"""What a session declares, and what it leaves behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import noxden
from noxden import errors
from noxden.errors import NoxdenError, UsageError
from noxden.pytest_plugin import MARKERS
from noxden.sessions.options import SessionOptions
from noxden.sessions.output import (
    StepResult,
    Summary,
    open_output,
    render_markdown,
    write_summary,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_options_are_spelled_as_words() -> None:
    options = SessionOptions(("a", "b"), ("c",), ("d",), ("*",), layered=False)
    assert options.venv_params == [
        "--group", "a", "--group", "b", "--only-group", "c", "--extra", "d", "--package", "*",
        "--no-layer",
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "wrong"), [(["--seed"], "--seed"), (["--group"], "--group")])
def test_a_word_that_is_not_ours_is_refused(words: list[str], wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        SessionOptions.from_venv_params(words)
    assert str(caught.value) == (
        f"venv_params of the noxden backend take --group, --only-group, --extra, --package, "
        f"--no-layer, --any-lock, --deferred; got {wrong!r}"
    )


SUMMARY = Summary(
    session="lint-3.12",
    status="failed",
    exit_code=1,
    key="0123456789abcdef" * 4,
    python="3.12.1",
    rebuilt="attrs 1 -> 2",
    prepare_seconds=0.25,
    run_seconds=12.04,
    steps=(
        StepResult("ruff", "passed", 0.5),
        StepResult("mypy", "failed", 11.0, "3 errors | 2 files"),
    ),
    message="2 of 3 steps failed",
)


def test_a_summary_is_written_for_scripts_and_for_people(tmp_path: Path) -> None:
    write_summary(tmp_path, SUMMARY)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found == {
        **SUMMARY._asdict(),
        "steps": [step._asdict() for step in SUMMARY.steps],
    }
    assert (tmp_path / "summary.md").read_text() == render_markdown(SUMMARY)


def test_a_summary_reads_well() -> None:
    assert render_markdown(SUMMARY) == (
        "### lint-3.12: failed\n"
        "\n"
        "Python 3.12.1, environment `0123456789ab`, prepared in 0.2 s, ran 12.0 s.\n"
        "\n"
        "Rebuilt: attrs 1 -> 2.\n"
        "\n"
        "2 of 3 steps failed\n"
        "\n"
        "| step | status | seconds | detail |\n"
        "|---|---|---:|---|\n"
        "| ruff | passed | 0.5 |  |\n"
        "| mypy | failed | 11.0 | 3 errors / 2 files |\n"
    )


def test_a_short_summary_leaves_out_what_it_does_not_have() -> None:
    short = SUMMARY._replace(rebuilt="", message="", steps=())
    assert render_markdown(short).splitlines() == [
        "### lint-3.12: failed",
        "",
        "Python 3.12.1, environment `0123456789ab`, prepared in 0.2 s, ran 12.0 s.",
    ]


def test_the_output_of_a_session_starts_empty_and_is_ignored_by_git(tmp_path: Path) -> None:
    folder = open_output(tmp_path, "lint")
    (folder / "old.json").touch()
    assert open_output(tmp_path, "lint") == folder == tmp_path / ".noxden" / "lint"
    assert list(folder.iterdir()) == []
    assert (tmp_path / ".noxden" / ".gitignore").read_text() == "*\n"


def test_a_folder_of_the_user_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    folder = open_output(tmp_path, "lint", tmp_path / "out")
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert not (tmp_path / ".noxden").exists()


def test_every_class_of_error_has_an_exit_code_of_its_own() -> None:
    found = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    codes = {kind.__name__: kind.exit_code for kind in found}
    assert codes == {
        "InfrastructureError": 3,
        "InterpreterMissingError": 3,
        "NoxdenError": 70,
        "SafetyError": 4,
        "UsageError": 2,
        "WorkError": 1,
    }
    assert all(issubclass(kind, NoxdenError) for kind in found)


def test_every_name_of_the_api_is_there_and_no_other() -> None:
    assert sorted(noxden.__all__) == noxden.__all__
    assert all(callable(getattr(noxden, name)) for name in noxden.__all__)
    with pytest.raises(AttributeError, match="module 'noxden' has no attribute 'sesion'"):
        _ = noxden.sesion


def test_the_markers_are_known_to_pytest(pytestconfig: pytest.Config) -> None:
    known = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert set(MARKERS) <= known
