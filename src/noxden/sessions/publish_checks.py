"""What has to be so before the distributions of a project leave it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from noxden.errors import SafetyError
from noxden.sessions.archives import compute_sha256
from noxden.tools.git import collect_changes, collect_tags, find_top, read_commit_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from packaging.version import Version

__all__ = ["Release", "check_release"]

_SUMS = "SHA256SUMS"
_CHECKS = ("description", "contents", "install", "sums")
"""Steps of packaging that have to have passed; a run of some steps may have left them out."""


class Release(NamedTuple):
    """Distributions that may be published."""

    files: tuple[Path, ...]
    version: str
    tag: str


def check_release(project: Path, packaging: Path, env: Mapping[str, str]) -> Release:
    """The distributions in ``packaging``, the output of a packaging session, and their tag.

    Raises:
        SafetyError: the tree is not clean, HEAD has not the tag of the version, or packaging did
            not check just these files for just this commit.
    """
    _refuse_changes(project, env)
    _refuse_unchecked(packaging)
    files = _check_files(packaging)
    _refuse_older(project, packaging, env)
    versions = {_read_version(file) for file in files}
    if len(versions) != 1:
        found = ", ".join(sorted(map(str, versions)))
        dist = packaging / "dist"
        message = f"{dist} has several versions ({found}); empty it and run: nox -s packaging"
        raise SafetyError(message)
    version = str(versions.pop())
    return Release(files, version, _find_tag(project, version, env))


def _refuse_changes(project: Path, env: Mapping[str, str]) -> None:
    if find_top(project, env) is None:
        message = f"{project} is not a git checkout, so nothing says what would be published"
        raise SafetyError(message)
    changes = collect_changes(project, env)
    if changes:
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        message = f"the checkout is not clean ({changes[0]}{more}); commit or remove that first"
        raise SafetyError(message)


def _refuse_unchecked(packaging: Path) -> None:
    """Make sure that packaging ran, and that its checks passed."""
    file = packaging / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(file.read_text("utf-8"))
        steps = {step["name"]: step["status"] for step in summary["steps"]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        message = f"{file} does not say that packaging ran; run: nox -s packaging"
        raise SafetyError(message) from error
    wrong = [name for name in _CHECKS if steps.get(name) != "passed"]
    if wrong or summary.get("status") != "passed":
        which = f" ({', '.join(wrong)})" if wrong else ""
        message = f"packaging did not pass{which}; run: nox -s packaging"
        raise SafetyError(message)


def _check_files(packaging: Path) -> tuple[Path, ...]:
    """The distributions, each with the hash that it had when it was checked."""
    dist = packaging / "dist"
    try:
        lines = (dist / _SUMS).read_text("utf-8").splitlines()
    except OSError as error:
        message = f"cannot read {dist / _SUMS}: {error.strerror}; run: nox -s packaging"
        raise SafetyError(message) from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = tuple(sorted(one for one in dist.iterdir() if one.name != _SUMS))
    for file in files:
        if sums.get(file.name) != compute_sha256(file):
            message = (
                f"{file} is not what packaging checked; empty {dist} and run: nox -s packaging"
            )
            raise SafetyError(message)
    if not files or len(files) != len(sums):
        message = f"{dist} has not all files of its {_SUMS}; run: nox -s packaging"
        raise SafetyError(message)
    return files


def _refuse_older(project: Path, packaging: Path, env: Mapping[str, str]) -> None:
    committed = read_commit_time(project, env) or 0
    if int((packaging / "summary.json").stat().st_mtime) < committed:
        message = "packaging ran before the last commit; run it again: nox -s packaging"
        raise SafetyError(message)


def _read_version(file: Path) -> Version:
    try:
        if file.suffix == ".whl":
            return parse_wheel_filename(file.name)[1]
        return parse_sdist_filename(file.name)[1]
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        message = f"{file} is neither an sdist nor a wheel; remove it and run: nox -s packaging"
        raise SafetyError(message) from error


def _find_tag(project: Path, version: str, env: Mapping[str, str]) -> str:
    tags: Sequence[str] = collect_tags(project, env)
    for tag in (f"v{version}", version):
        if tag in tags:
            return tag
    has = f"its tags are {', '.join(tags)}" if tags else "it has no tag"
    message = f"HEAD is not tagged as {version} ({has}); run: git tag v{version}"
    raise SafetyError(message)
