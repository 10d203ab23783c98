"""Write the files of a change: all of them, or what was there before."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from typing import TYPE_CHECKING

from noxden.adopt.refuse import read_text
from noxden.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxden.adopt.values import Change

__all__ = ["written"]


@contextlib.contextmanager
def written(root: Path, changes: Sequence[Change]) -> Iterator[None]:
    """The project with ``changes`` while the block runs, and after it where it ends well.

    Every file is made beside its place and renamed into it. On an error, Ctrl-C included, what
    was there before is put back: the files, uv.lock, which the block may write, and that folders
    were not there.

    Raises:
        UsageError: a file has changed since the changes were planned.
        InfrastructureError: a file cannot be written.
    """
    with contextlib.ExitStack() as undo:
        _refuse_changed(root, changes)
        if any(change.path == "pyproject.toml" for change in changes):
            undo.callback(_put_back, root / "uv.lock", read_text(root, "uv.lock"))
        for change in changes:
            file = (root / change.path).resolve()
            try:
                _make_folder(file.parent, undo)
                undo.callback(_put_back, file, change.before)
                _write(file, change.after)
            except OSError as error:
                message = f"cannot write {root / change.path}: {error.strerror}; nothing is changed"
                raise InfrastructureError(message) from error
        yield
        undo.pop_all()


def _refuse_changed(root: Path, changes: Sequence[Change]) -> None:
    changed = [one.path for one in changes if read_text(root, one.path) != one.before]
    if changed:
        message = f"{', '.join(changed)} changed meanwhile; run noxden init again"
        raise UsageError(message)


def _make_folder(folder: Path, undo: contextlib.ExitStack) -> None:
    """Make ``folder`` and those above it that are missing; ``undo`` removes them again."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, undo)
    folder.mkdir()
    undo.callback(_remove_folder, folder)


def _remove_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _put_back(file: Path, before: str | None) -> None:
    if before is None:
        file.unlink(missing_ok=True)
    elif not file.is_file() or file.read_bytes() != before.encode():
        _write(file, before)


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all; one that is there keeps its permissions."""
    sibling = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        sibling.write_bytes(text.encode())
        if file.exists():
            shutil.copymode(file, sibling)
        sibling.replace(file)
    finally:
        sibling.unlink(missing_ok=True)
