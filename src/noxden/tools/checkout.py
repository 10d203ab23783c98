"""A commit of a git repository in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["checkout"]

_ALL = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
_ELSEWHERE = {
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
}
"""What git sets for its hooks; it would work on the repository of the caller."""


def checkout(url: str, commit: str, folder: Path, env: Mapping[str, str]) -> None:
    """Check ``commit`` of the repository at ``url`` out into ``folder``, submodules too.

    Branches and tags are there as well, for projects that take their version from them.

    Raises:
        InfrastructureError: there is no git.
        ProgramError: the repository cannot be reached, or lacks the commit.
    """
    # Credentials that are missing are an error, not a question.
    ours = {name: value for name, value in env.items() if name not in _ELSEWHERE}
    ours["GIT_TERMINAL_PROMPT"] = "0"

    def git(*words: str, expect: tuple[int, ...] = (0,)) -> int:
        return run(["git", *words], cwd=folder, env=ours, expect=expect).returncode

    git("init", "--quiet")
    git("remote", "add", "--", "origin", url)
    git("fetch", "--quiet", "origin", *_ALL)
    if git("cat-file", "-e", f"{commit}^{{commit}}", expect=(0, 1, 128)):
        # It is on no branch any more; servers give it all the same, for as long as they have it.
        git("fetch", "--quiet", "origin", commit)
    git("checkout", "--quiet", "--detach", commit)
    git("submodule", "--quiet", "update", "--init", "--recursive")
