"""The door to HTTP: requests, set up as uv is, so that both reach the same servers.

uv's variables count (``SSL_CERT_FILE``, ``UV_INSECURE_HOST``, ``UV_HTTP_TIMEOUT``); proxies and
netrc are found by requests itself, from the variables that every tool knows.
"""

from __future__ import annotations

import contextlib
import email.utils
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Answer",
    "Download",
    "HttpError",
    "explain_failure",
    "make_session",
    "open_download",
    "read_retry_after",
    "read_timeout",
]

_BLOCK = 1 << 20
_CONNECT_S = 10.0
_READ_S = 30.0
"""How long uv waits for bytes too (UV_HTTP_TIMEOUT)."""
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_WORDS = (
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted (SSL_CERT_FILE names others)"),
    ("Name or service not known", "no such host"),
    ("Failed to resolve", "its name cannot be resolved"),
    ("Temporary failure in name resolution", "its name cannot be resolved"),
    ("Connection refused", "refuses connections"),
    ("Network is unreachable", "the network is unreachable"),
    ("timed out", "does not answer in time"),
    ("IncompleteRead", "the connection ended early"),
    ("Connection broken", "the connection ended early"),
    ("reset by peer", "the connection was reset"),
)
_UNREACHABLE = {
    "no such host",
    "its name cannot be resolved",
    "refuses connections",
    "the network is unreachable",
}


class Answer(NamedTuple):
    """What a server said instead of giving a file."""

    status: int
    """0 where there was no answer."""
    reason: str
    again: bool
    """Whether to ask again may help."""
    after_s: float | None = None
    """Seconds the server asks to wait (``Retry-After``)."""
    unreachable: bool = False
    """Whether nobody listens there, or no such host is known."""


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
    abort: Callable[[], None] = lambda: None
    """Ends the reading from another thread."""


def make_session(env: Mapping[str, str], *, connections: int) -> requests.Session:
    """A session for several threads, with the certificates that ``env`` names."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=connections)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    for origin in _collect_insecure(env):
        session.mount(origin, _UncheckedAdapter(pool_connections=4, pool_maxsize=connections))
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


class _UncheckedAdapter(requests.adapters.HTTPAdapter):
    """Takes any certificate of the servers for which it is mounted, and of no other.

    Mounted and not given with a request, because a request may be redirected elsewhere.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:  # noqa: ANN401 - requests' own
        """As requests sends, and no certificate is looked at."""
        return super().send(request, *args, **{**how, "verify": False})


def _collect_insecure(env: Mapping[str, str]) -> Iterator[str]:
    """Where certificates are not looked at: ``UV_INSECURE_HOST`` has hosts, some with ports."""
    for word in re.split(r"[\s,]+", env.get("UV_INSECURE_HOST", "")):
        host = word.rpartition("://")[2].strip("/").lower()
        if not host:
            continue
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        yield f"https://{host}/"
        if ":" not in host:
            yield f"https://{host}:"


def read_timeout(env: Mapping[str, str], default: float = _READ_S) -> float:
    """Seconds without a byte after which a server counts as gone, ``UV_HTTP_TIMEOUT``.

    Raises:
        UsageError: it is no number.
    """
    said = env.get("UV_HTTP_TIMEOUT") or default
    try:
        return float(said)
    except ValueError as error:
        message = f"environment variable UV_HTTP_TIMEOUT is to be seconds, got {said!r}"
        raise UsageError(message) from error


def open_download(
    session: requests.Session,
    url: str,
    offset: int,
    env: Mapping[str, str],
    auth: tuple[str, str] | None = None,
) -> Download:
    """Begin to read ``url`` at ``offset``.

    A redirect to another host, port or scheme is followed without ``auth``; requests takes it off.

    Raises:
        HttpError: the server does not give it.
    """
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    host = urlsplit(url).hostname or ""
    try:
        response = session.get(
            url,
            headers=headers,
            auth=auth,
            stream=True,
            timeout=(_CONNECT_S, read_timeout(env)),
            # Said outright: for None requests takes REQUESTS_CA_BUNDLE before what is set here.
            verify=session.verify,
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise HttpError(explain_failure(error, host)) from error
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
    return Download(begins, size, _iterate(response, host), _make_abort(response))


def _make_abort(response: requests.Response) -> Callable[[], None]:
    def abort() -> None:
        # A response that was read to its end has no socket any more.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            response.raw.shutdown()

    return abort


def _iterate(response: requests.Response, host: str) -> Iterator[bytes]:
    with closing(response):
        try:
            # What has come, however little: a block that fills drop by drop would hide from
            # everybody how slow the server is.
            while block := response.raw.read1(_BLOCK):
                yield block
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise HttpError(explain_failure(error, host)) from error


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


def explain_failure(error: Exception, host: str) -> Answer:
    """What there is in place of an answer."""
    reason = explain(error, host)
    unreachable = reason.removeprefix(f"{host}: ") in _UNREACHABLE
    return Answer(0, reason, again=True, unreachable=unreachable)


def explain(error: Exception, host: str) -> str:
    """A failure of the network in a few words: what requests says is a tower of class names."""
    said = str(error)
    for sign, words in _WORDS:
        if sign in said:
            return f"{host}: {words}"
    return f"{host}: {type(error).__name__}: {said}"[:200]
