"""What a checkout's history says: files that changed since a revision, and files as they were."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from noxden.tools.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "collect_changed",
    "extract_files",
    "find_base",
    "find_changed_below",
    "read_at",
]

_FAILED = (0, 1, 128, 129)


def find_base(root: Path, revision: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The commit where HEAD left ``revision``; or no commit, and why there is none.

    A detached HEAD is as good as a branch. In a shallow clone the revision, or what it has in
    common with HEAD, may be missing.
    """
    if shutil.which("git", path=env.get("PATH")) is None:
        return "", "there is no git on PATH"
    inside = _git(root, env, "rev-parse", "--is-inside-work-tree")
    if inside.strip() != "true":
        return "", f"{root} is not a git checkout"
    # An option would be taken for one; no revision begins with a dash.
    words = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    commit = _git(root, env, *words).strip()
    shallow = _git(root, env, "rev-parse", "--is-shallow-repository").strip() == "true"
    advice = "; fetch it, or check out with its whole history (fetch-depth: 0)" if shallow else ""
    if not commit:
        clone = "this shallow clone" if shallow else "this clone"
        return "", f"{clone} has no revision {revision}{advice}"
    base = _git(root, env, "merge-base", commit, "HEAD").strip()
    if not base:
        return "", f"HEAD and {revision} have no commit in common here{advice}"
    return base, ""


def collect_changed(root: Path, base: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Files below ``root`` that differ from ``base``, sorted; those that git does not know too."""
    return find_changed_below(root, base, (), env)


def find_changed_below(
    root: Path, base: str, globs: Sequence[str], env: Mapping[str, str]
) -> tuple[str, ...]:
    """Of the changed files those that one of ``globs`` matches; ``**`` is any depth."""
    paths = [f":(glob){glob}" for glob in globs]
    differ = _git(
        root, env, "diff", "--name-only", "--no-renames", "--relative", "-z", base, "--", *paths
    )
    new = _git(root, env, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    return tuple(sorted({name for name in (differ + new).split("\0") if name}))


def read_at(root: Path, commit: str, path: str, env: Mapping[str, str]) -> bytes:
    """The file ``path`` as it was at ``commit``; empty where there was none."""
    return _git(root, env, "show", f"{commit}:./{path}").encode("utf-8", "surrogateescape")


def extract_files(
    root: Path, commit: str, names: Sequence[str], folder: Path, env: Mapping[str, str]
) -> None:
    """Write the files called one of ``names``, in any folder, as they were at ``commit``."""
    for path in _list_files(root, commit, names, env):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_at(root, commit, path, env))


def _list_files(
    root: Path, commit: str, names: Sequence[str], env: Mapping[str, str]
) -> Iterator[str]:
    listed = _git(root, env, "ls-tree", "-r", "-z", "--name-only", commit)
    for path in listed.split("\0"):
        # git keeps names with `..` out of its trees, and so out of places above the folder.
        if path.rpartition("/")[2] in names:
            yield path


def _git(root: Path, env: Mapping[str, str], *words: str) -> str:
    """What git says; nothing where it fails."""
    ran = run(["git", *words], cwd=root, env=env, expect=_FAILED)
    return ran.stdout if ran.returncode == 0 else ""
