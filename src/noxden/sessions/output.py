"""What a session leaves behind for people and scripts: ``.noxden/<session>/`` in the checkout."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "StepResult",
    "Summary",
    "open_output",
    "publish_summary",
    "render_markdown",
    "write_summary",
]


class StepResult(NamedTuple):
    """One step of a session."""

    name: str
    status: str
    """``passed``, ``failed`` or ``skipped``."""
    seconds: float
    detail: str = ""
    """Why it failed or was skipped, or what it did; one line."""


class Summary(NamedTuple):
    """What a session did; summary.json holds these fields under these names."""

    session: str
    """Name with Python, as nox shows it: ``unit-3.12``."""
    status: str
    """``passed``, ``failed`` or ``skipped``."""
    exit_code: int
    """0 ok, 1 work failed, 2 usage, 3 infrastructure, 4 refused for safety."""
    key: str
    """Environment key of the base environment."""
    python: str
    """Version with patch level."""
    rebuilt: str
    """Why the environment was built in this run; empty when it was reused."""
    prepare_seconds: float
    run_seconds: float
    steps: tuple[StepResult, ...] = ()
    message: str = ""
    """The error, where there was one, or why the session was skipped."""


def open_output(project: Path, session: str, directory: Path | None = None) -> Path:
    """An empty folder for what ``session`` writes; ``directory`` (``--output``) replaces it."""
    folder = directory or project / ".noxden" / session
    if directory is None:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    if directory is None:
        (project / ".noxden" / ".gitignore").write_text("*\n", "utf-8")
    return folder


def write_summary(folder: Path, summary: Summary, notes: Sequence[str] = ()) -> None:
    """Write summary.json and summary.md, which ends with ``notes``, into ``folder``."""
    fields = {**summary._asdict(), "steps": [step._asdict() for step in summary.steps]}
    (folder / "summary.json").write_text(json.dumps(fields, indent=2) + "\n", "utf-8")
    text = "\n".join([render_markdown(summary), *notes])
    (folder / "summary.md").write_text(text, "utf-8")


def publish_summary(folder: Path, env: Mapping[str, str]) -> None:
    """Show summary.md on the page of the CI job, where the CI has a file for that."""
    if target := env.get("GITHUB_STEP_SUMMARY"):
        # It is for people only; nothing depends on it.
        with contextlib.suppress(OSError), open(target, "a", encoding="utf-8") as page:  # noqa: PTH123
            page.write((folder / "summary.md").read_text("utf-8") + "\n")


def render_markdown(summary: Summary) -> str:
    """The summary for a CI step: a heading, a line, and a table of the steps."""
    lines = [f"### {summary.session}: {summary.status}"]
    if summary.status != "skipped":
        lines += [
            "",
            (
                f"Python {summary.python}, environment `{summary.key[:12]}`, prepared in "
                f"{summary.prepare_seconds:.1f} s, ran {summary.run_seconds:.1f} s."
            ),
        ]
    if summary.rebuilt:
        lines += ["", f"Rebuilt: {summary.rebuilt}."]
    if summary.message:
        lines += ["", summary.message]
    if summary.steps:
        lines += ["", "| step | status | seconds | detail |", "|---|---|---:|---|"]
        lines += [
            f"| {step.name} | {step.status} | {step.seconds:.1f} | {detail} |"
            for step in summary.steps
            for detail in [step.detail.replace("|", "/")]
        ]
    return "\n".join(lines) + "\n"
