"""What a checkout tells of the CI system that looks after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["find_branch", "find_providers"]

_FOLDERS = {".github": "github", ".forgejo": "forgejo"}
_SINGLE = (".gitlab-ci.yml", "Jenkinsfile")


def find_providers(root: Path) -> tuple[str, ...]:
    """The systems whose files are to be written.

    GitLab and Jenkins read one file only. Where it is there somebody wrote it, so they have to be
    asked for; where nothing is there at all, it is GitHub.
    """
    found = tuple(name for folder, name in _FOLDERS.items() if (root / folder).is_dir())
    taken = any((root / name).exists() for name in _SINGLE)
    return found or (() if taken else ("github",))


def find_branch(root: Path, env: Mapping[str, str]) -> str:
    """The branch that others start from, as far as git knows; else ``main``."""

    def ask(*words: str) -> list[str]:
        return run(["git", *words], cwd=root, env=env, expect=None).stdout.split()

    if remote := ask("symbolic-ref", "--short", "refs/remotes/origin/HEAD"):
        return remote[0].removeprefix("origin/")
    local = ask("branch", "--format", "%(refname:short)")
    if "main" in local or not local:
        return "main"
    return "master" if "master" in local else (ask("branch", "--show-current") or ["main"])[0]
