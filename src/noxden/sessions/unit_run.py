"""One run of a unit session: the environment, what decides the run, the tests, the reports."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nox.command import CommandFailed

from noxden.den.bases import site_packages
from noxden.den.layout import find_memo
from noxden.errors import UsageError
from noxden.sessions.backend import DenEnvironment
from noxden.sessions.ci_output import open_voice
from noxden.sessions.output import StepResult
from noxden.sessions.unit_facts import collect_addopts, collect_distributions, read_name
from noxden.sessions.unit_plan import (
    TESTS_FAILED,
    UnitOptions,
    combine_markers,
    explain_exit,
    leaves_workers_alone,
    plan_unit,
    read_coverage,
    read_outcome,
    render_outcome,
)
from noxden.sessions.unit_wheel import check_wheel, refuse_foreign
from noxden.sessions.workers import (
    Measured,
    Suite,
    choose_workers,
    collect_test_files,
    count_cores,
    parse_workers,
    recall_measured,
    remember_measured,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import nox

    from noxden.config import UnitConfig
    from noxden.sessions.factory import Run
    from noxden.sessions.steps import Command

__all__ = ["run_unit"]

_INSIDE = Path(__file__).parent.parent / "inside" / "noxden_inside.py"


def run_unit(settings: UnitConfig, run: Run) -> tuple[StepResult, ...]:
    """Run the tests and the reports.

    Raises:
        NoxdenError: they could not be run to their end, or there are none.
    """
    if run.options.installpkg:
        _enter_wheel(run)
    options, suite = _collect_options(settings, run)
    plan = plan_unit(options)
    start = time.perf_counter()
    with open_voice(os.environ, run.project).group(f"{run.session.name}: pytest", programs=True):
        code = _call(run, plan.test)
    seconds = time.perf_counter() - start
    if code is None:
        return (StepResult("tests", "skipped", 0.0, "--install-only"),)
    outcome = read_outcome(options.junit)
    error = explain_exit(code, outcome, options)
    if error is not None and code != TESTS_FAILED:
        raise error
    refuse_foreign(options.not_from_wheel)
    detail = str(error or (render_outcome(outcome) if outcome else ""))
    steps = [StepResult("tests", "failed" if error else "passed", seconds, detail)]
    if outcome is not None:
        # Only a run of everything, and without workers, tells what a start costs.
        alone = not options.workers and not options.arguments
        begun = max(0.0, seconds - outcome.seconds) if alone else None
        if (memo := find_memo(os.environ)) is not None:
            remember_measured(memo, suite, Measured(outcome.seconds, begun))
    if options.coverage:
        steps.append(_report_coverage(run, plan.reports, options))
    return tuple(steps)


def _enter_wheel(run: Run) -> None:
    """Go on in an environment that holds the wheel of ``--installpkg``.

    Raises:
        UsageError: the wheel is not of this project, or nox runs without an environment.
        InfrastructureError: it cannot be installed.
    """
    venv = run.session.virtualenv
    if not isinstance(venv, DenEnvironment) or venv.prepared is None:
        message = "--installpkg needs an environment of its own; run nox without --no-venv"
        raise UsageError(message)
    wheel = _find_wheel(run)
    name = check_wheel(wheel, [name for name, *_ in venv.prepared.resolution.local])
    venv.install_wheels({name: wheel})
    run.session.log(f"testing {wheel.name} in {Path(venv.location).name}")


def _find_wheel(run: Run) -> Path:
    return Path(run.session.invoked_from, run.options.installpkg).absolute()


def _collect_options(settings: UnitConfig, run: Run) -> tuple[UnitOptions, Suite]:
    """What decides this run, workers included, and the name by which its length is known.

    Raises:
        UsageError: an option is wrong.
    """
    given, here = run.options, Path.cwd()
    addopts = collect_addopts(here)
    options = UnitOptions(
        output=run.output.absolute(),
        inside=_place_inside(run.session),
        installed=_collect_installed(run.session),
        here=here,
        pytest=_find_pytest(run.session),
        group=settings.groups[0] if settings.groups else "",
        markers=combine_markers(settings.markers, addopts),
        coverage=_wants_coverage(settings, run),
        wheel=_find_wheel(run) if given.installpkg else None,
        pythonpath=os.environ.get("PYTHONPATH", ""),
        arguments=run.rest,
    )
    decides = (*run.rest, options.markers, f"coverage={options.coverage}")
    suite = Suite(read_name(run.project), run.session.name, decides)
    wanted = parse_workers(settings.workers if given.workers is None else given.workers)
    if leaves_workers_alone(run.rest):
        return options, suite
    if wanted is not None:
        return options._replace(workers=wanted), suite
    if "pytest-xdist" not in options.installed or leaves_workers_alone(addopts):
        return options, suite
    files = collect_test_files(here, run.rest)
    memo = find_memo(os.environ)
    measured = recall_measured(memo, suite) if memo else Measured()
    workers = choose_workers(measured, files, count_cores())
    return options._replace(workers=workers), suite


def _wants_coverage(settings: UnitConfig, run: Run) -> bool:
    """Whether to measure coverage, which is that of the checkout.

    Raises:
        UsageError: it is asked for together with a wheel, whose modules would not be counted.
    """
    asked: bool | None = run.options.coverage
    if not run.options.installpkg:
        return settings.coverage if asked is None else asked
    if asked:
        message = "--coverage measures the checkout, which --installpkg leaves out; give one"
        raise UsageError(message)
    return False


def _place_inside(session: nox.Session) -> Path:
    """The folder that goes on PYTHONPATH, with our module in it.

    It is in the environment, because what lies in one is nobody's own code: coverage leaves it
    out, wherever noxden itself is installed.
    """
    if not isinstance(session.virtualenv, DenEnvironment):
        return _INSIDE.parent
    folder = Path(session.virtualenv.location, "noxden")
    target, text = folder / _INSIDE.name, _INSIDE.read_bytes()
    if not target.is_file() or target.read_bytes() != text:
        # Another session may run in this environment: it sees the old module or the new one.
        folder.mkdir(exist_ok=True)
        part = folder / f".{os.getpid()}"
        part.write_bytes(text)
        part.replace(target)
    return folder


def _collect_installed(session: nox.Session) -> frozenset[str]:
    """What is in the environment of the session."""
    venv = session.virtualenv
    if isinstance(venv, DenEnvironment) and venv.prepared is not None:
        at = venv.prepared.environment
        return collect_distributions(at.site, site_packages(at.base, at.label))
    # Under `nox --no-venv` it is the environment of the first Python on PATH.
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    said = session.run("python", "-c", code, silent=True, log=False, external=True)
    return frozenset(name.lower().replace("_", "-") for name in str(said or "").split())


def _find_pytest(session: nox.Session) -> Path:
    found = shutil.which("pytest", path=os.pathsep.join(session.bin_paths or ()) or None)
    return Path(found or "pytest")


def _call(run: Run, command: Command) -> int | None:
    """The exit code of a command; ``None`` when nox is not to run any (``--install-only``)."""
    try:
        ran = run.session.run(*command.expand(), env=dict(command.env), external=True)
    except CommandFailed as failed:
        return failed.return_code if failed.return_code is not None else 1
    return None if ran is None else 0


def _report_coverage(run: Run, reports: Sequence[Command], options: UnitOptions) -> StepResult:
    """Run every report, so that the table is there though the first complained."""
    start = time.perf_counter()
    codes = {report.expand()[1]: _call(run, report) for report in reports}
    failed = [name for name, code in codes.items() if code]
    detail = read_coverage(options.coverage_xml)
    if failed:
        # `coverage report` ends with 2 below fail_under.
        detail = f"coverage {failed[0]} failed; its output says why ({detail or 'no data'})"
    return StepResult(
        "coverage", "failed" if failed else "passed", time.perf_counter() - start, detail
    )
