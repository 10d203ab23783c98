"""Fixtures: a den for all tests, dens for one test, projects, and the real nox on them.

The default den is unusable here: ``XDG_CACHE_HOME`` is a folder in which ``noxden`` is a file,
so whoever forgets to name a den gets an error. The uv cache of the shared den serves every
test of a run; a den of its own starts with hard links to what that cache holds.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import settings

from tests.sandbox import (
    Index,
    Ran,
    Sample,
    clean_environment,
    installed_pythons,
    render_pyproject,
    run,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

collect_ignore = ["projects", "bench"]

settings.register_profile("ci", deadline=None, max_examples=30, derandomize=True, print_blob=True)
settings.load_profile("ci")

# Who starts this in the background of a shell makes it, and all that it starts, deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

_HOME = Path(tempfile.mkdtemp(prefix="noxden-tests-"))
_CALLER = dict(os.environ)
for _name in list(os.environ):
    if _name not in clean_environment(_CALLER, _HOME) and not _name.startswith("PYTEST_"):
        del os.environ[_name]
os.environ.update(clean_environment(_CALLER, _HOME))


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument ``python`` runs on every CPython that uv finds."""
    if "python" in metafunc.fixturenames:
        found = installed_pythons()
        metafunc.parametrize(
            "python",
            [
                pytest.param(
                    minor,
                    marks=pytest.mark.skipif(
                        minor not in found, reason=f"uv finds no Python {minor}"
                    ),
                )
                for minor in ("3.11", "3.12", "3.13", "3.14")
            ],
        )


class MakeProject(Protocol):
    """The factory that the fixture ``project`` is."""

    def __call__(
        self,
        dependencies: Sequence[str] = (),
        *,
        groups: Mapping[str, Sequence[str]] = ...,
        package: bool = False,
        python: str = ...,
        more: str = "",
        noxfile: str = "",
        name: str = "sample",
        at: Path | None = None,
        lock: bool = True,
    ) -> Sample:
        """A locked uv project in a folder of its own, or ``at``."""


class RunNox(Protocol):
    """The runner that the fixture ``nox`` is."""

    def __call__(
        self, sample: Sample, *args: str, env: Mapping[str, str] = ..., den: Path | None = None
    ) -> Ran:
        """Run nox in the project; it never shows a traceback."""


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def den(common: Path) -> Path:
    """The den that tests share: what one built, the next finds."""
    return make_den(common / "den")


@pytest.fixture
def env(den: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of the programs a test starts, with the shared den."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # pytest's own tidying of the folder that all runs of a user share gets in the way of others.
    for name in ("home", "temp"):
        (tmp_path / name).mkdir(exist_ok=True)
    return clean | {
        "PYTEST_DEBUG_TEMPROOT": str(tmp_path / "temp"),
        "NOXDEN_DIR": str(den),
        "UV_CACHE_DIR": str(den / "uv"),
        "NOXDEN_CARD_LOCKS": str(tmp_path / "card-locks"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@pytest.fixture
def fresh_den(den: Path, tmp_path: Path) -> Path:
    """A den of this test only, empty but for uv's cache."""
    return make_den(tmp_path / "fresh-den", den / "uv")


@pytest.fixture
def quick_den(den: Path, tmp_path: Path) -> Path:
    """A den of this test only that uses the uv cache of the shared den: nothing may prune it."""
    folder = make_den(tmp_path / "quick-den")
    (folder / "uv").rmdir()
    (folder / "uv").symlink_to(den / "uv")
    return folder


def make_den(folder: Path, uv_cache: Path | None = None) -> Path:
    """An empty den at ``folder`` with hard links to what ``uv_cache`` holds."""
    from noxden.den.layout import open_den

    open_den({**os.environ, "NOXDEN_DIR": str(folder)})
    if uv_cache is not None and uv_cache.is_dir():
        # Another worker may change the cache meanwhile: what is gone is downloaded again.
        subprocess.run(
            ["cp", "-al", f"{uv_cache}/.", f"{folder}/uv/"], capture_output=True, check=False
        )
    return folder


@pytest.fixture
def project(tmp_path: Path, env: dict[str, str], common: Path) -> MakeProject:
    """Makes uv projects."""
    locks = common / "uv-locks"
    locks.mkdir(exist_ok=True)

    def make(
        dependencies: Sequence[str] = (),
        *,
        groups: Mapping[str, Sequence[str]] = {},
        package: bool = False,
        python: str = ">=3.11",
        more: str = "",
        noxfile: str = "",
        name: str = "sample",
        at: Path | None = None,
        lock: bool = True,
    ) -> Sample:
        sample = Sample(at or tmp_path / name, env, locks)
        text = render_pyproject(
            name, dependencies, groups, package=package, python=python, more=more
        )
        sample.write("pyproject.toml", text)
        if package:
            sample.write(f"src/{name.replace('-', '_')}/__init__.py", 'WHO = "first"\n')
        if noxfile:
            sample.write("noxfile.py", noxfile)
        if lock:
            sample.lock()
        return sample

    return make


@pytest.fixture
def nox(env: dict[str, str]) -> RunNox:
    """Runs the real nox."""

    def call(
        sample: Sample,
        *args: str,
        env: Mapping[str, str] = env,
        den: Path | None = None,
    ) -> Ran:
        ours = {**env, **({"NOXDEN_DIR": str(den)} if den else {})}
        ran = run([sys.executable, "-m", "nox", *args], cwd=sample.path, env=ours, check=False)
        # A tool that a session runs may show one; noxden and nox never do.
        assert not re.search(r'Traceback[^\0]*File "[^"]*/(nox|noxden/den)/', ran.text), ran.text
        return ran

    return call


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An empty package index on this machine."""
    with serving(tmp_path / "index") as made:
        yield made
