"""Copy files out of the store into folders that are no den: each is hashed on its way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from noxden.den.owners import sibling_name
from noxden.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["copy_checked"]

_BLOCK = 1 << 20


def copy_checked(path: Path, target: Path, sha256: str) -> None:
    """Copy ``path``, a file of the store, to ``target``: whole and with this hash, or not at all.

    Raises:
        SafetyError: its content is another.
        OSError: one of the two cannot be read or written; it names which.
    """
    sibling = target.parent / sibling_name()
    digest = hashlib.sha256()
    try:
        _write(sibling, target, _read(path, digest.update))
        if (found := digest.hexdigest()) != sha256:
            message = (
                f"{path} is to have sha256 {sha256}, found {found}; "
                f"run: nox -s wheelhouse -- verify --repair"
            )
            raise SafetyError(message)
        sibling.replace(target)
    finally:
        sibling.unlink(missing_ok=True)


def _read(path: Path, note: Callable[[bytes], None]) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                note(block)
                yield block
    except OSError as error:
        # A read that fails names no file, and must not be taken for a write that did.
        error.filename = str(path)
        raise


def _write(sibling: Path, target: Path, blocks: Iterator[bytes]) -> None:
    try:
        with sibling.open("wb") as file:
            file.writelines(blocks)
    except OSError as error:
        if error.filename in {None, str(sibling)}:
            error.filename = str(target)
        raise
