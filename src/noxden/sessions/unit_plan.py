"""What a unit session runs, planned as values, and what its end means.

Everything here is a pure function of :class:`UnitOptions`, or of what pytest left behind.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
from typing import TYPE_CHECKING, NamedTuple

from noxden.config import NOT_UNIT
from noxden.errors import InfrastructureError, UsageError, WorkError
from noxden.sessions.steps import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from noxden.errors import NoxdenError

__all__ = [
    "Outcome",
    "UnitOptions",
    "UnitPlan",
    "combine_markers",
    "explain_exit",
    "leaves_workers_alone",
    "plan_unit",
    "read_coverage",
    "read_outcome",
    "render_outcome",
]

TESTS_FAILED = 1
NO_TESTS = 5
"""pytest's exit codes for failed tests and for a run without any."""

_INSIDE = "noxden_inside"
_OWN_WORKERS = re.compile(
    r"-n\d*|-n=.*|-nauto|-nlogical|--numprocesses(=.*)?|--maxprocesses(=.*)?|--dist(=.*)?|--tx(=.*)?"
    r"|-d|-p?no:xdist|-s|--capture=no|--pdb|--trace|--co|--collect-only|--markers|--fixtures"
    r"|--fixtures-per-test|--setup-plan|--setup-only|--setup-show|--version|-V"
)
"""Words by which the caller says how tests are shared out, or with which workers are of no use."""


class UnitOptions(NamedTuple):
    """All that decides what a unit session runs."""

    output: Path
    """The folder for everything that is written; absolute."""
    inside: Path
    """The folder of :mod:`noxden.inside.noxden_inside`."""
    installed: frozenset[str]
    """Normalized names of the distributions in the environment."""
    here: Path
    """Where pytest runs."""
    pytest: Path
    """pytest's script, which coverage runs."""
    group: str = "test"
    """The group that pytest would be in; empty where the session has none."""
    markers: str = NOT_UNIT
    workers: int | None = None
    """Number of pytest-xdist workers; ``None`` says nothing about them to pytest."""
    coverage: bool = False
    wheel: Path | None = None
    """The wheel that is tested in place of the checkout."""
    pythonpath: str = ""
    """The PYTHONPATH of the caller."""
    arguments: tuple[str, ...] = ()
    """What goes to pytest as it is."""

    @property
    def junit(self) -> Path:
        """Where pytest's report goes."""
        return self.output / "junit.xml"

    @property
    def coverage_xml(self) -> Path:
        """Where the coverage report goes."""
        return self.output / "coverage.xml"

    @property
    def not_from_wheel(self) -> Path:
        """The file that names modules that did not come from the wheel, if there are any."""
        return self.output / "not-from-wheel.txt"


class UnitPlan(NamedTuple):
    """The commands of a run."""

    test: Command
    reports: tuple[Command, ...] = ()
    """What is to be run after the tests, whether they passed or not."""


class Outcome(NamedTuple):
    """What a junit.xml counts."""

    tests: int = 0
    failed: int = 0
    """Tests that failed, and errors outside of a test's own code."""
    skipped: int = 0
    seconds: float = 0.0
    """The times of all tests, one after the other."""


def plan_unit(options: UnitOptions) -> UnitPlan:
    """The commands of a run.

    Raises:
        UsageError: pytest, or what the options need beside it, is not in the environment.
    """
    _require(options, "pytest", "pytest", "the tests")
    by_plugin = options.coverage and "pytest-cov" in options.installed
    words = ["-p", _INSIDE]
    if options.markers:
        words += ["-m", options.markers]
    words.append(f"--junit-xml={_shorten(options.junit, options.here)}")
    if options.workers is not None and _has_xdist(options):
        words += ["-n", str(options.workers)]
    if by_plugin:
        words += _plan_plugin_coverage(options)
    env = _plan_variables(options)
    if not options.coverage or by_plugin:
        return UnitPlan(Command(("pytest", *words, *options.arguments), env))
    _require(options, "coverage", "pytest-cov", "--coverage")
    start = ("coverage", "run", "--branch", "--parallel-mode", str(options.pytest))
    reports = (
        ("coverage", "combine", "--quiet"),
        # The table, which comes last, judges by fail_under.
        (
            "coverage",
            "xml",
            "--quiet",
            "--fail-under=0",
            "-o",
            _shorten(options.coverage_xml, options.here),
        ),
        ("coverage", "report"),
    )
    return UnitPlan(
        Command((*start, *words, *options.arguments), env),
        tuple(Command(report, env) for report in reports),
    )


def _plan_plugin_coverage(options: UnitOptions) -> list[str]:
    """pytest-cov's options; what it measures the caller may have said."""
    named = any(word == "--cov" or word.startswith("--cov=") for word in options.arguments)
    report = _shorten(options.coverage_xml, options.here)
    # `--cov` takes a value if one follows, so it must not come last.
    own = [] if named else ["--cov"]
    return [*own, "--cov-branch", f"--cov-report=xml:{report}", "--cov-report=term"]


def _plan_variables(options: UnitOptions) -> Mapping[str, str]:
    paths = [str(options.inside), *([options.pythonpath] if options.pythonpath else [])]
    env = {"PYTHONPATH": os.pathsep.join(paths)}
    if options.coverage:
        # Absolute, because tests may change the working directory.
        env["COVERAGE_FILE"] = str(options.output / ".coverage")
        if "pytest-cov" not in options.installed:
            env["NOXDEN_COVER_WORKERS"] = "1"
    if options.wheel is not None:
        env["NOXDEN_WHEEL"] = str(options.wheel)
        env["NOXDEN_NOT_FROM_WHEEL"] = str(options.not_from_wheel)
    return env


def _require(options: UnitOptions, name: str, package: str, what: str) -> None:
    if name in options.installed:
        return
    place = f"group {options.group}" if options.group else "the project's dependencies"
    add = f"uv add --group {options.group} {package}" if options.group else f"uv add {package}"
    message = f"{what} need {package}, which is not in {place}; run: {add}"
    raise UsageError(message.replace("--coverage need ", "--coverage needs "))


def _has_xdist(options: UnitOptions) -> bool:
    """Whether ``-n`` may be given.

    Raises:
        UsageError: workers are asked for, and pytest-xdist is not there.
    """
    if options.workers:
        _require(options, "pytest-xdist", "pytest-xdist", f"{options.workers} workers")
    return "pytest-xdist" in options.installed


def _shorten(path: Path, here: Path) -> str:
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def combine_markers(markers: str, addopts: Sequence[str]) -> str:
    """The ``-m`` expression, with the project's own one where ``markers`` are the default.

    pytest takes the last ``-m`` only, so ours would undo a ``-m "not slow"`` in addopts.
    """
    own = ""
    for word, following in itertools.pairwise([*addopts, ""]):
        if word == "-m":
            own = following
        elif word.startswith("-m") and not word.startswith("--"):
            own = word[2:].removeprefix("=")
    if not own or markers != NOT_UNIT:
        return markers
    return f"({own}) and {markers}"


def leaves_workers_alone(words: Sequence[str]) -> bool:
    """Whether pytest's arguments already say how tests are shared out, or need one process."""
    joined = [*words, *map("".join, itertools.pairwise(words))]
    return any(_OWN_WORKERS.fullmatch(word) for word in joined)


def read_outcome(junit: Path) -> Outcome | None:
    """What pytest's report counts; ``None`` where there is none that is whole."""
    from xml.etree import ElementTree as ET

    try:
        root = ET.parse(junit).getroot()  # noqa: S314 - pytest wrote it in this run
    except (OSError, ET.ParseError):
        return None
    suites = list(root.iter("testsuite"))

    def total(name: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites)

    seconds = sum(float(case.get("time", 0)) for case in root.iter("testcase"))
    return Outcome(total("tests"), total("failures") + total("errors"), total("skipped"), seconds)


def read_coverage(report: Path) -> str:
    """What a coverage.xml says in one line; empty where there is none."""
    try:
        with report.open(encoding="utf-8") as file:
            head = file.read(2000)
    except OSError:
        return ""
    found = dict(
        re.findall(r'\b(line-rate|branch-rate)="([0-9.]+)"', head.partition("<packages")[0])
    )
    if "line-rate" not in found:
        return ""
    parts = [f"{float(found['line-rate']):.0%} of lines"]
    if "branch-rate" in found:
        parts.append(f"{float(found['branch-rate']):.0%} of branches")
    return ", ".join(parts)


def render_outcome(outcome: Outcome) -> str:
    """``12 passed, 1 skipped``."""
    counts = {
        "failed": outcome.failed,
        "passed": outcome.tests - outcome.failed - outcome.skipped,
        "skipped": outcome.skipped,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count > 0) or "no tests"


def explain_exit(code: int, outcome: Outcome | None, options: UnitOptions) -> NoxdenError | None:
    """What pytest's exit code means; ``None`` for success."""
    if code == 0:
        return None
    if code == TESTS_FAILED:
        return WorkError(_explain_failure(outcome, _shorten(options.junit, options.here)))
    if code == NO_TESTS:
        return WorkError(_explain_nothing(options))
    known: dict[int, NoxdenError] = {
        2: WorkError(
            "pytest stopped before it had run all tests, mostly because a test file cannot be "
            "imported; its output above says why"
        ),
        3: InfrastructureError(
            "pytest had an internal error; where the traceback above is in a plugin, try "
            "without it: -- -p no:NAME"
        ),
        4: UsageError(
            "pytest does not accept its arguments or its configuration; its output above says why"
        ),
    }
    if code in known:
        return known[code]
    if code < 0:
        return WorkError(f"pytest was ended by {_signal(-code)}; try: -- -n 0 -v --capture=no")
    return WorkError(f"pytest ended with code {code}, which is none of its own; see its output")


def _explain_failure(outcome: Outcome | None, junit: str) -> str:
    if outcome is None:
        return "tests failed; pytest's output above says which"
    if not outcome.failed:
        return "no test failed, but pytest did; the end of its output says why"
    return f"{outcome.failed} of {outcome.tests} tests failed; see {junit}"


def _explain_nothing(options: UnitOptions) -> str:
    by = f" by -m {options.markers!r}" if options.markers else ""
    asked = f" with {' '.join(options.arguments)}" if options.arguments else ""
    return (
        f"pytest found no test{by}{asked}, and a run without tests is no success; name other "
        f"tests, or leave the session out of [tool.noxden] sessions"
    )


def _signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"
