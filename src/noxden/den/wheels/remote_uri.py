"""The URI of a remote, read once: where it is, and who asks."""

from __future__ import annotations

import difflib
import netrc
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "parse_uri"]

_KINDS = {
    "file": "file",
    "s3": "s3",
    "gcs": "gcs",
    "gs": "gcs",
    "azblob": "azblob",
    "az": "azblob",
    "http": "http",
    "https": "http",
    "webdav": "webdav",
    "webdav+http": "webdav",
    "webdav+https": "webdav",
    "ghac": "ghac",
}
"""The kind of store by scheme."""

_QUESTIONS = {
    "s3": ("anonymous", "endpoint", "region"),
    "gcs": ("anonymous", "endpoint"),
    "azblob": ("account", "anonymous", "endpoint"),
}
"""What may stand behind the question mark."""

_WITH_USER = {"http", "webdav"}
_WITH_BUCKET = {"s3": "s3://BUCKET/PREFIX", "gcs": "gs://BUCKET/PREFIX", "azblob": "az://CONTAINER"}
_VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
    "azblob": "AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN",
}


class Address(NamedTuple):
    """Where a remote is."""

    kind: str
    """``file``, ``s3``, ``gcs``, ``azblob``, ``http``, ``webdav`` or ``ghac``."""
    uri: str
    """As it may be shown: without user, password and what stands behind the question mark."""
    host: str
    """Bucket or container; empty for files and ``ghac``."""
    path: str
    """The prefix, without slashes at its ends; of ``file`` the absolute path."""
    url: str
    """Of ``http`` and ``webdav``: what paths are appended to, without the last slash."""
    options: Mapping[str, str]
    user: tuple[str, str] | None
    """User and password, of ``http`` and ``webdav``."""


def parse_uri(uri: str, env: Mapping[str, str]) -> Address:
    """Read the URI of a remote.

    Raises:
        UsageError: it is none, and what it should be like; nothing secret is in the message.
    """
    try:
        parts = urlsplit(uri)
        host = _host(parts)
    except ValueError as error:
        message = f"the remote is no URI ({error}); write it as s3://bucket/prefix"
        raise UsageError(message) from None
    kind = _kind(uri, parts.scheme)
    shown = f"{parts.scheme}:{'//' if host else ''}{host}{parts.path}".rstrip(":/")
    user = _read_user(parts, env) if kind in _WITH_USER else None
    if "@" in parts.netloc and kind not in _WITH_USER:
        set_this = f"set {_VARIABLES[kind]}" if kind in _VARIABLES else "leave them out"
        message = f"the remote {shown} is not to have credentials in its URI; {set_this}"
        raise UsageError(message)
    if kind in _WITH_BUCKET and not host:
        message = f"the remote {uri.partition('?')[0]} names no bucket; write {_WITH_BUCKET[kind]}"
        raise UsageError(message)
    if kind == "file":
        path = _absolute(parts)
        return Address(kind, f"file://{path}", "", path, "", {}, None)
    url = f"{_web_scheme(parts)}://{host}{parts.path}".rstrip("/") if kind in _WITH_USER else ""
    path = unquote(parts.path).strip("/")
    return Address(kind, shown, host, path, url, _options(kind, parts, shown), user)


def _host(parts: SplitResult) -> str:
    """Host and port; wrong ports are errors."""
    _ = parts.port
    return parts.netloc.rpartition("@")[2]


def _kind(uri: str, scheme: str) -> str:
    if kind := _KINDS.get(scheme):
        return kind
    known = ", ".join(f"{name}:" for name in _KINDS)
    if uri.startswith(("/", "~", ".")):
        message = f"the remote {uri} is a path; write file: and an absolute path"
        raise UsageError(message)
    near = difflib.get_close_matches(scheme, _KINDS, 1, 0.5)
    hint = f"; did you mean {near[0]}:" if near else ""
    shown = f"{scheme}:" if scheme else repr(uri)
    message = f"the remote begins with {shown}, known are {known[:-1]}:{hint}"
    raise UsageError(message)


def _absolute(parts: SplitResult) -> str:
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or not path.startswith("/"):
        message = f"the remote file:{parts.netloc}{path} is not absolute; write file:/absolute/path"
        raise UsageError(message)
    return path.rstrip("/") or "/"


def _web_scheme(parts: SplitResult) -> str:
    """Plain HTTP where it is asked for, or where nothing leaves this machine."""
    if parts.scheme == "webdav":
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        return "http" if local else "https"
    return parts.scheme.removeprefix("webdav+")


def _options(kind: str, parts: SplitResult, shown: str) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = _QUESTIONS.get(kind, ())
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}" if near else ""
            listed = ", ".join(known) or "none"
            message = f"the remote {shown} has the option {name!r}, known are {listed}{hint}"
            raise UsageError(message)
    return options


def _read_user(parts: SplitResult, env: Mapping[str, str]) -> tuple[str, str] | None:
    """Who asks: by the URI, by our variables, by netrc; the first that says so."""
    if parts.username is not None:
        return unquote(parts.username), unquote(parts.password or "")
    if name := env.get("NOXDEN_REMOTE_USERNAME", ""):
        return name, env.get("NOXDEN_REMOTE_PASSWORD", "")
    return _read_netrc(parts.hostname or "", env)


def _read_netrc(host: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    file = Path(env.get("NETRC") or Path(env.get("HOME", "/"), ".netrc"))
    try:
        found = netrc.netrc(str(file)).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return (found[0], found[2] or "") if found else None
