"""Lock files of cards: where they are, and how everybody on a host can open and lock them.

They are never deleted: whoever waits has one open, and two files of one name would be two locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.devices.cards import name_file
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.devices.values import Card

__all__ = ["LeaseError", "find_file", "find_lock_folder", "open_lock", "try_lock"]

_ELSEWHERE = "name another folder for everybody on this host by NOXDEN_CARD_LOCKS"


class LeaseError(InfrastructureError):
    """A card could not be had."""

    def __init__(self, message: str, card: Card) -> None:
        super().__init__(message)
        self.card = card


def find_lock_folder(env: Mapping[str, str], root: Path = Path("/")) -> Path:
    """Where the locks of this host's cards are; it need not be there yet.

    ``NOXDEN_CARD_LOCKS``, else ``/run/lock``, else ``/tmp``, and not the folder that TMPDIR
    names: runs of different users have to find the same files.
    """
    if named := env.get("NOXDEN_CARD_LOCKS"):
        return Path(named)
    usual = root / "run/lock"
    # By its mode and not by what this user may: root and others have to find the same.
    try:
        is_open = bool(usual.stat().st_mode & stat.S_IWOTH)
    except OSError:
        is_open = False
    return (usual if is_open else root / "tmp") / "noxden-cards"


def find_file(folder: Path, card: Card) -> Path:
    """The lock file of ``card``, which need not be there yet."""
    return folder / f"{name_file(card.address)}.lock"


def open_lock(folder: Path, card: Card) -> int:
    """Open the lock file of ``card`` for reading and writing; make it where it is not there.

    Raises:
        LeaseError: it cannot be opened.
        SafetyError: the folder or the file is a link that somebody else may turn.
    """
    path = find_file(folder, card)
    try:
        _make_folder(folder)
        if (descriptor := _open_existing(path)) is None:
            _make_file(path)
            descriptor = _open_existing(path)
        if descriptor is not None:
            return descriptor
        why = "it comes and goes"
    except OSError as error:
        why = error.strerror or str(error)
    message = f"card {card.name} cannot be locked by {path}: {why}; {_ELSEWHERE}"
    raise LeaseError(message, card)


def _make_folder(folder: Path) -> None:
    """Make the folder, in which everybody may make files and nobody deletes those of others.

    Raises:
        SafetyError: it is a link of somebody else.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode) and found.st_uid not in {0, os.geteuid()}:
        message = f"{folder} is a link of user {found.st_uid}; {_ELSEWHERE}"
        raise SafetyError(message)


def _open_existing(path: Path) -> int | None:
    """The file, opened without O_CREAT, which Linux refuses for a file of another user.

    See fs.protected_regular in proc_sys_fs(5).

    Raises:
        SafetyError: it is a link.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            message = f"{path} is a link and no lock file; remove it"
            raise SafetyError(message) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        message = f"{path} is no regular file; remove it"
        raise SafetyError(message)
    return descriptor


def is_current(folder: Path, card: Card, descriptor: int) -> bool:
    """Whether ``descriptor`` still is the lock file of ``card``.

    Somebody may have cleaned up between opening and locking it: who comes next would make and
    lock another file.
    """
    try:
        return os.path.samestat(os.fstat(descriptor), find_file(folder, card).lstat())
    except OSError:
        return False


def _make_file(path: Path) -> None:
    """Make the file; it appears with the mode it keeps, or others could not open it at first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o666)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()


def try_lock(descriptor: int, kind: int, card: Card | None = None) -> bool:
    """Whether the lock is got now; ``kind`` is LOCK_EX or LOCK_SH.

    Raises:
        LeaseError: the file system has no locks. Without ``card`` it is as if nobody held it.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if card is None:
            return True
        message = f"card {card.name} cannot be locked: {error.strerror}; {_ELSEWHERE}"
        raise LeaseError(message, card) from error
    return True
