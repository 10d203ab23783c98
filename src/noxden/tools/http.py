"""The door to HTTP: requests, set up as uv is, so that both reach the same servers.

uv's variables count (``SSL_CERT_FILE``, ``UV_INSECURE_HOST``, ``UV_HTTP_TIMEOUT``); proxies and
netrc are found by requests itself, from the variables that every tool knows.
"""

from __future__ import annotations

import email.utils
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Answer", "Download", "HttpError", "make_session", "open_download", "read_retry_after"]

_BLOCK = 1 << 20
_CONNECT_S = 10.0
_READ_S = 30.0
"""How long uv waits for bytes too (UV_HTTP_TIMEOUT)."""
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class Answer(NamedTuple):
    """What a server said instead of giving a file."""

    status: int
    """0 where there was no answer."""
    reason: str
    again: bool
    """Whether to ask again may help."""
    after_s: float | None = None
    """Seconds the server asks to wait (``Retry-After``)."""


class HttpError(Exception):
    """A file could not be had."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Download(NamedTuple):
    """A file as it arrives."""

    offset: int
    """Where the blocks begin: servers may ignore that only the rest is wanted."""
    size: int | None
    """Bytes of the whole file."""
    blocks: Iterator[bytes]
    """Raises :class:`HttpError` where it ends early."""


def make_session(env: Mapping[str, str], *, connections: int) -> requests.Session:
    """A session for several threads, with the certificates that ``env`` names."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=connections)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    if bundle := env.get("SSL_CERT_FILE"):
        session.verify = bundle
    elif env.get("UV_SYSTEM_CERTS") or env.get("UV_NATIVE_TLS"):
        import ssl

        paths = ssl.get_default_verify_paths()
        session.verify = paths.cafile or paths.capath or True
    if certificate := env.get("SSL_CLIENT_CERT"):
        session.cert = certificate
    session.headers["User-Agent"] = "noxden"
    # Wheels are compressed; a server that compresses them again would change their size.
    session.headers["Accept-Encoding"] = "identity"
    return session


def open_download(
    session: requests.Session,
    url: str,
    offset: int,
    env: Mapping[str, str],
    auth: tuple[str, str] | None = None,
) -> Download:
    """Begin to read ``url`` at ``offset``.

    Raises:
        HttpError: the server does not give it.
    """
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    read_s = float(env.get("UV_HTTP_TIMEOUT") or _READ_S)
    host = urlsplit(url).hostname or ""
    trusted = host in re.split(r"[\s,]+", env.get("UV_INSECURE_HOST", ""))
    try:
        response = session.get(
            url,
            headers=headers,
            auth=auth,
            stream=True,
            timeout=(_CONNECT_S, read_s),
            # Said outright: for None requests takes REQUESTS_CA_BUNDLE before what is set here.
            verify=False if trusted else session.verify,
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise HttpError(Answer(0, explain(error, host), again=True)) from error
    if response.status_code == requests.codes.requested_range_not_satisfiable and offset:
        # What is there is all there is, or more; its hash tells.
        response.close()
        return Download(offset, None, iter(()))
    if not response.ok:
        with closing(response):
            raise HttpError(_judge(response, host))
    partial = response.status_code == requests.codes.partial_content
    begins = offset if partial else 0
    length = response.headers.get("Content-Length", "")
    size = begins + int(length) if length.isdecimal() else None
    return Download(begins, size, _iterate(response, host))


def _iterate(response: requests.Response, host: str) -> Iterator[bytes]:
    with closing(response):
        try:
            while block := response.raw.read(_BLOCK):
                yield block
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise HttpError(Answer(0, explain(error, host), again=True)) from error


def _judge(response: requests.Response, host: str) -> Answer:
    status = response.status_code
    reason = f"{host} answers {status} {response.reason}".rstrip()
    if status in {401, 403}:
        reason += " (credentials: netrc, or UV_INDEX_<NAME>_USERNAME and _PASSWORD)"
    after = read_retry_after(response.headers.get("Retry-After", ""), time.time())
    return Answer(status, reason, status in _TRY_AGAIN, after)


def read_retry_after(value: str, now: float) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110, 10.2.3): a number, or a date."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError):
        return None


def explain(error: Exception, host: str) -> str:
    """A failure of the network in a few words: what requests says is a tower of class names."""
    said = str(error)
    for sign, words in (
        (
            "CERTIFICATE_VERIFY_FAILED",
            "its certificate is not trusted (SSL_CERT_FILE names others)",
        ),
        ("Name or service not known", "no such host"),
        ("Temporary failure in name resolution", "its name cannot be resolved"),
        ("Connection refused", "refuses connections"),
        ("Network is unreachable", "the network is unreachable"),
        ("timed out", "does not answer in time"),
        ("IncompleteRead", "the connection ended early"),
        ("Connection broken", "the connection ended early"),
        ("reset by peer", "the connection was reset"),
    ):
        if sign in said:
            return f"{host}: {words}"
    return f"{host}: {type(error).__name__}: {said}"[:200]
