"""Remotes by OpenDAL: folders, S3, Google, Azure, the cache of a CI job."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.den.wheels.patience import UnreachableError
from noxden.den.wheels.remote_errors import explain_opendal, is_unsent
from noxden.den.wheels.services import UPLOADS, compute_service
from noxden.den.wheels.sources import SourceError, Stream
from noxden.tools.http import read_timeout

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
        self._prepared = False
        self._silence_s = read_timeout(env, _SILENCE_S)

    @cached_property
    def _reader(self) -> opendal.Operator:
        return self._make(writing=False, silence_s=self._silence_s)

    @cached_property
    def _writer(self) -> opendal.Operator:
        return self._make(writing=True, silence_s=max(self._silence_s, _WRITE_S))

    def _make(
        self, *, writing: bool, silence_s: float, uploads: Path | None = None
    ) -> opendal.Operator:
        try:
            import opendal
            from opendal.layers import TimeoutLayer
        except ImportError as error:
            message = "the package opendal is missing, run: pip install 'noxden[remote]'"
            raise SourceError(message) from error
        service, options = compute_service(self._address, self._env, writing=writing)
        if uploads:
            options["atomic_write_dir"] = str(uploads)
        elif self._address.kind == "file":
            _find_folder(Path(options["root"]))
        try:
            # The stub of this overload names each service as a literal.
            operator = opendal.Operator(service, **options)
            return operator.layer(TimeoutLayer(timeout=silence_s, io_timeout=silence_s))
        except Exception as error:
            raise explain_opendal(error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[opendal.Operator]:
        """An operator for one attempt to write; what the attempt leaves in a folder is removed.

        Who is killed leaves it; then it goes once nobody can be writing it any more.
        """
        if self._address.kind != "file":
            yield self._writer
            return
        self.prepare()
        uploads = Path(self._address.path, UPLOADS, uuid.uuid4().hex)
        with _explained(uploads):
            uploads.mkdir()
        try:
            yield self._make(writing=True, silence_s=_WRITE_S, uploads=uploads)
        finally:
            shutil.rmtree(uploads, ignore_errors=True)

    def prepare(self) -> str:
        """Make the folder, when the one above it is there, and clear what killed writers left.

        Raises:
            SourceError: it cannot be made.
        """
        if self._address.kind != "file" or self._prepared:
            return ""
        root = Path(self._address.path)
        made = _make_folder(root)
        with _explained(root / UPLOADS):
            (root / UPLOADS).mkdir(exist_ok=True)
        _remove_old(root / UPLOADS)
        self._prepared = True
        return "made its folder" if made else ""

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
            raise self._explain_read(error, path) from error

    def _explain_read(self, error: Exception, path: str) -> SourceError:
        """Why a read failed; of what never reached a server OpenDAL tells only other operations."""
        if is_unsent(error):
            try:
                self.find_size(path)
            except UnreachableError as known:
                return known
            except SourceError:
                pass
        return explain_opendal(error)

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
        with self._writing() as writer:
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


def _find_folder(root: Path) -> None:
    """Make sure that there is something to read from; OpenDAL would make it.

    Raises:
        SourceError: there is not.
    """
    with _explained(root, "read"):
        if not root.exists():
            message = "the folder is not there"
            raise SourceError(message)
        if not root.is_dir():
            message = "it is not a folder"
            raise SourceError(message)


def _make_folder(root: Path) -> bool:
    """Make ``root``, not what is above it: a typo is not to become a tree of folders.

    Returns whether it was not there.

    Raises:
        SourceError: it cannot be made.
    """
    try:
        root.mkdir()
    except FileExistsError as error:
        if not root.is_dir():
            message = "it is not a folder"
            raise SourceError(message) from error
        return False
    except FileNotFoundError as error:
        message = f"the folder above it is not there; if it is to be, run: mkdir -p {root}"
        raise SourceError(message) from error
    except OSError as error:
        raise _explain_os(error, root, "made") from error
    return True


def _remove_old(uploads: Path) -> None:
    """Remove what nobody can be writing any more."""
    for entry in uploads.glob("*"):
        with contextlib.suppress(OSError):
            # A folder is as old as what was written into it last.
            newest = max(one.stat().st_mtime for one in (entry, *entry.glob("*")))
            if time.time() - newest > _OLDEST_UPLOAD_S:
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()


@contextlib.contextmanager
def _explained(path: Path, verb: str = "written") -> Iterator[None]:
    """Say of a system that refuses ``path`` what it says.

    Raises:
        SourceError: it does.
    """
    try:
        yield
    except OSError as error:
        raise _explain_os(error, path, verb) from error


def _explain_os(error: OSError, path: Path, verb: str) -> SourceError:
    return SourceError(f"{path} cannot be {verb}: {error.strerror}")


def _send(file: opendal.file.File, block: bytes) -> None:
    try:
        file.write(block)
    except Exception as error:
        raise explain_opendal(error) from error
