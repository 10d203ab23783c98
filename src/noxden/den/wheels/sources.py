"""Where artifacts come from: what a source is, and how it fails.

The index is one, a remote another, a folder that a CI cache restored a third. They are asked in
an order; whoever answers wrongly or not at all is left out for the rest of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxden.lock.selection import Artifact

__all__ = ["Abortable", "AbsentError", "MismatchError", "Source", "SourceError", "Stream"]


class SourceError(Exception):
    """A source cannot give an artifact now.

    ``again`` says whether to ask once more may help; ``after_s`` how long the source wants to
    be left alone before (``Retry-After``), in seconds.
    """

    def __init__(self, reason: str, *, again: bool = False, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.after_s = after_s


class AbsentError(SourceError):
    """The source answers, and does not have this artifact."""


class MismatchError(Exception):
    """What came is not what the hash names."""

    def __init__(self, artifact: Artifact, found: str) -> None:
        super().__init__(
            f"{artifact.name} {artifact.version or ''}: {artifact.file} is to have sha256 "
            f"{artifact.content}, found {found}"
        )
        self.artifact = artifact
        self.found = found


class Stream(NamedTuple):
    """The content of an artifact, or the rest of it, as it arrives."""

    offset: int
    """Where in the content the blocks begin: what was asked for, or 0."""
    size: int | None
    """Size in bytes of the whole, where the source tells."""
    blocks: Iterator[bytes]
    """Raises :class:`SourceError` where the source stops before the end."""


class Source(Protocol):
    """A place that has artifacts."""

    @property
    def name(self) -> str:
        """How people are told of it: ``index``, ``remote s3://bucket/wheels``."""

    def open(self, artifact: Artifact, offset: int) -> Stream:
        """Begin to read ``artifact`` at ``offset``.

        Raises:
            AbsentError: it does not have it.
            SourceError: it does not answer, or refuses.
        """


@runtime_checkable
class Abortable(Protocol):
    """A source whose reads can be ended from another thread."""

    def abort(self) -> None:
        """End all reads that wait for the source."""
