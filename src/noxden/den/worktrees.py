"""Worktree environments: thin venvs that stand on a base and hold only the project."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.bases import site_packages
from noxden.tools.complaints import explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxden.den.resolve import Resolution, Workplace

__all__ = ["RECORD", "WorktreeEnvironment", "read_record", "refresh_words"]

RECORD = "noxden.json"
"""Name of the record in a worktree environment; written last, so without it there is none."""

_FORMAT = 1
_PTH = "00_noxden_base.pth"


class WorktreeEnvironment(NamedTuple):
    """The environment of one session in one checkout: where it is and what it stands on."""

    location: Path
    base: Path
    key: str
    label: str
    """Short name of its Python, ``3.12``."""
    fingerprint: str
    """Digest of what the installs of the checkout's packages depend on."""
    layered: bool = True
    """Whether it stands on the base; otherwise it is a plain venv with everything in it."""

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
        here, made = set(_entries(self.site)), set(record.get("entries", ()))
        return here >= made if allow_extra else here == made

    def build(self, place: Workplace, resolution: Resolution, isolation: Sequence[str]) -> None:
        """Build it from scratch in place; its record, written last, makes it count.

        ``isolation`` are the uv options by which the project switches build isolation off.
        """
        at = place.project.root
        (self.location / RECORD).unlink(missing_ok=True)
        self.location.parent.mkdir(parents=True, exist_ok=True)
        with explained(f"make {self.location}"):
            place.uv(
                "venv", "--quiet", "--clear", "--force", "--no-project", "--prompt",
                self.location.name, "--python", resolution.interpreter.executable, self.location,
                cwd=at,
            )  # fmt: skip
        base_site = site_packages(self.base, self.label)
        (self.site / _PTH).write_text(_render_pth(base_site), "utf-8")
        _copy_scripts(self.base / "bin", self.location / "bin")
        if install := _install_words(resolution):
            with explained(f"install the project into {self.location}"):
                place.uv(
                    "pip", "install", "--quiet", "--no-deps", *isolation,
                    "--python", self.location / "bin" / "python",
                    *refresh_words(resolution), *install, cwd=at,
                )  # fmt: skip
        for folder in ("share", "etc", "include"):
            if (self.base / folder).is_dir():
                _link_tree(self.base / folder, self.location / folder)
        self.write_record()

    def write_record(self) -> None:
        """Say that the environment is complete, and what it is."""
        record = {"environment": self.identity, "entries": _entries(self.site)}
        (self.location / RECORD).write_text(json.dumps(record), "utf-8")

    @property
    def identity(self) -> dict[str, object]:
        """What its record says it is; a record that says anything else is out of date."""
        return {
            "format": _FORMAT,
            "location": str(self.location),
            "base": str(self.base),
            "key": self.key,
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


def refresh_words(resolution: Resolution) -> list[str]:
    """Make uv build anew what is not editable: its cache looks at pyproject.toml only."""
    return [
        word
        for name, _, editable in resolution.local
        if not editable
        for word in ("--reinstall-package", name)
    ]


def _install_words(resolution: Resolution) -> list[str]:
    """The packages of the checkout: uv takes a bare folder name for a package of the index."""
    words: list[str] = []
    for _, path, editable in resolution.local:
        words += ["--editable"] * editable
        words.append(path if path.startswith(("/", ".")) else f"./{path}")
    return words


def _copy_scripts(base: Path, target: Path) -> None:
    """Give the worktree the base's commands.

    A script of a relocatable environment runs the Python beside it, so a copy runs ours;
    binaries are linked. What every environment has (python, activate) is there already.
    """
    for entry in os.scandir(base):
        goal = target / entry.name
        if os.path.lexists(goal):
            continue
        if entry.is_file() and _is_script(entry.path):
            shutil.copy(entry.path, goal)
        else:
            goal.symlink_to(entry.path)


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
