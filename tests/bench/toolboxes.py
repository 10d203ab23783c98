"""An environment a tool, all made alike: same Python, same uv, modules compiled at installation."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .environ import with_tool
from .process import BenchError, run_checked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["REPOSITORY", "Toolbox", "Toolboxes", "find_python"]

REPOSITORY = Path(__file__).resolve().parents[2]

CONTENTS: Mapping[str, tuple[str, ...]] = {
    "nox": ("nox",),
    "nox-uv": ("nox", "nox-uv"),
    "tox": ("tox", "tox-uv"),
    "uv": (),
    "noxden": (str(REPOSITORY),),
    "noxden-cluster": (f"{REPOSITORY}[cluster]",),
    "noxden-remote": (f"{REPOSITORY}[remote]",),
    "moto": ("moto[s3,server]",),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolbox:
    """A virtual environment with one tool."""

    folder: Path
    environment: Mapping[str, str]
    """Variables for running its programs, PATH included."""
    versions: Mapping[str, str]
    """Version by distribution, of the tools themselves."""

    def program(self, name: str) -> str:
        """Return the absolute path of a program."""
        return str(self.folder / "bin" / name)


def find_python() -> Path:
    """Return the interpreter below the environment this runs in."""
    return Path(
        sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"
    ).resolve()


class MissingUvError(BenchError):
    """There is no uv to start with."""

    def __init__(self) -> None:
        super().__init__("uv is not on the PATH; install it, or run this by nox")


class Toolboxes:
    """The toolboxes under one folder, each made when it is first asked for."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._made: dict[str, Toolbox | BenchError] = {}

    @property
    def made(self) -> dict[str, Toolbox]:
        """Those in use so far, by name."""
        return {name: box for name, box in self._made.items() if isinstance(box, Toolbox)}

    def __getitem__(self, name: str) -> Toolbox:
        """Return a toolbox, up to date; what could not be installed is the same error each time."""
        if name not in self._made:
            try:
                self._made[name] = _build(self._root / name, CONTENTS[name], self._environment)
            except BenchError as error:
                self._made[name] = error
        box = self._made[name]
        if isinstance(box, BenchError):
            raise box
        return box


def _build(folder: Path, contents: Sequence[str], environment: Mapping[str, str]) -> Toolbox:
    """Make the environment, or bring one that is there up to date; noxden is always built anew."""
    uv = _find_uv()
    plain = with_tool(environment, uv.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    version = run_checked([str(uv), "--version"], cwd=folder.parent, env=plain).output.split()[1]
    if not folder.exists():
        command = [str(uv), "venv", "--quiet", "--python", str(find_python()), str(folder)]
        run_checked(command, cwd=folder.parent, env=plain)
    install = [str(uv), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder)]
    anew = ["--reinstall-package", "noxden", "--refresh-package", "noxden"]
    run_checked([*install, *anew, *contents, f"uv=={version}"], cwd=folder.parent, env=plain)
    return Toolbox(
        folder=folder,
        environment=with_tool(environment, folder / "bin", find_python().parent),
        versions=_collect_versions(uv, folder, plain),
    )


def _find_uv() -> Path:
    """Return uv itself, not a shim in front of it that would be measured with it."""
    try:
        from uv import find_uv_bin
    except ModuleNotFoundError:
        found = shutil.which("uv")
        if found is None:
            raise MissingUvError from None
        return Path(os.path.realpath(found))
    return Path(find_uv_bin())


def _collect_versions(uv: Path, folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    done = run_checked(
        [str(uv), "pip", "list", "--quiet", "--format", "json", "--python", str(folder)],
        cwd=folder,
        env=environment,
    )
    wanted = {"nox", "nox-uv", "noxden", "tox", "tox-uv", "uv"}
    return {one["name"]: one["version"] for one in json.loads(done.output) if one["name"] in wanted}
