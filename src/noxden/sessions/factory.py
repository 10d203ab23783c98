"""What all session factories share: from a call in a noxfile to a summary on disk.

A factory reads its table, puts the keywords of the call over it, and registers a session
whose work is a function from a :class:`Run` to the results of its steps. Around that work are
the options after ``--``, the output folder, the summary and the exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import time
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    ParamSpec,
    TypedDict,
    TypeVar,
    get_type_hints,
)

import nox
import nox.command

from noxden import config
from noxden._rule import RULE, SETTINGS
from noxden._switches import is_ci
from noxden.errors import InfrastructureError, NoxdenError, UsageError, WorkError
from noxden.sessions.backend import DenEnvironment, note_output_option, settle_trust
from noxden.sessions.decorator import leave, register_session
from noxden.sessions.output import Summary, open_output, publish_summary, write_summary
from noxden.sessions.results import find_results, read_stamp, show_results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from noxden._rule import Rule
    from noxden.config import Config
    from noxden.sessions.backend import SessionFunction
    from noxden.sessions.options import SessionOptions
    from noxden.sessions.output import StepResult

__all__ = [
    "FactoryArguments",
    "Kind",
    "Run",
    "entry_point",
    "find_project",
    "override",
    "read_config",
    "refuse_unknown",
    "register",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound=tuple[Any, ...])


_INTERRUPTED = 130


class FactoryArguments(TypedDict, total=False):
    """The arguments of ``nox.session`` that every factory passes through as they are."""

    reuse_venv: bool | None
    tags: Sequence[str] | None
    default: bool
    requires: Sequence[str] | None
    download_python: Literal["auto", "never", "always"] | None
    allow_parallel: bool | None


class Run(NamedTuple):
    """One run of a session: what its work is done with."""

    session: nox.Session
    project: Path
    """Where pyproject.toml is."""
    output: Path
    """The folder for everything the session writes; it exists."""
    options: argparse.Namespace
    """The options after ``--`` that the kind declares."""
    rest: tuple[str, ...]
    """The other words after ``--``; always empty for a kind that passes nothing on."""
    notes: list[str]
    """Markdown that the work wants at the end of the summary."""
    done: list[StepResult]
    """The steps that are done, for the summary of a work that ends with an error."""
    stamp: tuple[int, int] | None = None
    """Which junit.xml was there before: a folder of ``--output`` is not emptied."""


class Kind(NamedTuple):
    """What the sessions of one factory have in common."""

    description: str
    """One line, shown by ``nox -l`` and ``-- --help``."""
    work: Callable[[Any, Run], Sequence[StepResult]]
    """Do the work by the settings of a session; a failed step or an error fails it."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Declare the options after ``--`` beside ``--output`` and ``--help``."""
    passes_on: str = ""
    """The program that gets all other words after ``--``; empty refuses them."""
    rule: Callable[[Any], Rule] | None = None
    """What opens the gate on CI, by the settings of a session; ``None`` is no gate."""


def entry_point(factory: Callable[P, R]) -> Callable[P, R]:
    """Let ``factory``, called in a noxfile, end nox in one sentence when it is called wrongly."""

    @functools.wraps(factory)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return factory(*args, **kwargs)
        except NoxdenError as error:
            leave(error)

    return call


def find_project() -> Path:
    """The folder of the nearest pyproject.toml, from the noxfile's folder upwards."""
    return config.find_project(Path.cwd())


def read_config() -> Config:
    """The configuration of the project whose noxfile runs.

    Raises:
        UsageError: it is wrong.
    """
    settle_trust()
    return config.find_config(Path.cwd(), os.environ)


def override(settings: T, factory: str, given: Mapping[str, object]) -> tuple[T, dict[str, Any]]:
    """``settings`` with the keywords of a factory call over them, and the keywords for nox.

    ``None`` leaves what the table says.

    Raises:
        UsageError: a keyword is not known, or its value is of another type.
    """
    if not given:
        return settings, {}
    fields = get_type_hints(type(settings))
    passed = FactoryArguments.__annotations__
    refuse_unknown(given, [*fields, *passed], f"noxden.{factory}() takes no argument")
    own = {
        name: _check(f"noxden.{factory}({name}=)", fields[name], value)
        for name, value in given.items()
        if name in fields and value is not None
    }
    rest = {name: value for name, value in given.items() if name in passed}
    return settings._replace(**own), rest  # type: ignore[attr-defined]


def _check(place: str, hint: Any, value: object) -> object:  # noqa: ANN401 - a type is any object
    """``value`` as the field of the settings wants it."""
    if hint == tuple[str, ...]:
        if isinstance(value, str) and place.endswith("(python=)"):
            return (value,)
        if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
            return tuple(value)
        message = f"{place} takes a list of names, got {value!r}"
        raise UsageError(message)
    if hint is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, hint):
        wanted = str(getattr(hint, "__name__", hint)).replace(" | None", "")
        message = f"{place} takes {wanted}, got {value!r}"
        raise UsageError(message)
    return value


def refuse_unknown(
    names: Mapping[str, object] | Sequence[str], known: Sequence[str], what: str
) -> None:
    """Raise for the first of ``names`` that is not ``known``, with the nearest one.

    Raises:
        UsageError: ``<what> 'name'; did you mean other?``
    """
    for name in names:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            message = f"{what} {name!r}; {advice}"
            raise UsageError(message)


def register(
    kind: Kind,
    name: str,
    settings: object,
    environment: SessionOptions,
    nox_arguments: Mapping[str, Any],
) -> SessionFunction:
    """Register a session of ``kind`` with nox under ``name``.

    Raises:
        UsageError: what opens its gate is spelled wrongly.
    """
    rule = kind.rule(settings) if kind.rule else None

    def run(session: nox.Session) -> None:
        _execute(kind, settings, rule, session)

    run.__doc__ = kind.description
    vars(run)[RULE] = rule
    vars(run)[SETTINGS] = settings
    note_output_option(name)
    return register_session(run, environment, {**nox_arguments, "name": name})


def _execute(kind: Kind, settings: object, rule: Rule | None, session: nox.Session) -> None:
    """Do the work of one session and leave its summary, whatever happens to it.

    A session whose gate is closed is skipped the way nox skips.

    Raises:
        NoxdenError: the work failed, and how.
    """
    start = time.perf_counter()
    run: Run | None = None
    steps: tuple[StepResult, ...] = ()
    error: NoxdenError | None = None
    closed = ""
    try:
        run = _open_run(kind, session)
        if run.options.help:
            return
        closed = _find_closed(rule, session)
        if not closed:
            # A noxfile may be in another folder; what is checked and tested is the project.
            with contextlib.chdir(run.project):
                steps = tuple(kind.work(settings, run))
        error = _judge(steps)
    except NoxdenError as raised:
        error = raised
    except nox.command.CommandFailed as failed:
        error = WorkError(f"a command failed: {failed.reason}")
    except KeyboardInterrupt:
        if run is not None:
            seconds = time.perf_counter() - start
            _write_interrupted(session, run, seconds)
        raise
    output = run.output if run else _open_output(session, find_project(), None)
    steps = steps or tuple(run.done if run else ())
    seconds = time.perf_counter() - start
    summary = _summarize(session, steps, error, seconds)
    if closed:
        summary = summary._replace(status="skipped", message=closed)
    _tell(session, run, output, summary)
    if closed:
        session.skip(closed)
    if error is not None:
        raise error


def _tell(session: nox.Session, run: Run | None, output: Path, summary: Summary) -> None:
    """Leave the summary, and show what became of tests; ``run`` is missing where none began.

    Raises:
        InfrastructureError: the disk is full, or the folder is gone.
    """
    if run is None:
        _write_summary(session, output, summary, ())
        return
    found = find_results(summary, output, run.project, run.stamp)
    _write_summary(session, output, found, run.notes)
    show_results(found, output, run.project, run.notes, os.environ)


def _write_interrupted(session: nox.Session, run: Run, seconds: float) -> None:
    """Leave what is known of a session that was stopped."""
    summary = _summarize(session, tuple(run.done), None, seconds)
    stopped = summary._replace(status="failed", exit_code=_INTERRUPTED, message="it was stopped")
    stopped = find_results(stopped, run.output, run.project, run.stamp)
    # Who stopped it is not to wait for a disk.
    with contextlib.suppress(OSError):
        write_summary(run.output, stopped, run.notes)


def _write_summary(
    session: nox.Session, output: Path, summary: Summary, notes: Sequence[str]
) -> None:
    """Leave the summary of a session.

    Raises:
        InfrastructureError: the disk is full, or the folder is gone.
    """
    try:
        write_summary(output, summary, notes)
    except OSError as error:
        place = error.filename or output / "summary.json"
        said = f" ({summary.message})" if summary.message else ""
        message = (
            f"cannot write {place}: {error.strerror}; make room, or name a folder by --output{said}"
        )
        raise InfrastructureError(message) from error
    if warning := publish_summary(output, os.environ):
        session.warn(warning)


def _find_closed(rule: Rule | None, session: nox.Session) -> str:
    """Why the gate is closed for what started this run; empty where it is open.

    Raises:
        UsageError: it cannot be told what started this run.
    """
    if rule is None or not is_ci(os.environ):
        return ""
    from noxden.ci.gate import decide
    from noxden.ci.trigger import read_trigger

    decision = decide(read_trigger(os.environ, [rule.input]), rule)
    if decision.open:
        session.log(f"the gate is open: {decision.reason}")
    return "" if decision.open else decision.reason


def _open_run(kind: Kind, session: nox.Session) -> Run:
    """Read the options and open the output folder; ``--help`` is answered and opens nothing.

    Raises:
        UsageError: the options are wrong.
        InfrastructureError: the folder cannot be made.
    """
    parser = _make_parser(kind, session.name)
    options, rest = _parse(kind, parser, session.posargs)
    project = find_project()
    if options.help:
        sys.stdout.write(parser.format_help())
        return Run(session, project, project, options, rest, [], [])
    named = Path(session.invoked_from, options.output) if options.output else None
    output = _open_output(session, project, named)
    return Run(session, project, output, options, rest, [], [], read_stamp(output))


def _open_output(session: nox.Session, project: Path, named: Path | None) -> Path:
    try:
        return open_output(project, session.name, named)
    except OSError as error:
        message = f"cannot write to {error.filename}: {error.strerror}; name a folder by --output"
        raise InfrastructureError(message) from error


def _judge(steps: Sequence[StepResult]) -> NoxdenError | None:
    failed = [step.name for step in steps if step.status == "failed"]
    if not failed:
        return None
    if len(steps) == 1 and steps[0].detail:
        return WorkError(steps[0].detail)
    return WorkError(f"{len(failed)} of {len(steps)} steps failed: {', '.join(failed)}")


def _summarize(
    session: nox.Session,
    steps: tuple[StepResult, ...],
    error: NoxdenError | None,
    seconds: float,
) -> Summary:
    # Under `nox --no-venv` the environment is not ours, and there is nothing to say about it.
    venv = session.virtualenv
    prepared = venv.prepared if isinstance(venv, DenEnvironment) else None
    return Summary(
        session=session.name,
        status="failed" if error else "passed",
        exit_code=error.exit_code if error else 0,
        key=prepared.resolution.key if prepared else "",
        python=prepared.resolution.interpreter.version if prepared else "",
        rebuilt=prepared.reason if prepared else "",
        prepare_seconds=prepared.seconds if prepared else 0.0,
        run_seconds=seconds,
        steps=steps,
        message=str(error) if error else "",
    )


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending nox."""

    def error(self, message: str) -> NoReturn:
        problem = f"{self.prog} {message}; see {self.prog} --help"
        raise UsageError(problem)


def _make_parser(kind: Kind, session: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"nox -s {session} --",
        description=kind.description,
        allow_abbrev=False,
        add_help=False,
        epilog=f"Everything else goes to {kind.passes_on}." if kind.passes_on else None,
    )
    kind.add_options(parser)
    parser.add_argument("--output", metavar="DIR", help="write to DIR, not to .noxden/<session>/")
    parser.add_argument("-h", "--help", action="store_true", help="show this text")
    return parser


def _parse(
    kind: Kind, parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[argparse.Namespace, tuple[str, ...]]:
    """The options of the kind, and the other words; after a second ``--`` all are others.

    Raises:
        UsageError: an option is used wrongly, or is not known where nothing is passed on.
    """
    ours, others = list(words), []
    if "--" in ours:
        at = ours.index("--")
        ours, others = ours[:at], ours[at + 1 :]
    # Words that stand for something may come after options too.
    options, unknown = parser.parse_known_intermixed_args(ours)
    rest = (*unknown, *others)
    if rest and not kind.passes_on:
        known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
        refuse_unknown(rest, known, f"{parser.prog} takes no")
    return options, rest
