"""The index as a source: artifacts by the URLs that uv.lock has, with uv's credentials."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from noxden.den.wheels.patience import UnreachableError
from noxden.den.wheels.sources import AbsentError, SourceError, Stream
from noxden.lock.project import read_user_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from noxden.den.resolve import Workplace
    from noxden.lock.project import Project
    from noxden.lock.selection import Artifact

__all__ = [
    "Credentials",
    "IndexSource",
    "collect_credentials",
    "find_credentials",
    "normalize_url",
]

_GONE = {404, 410}
_BLOCK = 1 << 20
_PORTS = {"http": ":80", "https": ":443"}


class Credentials(NamedTuple):
    """A user of an index."""

    url: str
    """That of the index, as :func:`normalize_url` writes it."""
    username: str
    password: str

    @property
    def root(self) -> str:
        """What the URLs of the index' own files begin with: ``simple`` is beside them."""
        return re.sub(r"/\+?simple$", "", self.url)


class IndexSource:
    """Whatever uv.lock names by URL or path."""

    name = "index"

    def __init__(self, place: Workplace, *, connections: int = 8) -> None:
        """Prepare to download for ``place``; nothing is asked for yet."""
        from noxden.tools.http import make_session

        self._env = place.uv.env
        self._root = place.project.directory
        self._credentials = collect_credentials(place.project, place.env)
        self._session = make_session(place.env, connections=connections)
        self._aborts: list[Callable[[], None]] = []

    def open(self, artifact: Artifact, offset: int) -> Stream:
        """Begin to read ``artifact`` at ``offset``.

        Raises:
            AbsentError: the index does not have it any more.
            SourceError: the index does not answer, or refuses.
        """
        from noxden.tools.http import HttpError, open_download

        url, path = _find_location(artifact)
        if path:
            return _open_file(self._root / path, offset)
        if url.startswith("file:"):
            return _open_file(Path(unquote(urlsplit(url).path)), offset)
        plain, auth = _take_user(url)
        try:
            found = open_download(
                self._session, plain, offset, self._env, auth or self._find_user(artifact, plain)
            )
        except HttpError as error:
            answer = error.answer
            if answer.status in _GONE:
                raise AbsentError(answer.reason) from error
            kind = UnreachableError if answer.unreachable else SourceError
            raise kind(answer.reason, again=answer.again, after_s=answer.after_s) from error
        self._aborts.append(found.abort)
        return Stream(found.offset, found.size, _translate(found.blocks))

    def abort(self) -> None:
        """End all reads that wait for the index."""
        for abort in self._aborts:
            abort()

    def _find_user(self, artifact: Artifact, url: str) -> tuple[str, str] | None:
        found = find_credentials(self._credentials, str(artifact.entry.get("index", "")), url)
        return None if found is None else (found.username, found.password)


def find_credentials(
    credentials: Sequence[Credentials], index: str, url: str
) -> Credentials | None:
    """Whose credentials ``url`` gets, a file that the lock has from ``index``.

    Those of that index; else of the index whose root is the longest beginning of ``url``; else
    of the first on its host. Another host than the index' own gets none of them, whatever a
    lock says.
    """
    plain, index = normalize_url(url), normalize_url(index)
    near = [one for one in credentials if _find_origin(one.url) == _find_origin(plain)]
    exact = [one for one in near if one.url == index]
    around = [one for one in near if f"{plain}/".startswith(f"{one.root}/")]
    return next(iter(exact or sorted(around, key=lambda one: -len(one.root)) or near), None)


def normalize_url(url: str) -> str:
    """``url`` as it is compared: no user, host in small letters, no port that goes without saying.

    >>> normalize_url("HTTPS://me:secret@Packages.Example:443/simple/")
    'https://packages.example/simple'
    """
    parts = urlsplit(_take_user(url)[0])
    host = parts.netloc.lower().removesuffix(_PORTS.get(parts.scheme, ":"))
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def _find_origin(url: str) -> tuple[str, str]:
    """Scheme and host of a normalized URL."""
    return urlsplit(url)[:2]


def collect_credentials(project: Project, env: Mapping[str, str]) -> tuple[Credentials, ...]:
    """The users of the indexes that uv's settings name, by what uv's documentation says.

    A user stands in the URL of an index or in ``UV_INDEX_<NAME>_USERNAME`` and ``_PASSWORD``,
    where ``<NAME>`` is the name of the index in capitals, all else than letters and digits as
    ``_``. Which files they are for says :func:`find_credentials`. Users in netrc are found by
    requests.
    """
    found = []
    for name, url in _iterate_indexes(project, env):
        plain, user = _take_user(url)
        variable = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
        if name and (username := env.get(f"{variable}_USERNAME", "")):
            user = (username, env.get(f"{variable}_PASSWORD", ""))
        elif name and (password := env.get(f"{variable}_PASSWORD", "")):
            user = (user[0] if user else "", password)
        if user:
            found.append(Credentials(normalize_url(plain), *user))
    return tuple(found)


def _iterate_indexes(project: Project, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name, mostly empty, and URL of every index that is set up anywhere."""
    for variable in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        for word in env.get(variable, "").split():
            name, equals, url = word.partition("=")
            named = equals and "/" not in name
            yield (name, url) if named else ("", word)
    texts = [content for _, content in read_user_settings(env)]
    texts += [content for name, content in project.files if name.endswith("uv.toml")]
    tables = [_parse(text) for text in texts]
    for name, content in project.files:
        if name.endswith("pyproject.toml"):
            tables.append(_parse(content).get("tool", {}).get("uv", {}))
    for table in tables:
        indexes: Sequence[Any] = table.get("index", ())
        for index in indexes:
            if isinstance(index, dict) and "url" in index:
                yield str(index.get("name", "")), str(index["url"])
        for setting in ("index-url", "extra-index-url"):
            urls = table.get(setting, ())
            for url in [urls] if isinstance(urls, str) else urls:
                yield "", str(url)


def _parse(text: bytes) -> Mapping[str, Any]:
    """A TOML file; what is malformed counts as empty: uv has complained of it before."""
    try:
        return tomllib.loads(text.decode())
    except ValueError:
        return {}


def _take_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """``url`` without its user, and the user."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    username, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(username), unquote(password))


def _find_location(artifact: Artifact) -> tuple[str, str]:
    """URL and path of an artifact, one of them empty."""
    entry = artifact.entry
    source = entry.get("archive") or entry.get("sdist") or entry["wheels"][0]
    return str(source.get("url", "")), str(source.get("path", ""))


def _open_file(path: Path, offset: int) -> Stream:
    try:
        size = path.stat().st_size
        file = path.open("rb", buffering=0)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise AbsentError(message) from error

    def blocks() -> Iterator[bytes]:
        try:
            with file:
                file.seek(offset)
                while block := file.read(_BLOCK):
                    yield block
        except OSError as error:
            # Not an error of the den, which is what an OSError of a fetch means otherwise.
            message = f"{path}: {error.strerror}"
            raise SourceError(message) from error

    return Stream(offset, size, blocks())


def _translate(blocks: Iterator[bytes]) -> Iterator[bytes]:
    from noxden.tools.http import HttpError

    try:
        yield from blocks
    except HttpError as error:
        raise SourceError(str(error), again=error.answer.again) from error
