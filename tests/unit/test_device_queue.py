"""Why jobs of a batch system do not start, by commands that stand for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxden.devices.engines._queue import explain_queue, render_queue

if TYPE_CHECKING:
    from pathlib import Path


def make_command(folder: Path, name: str, text: str) -> dict[str, str]:
    """An environment in which the command ``name`` notes its words and does what ``text`` says."""
    file = folder / name
    file.write_text(f'#!/bin/sh\nfor word; do echo "$word"; done > {folder}/words\n{text}\n')
    file.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("kind", "command", "words"),
    [
        ("slurm", "squeue", ["--noheader", "--format=%T %r", "--jobs", "7,8"]),
        ("lsf", "bjobs", ["-noheader", "-o", "stat pend_reason", "7", "8"]),
    ],
)
def test_the_batch_system_is_asked_for_the_jobs_of_the_run_only(
    kind: str, command: str, words: list[str], tmp_path: Path
) -> None:
    env = make_command(tmp_path, command, "echo PENDING Resources; echo RUNNING None")
    said = explain_queue(kind, ["7", "8"], env)
    assert said == ("1 job PENDING (Resources)", "1 job RUNNING")
    assert (tmp_path / "words").read_text().splitlines() == words


def test_without_jobs_nobody_is_asked(tmp_path: Path) -> None:
    env = make_command(tmp_path, "squeue", "echo PENDING Resources")
    assert explain_queue("slurm", [], env) == ()
    assert not (tmp_path / "words").exists()


def test_a_command_that_is_missing_or_fails_says_nothing(tmp_path: Path) -> None:
    assert explain_queue("slurm", ["7"], {"PATH": str(tmp_path)}) == ()
    env = make_command(tmp_path, "squeue", "echo slurm_load_jobs error >&2; exit 1")
    assert explain_queue("slurm", ["7"], env) == ()


def test_jobs_that_wait_for_the_same_are_counted() -> None:
    lines = [
        "PEND Job's resource requirements not satisfied: 3 hosts;",
        "",
        "PEND Job's resource requirements not satisfied: 3 hosts;",
        "RUN -",
        "SSUSP",
    ]
    assert render_queue(lines) == (
        "2 jobs PEND (Job's resource requirements not satisfied: 3 hosts)",
        "1 job RUN",
        "1 job SSUSP",
    )
