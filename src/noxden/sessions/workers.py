"""How many pytest-xdist workers a suite gets, so that a short one is not slowed.

A worker is a new Python that imports pytest and collects all tests again; it costs about what
the start of a pytest without workers costs. Measured with 20 test files on 2 busy cores (pytest
9.2, xdist 3.8, 5 to 8 runs each): start without workers 0.7-0.9 s of processor time, each worker
0.63-0.87 s more; a suite of 2 s went from 2.8 to 3.8 s with two workers, one of 4 s from 5.2 to
4.7 s.

So with ``c`` the seconds of a start and ``T`` those of all tests one after the other, ``w =
floor(T / 2c)`` workers, at most one a core, and none where that is less than two. Even where the
starts do not overlap at all, the run then takes ``c w + T / w <= T / 2 + 2c <= T``; where they
overlap it takes about ``c + T / w``. ``T`` is the sum of the times in the last junit.xml of the
session, ``c`` what its last run without workers took beyond its ``T``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Measured",
    "Suite",
    "choose_workers",
    "collect_test_files",
    "count_cores",
    "parse_workers",
    "recall_measured",
    "remember_measured",
]

START_SECONDS = 0.7
"""Cost of a start where none was measured yet."""

FILE_SECONDS = 0.2
"""What a test file is taken to need before its suite has been measured."""

_LEAST_START = 0.05
_MEMO_FORMAT = 1
_REMEMBERED = 20
"""Selections of tests that are remembered for a session, the newest."""

_MOST_FILES = 1000
"""More test files than this are not counted: they get as many workers as there are cores."""

_NO_TESTS = {"build", "dist", "node_modules", "site-packages", "venv"}


class Suite(NamedTuple):
    """A selection of tests, by what decides it."""

    project: str
    session: str
    """Name with Python: ``unit-3.12``."""
    selection: tuple[str, ...]
    """The arguments of pytest, and whatever else changes what runs or how long it takes."""


class Measured(NamedTuple):
    """What earlier runs took, in seconds; ``None`` where there was none."""

    tests: float | None = None
    """All tests of the suite, one after the other."""
    start: float | None = None
    """A run without workers beyond its tests: imports, collection, reports."""


def parse_workers(value: int | str) -> int | None:
    """The number of workers, or ``None`` for ``auto``.

    Raises:
        UsageError: it is neither.
    """
    if value == "auto":
        return None
    # A variable of the environment comes as text.
    if (isinstance(value, int) and value >= 0) or (isinstance(value, str) and value.isdecimal()):
        return int(value)
    message = f"workers of a unit session is auto or a number from 0 on, got {value!r}"
    raise UsageError(message)


def choose_workers(measured: Measured, files: int, cores: int) -> int:
    """The number of workers, 0 for none, by the rule in the head of this module.

    ``files`` is the number of test files, which decides as long as nothing is measured.
    """
    total = files * FILE_SECONDS if measured.tests is None else measured.tests
    # A start of less than this is an error of measurement, and nothing to divide by.
    start = START_SECONDS if measured.start is None else max(measured.start, _LEAST_START)
    workers = min(cores, int(total / (2 * start)))
    return workers if workers > 1 else 0


def count_cores(cgroups: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc/self")) -> int:
    """The processors this process may use: its affinity, and the quota of its cgroups."""
    count = getattr(os, "process_cpu_count", None)  # from Python 3.13 on
    if count is not None:
        cores = count() or 1
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quotas = [quota for folder in _cgroups(cgroups, proc) if (quota := _quota(folder))]
    return max(1, int(min([cores, *quotas])))


def _cgroups(root: Path, proc: Path) -> list[Path]:
    """The folders of this process's cgroup and those above it, for both versions of cgroups."""
    try:
        lines = (proc / "cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in {"", "cpu", "cpu,cpuacct"}:
            top = root / controllers
            at = top / path.lstrip("/")
            found += [folder for folder in (at, *at.parents) if folder.is_relative_to(top)]
    return found


def _quota(cgroup: Path) -> float | None:
    """How many processors a cgroup may use, or ``None`` where it is not limited."""
    try:
        quota, period = (cgroup / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu.cfs_quota_us").read_text("ascii").strip()
            period = (cgroup / "cpu.cfs_period_us").read_text("ascii").strip()
        except OSError:
            return None
    return int(quota) / int(period) if quota.isdigit() else None


def collect_test_files(project: Path, arguments: Sequence[str]) -> int:
    """How many test files there are: in the paths among ``arguments``, else in the project.

    Words that select by name (``-k``, node ids) leave few tests, as do the last failures; they
    count as none.
    """
    if any(word.startswith(("-k", "--lf", "--last-failed", "--sw")) for word in arguments):
        return 0
    paths = [project / word for word in arguments if not word.startswith("-") and "::" not in word]
    named = [path for path in paths if path.exists()]
    if not named and any("::" in word for word in arguments):
        return 0
    tests = [project / name for name in ("tests", "test") if (project / name).is_dir()]
    return sum(map(_count, named or tests or [project]))


def _count(path: Path) -> int:
    if path.is_file():
        return 1
    total = 0
    for _, folders, files in os.walk(path):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name not in _NO_TESTS
        ]
        total += sum(
            name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))
            for name in files
        )
        if total > _MOST_FILES:
            break
    return total


def recall_measured(memo: Path, suite: Suite) -> Measured:
    """What earlier runs of ``suite`` took; ``memo`` is the den's."""
    from noxden.den.memo import recall

    found = recall(memo, "suite", _digest_session(suite)) or {}
    return Measured(found.get("tests", {}).get(_digest(suite)), found.get("start"))


def remember_measured(memo: Path, suite: Suite, measured: Measured) -> None:
    """Keep what a run of ``suite`` took; a ``start`` that was not measured stays as it was."""
    from noxden.den.memo import recall, remember

    if not memo.is_dir() or measured.tests is None:
        return
    found: Mapping[str, object] = recall(memo, "suite", _digest_session(suite)) or {}
    before = found.get("tests", {})
    tests = {**before} if isinstance(before, dict) else {}
    tests.pop(_digest(suite), None)
    tests[_digest(suite)] = round(measured.tests, 3)
    start = found.get("start") if measured.start is None else round(measured.start, 3)
    newest = dict(list(tests.items())[-_REMEMBERED:])
    remember(memo, "suite", _digest_session(suite), {"start": start, "tests": newest})


def _digest_session(suite: Suite) -> str:
    from noxden.den.memo import compute_digest

    return compute_digest(_MEMO_FORMAT, suite.project, suite.session)


def _digest(suite: Suite) -> str:
    from noxden.den.memo import compute_digest

    return compute_digest(suite.selection)[:16]
