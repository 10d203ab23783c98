"""What a session leaves behind for people and scripts: ``.noxden/<session>/`` in the checkout."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noxden.ci.report.cases import Results

__all__ = [
    "StepResult",
    "Summary",
    "open_output",
    "publish_summary",
    "render_markdown",
    "summary_to_json",
    "write_summary",
]

_PAGE = "GITHUB_STEP_SUMMARY"
_LARGEST = 1024 * 1024
"""Bytes that GitHub shows of a step; what is longer it does not show at all."""
_LONGEST_MESSAGE = 300
_FENCE = "\n```"


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
    tests: Results | None = None
    """What the JUnit file tells; ``None`` where there is none."""
    junit: str = ""
    """The JUnit file, relative to the project where it is in it; empty where there is none."""


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
    (folder / "summary.json").write_text(
        json.dumps(summary_to_json(summary), indent=2) + "\n", "utf-8"
    )
    text = "\n".join([render_markdown(summary), *notes])
    (folder / "summary.md").write_text(text, "utf-8", errors="replace")


def summary_to_json(summary: Summary) -> dict[str, Any]:
    """The fields of summary.json; of the tests only how many came to what end."""
    return {
        **summary._asdict(),
        "steps": [step._asdict() for step in summary.steps],
        "tests": summary.tests.counts._asdict() if summary.tests else None,
    }


def publish_summary(folder: Path, env: Mapping[str, str]) -> str:
    """Show summary.md on the page of the CI job, where the CI has a file for that.

    What is said there is for people only, and nothing depends on it.

    Returns:
        Why it could not be shown; empty where it was, or where there is no page.
    """
    target = env.get(_PAGE)
    if not target:
        return ""
    here = os.path.relpath(folder / "summary.md")
    try:
        with Path(target).open("ab") as page:
            text = (folder / "summary.md").read_bytes() + b"\n"
            page.write(_cut(text, _LARGEST - page.tell(), here))
    except OSError as error:
        return f"cannot write {_PAGE}, {target}: {error.strerror}; the summary is in {here}"
    return ""


def _cut(text: bytes, room: int, whole: str) -> bytes:
    """``text``, or as many of its lines as there is room for and where the ``whole`` is."""
    if len(text) <= room:
        return text
    note = f"\n\nThis was cut, because a page holds 1 MiB; the whole is in {whole}.\n".encode()
    space = room - len(note) - len(_FENCE)
    if space < 0:
        return b""
    kept = text[:space].rpartition(b"\n")[0]
    fence = _FENCE.encode()
    return kept + (fence if kept.count(fence) % 2 else b"") + note


def render_markdown(summary: Summary) -> str:
    """The summary for a CI step: a heading, a line, and a table of the steps."""
    lines = [f"### {summary.session}: {summary.status}"]
    if summary.status != "skipped":
        environment = (
            f"Python {summary.python}, environment `{summary.key[:12]}`, prepared in "
            f"{summary.prepare_seconds:.1f} s, ran"
        )
        # Sessions such as plan and wheelhouse have none.
        lines += ["", f"{environment if summary.key else 'Ran'} {summary.run_seconds:.1f} s."]
    if summary.rebuilt:
        lines += ["", f"Rebuilt: {summary.rebuilt}."]
    if summary.message:
        lines += ["", summary.message]
    if summary.tests is not None:
        lines += ["", *_render_tests(summary.tests)]
    if summary.junit:
        lines += ["", f"JUnit: `{summary.junit}`"]
    if summary.steps:
        lines += ["", "| step | status | seconds | detail |", "|---|---|---:|---|"]
        lines += [
            f"| {step.name} | {step.status} | {step.seconds:.1f} | {detail} |"
            for step in summary.steps
            for detail in [step.detail.replace("|", "/")]
        ]
    return "\n".join(lines) + "\n"


def _render_tests(tests: Results) -> Iterator[str]:
    """How many tests came to what end, and which failed."""
    # Not needed where no tests ran.
    from noxden.devices.report_md import render_code

    said = ", ".join(f"{number} {name}" for name, number in tests.counts._asdict().items())
    yield f"Tests: {said}."
    if tests.failures:
        yield ""
    for failure in tests.failures:
        first = render_code(failure.message.partition("\n")[0][:_LONGEST_MESSAGE])
        yield f"- {render_code(failure.title)}" + (f": {first}" if first else "")
    if left := tests.counts.bad - len(tests.failures):
        yield f"- and {left} more"
