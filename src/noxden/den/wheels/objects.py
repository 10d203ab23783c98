"""An object store, as far as noxden uses one: the edge on which each kind of remote stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from noxden.den.wheels.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.den.wheels.sources import Stream

__all__ = ["Objects", "SilentError"]


class Objects(Protocol):
    """Files by path, below the prefix of a remote."""

    @property
    def is_writable(self) -> bool:
        """Whether the protocol can write at all."""

    def prepare(self) -> str:
        """Make what has to be there before anything is written.

        Returns what was made, for people to read; empty where nothing was.

        Raises:
            SourceError: it cannot be made.
        """

    def read(self, path: str, offset: int) -> Stream:
        """Begin to read at ``offset``.

        Raises:
            AbsentError: it is not there.
            SourceError: the store does not answer, or refuses.
        """

    def find_size(self, path: str) -> int:
        """Bytes of a file.

        Raises:
            AbsentError: it is not there.
            SourceError: the store does not answer, or refuses.
        """

    def write(self, path: str, blocks: Iterator[bytes], size: int) -> None:
        """Write a file, or replace it: readers see the whole of it, or what was there before.

        Where ``blocks`` raises, before its last block at the latest, nothing is seen at ``path``.

        Raises:
            SourceError: the store does not answer, or refuses.
        """


class SilentError(SourceError):
    """The store takes a connection and then says nothing for too long."""
