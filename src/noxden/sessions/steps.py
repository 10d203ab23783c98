"""Steps: what a session does one after the other, planned as values, then run to the last.

A step that fails does not stop the others, except those that need what it makes. What a
command says is kept, and shown only where its step failed.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nox.command import CommandFailed

from noxden.ci.report.annotations import says_problems
from noxden.ci.report.marks import find_dialect
from noxden.errors import WorkError
from noxden.sessions.ci_output import Voice
from noxden.sessions.output import StepResult
from noxden.tools.uv import find_uv

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import nox

    from noxden.ci.report.marks import Annotation

__all__ = [
    "Command",
    "Ended",
    "Files",
    "NoxRunner",
    "Runner",
    "Step",
    "StepError",
    "render_steps",
    "run_steps",
]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FOLDERS = re.compile(r"(?<![\w:/.])(?:file://)?/(?:[^\s/:]+/)+")
_NOT_SUMS = ("[*]", "No fixes", "Invalid file")
"""Last lines of ruff and validate-pyproject that come after the one that says what is wrong."""
_LONGEST_DETAIL = 120
_NARROWEST_LOG = 120
"""Columns of the table where the output is no terminal and has no width."""


_SILENT = Voice()


class Files(NamedTuple):
    """The files that match ``pattern`` in ``folder`` when the step starts, in order of name."""

    folder: Path
    pattern: str

    def collect(self) -> list[Path]:
        """The files that are there now."""
        return sorted(self.folder.glob(self.pattern))


class Command(NamedTuple):
    """A program and its arguments."""

    words: tuple[str | Path | Files, ...]
    env: Mapping[str, str] = {}
    """Variables beside those of the session."""

    def expand(self) -> list[str]:
        """The words as they are now, each :class:`Files` replaced by the files it finds."""
        words: list[str] = []
        for word in self.words:
            words += map(str, word.collect()) if isinstance(word, Files) else [str(word)]
        return words


class Step(NamedTuple):
    """One step of a session, planned."""

    name: str
    commands: tuple[Command, ...] = ()
    """Run in order; the first that fails ends the step."""
    check: Callable[[], str] | None = None
    """Runs after the commands, gives the detail for the table, fails by :class:`StepError`."""
    needs: tuple[str, ...] = ()
    """Names of the steps without whose success this one is skipped."""
    requires: str = ""
    """The program that has to be in the environment."""
    advice: str = ""
    """What to do where it is not."""
    skip: str = ""
    """Why the step is skipped; empty when it is not."""


class StepError(WorkError):
    """A step failed.

    The message is the detail for the table; ``said`` is what else there is to say about it, and
    ``problems`` are those places in the code that it is about.
    """

    def __init__(self, message: str, said: str = "", problems: Sequence[Annotation] = ()) -> None:
        super().__init__(message)
        self.said = said
        self.problems = problems


class Ended(NamedTuple):
    """A command that has ended."""

    returncode: int
    said: str
    """Its standard output and error, in the order in which they came."""


class Runner(Protocol):
    """What runs the commands of a step."""

    def has(self, program: str) -> bool:
        """Whether ``program`` is in the environment of the session."""

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> Ended | None:
        """Run a command to its end; ``None`` when nothing is to be run (``--install-only``)."""


class NoxRunner:
    """Runs commands by ``session.run``, and so under all options of nox."""

    def __init__(self, session: nox.Session, env: Mapping[str, str]) -> None:
        """Run in ``session``; ``env`` are the variables of the caller."""
        self._session = session
        self._env = env
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in env

    def has(self, program: str) -> bool:
        """Whether ``program`` is in the environment of the session."""
        paths = self._session.bin_paths
        where = ":".join(map(str, paths)) if paths else self._env.get("PATH")
        return shutil.which(program, path=where) is not None

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> Ended | None:
        """Run a command to its end; ``None`` when nothing is to be run (``--install-only``)."""
        program, *arguments = words
        if program == "uv":
            program = str(find_uv(self._env))
        variables: dict[str, str | None] = {**env}
        if self._colour:
            variables["FORCE_COLOR"] = "1"
        if find_dialect(self._env) == "github" and says_problems((program, *arguments)):
            variables.setdefault("RUFF_OUTPUT_FORMAT", "github")
        code = 0
        # A file and not a pipe: `silent=True` would give the output to nox's log, and lose it
        # for the table, where the command fails.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            try:
                ran = self._session.run(
                    program, *arguments, env=variables, external=True, log=False, stdout=said
                )
            except CommandFailed as failed:
                ran, code = True, failed.return_code or 1
            said.seek(0)
            return None if ran is None else Ended(code, said.read())


def run_steps(
    steps: Sequence[Step],
    runner: Runner,
    *,
    log: Callable[[str], None],
    clock: Callable[[], float] = time.perf_counter,
    voice: Voice = _SILENT,
) -> tuple[StepResult, ...]:
    """Run every step, and show what the failed ones said and the table of all.

    ``log`` gets a line before each command, ``voice`` what the CI system is told.
    """
    results: dict[str, StepResult] = {}
    for step in steps:
        passed = {name for name, result in results.items() if result.status == "passed"}
        start = clock()
        status, detail = _run_step(step, passed, runner, log, voice)
        results[step.name] = StepResult(step.name, status, clock() - start, detail)
    done = tuple(results.values())
    render_steps(done, voice)
    return done


def _run_step(
    step: Step, passed: set[str], runner: Runner, log: Callable[[str], None], voice: Voice
) -> tuple[str, str]:
    """Status and detail of one step."""
    missing = [name for name in step.needs if name not in passed]
    if step.skip or missing:
        return "skipped", step.skip or f"needs {' and '.join(missing)}"
    try:
        with voice.group(step.name):
            return _do(step, runner, log, voice)
    except StepError as error:
        voice.annotate(error.problems, len(error.problems), f"the output of {step.name}")
        return "failed", str(error)
    except OSError as error:
        return "failed", f"{error.filename}: {error.strerror}"


def _do(step: Step, runner: Runner, log: Callable[[str], None], voice: Voice) -> tuple[str, str]:
    """Do a step, and show what was said where it fails."""
    try:
        return _do_all(step, runner, log, voice)
    except StepError as error:
        if error.said:
            sys.stdout.write(voice.guard(error.said.rstrip()) + "\n")
            sys.stdout.flush()
        raise


def _do_all(
    step: Step, runner: Runner, log: Callable[[str], None], voice: Voice
) -> tuple[str, str]:
    if step.requires and not runner.has(step.requires):
        message = f"{step.requires} is {step.advice}"
        raise StepError(message)
    said = ""
    for command in step.commands:
        words = command.expand()
        log(f"{step.name}: {_shorten(words)}")
        ended = runner.run(words, command.env)
        if ended is None:
            return "skipped", "--install-only"
        said = ended.said
        if ended.returncode:
            said, problems = voice.read_problems(words, said)
            message = f"code {ended.returncode}: {_last_line(said) or words[0] + ' said nothing'}"
            raise StepError(message, said, problems)
    return "passed", step.check() if step.check else _last_line(said)


def _shorten(words: Sequence[str | os.PathLike[str]]) -> str:
    """A command for the log: paths by their last part."""
    return " ".join(Path(word).name if str(word).startswith("/") else str(word) for word in words)


def _last_line(said: str) -> str:
    """What sums up the output of a program, for the table: one line, folders left out."""
    lines = [line.strip() for line in _ANSI.sub("", said).splitlines()]
    wanted = [line for line in lines if line and not line.startswith(_NOT_SUMS)]
    last = _FOLDERS.sub("", wanted[-1]) if wanted else ""
    return last if len(last) <= _LONGEST_DETAIL else last[: _LONGEST_DETAIL - 1] + "…"


def render_steps(results: Sequence[StepResult], voice: Voice = _SILENT) -> None:
    """Print the table of all steps, which quotes programs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
    table = Table("step", "status", "seconds", "detail", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    table.columns[3].overflow = "fold"
    for result in results:
        status = Text(result.status, styles[result.status])
        table.add_row(result.name, status, f"{result.seconds:.1f}", Text(result.detail))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST_LOG)
    with console.capture() as captured:
        console.print(table)
    sys.stdout.write(voice.guard(captured.get()))
    sys.stdout.flush()
