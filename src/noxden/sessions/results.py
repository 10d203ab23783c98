"""What became of the tests of a session: found in its JUnit file, told to CI and to people."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.sessions.output import Summary

__all__ = ["WHEELS", "find_results", "read_stamp", "render_results", "show_results"]

WHEELS = "wheels: "
"""How a note begins that says where wheels came from."""
_JUNIT = "junit.xml"


def read_stamp(output: Path) -> tuple[int, int] | None:
    """Which junit.xml is in ``output`` now; ``None`` where there is none."""
    with contextlib.suppress(OSError):
        found = (output / _JUNIT).stat()
        return found.st_ino, found.st_mtime_ns
    return None


def find_results(
    summary: Summary, output: Path, project: Path, before: tuple[int, int] | None
) -> Summary:
    """``summary`` with the tests of the JUnit file that the session wrote.

    One that was there ``before`` tells of another run.
    """
    if read_stamp(output) in {None, before}:
        return summary
    from noxden.ci.report.cases import read_results

    file = (output / _JUNIT).absolute()
    shown = file.relative_to(project) if file.is_relative_to(project) else file
    return summary._replace(tests=read_results(file), junit=str(shown))


def show_results(
    summary: Summary, output: Path, project: Path, notes: Sequence[str], env: Mapping[str, str]
) -> None:
    """Print the table of a session that ran tests, and annotate those that failed.

    Of the ``notes`` of the summary the table has what they say of wheels.
    """
    if summary.tests is None:
        return
    from noxden.render import ReaderLeftError, print_table
    from noxden.sessions.ci_output import open_voice

    if summary.tests.counts.bad:
        voice = open_voice(env, project)
        voice.annotate_tests(summary.tests, summary.session, summary.junit)
    with contextlib.suppress(ReaderLeftError):
        print_table(("session", summary.session), render_results(summary, output, notes))


def render_results(
    summary: Summary, output: Path, notes: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """The rows of the table: what was run, how long it took, on what, and where more is."""
    counts = summary.tests.counts._asdict() if summary.tests else {}
    said = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    time = f"{summary.prepare_seconds:.1f} s to prepare, {summary.run_seconds:.1f} s to run"
    wheels = [note.removeprefix(WHEELS).strip() for note in notes if note.startswith(WHEELS)]
    return [
        ("tests", said or "none"),
        ("time", time),
        ("environment", f"built: {summary.rebuilt}" if summary.rebuilt else "reused"),
        *(("wheels", detail) for detail in wheels),
        ("junit", summary.junit),
        ("summary", os.path.relpath(output / "summary.md")),
    ]
