"""The door to git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["describe_head"]


def describe_head(folder: Path, env: Mapping[str, str]) -> str:
    """Commit and tags of the checkout that ``folder`` is in; empty outside of one."""
    commit = run(["git", "rev-parse", "HEAD"], cwd=folder, env=env, expect=(0, 128))
    tags = run(["git", "tag", "--points-at", "HEAD"], cwd=folder, env=env, expect=(0, 128, 129))
    return f"{commit.stdout.strip()} {tags.stdout.split()}".strip() if commit.stdout else ""
