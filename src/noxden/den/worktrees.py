"""Worktree environments: thin venvs that stand on a base and hold only the project."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden._switches import is_on
from noxden.den.bases import read_document, site_packages
from noxden.tools.complaints import explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from noxden.den.resolve import Resolution, Workplace
    from noxden.lock.request import Request

__all__ = ["RECORD", "WorktreeEnvironment", "read_record", "refresh_words"]

RECORD = "noxden.json"
"""Name of the record in a worktree environment; written last, so without it there is none."""

_FORMAT = 3
_LINKED = ("share", "etc", "include")
_PTH = "00_noxden_base.pth"


class WorktreeEnvironment(NamedTuple):
    """The environment of one session in one checkout: where it is and what it stands on."""

    location: Path
    base: Path
    key: str
    label: str
    """Short name of its Python, ``3.12``."""
    python: str
    """Path and version of the interpreter it is made from."""
    fingerprint: str
    """Digest of what the installs of the checkout's packages depend on."""
    layered: bool = True
    """Whether it stands on the base; otherwise it is a plain venv with everything in it."""

    @classmethod
    def plan(
        cls, location: Path, base: Path, resolution: Resolution, fingerprint: str, *, layered: bool
    ) -> WorktreeEnvironment:
        """The environment that ``location`` is to be for ``resolution``."""
        interpreter = resolution.interpreter
        python = f"{interpreter.executable} {interpreter.version}"
        label = interpreter.label
        return cls(location, base, resolution.key, label, python, fingerprint, layered)

    @property
    def constraints(self) -> Path:
        """Pins of what the base holds, for what a session installs beside it."""
        return self.location / "constraints.txt"

    @property
    def site(self) -> Path:
        """Its own site-packages."""
        return site_packages(self.location, self.label)

    def is_current(self, *, allow_extra: bool) -> bool:
        """Whether it is there and is what a fresh build would give.

        With ``allow_extra`` packages that a session installed beside may stay (nox -r).
        """
        record = read_record(self.location)
        if record.get("environment") != self.identity:
            return False
        if not os.path.exists(self.location / "bin" / "python"):  # noqa: PTH110 - warm path
            return False
        if self.layered and not self._stands():
            return False
        if not {*record.get("commands", ())} <= {*_entries(self.location / "bin")}:
            return False
        here, made = set(_entries(self.site)), set(record.get("entries", ()))
        return here >= made if allow_extra else here == made

    def _stands(self) -> bool:
        """Whether its path file is whole: after a power loss it can be empty."""
        try:
            with open(self.site / _PTH, encoding="utf-8") as file:  # noqa: PTH123 - warm path
                return file.read() == _render_pth(site_packages(self.base, self.label))
        except (OSError, ValueError):
            return False

    def build(
        self,
        place: Workplace,
        request: Request,
        resolution: Resolution,
        *,
        isolation: Sequence[str] = (),
        by_sync: bool = True,
    ) -> None:
        """Build it from scratch in place; its record, written last, makes it count.

        ``isolation`` are the uv options by which the project switches build isolation off: such
        a project is compiled against the base. Without ``by_sync`` the packages are installed
        from where ``resolution`` says, not from where uv.lock does.
        """
        (self.location / RECORD).unlink(missing_ok=True)
        self.location.parent.mkdir(parents=True, exist_ok=True)
        if resolution.local and by_sync and not isolation:
            self._sync_local(place, request, resolution)
            scripts = self._stand_on_base()
        else:
            self._make_venv(place, resolution)
            scripts = self._stand_on_base()
            self._install_local(place, resolution, isolation)
        self.write_record(scripts)

    def can_move(self, record: Mapping[str, Any]) -> bool:
        """Whether only the base differs from what ``record`` says, so that it can be moved.

        Packages that a session installed beside stand in the way: they were installed for
        another base.
        """
        old = record.get("environment")
        if not self.layered or not isinstance(old, dict) or not old.get("base"):
            return False
        same = {**old, "key": self.key, "base": str(self.base)} == self.identity
        return same and _entries(self.site) == record.get("entries")

    def move(self, record: Mapping[str, Any]) -> None:
        """Put it, as it is, on another base than that of ``record``: no program is started."""
        (self.location / RECORD).unlink()
        for name in record.get("scripts", ()):
            (self.location / "bin" / name).unlink(missing_ok=True)
        for folder in _LINKED:
            _unlink_tree(self.location / folder, record["environment"]["base"])
        self.write_record(self._stand_on_base())

    def write_record(self, scripts: Sequence[str] = ()) -> None:
        """Say that the environment is complete, what it is, and which scripts are the base's."""
        record = {
            "environment": self.identity,
            "entries": _entries(self.site),
            "commands": _entries(self.location / "bin"),
            "scripts": scripts,
        }
        sibling = self.location / f".{RECORD}.{os.getpid()}"
        sibling.write_text(json.dumps(record), "utf-8")
        sibling.replace(self.location / RECORD)

    def _sync_local(self, place: Workplace, request: Request, resolution: Resolution) -> None:
        """Make the venv with the packages of the checkout in it, by one call of uv.

        A call for the venv and one for the packages take 90 ms more: the second starts the
        Python of the venv to learn what it is.
        """
        shutil.rmtree(self.location, ignore_errors=True)
        selected = read_document(self.base).get("selection", ())
        left_out = [word for package in selected for word in _leave_out(package["name"])]
        with (
            _holding_tools(place, resolution) as tools,
            explained(f"install the project into {self.location}"),
        ):
            place.uv(
                "sync", "--quiet", "--frozen", "--python", resolution.interpreter.executable,
                *request.selectors, *refresh_words(resolution), *left_out,
                cwd=place.project.directory,
                extra_env={"UV_PROJECT_ENVIRONMENT": str(self.location), **tools},
            )  # fmt: skip

    def _make_venv(self, place: Workplace, resolution: Resolution) -> None:
        with explained(f"make {self.location}"):
            place.uv(
                "venv", "--quiet", "--clear", "--force", "--no-project", "--prompt",
                self.location.name, "--python", resolution.interpreter.executable, self.location,
                cwd=place.project.root,
            )  # fmt: skip

    def _install_local(
        self, place: Workplace, resolution: Resolution, isolation: Sequence[str]
    ) -> None:
        if install := _install_words(resolution):
            with (
                _holding_tools(place, resolution) as tools,
                explained(f"install the project into {self.location}"),
            ):
                place.uv(
                    "pip", "install", "--quiet", "--no-deps", *isolation, "--no-require-hashes",
                    "--python-version", resolution.interpreter.version,
                    "--python", self.location / "bin" / "python",
                    *refresh_words(resolution), *install, cwd=place.project.root,
                    extra_env=tools,
                )  # fmt: skip

    def _stand_on_base(self) -> list[str]:
        """Make the base's packages, commands and data visible; the names of the commands."""
        base_site = site_packages(self.base, self.label)
        (self.site / _PTH).write_text(_render_pth(base_site), "utf-8")
        self.constraints.write_text(_render_constraints(read_document(self.base)), "utf-8")
        for folder in _LINKED:
            if (self.base / folder).is_dir():
                _link_tree(self.base / folder, self.location / folder)
        return _copy_scripts(self.base / "bin", self.location / "bin")

    @property
    def identity(self) -> dict[str, object]:
        """What its record says it is; a record that says anything else is out of date."""
        return {
            "format": _FORMAT,
            "location": str(self.location),
            "base": str(self.base),
            "key": self.key,
            "python": self.python,
            "fingerprint": self.fingerprint,
            "layered": self.layered,
        }


def read_record(location: Path) -> Mapping[str, Any]:
    """The record of the worktree environment at ``location``; empty where there is none."""
    try:
        found = json.loads((location / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _entries(site: Path) -> list[str]:
    """Names in site-packages, bytecode left out."""
    try:
        return sorted(name for name in os.listdir(site) if name != "__pycache__")  # noqa: PTH208
    except OSError:
        return []


def _render_pth(base_site: Path) -> str:
    """The path file that puts the base behind the worktree.

    Type checkers read only plain lines; nested path files work only through addsitedir.
    """
    return f"{base_site}\nimport site; site.addsitedir({str(base_site)!r})\n"


def _render_constraints(document: Mapping[str, Any]) -> str:
    """A line for each package that an index can have; local versions (``2.9+cpu``) it has not."""
    pins = (
        f"{package['name']}=={package['version']}\n"
        for package in document.get("selection", ())
        if "sha256" in package and package["version"] and "+" not in package["version"]
    )
    return "".join(pins)


def refresh_words(resolution: Resolution) -> list[str]:
    """Make uv build anew what is not editable: its cache looks at pyproject.toml only."""
    return [
        word
        for name, _, editable, _ in resolution.local
        if not editable
        for word in ("--reinstall-package", name)
    ]


@contextlib.contextmanager
def _holding_tools(place: Workplace, resolution: Resolution) -> Iterator[dict[str, str]]:
    """Variables by which uv finds offline what builds the packages of the checkout."""
    if not is_on(place.env, "NOXDEN_OFFLINE"):
        yield {}
        return
    from noxden.den.wheels.backends import holding_tools

    with holding_tools(place, resolution) as variables:
        yield variables


def _leave_out(name: str) -> tuple[str, str]:
    return "--no-install-package", name


def _install_words(resolution: Resolution) -> list[str]:
    """The packages of the checkout: uv takes a bare folder name for a package of the index."""
    words: list[str] = []
    for _, path, editable, _ in resolution.local:
        words += ["--editable"] * editable
        words.append(path if path.startswith(("/", ".")) else f"./{path}")
    return words


def _copy_scripts(base: Path, target: Path) -> list[str]:
    """Give the worktree the base's commands, and tell their names.

    A script of a relocatable environment runs the Python beside it, so a copy runs ours;
    binaries are linked. What every environment has (python, activate) is there already.
    """
    names = []
    for entry in os.scandir(base):
        goal = target / entry.name
        if os.path.lexists(goal):
            continue
        names.append(entry.name)
        if entry.is_file() and _is_script(entry.path):
            shutil.copy(entry.path, goal)
        else:
            goal.symlink_to(entry.path)
    return names


def _is_script(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(2) == b"#!"


def _link_tree(source: Path, target: Path) -> None:
    """Make ``target`` show what ``source`` holds; what is in ``target`` already stays.

    Folders are real: through a linked one, a package that a session installs (a Jupyter
    kernel, a manual page) would be written into the base.
    """
    target.mkdir(exist_ok=True)
    for entry in os.scandir(source):
        goal = target / entry.name
        if entry.is_dir() and not entry.is_symlink():
            _link_tree(Path(entry.path), goal)
        elif not goal.exists():
            goal.symlink_to(entry.path)


def _unlink_tree(folder: Path, base: str) -> None:
    """Remove the links below ``folder`` that lead into ``base``."""
    for at, _, files in os.walk(folder):
        for name in files:
            path = Path(at, name)
            if path.is_symlink() and path.readlink().is_relative_to(base):
                path.unlink()
