"""What a unit session brings into pytest: markers, coverage of workers, a look at a wheel.

pytest loads it by ``-p noxden_inside`` from a folder on PYTHONPATH, under any Python and
without anything installed: it imports the standard library and pytest only, and noxden itself
does not become importable for the tests. Where noxden is in the environment,
:mod:`noxden.pytest_plugin` registers the same markers; either may come first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    class Coverage(Protocol):
        """The part of ``coverage.Coverage`` that is used here."""

        def start(self) -> None:
            """Begin to measure."""

        def stop(self) -> None:
            """Measure no more."""

        def save(self) -> None:
            """Write what was measured to the data file."""


MARKERS = {
    "e2e": "end to end: drives the product from the outside",
    "playwright": "needs a browser",
    "heavy": "needs the heavy dependency groups",
    "device": "needs an accelerator card",
}
"""Name and meaning of the markers by which sessions share out the tests."""

COVER_WORKERS = "NOXDEN_COVER_WORKERS"
"""Variable: set where pytest-xdist workers have to measure themselves."""

WHEEL = "NOXDEN_WHEEL"
"""Variable: the wheel that is tested."""

NOT_FROM_WHEEL = "NOXDEN_NOT_FROM_WHEEL"
"""Variable: the file that gets a line for each module that did not come from the wheel."""


def _start_worker_coverage() -> Coverage | None:
    """Measure this process if it is a pytest-xdist worker that nobody measures.

    A worker is a Python of its own, which ``coverage run`` does not reach. It takes the data
    file from COVERAGE_FILE and all else from the project's configuration, as the parent does.
    """
    if not (os.environ.get(COVER_WORKERS) and os.environ.get("PYTEST_XDIST_WORKER")):
        return None
    import coverage

    if coverage.Coverage.current() is not None:
        return None
    measured = coverage.Coverage(branch=True, data_suffix=True)
    measured.start()
    return measured


# pytest takes `-p` before it loads a conftest.py, so what those import is measured.
_coverage = _start_worker_coverage()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, so that --strict-markers accepts them."""
    known = {str(line).partition(":")[0].strip() for line in config.getini("markers")}
    for name, meaning in MARKERS.items():
        if name not in known:
            config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_sessionfinish() -> None:
    """Note the modules of the wheel that came from elsewhere, for the session to judge."""
    wheel, target = os.environ.get(WHEEL), os.environ.get(NOT_FROM_WHEEL)
    if wheel and target and (lines := list(_collect_foreign(wheel))):
        # Workers write it at the same time.
        with Path(target).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def pytest_unconfigure() -> None:
    """Save what a worker measured."""
    if _coverage is not None:
        _coverage.stop()
        _coverage.save()


def _collect_foreign(wheel: str) -> Iterator[str]:
    """Name and file of each imported module that ``wheel`` has and that is not in sys.prefix."""
    from zipfile import ZipFile

    home = os.path.realpath(sys.prefix) + os.sep
    with ZipFile(wheel) as archive:
        names = {_module_name(path) for path in archive.namelist()}
    for name in sorted(names & set(sys.modules)):
        origin = getattr(sys.modules[name], "__file__", None)
        if origin and not os.path.realpath(origin).startswith(home):
            yield f"{name} {origin}"


def _module_name(path: str) -> str:
    """The module that a file of a wheel is, ``a/b.py`` and ``a/b/__init__.py`` both ``a.b``."""
    parts = path.split("/")
    last = parts.pop().partition(".")[0]
    return ".".join(parts if last == "__init__" else [*parts, last])
