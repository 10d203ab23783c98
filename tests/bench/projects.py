"""The projects that are measured, each a template folder that checkouts are copied from."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .process import run_checked
from .workload import Workload

if TYPE_CHECKING:
    from .toolboxes import Toolbox

__all__ = [
    "HEAVYWEIGHT",
    "add_dependency",
    "change_version",
    "export_requirements",
    "prepare_heavyweight",
    "prepare_tiny",
]

HEAVYWEIGHT = Path(__file__).resolve().parents[1] / "projects" / "heavyweight"

TINY = """\
[build-system]
requires = ["uv_build>=0.9"]
build-backend = "uv_build"

[project]
name = "tiny"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["attrs"]

[dependency-groups]
test = ["pytest"]
heavy = []
"""

LITTER = shutil.ignore_patterns(
    ".nox", ".noxden", ".venv", ".*_cache", "__pycache__", "dist", "noxfile.py"
)


def prepare_heavyweight(folder: Path, uv: Toolbox) -> Path:
    """Copy the example project without its own noxfile."""
    shutil.copytree(HEAVYWEIGHT, folder, ignore=LITTER)
    return _finish(folder, uv)


def prepare_tiny(folder: Path, uv: Toolbox) -> Path:
    """Write and lock a project with two dependencies of a few kilobytes."""
    package = folder / "src" / "tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Nothing."""\n', encoding="utf-8")
    (folder / "pyproject.toml").write_text(TINY, encoding="utf-8")
    run_checked([uv.program("uv"), "lock", "--quiet"], cwd=folder, env=uv.environment)
    return _finish(folder, uv)


def add_dependency(folder: Path, requirement: str, uv: Toolbox) -> None:
    """Add a requirement to the group ``heavy`` and lock it; nothing is installed."""
    run_checked(
        [uv.program("uv"), "add", "--quiet", "--no-sync", "--group", "heavy", requirement],
        cwd=folder,
        env=uv.environment,
    )
    export_requirements(folder, uv)


def change_version(folder: Path, name: str, version: str, uv: Toolbox) -> None:
    """Lock another version of one package; nothing else changes, nothing is installed."""
    command = [uv.program("uv"), "lock", "--quiet", "--upgrade-package", f"{name}=={version}"]
    run_checked(command, cwd=folder, env=uv.environment)


def export_requirements(folder: Path, uv: Toolbox) -> None:
    """Write the requirements.txt that users of plain nox keep beside the lock."""
    options = [
        "--frozen",
        "--quiet",
        "--no-emit-project",
        *Workload().group_options,
        "--output-file",
        "requirements.txt",
    ]
    run_checked([uv.program("uv"), "export", *options], cwd=folder, env=uv.environment)


def _finish(folder: Path, uv: Toolbox) -> Path:
    """Pin the Python, so that every tool takes the one that the toolboxes stand on."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}\n"
    (folder / ".python-version").write_text(version, encoding="utf-8")
    export_requirements(folder, uv)
    return folder
