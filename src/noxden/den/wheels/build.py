"""Build a wheel in an isolated environment, by the hooks of the project's backend (PEP 517)."""

from __future__ import annotations

import os
import tomllib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tomli_w
from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller

from noxden.den.wheels.requirements import pin_requirements
from noxden.errors import InfrastructureError
from noxden.tools.complaints import explained
from noxden.tools.process import ProgramError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from noxden.den.resolve import Workplace
    from noxden.den.wheels.recipe import Recipe
    from noxden.lock.selection import Selection

__all__ = ["Backend", "Bench", "build_wheel", "prepare_hooks", "read_backend"]

_LEGACY = "setuptools.build_meta:__legacy__"
_LEGACY_REQUIRES = ("setuptools>=40.8.0",)
"""What a project without ``[build-system]`` is built with, as pip and uv do."""

_EPOCH = "315532800"
"""1980-01-01, the first date that a wheel can hold: two builds give the same bytes."""

_SHOWN = 12
"""Lines of what a backend said that an error shows."""

_NOT_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")
"""Variables that would let a build see what is installed elsewhere."""


class Backend(NamedTuple):
    """The ``[build-system]`` of a project."""

    requires: tuple[str, ...] = _LEGACY_REQUIRES
    name: str = _LEGACY
    path: tuple[str, ...] = ()
    """Folders of the project that hold the backend."""


class Bench(NamedTuple):
    """What builds of one package are done with."""

    place: Workplace
    recipe: Recipe
    provide: Callable[[Selection], Mapping[str, Any]]
    """Brings build requirements into the store; a pylock.toml that installs them from there."""
    work: Path
    """A folder for the environment and the outcome; it exists."""

    @property
    def python(self) -> Path:
        """The interpreter of the isolated environment."""
        return self.work / "venv" / "bin" / "python"


def read_backend(project: Path, label: str) -> Backend:
    """The ``[build-system]`` of the project in ``project``, which people know as ``label``.

    Raises:
        InfrastructureError: its pyproject.toml cannot be used.
    """
    try:
        text = (project / "pyproject.toml").read_bytes()
        table = tomllib.loads(text.decode()).get("build-system")
        if table is None:
            return Backend()
        requires, name = table["requires"], table.get("build-backend", _LEGACY)
        return Backend(tuple(map(str, requires)), str(name), tuple(table.get("backend-path", ())))
    except FileNotFoundError:
        return Backend()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        message = f"cannot build {label}: its pyproject.toml cannot be used: {error}"
        raise InfrastructureError(message) from error


def build_wheel(bench: Bench, project: Path, backend: Backend) -> Path:
    """Build the wheel of the project in ``project``, for which :func:`prepare_hooks` was called.

    Raises:
        InfrastructureError: the hook failed.
    """
    target = bench.work / "wheel"
    target.mkdir()
    hooks = _open_hooks(bench, project, backend)
    name = _call(
        bench, backend, "build_wheel",
        lambda: hooks.build_wheel(str(target), bench.recipe.settings.get("config")),
    )  # fmt: skip
    return target / str(name)


def prepare_hooks(bench: Bench, project: Path, backend: Backend, *, editable: bool) -> Selection:
    """Make the environment in which the backend can build; the files that are in it.

    Raises:
        InfrastructureError: its requirements cannot be had, or a hook failed.
    """
    place, recipe = bench.place, bench.recipe
    with explained(f"make an environment to build {recipe.label}"):
        place.uv(
            "venv", "--quiet", "--no-project", "--python", recipe.interpreter.executable,
            bench.work / "venv", cwd=bench.work,
        )  # fmt: skip
    first = [*backend.requires, *recipe.settings.get("requires", ())]
    pinned = _install(bench, first)
    hooks = _open_hooks(bench, project, backend)
    ask = hooks.get_requires_for_build_wheel
    if editable:
        ask = hooks.get_requires_for_build_editable
    config = recipe.settings.get("config")
    more = _call(bench, backend, ask.__name__, lambda: ask(config))
    if set(more) <= set(first):
        return pinned
    return _install(bench, [*first, *more])


def _install(bench: Bench, requires: Sequence[str]) -> Selection:
    """Put what meets ``requires`` into the isolated environment."""
    place, recipe = bench.place, bench.recipe
    constraints = recipe.settings.get("build-constraint-dependencies", ())
    pinned = pin_requirements(place, recipe.interpreter, requires, constraints, recipe.label)
    pylock = bench.work / "pylock.toml"
    pylock.write_text(tomli_w.dumps(bench.provide(pinned)), "utf-8")
    with explained(f"install what {recipe.label} needs to be built"):
        # No settings: a ban of wheels does not hold for what builds.
        place.uv(
            "pip", "sync", "--quiet", "--offline", "--no-config", "--allow-empty-requirements",
            "--python", bench.python, pylock, cwd=bench.work,
        )  # fmt: skip
    return pinned


def _open_hooks(bench: Bench, project: Path, backend: Backend) -> BuildBackendHookCaller:
    env = _compute_environment(bench)

    def run_hook(
        cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        run(cmd, cwd=Path(cwd or project), env={**env, **(extra_environ or {})})

    return BuildBackendHookCaller(
        str(project), backend.name, backend.path or None, run_hook, str(bench.python)
    )


def _compute_environment(bench: Bench) -> dict[str, str]:
    given = bench.place.uv.env
    ours = {name: value for name, value in given.items() if name not in _NOT_OURS}
    binaries = str(bench.python.parent)
    return {
        **ours,
        "PATH": os.pathsep.join([binaries, *([ours["PATH"]] if "PATH" in ours else [])]),
        "VIRTUAL_ENV": str(bench.python.parent.parent),
        "SOURCE_DATE_EPOCH": _EPOCH,
        **bench.recipe.settings.get("variables", {}),
    }


def _call(bench: Bench, backend: Backend, hook: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what a hook returns
    """What ``call`` returns.

    Raises:
        InfrastructureError: the hook failed; with the end of what the backend said.
    """
    label = bench.recipe.label
    try:
        with warnings.catch_warnings():
            # What backends tell the author of a package would be shown to who installs it.
            warnings.simplefilter("ignore")
            return call()
    except ProgramError as error:
        ended = error.completed
        said = "\n".join(f"{ended.stdout}\n{ended.stderr}".strip().splitlines()[-_SHOWN:])
        message = (
            f"cannot build {label}: {hook} of {backend.name} ended with code "
            f"{ended.returncode}; it said last:\n{said or '(nothing)'}"
        )
    except BackendUnavailable as error:
        last = error.traceback.strip().splitlines()[-1:] or [str(error)]
        message = f"cannot build {label}: its backend {backend.name} cannot be used: {last[0]}"
    raise InfrastructureError(message)
