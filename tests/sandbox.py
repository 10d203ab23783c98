"""What the tests stand on: clean environments, sample projects, runs of the real nox, hand-made wheels."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import textwrap
import threading
import zipfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from noxden.tools.uv import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LIMIT_S = 180
"""No command of a test takes longer."""

_DROPPED = ("NOX", "PYTEST_", "VIRTUAL_ENV", "CONDA_", "UV_", "XDG_", "PYTHON")
_KEPT = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
_SINGLE = {
    "CI", "FORCE_COLOR", "FORGEJO_ACTIONS", "GITEA_ACTIONS", "GITHUB_ACTIONS", "GITLAB_CI",
    "JENKINS_URL", "UV",
}  # fmt: skip


def clean_environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """``given`` without what a shell, nox, pytest or CI adds, and with a default den that cannot be opened.

    ``home`` holds the caches and settings of the programs that tests start, and the locks of
    cards. The default den would be ``home/cache/noxden``, which is a file.
    """
    kept = {
        name: value
        for name, value in given.items()
        if name.startswith(_KEPT) or not (name.startswith(_DROPPED) or name in _SINGLE)
    }
    cache_home = home / "cache"
    cache_home.mkdir(parents=True, exist_ok=True)
    for name in ("noxden", "noxden-untrusted"):
        (cache_home / name).write_text("The default den is not for tests: set NOXDEN_DIR.\n")
    # Shims of version managers start another program, by working directory: never the same twice.
    folders = [
        part for part in given.get("PATH", "").split(os.pathsep) if Path(part).name != "shims"
    ]
    own = str(Path(sys.executable).parent)
    managed = (
        given.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python"
    )
    return kept | {
        # Cards of this host are no concern of tests.
        "NOXDEN_CARD_LOCKS": str(home / "card-locks"),
        "PATH": os.pathsep.join([own, *(part for part in folders if part != own)]),
        "NO_COLOR": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON_INSTALL_DIR": str(managed),
        "XDG_CACHE_HOME": str(cache_home),
        "XDG_CONFIG_HOME": str(home / "config"),
    }


@cache
def installed_pythons() -> tuple[str, ...]:
    """Minor versions of the CPythons (3.11 or newer) that uv finds on this machine."""
    env = clean_environment(os.environ, Path(os.environ["XDG_CACHE_HOME"]).parent)
    import json

    said = subprocess.run(
        [find_uv(env), "python", "list", "--only-installed", "--output-format", "json"],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {
        (parts["major"], parts["minor"])
        for entry in json.loads(said.stdout)
        if entry["implementation"] == "cpython" and entry["variant"] == "default"
        for parts in [entry["version_parts"]]
    }
    return tuple(f"{major}.{minor}" for major, minor in sorted(found) if (major, minor) >= (3, 11))


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.stdout + self.stderr

    @property
    def lines(self) -> list[str]:
        """What the sessions' own commands printed."""
        return self.stdout.splitlines()


def run(
    args: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], check: bool = True
) -> Ran:
    """Run a command to its end; with ``check`` it has to end well."""
    ended = subprocess.run(
        [str(arg) for arg in args], cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False,
    )  # fmt: skip
    ran = Ran(ended.returncode, ended.stdout, ended.stderr)
    assert not check or ran.code == 0, f"{args} ended with {ran.code}\n{ran.text}"
    return ran


@dataclass
class Sample:
    """A uv project that a test made."""

    path: Path
    env: Mapping[str, str]
    locks: Path
    """Where locks are remembered by what they were made of: locking costs 0.3 s."""

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project, dedented."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return file

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace ``old``, which has to be there, in a file of the project."""
        text = (self.path / name).read_text("utf-8")
        assert old in text, f"{old!r} is not in {text!r}"
        (self.path / name).write_text(text.replace(old, new), "utf-8")

    def uv(self, *args: str | Path, check: bool = True) -> Ran:
        """Run uv in the project."""
        return run([find_uv(self.env), *args], cwd=self.path, env=self.env, check=check)

    def lock(self) -> None:
        """Run ``uv lock``, or copy what it gave for the same files."""
        total = hashlib.sha256()
        for file in sorted(self.path.rglob("*.toml")):
            total.update(str(file.relative_to(self.path)).encode() + file.read_bytes())
        known = self.locks / f"{total.hexdigest()}.lock"
        lock = self.path / "uv.lock"
        if known.exists() and not lock.exists():
            shutil.copy(known, lock)
            return
        fresh = not lock.exists()
        self.uv("lock", "--quiet")
        if fresh and "127.0.0.1" not in lock.read_text("utf-8"):
            part = self.locks / f".{os.getpid()}"
            shutil.copy(lock, part)
            part.rename(known)


def render_pyproject(
    name: str,
    dependencies: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    package: bool = False,
    python: str = ">=3.11",
    more: str = "",
) -> str:
    """A pyproject.toml; ``more`` is appended, dedented."""
    lines = [
        "[project]",
        f'name = "{name}"',
        'version = "1.0"',
        f'requires-python = "{python}"',
        f"dependencies = {list(dependencies)!r}",
        "",
        "[dependency-groups]",
        *(f"{group} = {list(names)!r}" for group, names in groups.items()),
    ]
    if package:
        lines += ["", "[build-system]", 'requires = ["uv_build"]', 'build-backend = "uv_build"']
    return "\n".join(lines) + "\n\n" + textwrap.dedent(more)


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str] = {},
    *,
    requires: Sequence[str] = (),
    entry_points: str = "",
    metadata_version: str | None = None,
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel that holds ``files``; names as in a wheel: ``x-1.0.data/data/share/y``."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    content = {path: textwrap.dedent(text) for path, text in files.items()}
    content[f"{info}/METADATA"] = "".join(
        [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {metadata_version or version}\n",
            *(f"Requires-Dist: {requirement}\n" for requirement in requires),
        ]
    )
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if entry_points:
        content[f"{info}/entry_points.txt"] = textwrap.dedent(entry_points)
    record = []
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            # A fixed date: the same wheel has the same hash in every test.
            member = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            member.external_attr = 0o755 << 16 if "/scripts/" in path else 0o644 << 16
            archive.writestr(member, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
            record.append(f"{path},sha256={digest.decode()},{len(text.encode())}\n")
        member = zipfile.ZipInfo(f"{info}/RECORD", (2020, 1, 1, 0, 0, 0))
        archive.writestr(member, "".join([*record, f"{info}/RECORD,,\n"]))
    return wheel


@dataclass
class Index:
    """A package index on this machine (PEP 503) with the wheels in ``folder``."""

    folder: Path
    url: str
    seen: list[str] = field(default_factory=list)
    """Paths that were asked for."""
    ranges: list[str] = field(default_factory=list)
    """The ``Range`` headers that came, in their order."""
    user: str = ""
    """``name:password`` that files want; empty for an open index."""
    answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], bool]] = field(
        default_factory=dict
    )
    """By file name, what answers in place of the index; ``False`` leaves it to the index."""

    @property
    def files(self) -> list[str]:
        """Names of the files that were asked for."""
        return [path.removeprefix("/files/") for path in self.seen if path.startswith("/files/")]

    @property
    def setting(self) -> str:
        """What a pyproject.toml says to take packages from here before PyPI."""
        return f'[[tool.uv.index]]\nname = "local"\nurl = "{self.url}/simple"\n'

    def page(self, name: str) -> str:
        """The page of one project; empty when it has no file."""
        links = []
        for file in sorted(self.folder.iterdir()):
            if file.name.split("-")[0].replace("_", "-").lower() == name:
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                links.append(f'<a href="/files/{file.name}#sha256={digest}">{file.name}</a>')
        return "<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>" if links else ""


def _make_handler(index: Index) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_HEAD(with_body=True)

        def do_HEAD(self, *, with_body: bool = False) -> None:
            index.seen.append(self.path)
            kind, _, name = self.path.strip("/").partition("/")
            file = index.folder / name
            if kind == "files" and _deny(index, self):
                return
            if with_body and name in index.answers and index.answers[name](self):
                return
            body = index.page(name).encode() if kind == "simple" else _read(file)
            status, size = 200 if body else 404, len(body)
            if wanted := self.headers.get("Range"):
                index.ranges.append(wanted)
                begin = int(wanted.removeprefix("bytes=").partition("-")[0])
                body, status = body[begin:], 206
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
            self.send_header("Content-Type", "text/html" if kind == "simple" else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _deny(index: Index, handler: http.server.BaseHTTPRequestHandler) -> bool:
    """Whether somebody is refused who is not the index's user."""
    said = handler.headers.get("Authorization", "").removeprefix("Basic ")
    if not index.user or base64.b64decode(said).decode() == index.user:
        return False
    handler.send_response(401)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return True


def _read(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


@contextlib.contextmanager
def serving(folder: Path, certificate: Path | None = None) -> Iterator[Index]:
    """An index over ``folder`` while the block runs, by HTTPS where there is a certificate."""
    index = Index(folder, "")
    folder.mkdir(parents=True, exist_ok=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(index)) as server:
        scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        index.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()
