"""Compare generated CI files with those of a checkout, and write them."""

from __future__ import annotations

import contextlib
import difflib
import secrets
from typing import TYPE_CHECKING, NamedTuple

from noxden.ci.files.render import MARK
from noxden.errors import InfrastructureError, SafetyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Difference", "apply_differences", "compare_files", "render_diff"]

_FOLDERS = (".github/workflows", ".forgejo/workflows")
_SINGLE = (".gitlab-ci.yml", "Jenkinsfile")


class Difference(NamedTuple):
    """A file that is not what it would be written as."""

    path: str
    """From the root of the checkout."""
    before: str | None
    """What is there; ``None`` where nothing is."""
    after: str | None
    """What is to be there; ``None`` for a file that noxden made and makes no more."""

    @property
    def foreign(self) -> bool:
        """Whether what is there was written by somebody else."""
        return self.before is not None and not is_ours(self.before)


def is_ours(text: str) -> bool:
    """Whether a file was made by noxden, and may be made anew."""
    return MARK in text.partition("\n")[0]


def compare_files(root: Path, files: Mapping[str, str]) -> list[Difference]:
    """What has to be written, and what to be removed, so that ``root`` has ``files``.

    Raises:
        SafetyError: a file or its folder is a symbolic link to a place outside of ``root``.
        InfrastructureError: one cannot be read.
    """
    found = []
    for path, text in sorted(files.items()):
        before = _read(root, path)
        if before != text:
            found.append(Difference(path, before, text))
    found += [
        Difference(path, _read(root, path), None)
        for path in _collect_made(root)
        if path not in files
    ]
    return found


def _collect_made(root: Path) -> Iterator[str]:
    """Paths of the files in ``root`` that noxden made."""
    for folder in _FOLDERS:
        for file in sorted((root / folder).glob("noxden*.yml")):
            path = f"{folder}/{file.name}"
            if is_ours(_read(root, path) or ""):
                yield path
    for path in _SINGLE:
        if is_ours(_read(root, path) or ""):
            yield path


def _read(root: Path, path: str) -> str | None:
    file = root / path
    if not file.resolve().is_relative_to(root.resolve()):
        message = (
            f"{file} leads to {file.resolve()}, which is outside of the checkout; remove the link"
        )
        raise SafetyError(message)
    try:
        return file.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise InfrastructureError(message) from error


def apply_differences(
    root: Path, differences: Sequence[Difference], *, force: bool = False
) -> None:
    """Write what differs, each file whole or not at all.

    Raises:
        UsageError: a file was written by somebody else, and ``force`` is not given.
        InfrastructureError: one cannot be written.
    """
    foreign = [one.path for one in differences if one.foreign]
    if foreign and not force:
        message = (
            f"{', '.join(foreign)} was not made by noxden and would be lost; move it away, or say "
            f"--force"
        )
        raise UsageError(message)
    for one in differences:
        try:
            _write(root / one.path, one.after)
        except OSError as error:
            message = f"cannot write {root / one.path}: {error.strerror}"
            raise InfrastructureError(message) from error


def _write(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    sibling = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        sibling.write_text(text, "utf-8")
        sibling.replace(file)
    finally:
        with contextlib.suppress(OSError):
            sibling.unlink()


def render_diff(difference: Difference) -> Iterator[str]:
    """The difference as a unified diff, a line each."""
    before, after = ((text or "").splitlines() for text in (difference.before, difference.after))
    old = "/dev/null" if difference.before is None else f"a/{difference.path}"
    new = "/dev/null" if difference.after is None else f"b/{difference.path}"
    yield from difflib.unified_diff(before, after, old, new, lineterm="")
