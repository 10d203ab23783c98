"""The door to git."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["collect_changes", "collect_tags", "describe_head", "find_top", "read_commit_time"]


def describe_head(folder: Path, env: Mapping[str, str]) -> str:
    """Commit and tags of the checkout that ``folder`` is in; empty outside of one."""
    commit = run(
        ["git", "rev-parse", "--quiet", "--verify", "HEAD"], cwd=folder, env=env, expect=(0, 1, 128)
    )
    tags = run(["git", "tag", "--points-at", "HEAD"], cwd=folder, env=env, expect=(0, 128, 129))
    return f"{commit.stdout.strip()} {tags.stdout.split()}".strip() if commit.stdout else ""


def read_commit_time(folder: Path, env: Mapping[str, str]) -> int | None:
    """When the checkout that ``folder`` is in was last committed to, in seconds since 1970.

    ``None`` outside of a checkout, before its first commit, and without git.
    """
    if shutil.which("git", path=env.get("PATH")) is None:
        return None
    said = run(["git", "log", "-1", "--format=%ct"], cwd=folder, env=env, expect=(0, 128))
    return int(said.stdout) if said.stdout.strip().isdigit() else None


def find_top(folder: Path, env: Mapping[str, str]) -> Path | None:
    """The root of the checkout that ``folder`` is in; ``None`` outside of one, or without git."""
    if shutil.which("git", path=env.get("PATH")) is None:
        return None
    said = run(["git", "rev-parse", "--show-toplevel"], cwd=folder, env=env, expect=(0, 128))
    return Path(said.stdout.rstrip("\n")) if said.stdout else None


def collect_changes(folder: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """Files of the checkout that differ from HEAD, and those that git does not know; ignored no."""
    said = run(["git", "status", "--porcelain", "-z"], cwd=folder, env=env)
    return tuple(entry[3:] for entry in said.stdout.split("\0") if entry)


def collect_tags(folder: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """The tags of HEAD."""
    return tuple(run(["git", "tag", "--points-at", "HEAD"], cwd=folder, env=env).stdout.split())
