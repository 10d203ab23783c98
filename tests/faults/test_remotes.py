"""Remotes on their bad days: one line says so, the index helps, and nothing wrong is installed."""

from __future__ import annotations

import contextlib
import email.utils
import errno
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from opendal.exceptions import ConfigInvalid

from noxden.den.layout import open_den
from noxden.den.resolve import Resolution, Workplace, resolve
from noxden.den.supply import FROM_UV, Supply
from noxden.den.wheels import opendal_objects
from noxden.den.wheels.closures import parse_closure, render_closure
from noxden.den.wheels.fetch import fetch
from noxden.den.wheels.fill import fill_store
from noxden.den.wheels.index import IndexSource
from noxden.den.wheels.pace import Pace
from noxden.den.wheels.patience import StoppedError, insist
from noxden.den.wheels.push import prepare_push, push
from noxden.den.wheels.remote import RemoteError, closure_key, open_remote
from noxden.den.wheels.sources import SourceError
from noxden.den.wheels.store import find_artifact
from noxden.den.workplace import open_workplace
from noxden.errors import SafetyError
from noxden.lock.request import Request
from tests.sandbox import LIMIT_S, Sample, make_wheel, render_pyproject, serving
from tests.servers import Unruly, find_port, give, unruly, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    import opendal

    from noxden.den.wheels.fetch import Fetched, Progress
    from tests.servers import Answer

WHEEL = "small-1.0-py3-none-any.whl"
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "very-secret"}
FROM_INDEX = Supply(from_index=True)


class Case(NamedTuple):
    """A machine with an empty store, and what it is to have."""

    place: Workplace
    resolution: Resolution
    content: bytes

    @property
    def sha256(self) -> str:
        return self.resolution.artifacts[0].content

    @property
    def key(self) -> str:
        return f"wheels/{self.sha256[:2]}/{self.sha256}/{WHEEL}"

    def fill(self, uri: str, supply: Supply = FROM_INDEX, offline: str = "0") -> Fetched:
        """Fill the store with a remote; what is in it afterwards is right."""
        env = {**self.place.env, **KEYS, "NOXDEN_OFFLINE": offline}
        place = self.place._replace(remote=uri, env=env)
        fetched = fill_store(place, self.resolution, supply)
        path = find_artifact(place.den, self.resolution.artifacts[0])
        if supply.from_index:
            assert path is not None
        assert path is None or path.read_bytes() == self.content
        return fetched


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A project with one wheel on an index, resolved once for all tests."""
    folder = tmp_path_factory.mktemp("locked")
    with serving(folder / "index") as index:
        wheel = make_wheel(index.folder, "small", files={"small.py": "x = 1\n" * 50_000})
        env = {**os.environ, "NOXDEN_DIR": str(folder / "den"), "UV_HTTP_TIMEOUT": "1"}
        sample = Sample(folder / "project", env, folder)
        sample.write(
            "pyproject.toml", render_pyproject("sample", ["small"], {}, more=index.setting)
        )
        sample.lock()
        place = open_workplace(sample.path, env)
        yield Case(place, resolve(place, Request(), complete=True), wheel.read_bytes())


@pytest.fixture
def case(locked: Case, tmp_path: Path) -> Case:
    """A machine with an empty den."""
    env = {**locked.place.env, "NOXDEN_DIR": str(tmp_path / "new-den")}
    return locked._replace(place=locked.place._replace(den=open_den(env), env=env))


@pytest.fixture
def server(tmp_path: Path, case: Case) -> Iterator[Unruly]:
    """A server with the closure, as plain HTTP and as S3 with the bucket ``wheels``."""
    with unruly(tmp_path / "served") as made:
        for prefix in ("plain", "wheels/s3"):
            file = tmp_path / "served" / prefix / case.key
            file.parent.mkdir(parents=True)
            file.write_bytes(case.content)
        yield made


KINDS = ["http", "s3"]


def locate(kind: str, server: Unruly) -> str:
    return f"{server.url}/plain" if kind == "http" else f"s3://wheels/s3?endpoint={server.url}"


def named(kind: str, server: Unruly) -> str:
    return f"remote {server.url}/plain" if kind == "http" else "remote s3://wheels/s3"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What was asked to be waited for; nobody does."""
    asked: list[float | None] = []
    monkeypatch.setattr("noxden.den.wheels.fetch._Work._pause", lambda *said: asked.append(said[2]))
    monkeypatch.setattr("noxden.den.wheels.patience.pause", lambda *said: asked.append(said[2]))
    return asked


def hang(server: Unruly) -> Answer:
    def act(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.flush()
        server.ended.wait(LIMIT_S)

    return act


def silent(server: Unruly) -> Answer:
    def act(_: BaseHTTPRequestHandler, __: bytes) -> None:
        server.ended.wait(LIMIT_S)

    return act


def cut(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    begin = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    give(handler, content[begin : begin + 5], 206 if begin else 200, length=len(content) - begin)


def flip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    give(handler, content[:1000] + bytes([content[1000] ^ 4]) + content[1001:])


def answer(status: int, body: str = "", headers: Mapping[str, str] = {}) -> Answer:
    return lambda handler, _: give(handler, body.encode(), status, headers=headers)


def s3_error(status: int, code: str) -> Answer:
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said by the store</Message>"
        "<Resource>/</Resource><RequestId>1</RequestId></Error>"
    )
    return answer(status, body, {"Content-Type": "application/xml"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_that_is_as_it_should_be_costs_no_word(
    kind: str, case: Case, server: Unruly
) -> None:
    fetched = case.fill(locate(kind, server), FROM_UV)
    assert [one.source for one in fetched.transfers] == [named(kind, server)]
    assert (fetched.warnings, fetched.missing) == ((), ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (hang, "does not answer in time"),
        (silent, "does not answer in time"),
        (lambda _: cut, "the connection ended early"),
        (lambda _: answer(503, "sorry"), "answers 503"),
        (lambda _: answer(429), "asks for fewer requests (429)"),
        (
            lambda _: answer(403),
            "refuses access (403): see that the credentials are right and not expired",
        ),
    ],
    ids=["hangs", "silent", "cut", "503", "429", "403"],
)
def test_a_remote_that_fails_is_left_out_with_one_line(
    kind: str,
    make: Callable[[Unruly], Answer],
    reason: str,
    case: Case,
    server: Unruly,
    waits: list[float | None],
) -> None:
    server.answers[WHEEL] = make(server)
    if reason == "the connection ended early":
        # Each attempt gets a bit further, and nobody has patience for ever.
        server.answers[WHEEL] = lambda handler, content: give(handler, b"", length=len(content))
    fetched = case.fill(locate(kind, server))
    assert fetched.warnings == (f"{named(kind, server)} is left out: {reason}",)
    assert [one.source for one in fetched.transfers] == ["index"]
    assert len(waits) == (0 if "time" in reason or "403" in reason else 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["flipped", "shorter", "longer", "another"])
def test_a_remote_that_gives_wrong_content_is_named_and_the_index_helps(
    kind: str, how: str, case: Case, server: Unruly
) -> None:
    lies: dict[str, Answer] = {
        "flipped": flip,
        "shorter": lambda handler, content: give(handler, content[:-10]),
        "longer": lambda handler, content: give(handler, content + b"more"),
        "another": lambda handler, _: give(handler, b"something else"),
    }
    server.answers[WHEEL] = lies[how]
    fetched = case.fill(locate(kind, server))
    (line,) = fetched.warnings
    assert line.startswith(
        f"{named(kind, server)} gave wrong content (small 1.0: {WHEEL} is to have sha256 "
        f"{case.sha256}, found "
    )
    assert [one.source for one in fetched.transfers] == ["index"]


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_content_that_nobody_has_right_is_refused(
    kind: str, case: Case, server: Unruly
) -> None:
    server.answers[WHEEL] = flip
    with pytest.raises(SafetyError, match=f"is to have sha256 {case.sha256}, found .*find out who"):
        case.fill(locate(kind, server), FROM_UV)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_remote_does_not_have_costs_no_word(kind: str, case: Case, server: Unruly) -> None:
    server.answers[WHEEL] = answer(404) if kind == "http" else s3_error(404, "NoSuchKey")
    fetched = case.fill(locate(kind, server))
    assert fetched.warnings == ()
    assert [one.source for one in fetched.transfers] == ["index"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_that_wants_to_be_left_alone_is_for_as_long_as_it_says(
    kind: str, case: Case, server: Unruly, waits: list[float | None]
) -> None:
    def busy(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        give(
            handler,
            b"" if not waits else content,
            200 if waits else 429,
            headers={"Retry-After": "7"},
        )

    server.answers[WHEEL] = busy
    fetched = case.fill(locate(kind, server))
    assert waits == [7.0]
    assert (fetched.warnings, [one.source for one in fetched.transfers]) == (
        (),
        [named(kind, server)],
    )


def test_a_server_that_ignores_ranges_is_begun_with_anew(
    case: Case, server: Unruly, waits: list[float | None]
) -> None:
    def cut_once(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        short = not waits
        give(handler, content[:1000] if short else content, length=len(content) if short else None)

    server.answers[WHEEL] = cut_once
    fetched = case.fill(locate("http", server))
    assert [ranges for *_, ranges in server.seen] == ["", "bytes=1000-"]
    assert fetched.warnings == ()


def test_a_cut_download_from_s3_goes_on_where_it_ended(
    case: Case, server: Unruly, waits: list[float | None]
) -> None:
    def cut_once(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        if handler.headers.get("Range"):
            rest = content[1000:]
            give(
                handler,
                rest,
                206,
                headers={"Content-Range": f"bytes 1000-{len(content) - 1}/{len(content)}"},
            )
        else:
            give(handler, content[:1000], length=len(content))

    server.answers[WHEEL] = cut_once
    fetched = case.fill(locate("s3", server))
    assert [ranges for *_, ranges in server.seen] == ["", "bytes=1000-"]
    assert (fetched.warnings, len(waits)) == ((), 1)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (s3_error(400, "ExpiredToken"), "its credentials have expired: renew them"),
        (
            s3_error(403, "RequestTimeTooSkewed"),
            "the clock of this machine is wrong: set it",
        ),
        (
            s3_error(403, "InvalidAccessKeyId"),
            "does not know these credentials: set the variables of the provider",
        ),
        (
            s3_error(404, "NoSuchBucket"),
            "there is no such bucket: make it, or correct its name",
        ),
        (
            s3_error(301, "PermanentRedirect"),
            "the bucket is in another region: append ?region=NAME",
        ),
    ],
    ids=["expired", "skewed", "unknown", "no-bucket", "region"],
)
def test_what_s3_refuses_is_said_in_few_words(
    act: Answer, reason: str, case: Case, server: Unruly
) -> None:
    server.answers[WHEEL] = act
    fetched = case.fill(locate("s3", server))
    assert fetched.warnings == (f"remote s3://wheels/s3 is left out: {reason}",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_that_is_gone_costs_one_line(
    kind: str, case: Case, waits: list[float | None]
) -> None:
    url = f"http://127.0.0.1:{find_port()}"
    uri = f"{url}/plain" if kind == "http" else f"s3://wheels/s3?endpoint={url}"
    fetched = case.fill(uri)
    words = "refuses connections" if kind == "http" else "cannot be reached"
    assert fetched.warnings == (f"remote {uri.partition('?')[0]} is left out: {words}",)
    # That seldom mends itself in seconds.
    assert len(waits) == 1


def test_a_name_that_nobody_knows_is_asked_for_twice(
    case: Case, waits: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", refuse)
    uri = "webdav://wheels.invalid/x"
    (missing,) = case.fill(uri, FROM_UV, "1").missing
    assert missing.reason == f"remote {uri}: no such host"
    assert len(waits) == 1


def test_an_index_that_is_gone_is_asked_twice(case: Case, waits: list[float | None]) -> None:
    port = find_port()
    (one,) = case.resolution.artifacts
    (wheel,) = one.entry["wheels"]
    gone = {**wheel, "url": f"http://127.0.0.1:{port}/{WHEEL}"}
    moved = one._replace(entry={**one.entry, "wheels": [gone]})
    fetched = fetch(case.place.den, [moved], [IndexSource(case.place)])
    assert fetched.warnings == ("index is left out: 127.0.0.1: refuses connections",)
    assert len(waits) == 1


def test_what_is_fetched_again_counts_once(case: Case, server: Unruly) -> None:
    server.answers[WHEEL] = flip
    shown: list[Progress] = []
    case.fill(locate("http", server), FROM_INDEX._replace(show=shown.append))
    assert (shown[-1].moved, shown[-1].total) == (len(case.content), len(case.content))


def answer_head_of(uri: str, root: Path) -> str:
    """What reading from a remote in a folder says, and that nothing is made there."""
    before = sorted(root.iterdir())
    with pytest.raises(RemoteError) as caught:
        open_remote(uri, {}).has("closures/x.toml")
    assert sorted(root.iterdir()) == before
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_folder_that_is_not_there_costs_one_line(case: Case, tmp_path: Path) -> None:
    fetched = case.fill(f"file:{tmp_path}/typo")
    line = f"remote file://{tmp_path}/typo is left out: the folder is not there"
    assert fetched.warnings == (line,)
    assert [one.source for one in fetched.transfers] == ["index"]
    assert not (tmp_path / "typo").exists()


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    uri = f"file://{tmp_path}/file"
    assert answer_head_of(uri, tmp_path) == f"remote {uri}: it is not a folder"
    below = f"{uri}/below"
    assert answer_head_of(below, tmp_path) == f"remote {below}: the folder is not there"


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("file", "it is not a folder"),
        ("file/below", "{root}/file/below cannot be made: Not a directory"),
        (
            "not/there",
            "the folder above it is not there; if it is to be, run: mkdir -p {root}/not/there",
        ),
        ("closed", "{root}/closed/.uploads cannot be written: File exists"),
    ],
)
def test_a_folder_that_cannot_be_written_ends_a_push_with_the_reason(
    where: str, reason: str, case: Case, tmp_path: Path
) -> None:
    case.fill("")
    root = tmp_path / "root"
    (root / "closed").mkdir(parents=True)
    for name in ("file", "closed/.uploads"):
        (root / name).touch()
    remote = open_remote(f"file:{root}/{where}", {})
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, remote)
    assert str(caught.value) == f"remote file://{root}/{where}: {reason.format(root=root)}"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_is_mounted_read_only_ends_a_push_with_the_reason(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, made: bool
) -> None:
    case.fill("")
    root = tmp_path / "mounted"
    if made:
        (root / ".uploads").mkdir(parents=True)
    really = pathlib.Path.mkdir

    def mkdir(path: Path, *args: Any, **options: Any) -> None:
        if path.is_relative_to(root) and not path.exists():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        really(path, *args, **options)

    monkeypatch.setattr("pathlib.Path.mkdir", mkdir)
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, open_remote(f"file:{root}", {}))
    said = str(caught.value)
    if made:
        said = re.sub(r"[0-9a-f]{32}", "ID", said)
    place = f"{root}/.uploads/ID cannot be written" if made else f"{root} cannot be made"
    assert said == f"remote file://{root}: {place}: Read-only file system"


def test_a_push_makes_the_folder_and_says_so_once(case: Case, tmp_path: Path) -> None:
    remote = open_remote(f"file:{tmp_path}/remote", {})
    assert prepare_push(case.place, remote) == "made its folder"
    assert prepare_push(case.place, remote) == ""
    assert prepare_push(case.place, open_remote(f"file:{tmp_path}/remote", {})) == ""


@pytest.mark.parametrize(
    ("uri", "env", "reason"),
    [
        (
            "az://c/x?account=me",
            {"AZURE_STORAGE_KEY": "no base64!"},
            "AZURE_STORAGE_KEY is not in base64: correct it",
        ),
        (
            "s3://b/x",
            {"UV_HTTP_TIMEOUT": "-1"},
            "UV_HTTP_TIMEOUT is to be a number of seconds above 0",
        ),
    ],
)
def test_what_cannot_be_set_up_is_said_in_few_words(
    uri: str, env: Mapping[str, str], reason: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        open_remote(uri, env).has("x")
    assert str(caught.value) == f"remote {uri.partition('?')[0]}: {reason}"


@pytest.mark.parametrize("kind", ["file:{}", "s3://b/x", "gs://b/x", "az://c?account=me", "ghac:x"])
def test_no_scheme_lets_an_exception_of_opendal_through(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        said = "ConfigInvalid (permanent) at Builder::build => odd https://secret"
        raise ConfigInvalid(said)

    monkeypatch.setattr("opendal.Operator", refuse)
    env = {"ACTIONS_CACHE_URL": "http://h/", "ACTIONS_RUNTIME_TOKEN": "x"}
    remote = open_remote(kind.format(tmp_path), env)
    words = "cannot be set up: see its URI and the variables of the provider"
    for act in (lambda: remote.has("x"), lambda: remote.write_text("x", "")):
        with pytest.raises(RemoteError) as caught:
            act()
        assert str(caught.value) == f"{remote.name}: {words}"


def test_a_write_that_fails_leaves_nothing(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.fill("")
    uploads = tmp_path / "remote" / ".uploads"
    seen: list[int] = []
    send = opendal_objects._send

    def fill_up(file: opendal.file.File, block: bytes) -> None:
        send(file, block)
        seen.append(sum(1 for path in uploads.rglob("*") if path.is_file()))
        raise SourceError("its disk is full")  # noqa: EM101, TRY003 - what a source says

    monkeypatch.setattr(opendal_objects, "_CHUNK", 1000)
    monkeypatch.setattr(opendal_objects, "_send", fill_up)
    remote = open_remote(f"file:{tmp_path}/remote", {})
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, remote)
    assert str(caught.value) == f"remote file://{tmp_path}/remote: its disk is full"
    assert (seen, list(uploads.iterdir())) == ([1], [])


def test_only_what_is_old_goes_from_a_remote_in_a_folder(tmp_path: Path) -> None:
    uploads = tmp_path / ".uploads"
    for name in ("old/a.whl.x", "long/a.whl.x", "new/a.whl.x"):
        (uploads / name).parent.mkdir(parents=True)
        (uploads / name).touch()
    (uploads / "old.whl.x").touch()
    for name in ("old/a.whl.x", "old", "long", "old.whl.x"):
        os.utime(uploads / name, (0, 0))
    open_remote(f"file:{tmp_path}", {}).write_text("closures/x.toml", "")
    assert sorted(path.name for path in uploads.iterdir()) == ["long", "new"]


@pytest.mark.parametrize(("host", "sent"), [("localhost", False), ("127.0.0.1", False), ("", True)])
def test_a_user_is_not_sent_on_to_another_server(
    host: str, server: Unruly, tmp_path: Path, *, sent: bool
) -> None:
    seen: list[tuple[str, str]] = []

    def note(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        seen.append((handler.command, handler.headers.get("Authorization", "")))
        give(handler, content)

    with unruly(tmp_path / "other") as other:
        target = other.url.replace("127.0.0.1", host) if host else server.url
        for one in (other, server):
            one.answers["/kept"] = note
        (tmp_path / "other" / "kept").write_text("kept")
        (tmp_path / "served" / "kept").write_text("kept")

        def redirect(handler: BaseHTTPRequestHandler, _: bytes) -> None:
            assert handler.headers["Authorization"].startswith("Basic ")
            give(handler, b"", 302, headers={"Location": f"{target}/kept"})

        server.answers["/asked"] = redirect
        uri = f"webdav+{server.url}".replace("//", "//me:secret@")
        remote = open_remote(uri, {"NETRC": str(tmp_path / "none")})
        assert remote.read_text("asked") == "kept"
        assert remote.has("asked", 4)
    assert [(command, bool(user)) for command, user in seen] == [("GET", sent), ("HEAD", sent)]


def test_a_redirect_is_no_answer_to_who_writes(server: Unruly) -> None:
    server.puts = 302
    remote = open_remote(f"webdav+{server.url}/plain", {})
    with pytest.raises(RemoteError) as caught:
        remote.write_text("closures/x.toml", "text")
    assert str(caught.value) == (
        f"remote webdav+{server.url}/plain: answers 302, an address elsewhere: "
        "write that into the URI"
    )


def test_a_slow_remote_is_left_for_the_index(
    case: Case, server: Unruly, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for begin in range(0, len(content), 500):
            handler.wfile.write(content[begin : begin + 500])
            if server.ended.wait(0.05):
                return

    server.answers[WHEEL] = drip
    monkeypatch.setattr("noxden.den.wheels.remote.Pace", lambda: Pace(0.5, 50_000))
    fetched = case.fill(locate("s3", server))
    (line,) = fetched.warnings
    before, _, rate = line.partition(" gives ")
    assert before == "remote s3://wheels/s3 is left out:"
    assert rate.endswith(" kB/s, less than 50")
    assert [one.source for one in fetched.transfers] == ["index"]


@pytest.mark.usefixtures("waits")
def test_offline_a_dead_remote_is_why_something_is_missing(case: Case) -> None:
    uri = f"s3://wheels/s3?endpoint=http://127.0.0.1:{find_port()}"
    (missing,) = case.fill(uri, FROM_UV, "1").missing
    assert missing.reason == "remote s3://wheels/s3: cannot be reached"


def test_a_push_with_a_wrong_clock_is_told_the_time(case: Case, server: Unruly) -> None:
    case.fill("")
    hour_ahead = email.utils.formatdate(time.time() + 3600, usegmt=True)

    def refuse(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        # The answer to HEAD has no body that could tell.
        handler.date_time_string = lambda *_: hour_ahead  # type: ignore[method-assign]
        give(handler, b"", 403)

    server.answers[WHEEL] = refuse
    remote = open_remote(locate("s3", server), KEYS)
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, remote)
    assert str(caught.value) == (
        "remote s3://wheels/s3: refuses access (403): the clock of this machine is 60 min behind, "
        "set it"
    )


def test_a_push_waits_as_long_as_the_remote_says(
    case: Case, server: Unruly, waits: list[float | None]
) -> None:
    case.fill("")
    server.answers[WHEEL] = answer(429, headers={"Retry-After": "7"})
    with pytest.raises(RemoteError, match=r"asks for fewer requests \(429\)$"):
        push(case.place, case.resolution, open_remote(locate("s3", server), KEYS))
    assert waits == [7.0] * 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"/{WHEEL}", "/../../.bashrc"),
        (f"/{WHEEL}", "/.hidden"),
        (WHEEL, "other-1.0-py3-none-any.whl"),
        ('sha256 = "', 'sha256 = "../'),
        ("[[packages]]", "[[packages]"),
        ('name = "small"', 'name = "../x"'),
        ('name = "small"', 'name = "other"'),
    ],
)
def test_a_manifest_that_was_changed_is_refused(
    old: str, new: str, case: Case, tmp_path: Path
) -> None:
    closure_id, selection = case.resolution.closure_id, case.resolution.selection
    assert selection is not None
    text = render_closure(selection)
    assert old in text
    remote = open_remote(f"file:{tmp_path}/remote", {})
    remote.write_text(closure_key(closure_id), text.replace(old, new))
    found = remote.read_text(closure_key(closure_id))
    assert found is not None
    with pytest.raises(SafetyError, match=f"the manifest of closure {closure_id[:12]}"):
        parse_closure(found, closure_id)


def test_a_path_of_a_manifest_is_not_followed(case: Case) -> None:
    closure_id, selection = case.resolution.closure_id, case.resolution.selection
    assert selection is not None
    text = render_closure(selection).replace('path = "..', 'path = "/etc')
    assert parse_closure(text, closure_id).canonical == selection.canonical


def test_a_manifest_that_never_ends_is_not_read(case: Case, server: Unruly) -> None:
    key = closure_key(case.resolution.closure_id)

    def pour(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while not server.ended.is_set():
            handler.wfile.write(b"#" * 1_000_000)

    server.answers[key] = pour
    with pytest.raises(RemoteError, match=r": closures/\S+\.toml has more than 16 MiB$"):
        open_remote(locate("http", server), {}).read_text(key)


PUSHER = """
import os, sys
from pathlib import Path
from noxden.den.resolve import resolve
from noxden.den.wheels import opendal_objects
from noxden.den.wheels.push import push
from noxden.den.wheels.remote import open_remote
from noxden.den.workplace import open_workplace
from noxden.lock.request import Request

uri, barrier, dies = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "dies"
place = open_workplace(Path.cwd(), os.environ)
resolution = resolve(place, Request(), complete=True)
send = opendal_objects._send

def stalling(file, block):
    send(file, block)
    barrier.touch()
    import time
    time.sleep(600)

if dies:
    opendal_objects._CHUNK = 1000
    opendal_objects._send = stalling
pushed = push(place, resolution, open_remote(uri, os.environ))
print(pushed.files + pushed.there)
"""


def start_push(case: Case, script: Path, uri: str, mark: Path, how: str) -> subprocess.Popen[str]:
    script.write_text(PUSHER)
    root = case.place.project.directory
    args = [sys.executable, str(script), uri, str(mark), how]
    return subprocess.Popen(
        args, cwd=root, env={**case.place.env}, stdout=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_push_that_is_killed_leaves_nothing_that_is_seen_and_the_next_goes_on(
    sign: signal.Signals, case: Case, tmp_path: Path
) -> None:
    case.fill("")
    uri, mark = f"file:{tmp_path}/remote", tmp_path / "mark"
    process = start_push(case, tmp_path / "pusher.py", uri, mark, "dies")
    with ended(process):
        wait_for(mark.exists)
        process.send_signal(sign)
        process.wait(LIMIT_S)
    remote = open_remote(uri, {})
    assert not remote.has(case.key)
    assert remote.read_text(closure_key(case.resolution.closure_id)) is None
    (part,) = (tmp_path / "remote" / ".uploads").iterdir()
    (begun,) = part.iterdir()

    assert push(case.place, case.resolution, remote).files == 1
    other = case._replace(place=case.place._replace(den=open_den({"NOXDEN_DIR": f"{tmp_path}/o"})))
    assert other.fill(uri, FROM_UV).missing == ()

    # What was left goes once nobody can be writing it.
    assert part.exists()
    for path in (begun, part):
        os.utime(path, (0, 0))
    open_remote(uri, {}).write_text("closures/x.toml", "")
    assert not part.exists()


def test_two_pushes_at_once_both_succeed(case: Case, tmp_path: Path) -> None:
    case.fill("")
    uri, mark = f"file:{tmp_path}/remote", tmp_path / "mark"

    def one(number: int) -> str:
        script = tmp_path / f"pusher-{number}.py"
        process = start_push(case, script, uri, mark, "lives")
        with ended(process):
            return process.communicate(timeout=LIMIT_S)[0]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == ["1\n"] * 3
    remote = open_remote(uri, {})
    assert remote.read_text(closure_key(case.resolution.closure_id)) is not None
    other = case._replace(place=case.place._replace(den=open_den({"NOXDEN_DIR": f"{tmp_path}/o"})))
    assert other.fill(uri, FROM_UV).missing == ()


def test_ctrl_c_ends_a_push_that_waits(case: Case, server: Unruly, tmp_path: Path) -> None:
    case.fill("")
    server.answers[WHEEL] = answer(429, headers={"Retry-After": "50"})
    uri = locate("s3", server)
    env: Mapping[str, str] = {**case.place.env, **KEYS}
    asking = case._replace(place=case.place._replace(env=env))
    server.seen.clear()
    process = start_push(asking, tmp_path / "pusher.py", uri, tmp_path / "mark", "lives")
    with ended(process):
        wait_for(lambda: bool(server.seen))
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == -signal.SIGINT
        assert time.monotonic() - began < 20


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://wheels/s3?endpoint=http://127.0.0.1:{port}", "cannot be reached"),
        ("webdav://me:secret@127.0.0.1:{port}/x", "refuses connections"),
    ],
)
def test_a_push_to_a_remote_that_is_gone_says_so(uri: str, words: str, case: Case) -> None:
    case.fill("")
    remote = open_remote(uri.format(port=find_port()), KEYS)
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, remote)
    assert (str(caught.value), caught.value.exit_code) == (f"{remote.name}: {words}", 3)
    assert "secret" not in str(caught.value)


def test_a_full_remote_ends_a_push_with_the_reason(case: Case, server: Unruly) -> None:
    case.fill("")
    server.answers[WHEEL] = answer(404)
    server.puts = 507
    remote = open_remote(f"webdav+{server.url}/plain", {})
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, remote)
    assert str(caught.value) == f"remote webdav+{server.url}/plain: its disk is full (507)"
    assert [path for method, path, _ in server.seen if method == "MKCOL"] == [
        "/plain/",
        "/plain/wheels/",
        f"/plain/wheels/{case.sha256[:2]}/",
        f"/plain/wheels/{case.sha256[:2]}/{case.sha256}/",
    ]


def test_a_store_that_takes_nothing_ends_a_push_with_the_reason(case: Case, server: Unruly) -> None:
    case.fill("")
    server.answers[WHEEL] = answer(404)
    server.puts = 403
    with pytest.raises(RemoteError) as caught:
        push(case.place, case.resolution, open_remote(locate("s3", server), KEYS))
    assert str(caught.value) == (
        "remote s3://wheels/s3: refuses access (403): see that the credentials are right and not "
        "expired"
    )


def test_a_push_without_a_selection_is_a_mistake_of_the_caller(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the selection"):
        push(
            case.place,
            case.resolution._replace(selection=None),
            open_remote(f"file:{tmp_path}", {}),
        )


def test_a_transfer_that_is_being_ended_waits_for_nobody() -> None:
    stop = threading.Event()
    asked: list[int] = []

    def fail() -> None:
        asked.append(1)
        if len(asked) == 2:
            stop.set()
        raise SourceError("busy", again=True)  # noqa: EM101 - what a source says

    with pytest.raises(StoppedError):
        insist(fail, stop)
    assert len(asked) == 2
