"""The door to WebDAV, as far as uploads need it: sizes, folders, and files as they are read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3

from noxden.tools.http import Answer, HttpError, explain_failure, read_retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_size", "make_folder", "put_file"]

_CONNECT_S = 10.0
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_ANSWER_S = 60.0
"""How long a server may take to put away what it got."""


class _Body:
    """A request's body that is never in memory as a whole, with its length."""

    def __init__(self, blocks: Iterator[bytes], size: int) -> None:
        self._blocks = blocks
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks


def find_size(session: requests.Session, url: str, auth: tuple[str, str] | None) -> int:
    """Bytes of what is at ``url``; -1 where the server does not tell.

    Raises:
        HttpError: it is not there, or the server refuses.
    """
    response = _ask(session, "HEAD", url, auth)
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else -1


def make_folder(session: requests.Session, url: str, auth: tuple[str, str] | None) -> None:
    """Make sure that a folder is at ``url``, whose own folder has to be there.

    Servers refuse in many ways to make what is there, so a refusal says nothing: what is
    written into the folder afterwards will tell.

    Raises:
        HttpError: there is no answer.
    """
    try:
        _ask(session, "MKCOL", f"{url}/", auth)
    except HttpError as error:
        if not error.answer.status or error.answer.again:
            raise


def put_file(
    session: requests.Session,
    url: str,
    auth: tuple[str, str] | None,
    blocks: Iterator[bytes],
    size: int,
) -> None:
    """Write ``size`` bytes; where ``blocks`` raises, the connection is cut before the last of them.

    Raises:
        HttpError: the server does not take it.
    """
    _ask(session, "PUT", url, auth, _Body(blocks, size))


def _ask(
    session: requests.Session,
    method: str,
    url: str,
    auth: tuple[str, str] | None,
    body: _Body | None = None,
) -> requests.Response:
    host = urlsplit(url).hostname or ""
    try:
        with session.request(
            method,
            url,
            auth=auth,
            data=body,
            timeout=(_CONNECT_S, _ANSWER_S),
            verify=session.verify,
            allow_redirects=method == "HEAD",
        ) as response:
            # What is written is not sent on to another place, so a redirect is a refusal.
            if response.status_code < requests.codes.multiple_choices:
                return response
            after = read_retry_after(response.headers.get("Retry-After", ""), time.time())
            status = response.status_code
            reason = f"{host} answers {status} {response.reason}".rstrip()
            raise HttpError(Answer(status, reason, status in _TRY_AGAIN, after))
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise HttpError(explain_failure(error, host)) from error
