"""Remotes by plain HTTP and WebDAV, through the door that the index is reached by.

Not by OpenDAL: its WebDAV holds a whole file in memory to write it, and neither of its two
services notices a server that ignores ``Range`` and begins from the start.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from noxden.den.wheels.objects import SilentError
from noxden.den.wheels.patience import UnreachableError
from noxden.den.wheels.remote_errors import explain_status
from noxden.den.wheels.sources import SourceError, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from noxden.den.wheels.remote_uri import Address
    from noxden.tools.http import HttpError

__all__ = ["HttpObjects"]

_CONNECTIONS = 8
_SILENCE_S = "15"


class HttpObjects:
    """Files below one URL."""

    def __init__(self, address: Address, env: Mapping[str, str]) -> None:
        """Prepare to use ``address``; nothing is asked for yet."""
        self.is_writable = address.kind == "webdav"
        self._root = address.url
        self._user = address.user
        self._env = {**env, "UV_HTTP_TIMEOUT": env.get("UV_HTTP_TIMEOUT") or _SILENCE_S}
        self._folders: set[str] = set()

    @cached_property
    def _session(self) -> requests.Session:
        from noxden.tools.http import make_session

        return make_session(self._env, connections=_CONNECTIONS)

    def _url(self, path: str) -> str:
        return f"{self._root}/{quote(path)}"

    def prepare(self) -> str:
        """Nothing: folders are made as files are written."""
        return ""

    def read(self, path: str, offset: int) -> Stream:
        """Begin to read, from the start where the server cannot do otherwise."""
        from noxden.tools.http import HttpError, open_download

        try:
            found = open_download(self._session, self._url(path), offset, self._env, self._user)
        except HttpError as error:
            raise _explain(error) from error
        return Stream(found.offset, found.size, _translate(found.blocks))

    def find_size(self, path: str) -> int:
        """Bytes of a file."""
        from noxden.tools.http import HttpError
        from noxden.tools.webdav import find_size

        try:
            return find_size(self._session, self._url(path), self._user)
        except HttpError as error:
            raise _explain(error) from error

    def write(self, path: str, blocks: Iterator[bytes], size: int) -> None:
        """Send a file; servers give it its name when they have all of it."""
        from noxden.tools.http import HttpError
        from noxden.tools.webdav import put_file

        try:
            self._make_folders(path)
            put_file(self._session, self._url(path), self._user, blocks, size)
        except HttpError as error:
            raise _explain(error) from error

    def _make_folders(self, path: str) -> None:
        """The folders above ``path``, each once; those of the prefix too."""
        from noxden.tools.webdav import make_folder

        origin = "/".join(self._root.split("/", 3)[:3])
        parts = self._url(path).removeprefix(f"{origin}/").split("/")[:-1]
        for end in range(1, len(parts) + 1):
            folder = "/".join([origin, *parts[:end]])
            if folder not in self._folders:
                make_folder(self._session, folder, self._user)
                self._folders.add(folder)


def _explain(error: HttpError) -> SourceError:
    answer = error.answer
    if not answer.status:
        words = answer.reason.partition(": ")[2] or answer.reason
        if answer.unreachable:
            return UnreachableError(words, again=answer.again)
        silent = words == "does not answer in time"
        return (SilentError if silent else SourceError)(words, again=answer.again)
    found = explain_status(answer.status, "", "")
    found.after_s = answer.after_s
    return found


def _translate(blocks: Iterator[bytes]) -> Iterator[bytes]:
    from noxden.tools.http import HttpError

    try:
        yield from blocks
    except HttpError as error:
        raise _explain(error) from error
