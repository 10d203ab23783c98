"""The example project with its real heavy wheels, by the session that people run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import run

if TYPE_CHECKING:
    from tests.sandbox import Ran

EXAMPLE = Path(__file__).parents[1] / "projects" / "heavyweight"
LITTER = shutil.ignore_patterns(".nox", ".noxden", ".venv", ".*_cache", "__pycache__", "dist")

pytestmark = pytest.mark.heavy


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "heavyweight", ignore=LITTER))


def call(checkout: Path, env: dict[str, str], den: Path, *words: str, alone: bool = False) -> Ran:
    """Run nox in the checkout; ``alone`` in a network namespace without routes."""
    start = ["unshare", "-rn"] if alone else []
    command = [*start, sys.executable, "-m", "nox", *words]
    return run(command, cwd=checkout, env={**env, "NOXDEN_DIR": str(den)}, check=False)


def test_its_heavy_set_installs_without_a_network_from_a_remote_that_another_den_filled(
    checkout: Path, env: dict[str, str], tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine makes no network namespaces")
    remote = f"file://{tmp_path}/remote"
    (tmp_path / "remote").mkdir()
    pushed = call(
        checkout, env, tmp_path / "a", "-s", "wheelhouse", "--", "push", "--remote", remote
    )
    assert pushed.code == 0, pushed.text
    ran = call(
        checkout, env, tmp_path / "b", "-s", "heavy", "--", "--offline", "--remote", remote,
        alone=True,
    )  # fmt: skip
    assert ran.code == 0, ran.text
    assert "9 passed, 19 deselected" in ran.stdout
