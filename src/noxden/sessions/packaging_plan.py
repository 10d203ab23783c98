"""What a packaging session runs: a pure function of its settings and of where things are."""

from __future__ import annotations

import functools
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError
from noxden.sessions.archives import compare_builds, compute_sha256
from noxden.sessions.steps import Command, Files, Step
from noxden.tools.git import read_commit_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.config import PackagingConfig

__all__ = [
    "Layout",
    "choose_steps",
    "compute_variables",
    "plan_packaging",
    "refuse_unpackaged",
    "write_sums",
]

_EARLIEST = 315532800
"""1980-01-01, the earliest date that a wheel, being a ZIP file, can carry."""

_IMPORTER = Path(__file__).with_name("_import_wheel.py")


class Layout(NamedTuple):
    """Where a run has what."""

    project: Path
    """Where pyproject.toml is."""
    work: Path
    """An empty folder outside of the project, which must not get into an sdist."""
    dist: Path
    """Where the results go."""
    python: str = "python"
    """The interpreter of the session, from which the clean environment is made."""

    @property
    def first(self) -> Path:
        """The build that is released."""
        return self.work / "first"

    @property
    def second(self) -> Path:
        """The build that the first is compared with."""
        return self.work / "second"

    @property
    def clean(self) -> Path:
        """The environment that the wheel is installed in."""
        return self.work / "clean"


def refuse_unpackaged(project: Path) -> None:
    """Raise where the project is no package, by the rules of uv.

    Raises:
        UsageError: it has no build system, or says that it is not a package.
    """
    file = project / "pyproject.toml"
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{file} is not TOML: {error}"
        raise UsageError(message) from error
    packaged = table.get("tool", {}).get("uv", {}).get("package")
    if packaged is False:
        message = f"{file} says tool.uv.package = false, so there is nothing to build; remove one"
        raise UsageError(message)
    if packaged is None and "build-system" not in table:
        message = f"{file} has no [build-system], so there is nothing to build; add one"
        raise UsageError(message)


def plan_packaging(
    settings: PackagingConfig, layout: Layout, variables: Mapping[str, str]
) -> tuple[Step, ...]:
    """The steps of a run, in order; ``variables`` make builds reproducible."""
    steps = (
        _plan_tool(settings, "metadata", "validate-pyproject", layout.project / "pyproject.toml"),
        Step("sdist", _build_sdist(layout, layout.first, variables)),
        Step("wheel", _build_wheel(layout.first, variables), needs=("sdist",)),
        _plan_tool(
            settings, "description", "twine", "check", "--strict",
            Files(layout.first, "*.tar.gz"), Files(layout.first, "*.whl"), needs=("wheel",),
        ),
        _plan_tool(
            settings, "contents", "check-wheel-contents", Files(layout.first, "*.whl"),
            needs=("wheel",),
        ),
        _plan_reproducible(layout, variables),
        _plan_install(layout),
        Step("imports", (_import_all(layout),), needs=("install",)),
        Step(
            "dependencies",
            (Command(("uv", "pip", "check", "--python", _python(layout))),),
            needs=("install",),
        ),
        Step("sums", (), functools.partial(write_sums, layout.first, layout.dist), ("wheel",)),
    )  # fmt: skip
    wanted = choose_steps(settings.steps, steps)
    return tuple(step for step in steps if step.name in wanted)


def choose_steps(names: Sequence[str], steps: Sequence[Step]) -> set[str]:
    """The ``names`` with all that they need; without names, all."""
    if not names:
        return {step.name for step in steps}
    needs = {step.name: step.needs for step in steps}
    wanted, rest = set[str](), list(names)
    while rest:
        name = rest.pop()
        wanted.add(name)
        rest += needs[name]
    return wanted


def _plan_tool(
    settings: PackagingConfig,
    name: str,
    program: str,
    *words: str | Path | Files,
    needs: tuple[str, ...] = (),
) -> Step:
    group = settings.groups[0] if settings.groups else "packaging"
    package = "'validate-pyproject[all]'" if program == "validate-pyproject" else program
    advice = f"not in group {group}; run: uv add --group {group} {package}"
    return Step(name, (Command((program, *words)),), None, needs, program, advice)


def _build_sdist(layout: Layout, to: Path, variables: Mapping[str, str]) -> tuple[Command, ...]:
    return (Command(("uv", "build", "--sdist", "--out-dir", to, layout.project), variables),)


def _build_wheel(at: Path, variables: Mapping[str, str]) -> tuple[Command, ...]:
    sdist = Files(at, "*.tar.gz")
    return (Command(("uv", "build", "--wheel", "--out-dir", at, sdist), variables),)


def _plan_reproducible(layout: Layout, variables: Mapping[str, str]) -> Step:
    # Another hash seed and another time zone: what depends on them should show here, and not
    # at the first person who builds it elsewhere.
    elsewhere = {**variables, "PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu"}
    return Step(
        "reproducible",
        (
            *_build_sdist(layout, layout.second, elsewhere),
            *_build_wheel(layout.second, elsewhere),
        ),
        check=functools.partial(compare_builds, layout.first, layout.second),
        needs=("wheel",),
    )


def _plan_install(layout: Layout) -> Step:
    """What the lock names for the project first, then the wheel without its dependencies.

    The packages come from where the lock says, hashes checked; whether they are what the wheel
    asks for is told by the step after it.
    """
    lock = layout.work / "pylock.toml"
    return Step(
        "install",
        (
            Command(("uv", "venv", "--quiet", "--python", layout.python, layout.clean)),
            Command(
                (
                    "uv", "export", "--quiet", "--frozen", "--no-default-groups",
                    "--no-emit-project", "--format", "pylock.toml", "--output-file", lock,
                )
            ),
            Command(
                (
                    "uv", "pip", "sync", "--allow-empty-requirements",
                    "--python", _python(layout), lock,
                )
            ),
            Command(
                (
                    "uv", "pip", "install", "--no-deps",
                    "--python", _python(layout), Files(layout.first, "*.whl"),
                )
            ),
        ),
        needs=("wheel",),
    )  # fmt: skip


def _import_all(layout: Layout) -> Command:
    return Command((_python(layout), "-I", _IMPORTER, Files(layout.first, "*.whl")))


def _python(layout: Layout) -> Path:
    return layout.clean / "bin" / "python"


def write_sums(build: Path, dist: Path) -> str:
    """Copy the files of ``build`` to ``dist``, and write their SHA256SUMS beside them.

    An older file of another name stays in ``dist``, which may be a folder of the user.
    """
    dist.mkdir(parents=True, exist_ok=True)
    files = [*Files(build, "*.tar.gz").collect(), *Files(build, "*.whl").collect()]
    for file in files:
        shutil.copy(file, dist)
    lines = [f"{compute_sha256(file)}  {file.name}\n" for file in files]
    (dist / "SHA256SUMS").write_text("".join(lines), "utf-8")
    return f"{len(files)} files in {dist.name}/"


def compute_variables(project: Path, env: Mapping[str, str]) -> dict[str, str]:
    """What makes builds of ``project`` the same: the date of its last commit, a hash seed."""
    epoch = env.get("SOURCE_DATE_EPOCH") or str(read_commit_time(project, env) or _EARLIEST)
    return {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "1"}
