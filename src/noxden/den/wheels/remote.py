"""A remote: an object store that holds wheels and closures for other machines.

It is laid out as the den is: ``wheels/<aa>/<sha256>/<file name>`` and ``closures/<id>.toml``,
and ``built/`` with what is known of wheels that were built. It needs no trust to be read:
whatever comes from it is compared with the hash that the lock has.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from noxden.den.wheels.objects import SilentError
from noxden.den.wheels.pace import Pace
from noxden.den.wheels.patience import insist
from noxden.den.wheels.remote_uri import parse_uri
from noxden.den.wheels.sources import AbsentError, SourceError, Stream
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from noxden.den.wheels.objects import Objects
    from noxden.lock.selection import Artifact

__all__ = ["Remote", "RemoteError", "artifact_key", "closure_key", "open_remote"]

T = TypeVar("T")

_LARGEST_TEXT = 16 << 20


class RemoteError(InfrastructureError):
    """A remote does not answer, or refuses."""


class Remote:
    """An object store; a source that is asked before the index."""

    def __init__(self, uri: str, objects: Objects) -> None:
        """Use ``objects``, which are at ``uri``, a URI without credentials."""
        self.uri = uri
        self.stop = threading.Event()
        """Set, it ends whatever is waiting for its next attempt."""
        self._objects = objects
        self._pace = Pace()
        self._answered = False

    @property
    def name(self) -> str:
        """``remote s3://bucket/wheels``."""
        return f"remote {self.uri}"

    @property
    def is_writable(self) -> bool:
        """Whether it can be written at all."""
        return self._objects.is_writable

    def prepare(self) -> str:
        """Make what has to be there before anything is written; what was made, mostly nothing.

        Raises:
            RemoteError: it cannot be made.
        """
        return self._insist(self._objects.prepare)

    def open(self, artifact: Artifact, offset: int) -> Stream:
        """Begin to read ``artifact`` at ``offset``.

        Raises:
            AbsentError: it does not have it.
            SourceError: it does not answer, or refuses.
        """
        return self._read(artifact_key(artifact), offset)

    def read_text(self, path: str) -> str | None:
        """A small file; ``None`` where it is not there.

        Raises:
            RemoteError: the remote does not answer, or refuses, or the file is not small.
        """
        try:
            content = self._insist(lambda: self._read_whole(path))
        except AbsentError:
            return None
        return content.decode("utf-8", "replace")

    def has(self, path: str, size: int | None = None) -> bool:
        """Whether a file is there, and of this size where one is given.

        Raises:
            RemoteError: the remote does not answer, or refuses.
        """
        try:
            found = self._insist(lambda: self._objects.find_size(path))
        except AbsentError:
            return False
        return size in {None, found}

    def write_text(self, path: str, text: str) -> None:
        """Write a small file, or replace it.

        Raises:
            RemoteError: the remote does not answer, or refuses.
        """
        content = text.encode()
        self.write(path, lambda: iter([content]), len(content))

    def write(self, path: str, begin: Callable[[], Iterator[bytes]], size: int) -> None:
        """Write a file, or replace it; ``begin`` gives its blocks, anew for each attempt.

        Readers see the whole file or what was there before; what ``begin`` raises in the midst
        of its blocks comes through.

        Raises:
            RemoteError: the remote does not answer, or refuses.
        """
        self._insist(lambda: self._objects.write(path, begin(), size))

    def _read_whole(self, path: str) -> bytes:
        parts: list[bytes] = []
        length = 0
        for block in self._read(path, 0).blocks:
            parts.append(block)
            length += len(block)
            if length > _LARGEST_TEXT:
                message = f"{path} has more than {_LARGEST_TEXT >> 20} MiB"
                raise SourceError(message)
        return b"".join(parts)

    def _read(self, path: str, offset: int) -> Stream:
        with self._listening():
            stream = self._objects.read(path, offset)
        return stream._replace(blocks=self._hear(stream.blocks))

    def _hear(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        with self._listening():
            for block in self._pace.watch(blocks):
                self._answered = True
                yield block

    def _insist(self, work: Callable[[], T]) -> T:
        try:
            return insist(lambda: self._attempt(work), self.stop)
        except AbsentError:
            raise
        except SourceError as error:
            message = f"{self.name}: {error.reason}"
            raise RemoteError(message) from error

    def _attempt(self, work: Callable[[], T]) -> T:
        with self._listening():
            found = work()
        self._answered = True
        return found

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Who is silent, and has never answered, is not asked a second time."""
        try:
            yield
        except AbsentError:
            self._answered = True
            raise
        except SilentError as error:
            if self._answered:
                raise
            raise SourceError(error.reason) from error


def artifact_key(artifact: Artifact) -> str:
    """Where a remote keeps an artifact."""
    return f"wheels/{artifact.content[:2]}/{artifact.content}/{artifact.file}"


def closure_key(closure_id: str) -> str:
    """Where a remote keeps the manifest of a closure."""
    return f"closures/{closure_id}.toml"


def open_remote(uri: str, env: Mapping[str, str]) -> Remote:
    """The remote at ``uri``; it is asked for nothing yet, and what it needs is not imported.

    Raises:
        UsageError: ``uri`` is not that of a remote.
    """
    address = parse_uri(uri, env)
    if address.kind in {"http", "webdav"}:
        from noxden.den.wheels.http_objects import HttpObjects

        return Remote(address.uri, HttpObjects(address, env))
    from noxden.den.wheels.opendal_objects import OpendalObjects

    return Remote(address.uri, OpendalObjects(address, env))
