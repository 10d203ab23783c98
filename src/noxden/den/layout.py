"""Where things are in a den, and whether a directory may be used as one."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden._switches import is_untrusted
from noxden.errors import InfrastructureError, SafetyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEN_FORMAT", "Den", "compute_den_directory", "find_memo", "open_den"]

DEN_FORMAT = 1
"""Version of the layout; a newer den is refused, an older one is rebuilt."""

_TAG = "CACHEDIR.TAG"
_CACHEDIR_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This directory is a noxden den; it can be deleted and will be rebuilt.
# For information about cache directory tags see https://bford.info/cachedir/
"""


_FOLDERS = ("uv", "envs", "wheels", "closures", "memo", "locks", "uses")
_REBUILT = ("envs", "memo", "uses")


class Den(NamedTuple):
    """A den on disk."""

    root: Path
    writable: bool

    @property
    def uv_cache(self) -> Path:
        """The UV_CACHE_DIR of everything noxden starts."""
        return self.root / "uv"

    @property
    def envs(self) -> Path:
        """Base environments, a folder each, named by environment key."""
        return self.root / "envs"

    @property
    def wheels(self) -> Path:
        """The wheel store, a folder for each sha256 in a folder of its first two digits."""
        return self.root / "wheels"

    @property
    def closures(self) -> Path:
        """The closures whose wheels are all in the store, a pylock.toml each."""
        return self.root / "closures"

    @property
    def built(self) -> Path:
        """Manifests of built wheels, a folder for each source; see den/wheels/built.py."""
        return self.root / "built"

    @property
    def memo(self) -> Path:
        """Remembered results of pure functions, by the hash of their inputs."""
        return self.root / "memo"

    @property
    def locks(self) -> Path:
        """Lock files, an exclusive one per entry that is being built."""
        return self.root / "locks"

    @property
    def uses(self) -> Path:
        """Who uses which base environment: a lock file and a folder of roots each."""
        return self.root / "uses"

    def base(self, key: str) -> Path:
        """The folder of the base environment ``key``."""
        return self.envs / key


def compute_den_directory(env: Mapping[str, str]) -> Path:
    """Where the den is: ``NOXDEN_DIR``, else the user cache directory + ``noxden``.

    A run for an untrusted trigger (``NOXDEN_TRUST=untrusted``) has a den of its own beside it.
    Links are resolved: environments name their base by its path, and one den has one path.

    Raises:
        UsageError: ``NOXDEN_DIR`` is not absolute or the root of all files, or
            ``NOXDEN_TRUST`` is wrong.
    """
    named = env.get("NOXDEN_DIR")
    given = os.path.expanduser(named) if named else _find_cache(env)  # noqa: PTH111 - never raises
    directory = os.path.realpath(given)
    if not given.startswith("/") or not directory.strip("/"):
        place = f"NOXDEN_DIR={named}" if named else f"the user's cache directory {given}"
        message = f"{place} cannot be the den; set NOXDEN_DIR to the absolute path of a directory"
        raise UsageError(message)
    if is_untrusted(env):
        directory = os.path.realpath(f"{directory}-untrusted")
    return Path(directory)


def _find_cache(env: Mapping[str, str]) -> str:
    """The directory noxden has among the user's caches."""
    if sys.platform != "linux":
        from platformdirs import user_cache_dir

        return user_cache_dir("noxden")
    # platformdirs gives the same; importing it takes half of what a warm session may cost.
    cache = env.get("XDG_CACHE_HOME", "")
    if not cache.startswith("/"):  # a relative one is to be ignored, says the specification
        cache = os.path.expanduser(env.get("HOME") or "~") + "/.cache"  # noqa: PTH111
    return f"{cache}/noxden"


def find_memo(env: Mapping[str, str]) -> Path | None:
    """The memos of the den that ``env`` names, where it is there and nobody else could write them.

    For what is done before a den is needed: nothing is created or refused here.

    Raises:
        UsageError: as :func:`compute_den_directory`.
    """
    root = compute_den_directory(env)
    try:
        found = root.stat()
        _refuse_foreign(root, found)
    except (OSError, InfrastructureError, SafetyError):
        return None
    return root / "memo"


def open_den(env: Mapping[str, str]) -> Den:
    """Open the den that ``env`` names, creating it where there is none.

    Raises:
        SafetyError: it belongs to another user, others may write or read it, a newer noxden
            made it, or its file system has locks that do not exclude.
        InfrastructureError: it cannot be created.
        UsageError: the variables that name it are wrong.
    """
    root = compute_den_directory(env)
    try:
        found = root.stat()
    except FileNotFoundError:
        _create(root, env)
        found = root.stat()
    except OSError as error:
        message = f"cannot use {root} as den: {error.strerror}; set NOXDEN_DIR to another directory"
        raise InfrastructureError(message) from error
    _refuse_foreign(root, found)
    writable = os.access(root, os.W_OK)
    version = _read_format(root)
    if version is not None and version > DEN_FORMAT:
        message = (
            f"the den {root} is of format {version}, this noxden reads {DEN_FORMAT}; "
            f"install a newer noxden or set NOXDEN_DIR to another directory"
        )
        raise SafetyError(message)
    if version != DEN_FORMAT and writable:
        _create(root, env)
    return Den(root, writable)


def _refuse_foreign(root: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        message = f"the den {root} is not a directory; move it away or set NOXDEN_DIR"
        raise InfrastructureError(message)
    if found.st_uid != os.geteuid():
        message = (
            f"the den {root} belongs to user id {found.st_uid}, not to you ({os.geteuid()}); "
            f"set NOXDEN_DIR to a directory of your own"
        )
        raise SafetyError(message)
    if found.st_mode & 0o077:
        message = (
            f"the den {root} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}); "
            f"run: chmod 700 {root}"
        )
        raise SafetyError(message)


def _read_format(root: Path) -> int | None:
    try:
        return int((root / "format").read_text("ascii"))
    except (OSError, ValueError):
        return None


def _create(root: Path, env: Mapping[str, str]) -> None:
    """Make an empty den of this format at ``root``."""
    from noxden.den.filesystem import refuse_unsafe_locks

    refuse_unsafe_locks(root, env)
    try:
        if not _is_ours(root):
            message = (
                f"{root} holds files that are not a den's; empty it or set NOXDEN_DIR to a "
                f"directory that noxden may fill"
            )
            raise SafetyError(message)
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The tag comes first: a process that creates the same den at the same time must not
        # take our folders for somebody's files.
        (root / _TAG).write_text(_CACHEDIR_TAG, "ascii")
        for name in _FOLDERS:
            (root / name).mkdir(exist_ok=True)
        _discard_older(root)
        (root / "format").write_text(f"{DEN_FORMAT}\n", "ascii")
    except OSError as error:
        message = f"cannot create the den {root}: {error.strerror}; set NOXDEN_DIR elsewhere"
        raise InfrastructureError(message) from error


def _discard_older(root: Path) -> None:
    """Empty what an older layout kept under names that this one uses too; uv's cache stays."""
    if (found := _read_format(root)) is None or found >= DEN_FORMAT:
        return
    import shutil

    from noxden.den.locks import exclusive

    with exclusive(root / "locks" / "format.lock"):
        if _read_format(root) != found:
            return
        for name in _REBUILT:
            shutil.rmtree(root / name)
            (root / name).mkdir()
        (root / "format").write_text(f"{DEN_FORMAT}\n", "ascii")


def _is_ours(root: Path) -> bool:
    """Whether a den may be made at ``root``: nothing is there, or a den.

    Other tools tag their caches too. An empty tag is one that is being written right now.
    """
    if not root.is_dir() or not any(root.iterdir()):
        return True
    try:
        tag = (root / _TAG).read_text("utf-8", "replace")
    except FileNotFoundError:
        return False
    return not tag or "noxden" in tag
