"""The files of a project that decide what its sessions install."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError
from noxden.lock.workspace import find_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["BUILD_VARIABLES", "Project", "read_project", "read_user_pins", "read_user_settings"]

BUILD_VARIABLES = (
    "UV_CONFIG_SETTINGS",
    "UV_EXCLUDE_NEWER",
    "UV_GIT_LFS",
    "UV_NO_BINARY",
    "UV_NO_BINARY_PACKAGE",
    "UV_NO_BUILD_ISOLATION",
    "UV_NO_BUILD_ISOLATION_PACKAGE",
)
"""Variables that can change what uv builds, as uv's settings of the same names do."""

_BESIDE_MANIFEST = ("setup.py", "setup.cfg")
_PINS = (".python-version", ".python-versions", ".tool-versions", "mise.toml", ".mise.toml")
"""Files by which uv, or a shim on PATH that uv asks, chooses an interpreter."""


_PIN_VARIABLES = ("PYENV_VERSION", "ASDF_PYTHON_VERSION", "MISE_PYTHON_VERSION")


class Project(NamedTuple):
    """A uv project as it lies on disk: paths, and the bytes that decide its selections."""

    directory: Path
    """Where the nearest pyproject.toml is."""
    root: Path
    """Where uv.lock is: ``directory``, or the root of its workspace."""
    files: tuple[tuple[str, bytes], ...]
    """Path relative to ``root`` and content of each deciding file, uv.lock first."""

    digest: str
    """sha256 over names and contents of ``files``."""

    def read(self, name: str) -> bytes:
        """The content of the deciding file ``name``; empty when there is no such file."""
        return next((content for path, content in self.files if path == name), b"")


def read_project(start: Path) -> Project:
    """Find the project that ``start`` is in and read its deciding files.

    They are uv.lock, the pyproject.toml (and setup.py, setup.cfg) of the project, of each member
    of its workspace and of each package of the checkout that uv.lock names, what pins
    an interpreter, and uv's settings here and in the folders above.

    Raises:
        UsageError: there is no pyproject.toml at or above ``start``, or no uv.lock with it.
    """
    directory = _nearest(start, "pyproject.toml")
    if directory is None:
        message = f"no pyproject.toml in {start} or above; noxden needs a uv project: run uv init"
        raise UsageError(message)
    root, members = find_workspace(directory)
    try:
        lock = (root / "uv.lock").read_bytes()
        names = [*_deciding_names({*members, *_local_sources(lock)}, directory, root)]
        deciding = [*_read_each(root, names), *_read_above(root)]
    except FileNotFoundError as error:
        message = f"{root} has no uv.lock; run: uv lock"
        raise UsageError(message) from error
    except OSError as error:
        message = f"cannot read {error.filename}: {error.strerror}; check its permissions"
        raise UsageError(message) from error
    files = (("uv.lock", lock), *deciding)
    return Project(directory, root, files, _digest(files))


def read_user_settings(env: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    """Path and content of the uv.toml files of this user and machine that uv would read."""
    if env.get("UV_NO_CONFIG"):
        return ()
    if named := env.get("UV_CONFIG_FILE"):
        candidates = [Path(named)]
    else:
        system = env.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        shared = [Path(folder, "uv", "uv.toml") for folder in system.split(":") if folder]
        candidates = [_user_folder(env) / "uv.toml", *shared, Path("/etc/uv/uv.toml")]
    return tuple((str(path), path.read_bytes()) for path in candidates if path.is_file())


def read_user_pins(env: Mapping[str, str]) -> tuple[str, ...]:
    """What this user's pins say: of uv, and of the managers whose shims uv may find on PATH."""
    home = Path(env.get("HOME", "/"))
    pins = [
        *(_user_folder(env) / name for name in (".python-version", ".python-versions")),
        Path(env.get("PYENV_ROOT") or home / ".pyenv", "version"),
        home / ".tool-versions",
    ]
    said = [path.read_text("utf-8", "replace") for path in pins if path.is_file()]
    return (*said, *(env[name] for name in _PIN_VARIABLES if env.get(name)))


def _user_folder(env: Mapping[str, str]) -> Path:
    return Path(env.get("XDG_CONFIG_HOME") or f"{env.get('HOME', '/')}/.config", "uv")


def _local_sources(lock: bytes) -> Iterator[str]:
    """Paths of the packages of this checkout, from uv.lock, which only uv writes.

    Searching for strings is twenty times as quick as a regular expression on a lock of a
    megabyte, which every run reads.
    """
    for kind in (b"editable", b"virtual", b"directory"):
        sign = b"\nsource = { " + kind + b' = "'
        at = lock.find(sign)
        while at >= 0:
            start = at + len(sign)
            yield lock[start : lock.index(b'"', start)].decode()
            at = lock.find(sign, start)


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    total = hashlib.sha256()
    for name, content in files:
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def _nearest(start: Path, name: str) -> Path | None:
    """The folder nearest to ``start``, upwards, that holds a file ``name``."""
    return next((at for at in (start, *start.parents) if (at / name).is_file()), None)


def _deciding_names(members: set[str], directory: Path, root: Path) -> Iterator[str]:
    """Candidate files, relative to ``root``; not all of them need to exist."""
    here = directory.relative_to(root).as_posix()
    for member in sorted({".", here, *members}):
        for name in ("pyproject.toml", *_BESIDE_MANIFEST):
            yield name if member == "." else f"{member}/{name}"
    yield "uv.toml"
    for base in sorted({".", here}):
        for name in _PINS:
            yield name if base == "." else f"{base}/{name}"


def _read_each(root: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        try:
            yield name, (root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue


def _read_above(root: Path) -> Iterator[tuple[str, bytes]]:
    """Pins and uv's settings in the folders above, which uv uses where nearer ones say nothing."""
    up = ""
    for _ in root.parents:
        up += "../"
        names = [up + name for name in ("uv.toml", "pyproject.toml", *_PINS)]
        for name, content in _read_each(root, names):
            if not name.endswith("pyproject.toml") or b"tool.uv" in content:
                yield name, content
