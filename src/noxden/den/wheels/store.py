"""The wheel store: artifacts named by their sha256, written once, read-only.

An artifact comes in through :func:`receive` only, which hashes what it writes: nothing gets a
name in the store that is not the hash of its content. What was received before a cut, or before
the process was killed, stays in ``wheels/partial/`` and is gone on with.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from typing import TYPE_CHECKING

from noxden.den.lifecycle import publish, sync_directory
from noxden.den.locks import hold_use
from noxden.den.wheels.sources import MismatchError
from noxden.errors import InfrastructureError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.wheels.sources import Stream
    from noxden.lock.selection import Artifact

__all__ = [
    "Partial",
    "artifact_lock",
    "artifact_path",
    "find_artifact",
    "hash_file",
    "receive",
    "using_store",
]

_READ = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}


def artifact_path(den: Den, sha256: str, file: str) -> Path:
    """Where the store keeps ``file``, whether it is there or not.

    Raises:
        SafetyError: that would be elsewhere. Selections and manifests are read so that it never
            is; this is the last door.
    """
    path = den.wheels / sha256[:2] / sha256 / file
    if not sha256.isalnum() or "/" in file or file in {"", ".", ".."}:
        message = f"{sha256}/{file} is no name of a file in {den.wheels}"
        raise SafetyError(message)
    return path


def find_artifact(den: Den, artifact: Artifact) -> Path | None:
    """The file of ``artifact`` in the store; ``None`` where it is not there.

    Only its size is looked at, where the lock knows it: see :mod:`noxden.den.wheels.check`.
    """
    path = artifact_path(den, artifact.content, artifact.file)
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return path if artifact.size in {None, size} else None


@contextlib.contextmanager
def using_store(den: Den, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Nothing leaves the store while the block runs; pruning takes the lock exclusively."""
    lock = hold_use(den.locks / "wheels.lock", on_wait=on_wait)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def receive(
    den: Den,
    artifact: Artifact,
    download: Callable[[Partial], None],
    *,
    on_wait: Callable[[], None] | None = None,
    is_over: Callable[[], bool] | None = None,
) -> Path:
    """Put ``artifact`` into the store, unless it is there, and return its file.

    ``download`` writes the content, or the rest of it, into the :class:`Partial` that it gets.
    ``on_wait`` is called once where another process receives it, ``is_over`` ends the waiting.

    Raises:
        MismatchError: what was downloaded is not what the hash names; nothing of it is kept.
        InfrastructureError: the den cannot be written.
    """
    path = artifact_path(den, artifact.content, artifact.file)

    def build(sibling: Path) -> None:
        with _open_partial(den, artifact) as partial:
            download(partial)
            partial.finish(sibling / artifact.file)

    if not den.writable:
        message = f"the den {den.root} is read-only and lacks {artifact.file}; fill it first"
        raise InfrastructureError(message)
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    publish(
        path.parent,
        lock=artifact_lock(den, artifact.content),
        is_whole=lambda _: find_artifact(den, artifact) is not None or _adopt(path),
        build=build,
        on_wait=on_wait,
        is_over=is_over,
    )
    return path


def artifact_lock(den: Den, sha256: str) -> Path:
    """The lock of who writes or removes what has this hash."""
    return den.locks / f"wheel-{sha256[:32]}.lock"


def _adopt(path: Path) -> bool:
    """Give a file of the same content, that is there under another name, this name too.

    Two projects may spell one file differently. The entry is not replaced for that: others use
    the name that is there.
    """
    try:
        there = [one for one in path.parent.iterdir() if one != path]
    except OSError:
        return False
    for other in there:
        if not path.exists() and hash_file(other) == path.parent.name:
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(other)
            sync_directory(path.parent)
            return True
    return False


def hash_file(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Partial:
    """A file that is being received: what there is of it, and the hash of that."""

    def __init__(self, path: Path, artifact: Artifact) -> None:
        """Go on with ``path``, where it exists."""
        self._artifact = artifact
        self._path = path
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._digest = hashlib.sha256()
        self.offset = 0
        """Bytes received, in this run and before."""
        while block := self._file.read(_READ):
            self._digest.update(block)
            self.offset += len(block)

    def restart(self) -> None:
        """Throw away what there is."""
        self._file.seek(0)
        self._file.truncate()
        self._digest, self.offset = hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        """Append ``block``.

        Raises:
            MismatchError: there is more than the lock says.
        """
        size = self._artifact.size
        if size is not None and self.offset + len(block) > size:
            self.restart()
            raise MismatchError(self._artifact, f"more than {size} bytes")
        self._file.write(block)
        self._digest.update(block)
        self.offset += len(block)

    def take(self, stream: Stream, advance: Callable[[int], None]) -> None:
        """Append what ``stream`` gives, from where it begins; ``advance`` is told the bytes."""
        if stream.offset != self.offset:
            advance(-self.offset)
            self.restart()
        for block in stream.blocks:
            self.write(block)
            advance(len(block))

    def check(self) -> None:
        """Compare with the hash that names the artifact; what differs is thrown away.

        Raises:
            MismatchError: it is another.
        """
        found = self._digest.hexdigest()
        if found != self._artifact.content:
            size = self.offset
            self.restart()
            raise MismatchError(self._artifact, f"{found} ({size} bytes)")

    def finish(self, target: Path) -> None:
        """Give the checked content the name ``target``, read-only and written out."""
        self.check()
        os.fchmod(self._file.fileno(), 0o444)
        os.fsync(self._file.fileno())
        self._path.rename(target)

    def close(self) -> None:
        """Keep what there is for the next run."""
        self._file.close()


@contextlib.contextmanager
def _open_partial(den: Den, artifact: Artifact) -> Iterator[Partial]:
    folder = den.wheels / "partial"
    folder.mkdir(exist_ok=True)
    path = folder / artifact.content
    with contextlib.closing(Partial(path, artifact)) as partial:
        try:
            yield partial
        except OSError as error:
            if error.errno in _FULL:
                # What fills the disk must not stay for the next run to find it full.
                path.unlink(missing_ok=True)
            raise
