"""The voice of the sessions in the log of a CI system: groups and annotations.

Elsewhere, and where a system has none of that, it says nothing. GitHub's groups do not nest, so
a group within a group has no lines of its own there.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.report.annotations import Place, annotate_lint, annotate_tests, says_problems
from noxden.ci.report.marks import (
    Annotation,
    defuse,
    find_dialect,
    render_annotation,
    render_close,
    render_open,
    render_pause,
    render_resume,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from noxden.ci.report.cases import Results
    from noxden.ci.report.marks import Dialect

__all__ = ["MOST_SHOWN", "Voice", "guard_logs", "open_voice"]

MOST_SHOWN = 10
"""Errors of one step that GitHub shows; it drops those after them without a word."""


class Spoken:
    """What was said by this process, which is one step of a job."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.groups = 0
        self.open = 0
        self.annotations = 0


_SPOKEN = Spoken()


class Voice(NamedTuple):
    """Says things to the CI system that runs this."""

    dialect: Dialect = ""
    place: Place = Place(Path(), Path())
    spoken: Spoken = _SPOKEN
    clock: Callable[[], float] = time.time

    @contextlib.contextmanager
    def group(
        self, title: str, *, stream: TextIO | None = None, programs: bool = False
    ) -> Iterator[None]:
        """Fold what is printed in the block; closed however the block ends.

        Args:
            title: what is shown of it.
            stream: where what is folded is printed; by default stdout.
            programs: programs print there themselves, and nothing of that is to be a command.
        """
        if not self.dialect or (self.dialect == "github" and self.spoken.open):
            yield
            return
        out = stream or sys.stdout
        self.spoken.groups += 1
        number, token = self.spoken.groups, secrets.token_hex(16) if programs else ""
        begin = render_open(self.dialect, number, title, self.clock())
        _write(out, begin + (render_pause(self.dialect, token) if token else ""))
        self.spoken.open += 1
        try:
            yield
        finally:
            self.spoken.open -= 1
            end = render_close(self.dialect, number, title, self.clock())
            # A program that was stopped leaves a line without an end.
            _write(out, ("\n" + render_resume(self.dialect, token) if token else "") + end)

    def guard(self, text: str) -> str:
        """``text`` of others, to be printed without commands in it."""
        return defuse(text, self.dialect)

    def read_problems(self, words: Sequence[str], said: str) -> tuple[str, tuple[Annotation, ...]]:
        """What a linter said, for people, and the annotations in it."""
        if self.dialect != "github" or not says_problems(tuple(words)):
            return said, ()
        return annotate_lint(said, self.place)

    def annotate(self, annotations: Sequence[Annotation], total: int, where: str) -> None:
        """Show the first of ``annotations``, and count the rest of ``total``.

        ``where`` is where all are to be found.
        """
        if self.dialect != "github":
            return
        room = max(0, MOST_SHOWN - self.spoken.annotations)
        shown = annotations[:room]
        self.spoken.annotations += len(shown)
        lines = [render_annotation(self.dialect, one) for one in shown]
        if left := total - len(shown):
            message = f"{left} more; see {where}"
            lines.append(render_annotation(self.dialect, Annotation("notice", message)))
        _write(sys.stdout, "".join(lines))

    def annotate_tests(self, tests: Results, session: str, junit: str) -> None:
        """Show the tests that failed."""
        found = annotate_tests(tests, self.place) if self.dialect == "github" else ()
        self.annotate(found, tests.counts.bad, f"{junit} of {session}")

    def warn(self, title: str, message: str) -> None:
        """Show a warning on the page of the run."""
        _write(sys.stdout, render_annotation(self.dialect, Annotation("warning", message, title)))


def _write(stream: TextIO, text: str) -> None:
    """Write what belongs before or after the output of other programs."""
    if text:
        # Whoever reads the log may be gone; the work goes on.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
            stream.write(text)
            stream.flush()


def open_voice(env: Mapping[str, str], project: Path) -> Voice:
    """The voice for the CI system that ``env`` tells of."""
    dialect = find_dialect(env)
    if dialect != "github":
        return Voice(dialect)
    return Voice(dialect, Place(project, _find_root(env, project)))


def _find_root(env: Mapping[str, str], project: Path) -> Path:
    from noxden.tools.git import find_top

    if named := env.get("GITHUB_WORKSPACE"):
        workspace = Path(named).resolve()
        if project.is_relative_to(workspace):
            return workspace
    top = find_top(project, env)
    return top if top is not None and project.is_relative_to(top) else project


class _Guard(logging.Formatter):
    """Formats as another one does, and lets no line be a command."""

    def __init__(self, inner: logging.Formatter, dialect: Dialect) -> None:
        super().__init__()
        self._inner = inner
        self._dialect = dialect

    def format(self, record: logging.LogRecord) -> str:
        """The message, and the traceback where there is one."""
        return defuse(self._inner.format(record), self._dialect)


def guard_logs(env: Mapping[str, str]) -> None:
    """Let no message of a log, which may quote others, be a command; once is enough."""
    dialect = find_dialect(env)
    for handler in logging.getLogger().handlers if dialect else ():
        inner = handler.formatter
        if inner is not None and not isinstance(inner, _Guard):
            handler.setFormatter(_Guard(inner, dialect))
