from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxden.den.layout import open_den
from tests.sandbox import LIMIT_S

if TYPE_CHECKING:
    from noxden.den.layout import Den

WORKER = Path(__file__).with_name("gc_worker.py")
PROCESSES = 8
RUNS = 25


@pytest.fixture
def empty(tmp_path: Path) -> Den:
    return open_den({"NOXDEN_DIR": str(tmp_path / "den")})


def test_two_hundred_interleaved_runs_delete_nothing_in_use_and_use_no_half_entry(
    empty: Den, tmp_path: Path
) -> None:
    answers = [json.loads(answer) for answer in run_workers(empty, tmp_path)]

    total = {name: sum(answer[name] for answer in answers) for name in answers[0]}
    assert total["collected"] > 10, total
    assert total["built"] >= total["collected"]
    assert total["used"] > 50
    assert [at.name for at in empty.envs.iterdir() if at.name.startswith(".")] == []


def run_workers(den: Den, folder: Path) -> list[str]:
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(den.root), str(folder), str(seed), str(RUNS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for seed in range(PROCESSES)
    ]
    ended = [process.communicate(timeout=LIMIT_S) for process in processes]
    failed = [
        said for process, (_, said) in zip(processes, ended, strict=True) if process.returncode
    ]
    assert not failed, failed[0]
    return [answer for answer, _ in ended]
