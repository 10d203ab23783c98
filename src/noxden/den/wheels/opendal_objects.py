"""Remotes by OpenDAL: folders, S3, Google, Azure, the cache of a CI job."""

from __future__ import annotations

import contextlib
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.den.wheels.remote_errors import explain_opendal
from noxden.den.wheels.services import UPLOADS, compute_service
from noxden.den.wheels.sources import AbsentError, SourceError, Stream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    import opendal

    from noxden.den.wheels.remote_uri import Address

__all__ = ["OpendalObjects"]

_READ = 1 << 20
_CHUNK = 6 << 20
"""A part of an upload; S3 takes 10 000 of them, at least 5 MiB each."""
_PARTS_AT_ONCE = 2
"""Parts of one file under way; each is held in memory, and several files are sent at once."""
_SILENCE_S = 15.0
_OLDEST_UPLOAD_S = 24 * 3600.0
_WRITE_S = 60.0
"""How long a part may take; some stores need as long to put the parts together."""


class OpendalObjects:
    """An operator that is made when it is first needed, one to read and one to write."""

    is_writable = True

    def __init__(self, address: Address, env: Mapping[str, str]) -> None:
        """Prepare to use ``address``; nothing is asked for yet."""
        self._address = address
        self._env = env
        self._silence_s = float(env.get("UV_HTTP_TIMEOUT") or _SILENCE_S)

    @cached_property
    def _reader(self) -> opendal.Operator:
        return self._make(writing=False, silence_s=self._silence_s)

    @cached_property
    def _writer(self) -> opendal.Operator:
        return self._make(writing=True, silence_s=max(self._silence_s, _WRITE_S))

    def _make(self, *, writing: bool, silence_s: float) -> opendal.Operator:
        try:
            import opendal
            from opendal.layers import TimeoutLayer
        except ImportError as error:
            message = "the package opendal is missing, run: pip install 'noxden[remote]'"
            raise SourceError(message) from error
        service, options = compute_service(self._address, self._env, writing=writing)
        if self._address.kind == "file":
            _prepare_folder(Path(options["root"]), writing=writing)
        # The stub of this overload names each service as a literal.
        operator = opendal.Operator(service, **options)
        return operator.layer(TimeoutLayer(timeout=silence_s, io_timeout=silence_s))

    def read(self, path: str, offset: int) -> Stream:
        """Begin to read; the first block is there, so that what is not is known."""
        blocks = self._iterate(path, offset)
        first = next(blocks, b"")

        def chain() -> Iterator[bytes]:
            with contextlib.closing(blocks):
                yield first
                yield from blocks

        return Stream(offset, None, chain())

    def _iterate(self, path: str, offset: int) -> Generator[bytes]:
        reader = self._reader
        try:
            # Blocks are what the network brings, at most this many bytes.
            with reader.open(self._spell(path), "rb") as file:
                if offset:
                    file.seek(offset)
                while block := file.read(_READ):
                    yield block
        except Exception as error:
            raise explain_opendal(error) from error

    def find_size(self, path: str) -> int:
        """Bytes of a file."""
        reader = self._reader
        try:
            return reader.stat(self._spell(path)).content_length
        except Exception as error:
            raise explain_opendal(error) from error

    def write(self, path: str, blocks: Iterator[bytes], size: int) -> None:  # noqa: ARG002
        """Write in parts; what is not closed is never seen.

        So no ``with`` here: that would close, and publish, on errors too.
        """
        writer = self._writer
        try:
            file = writer.open(self._spell(path), "wb", chunk=_CHUNK, concurrent=_PARTS_AT_ONCE)
        except Exception as error:
            raise explain_opendal(error) from error
        for block in blocks:
            _send(file, block)
        try:
            file.close()
        except Exception as error:
            raise explain_opendal(error) from error

    def _spell(self, path: str) -> str:
        """Keys of a CI cache are lower case: Forgejo makes them so, GitHub compares them so."""
        return path.lower() if self._address.kind == "ghac" else path


def _prepare_folder(root: Path, *, writing: bool) -> None:
    """Nothing is in a folder that is not there; OpenDAL would make it, even to read.

    What killed writers left goes when nobody can be writing it any more.

    Raises:
        AbsentError: who wants to read finds no folder.
    """
    if not (writing or root.is_dir()):
        message = f"there is no folder {root}"
        raise AbsentError(message)
    for file in (root / UPLOADS).glob("*") if writing else ():
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > _OLDEST_UPLOAD_S:
                file.unlink()


def _send(file: opendal.file.File, block: bytes) -> None:
    try:
        file.write(block)
    except Exception as error:
        raise explain_opendal(error) from error
