"""A remote: an object store that holds wheels and closures for other machines.

It is laid out as the den is: ``wheels/<aa>/<sha256>/<file name>`` and ``closures/<id>.toml``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from noxden.den.wheels.sources import AbsentError, SourceError, Stream
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxden.lock.selection import Artifact

__all__ = ["Remote", "open_remote"]

_BLOCK = 4 << 20


class Remote:
    """An object store, by OpenDAL."""

    def __init__(self, uri: str, operator: Any) -> None:  # noqa: ANN401 - opendal.Operator
        """Use ``operator``, which ``uri`` describes without credentials."""
        self.uri = uri
        self._operator = operator

    @property
    def name(self) -> str:
        """``remote s3://bucket/wheels``."""
        return f"remote {self.uri}"

    def open(self, artifact: Artifact, offset: int) -> Stream:
        """Begin to read ``artifact`` at ``offset``.

        Raises:
            AbsentError: it does not have it.
            SourceError: it does not answer, or refuses.
        """
        sha256 = artifact.content
        path = f"wheels/{sha256[:2]}/{sha256}/{artifact.file}"
        try:
            size = self._operator.stat(path).content_length
            file = self._operator.open(path, "rb")
        except Exception as error:
            raise _explain(error) from error

        def blocks() -> Iterator[bytes]:
            with file:
                try:
                    file.seek(offset)
                    while block := file.read(_BLOCK):
                        yield block
                except Exception as error:
                    raise _explain(error) from error

        return Stream(offset, size, blocks())


def open_remote(uri: str, env: Mapping[str, str]) -> Remote:
    """The remote at ``uri``."""
    import opendal

    if uri.startswith("file:"):
        return Remote(uri, opendal.Operator("fs", root=urlsplit(uri).path))
    raise UsageError(uri)


def _explain(error: Exception) -> SourceError:
    said = str(error)
    if type(error).__name__ == "NotFound":
        return AbsentError("not there")
    return SourceError(re.split(r"\n|, context", said)[0], again="(temporary)" in said)
