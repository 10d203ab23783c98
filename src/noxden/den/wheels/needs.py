"""Needs: which project's session stands on which closure, the roots of the wheel store.

``closures/needs/`` holds a file for each session of each project, which names the closure that
it was last made of. A need is live while the project's uv.lock exists; a closure is live while a
live need names it. A file is replaced by a rename, so whoever reads it sees the old closure or
the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.owners import sibling_name
from noxden.lock.selection import canonical_json

if TYPE_CHECKING:
    from noxden.den.layout import Den

__all__ = ["Need", "collect_needs", "note_need"]


class Need(NamedTuple):
    """What one session of one project was last made of."""

    file: Path
    """Where the den says so."""
    closure: str
    """Closure id; empty where the file cannot be read."""
    live: bool
    """Whether the project is still there."""
    project: str = ""
    """Path of the folder of its uv.lock."""
    need: str = ""
    """Name of the session with its Python."""


def note_need(den: Den, project: Path, need: str, closure_id: str) -> None:
    """Say that ``need``, a session of the project at ``project``, stands on ``closure_id`` now.

    What it stood on before is given up by that. The closure counts as used at this moment.

    Raises:
        OSError: the den cannot be written.
    """
    with contextlib.suppress(OSError):
        os.utime(den.closures / f"{closure_id}.toml")
    folder = den.closures / "needs"
    path = folder / f"{_name(project, need)}.json"
    content = canonical_json({"project": str(project), "need": need, "closure": closure_id})
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return
    folder.mkdir(parents=True, exist_ok=True)
    sibling = folder / sibling_name()
    with sibling.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sibling.replace(path)


def collect_needs(den: Den) -> list[Need]:
    """The needs that the den knows of, live and dead, sorted by file."""
    return [_read(file) for file in sorted((den.closures / "needs").glob("[!.]*.json"))]


def _name(project: Path, need: str) -> str:
    return hashlib.sha256(f"{project}\0{need}".encode()).hexdigest()[:32]


def _read(file: Path) -> Need:
    try:
        content = json.loads(file.read_bytes())
        project = Path(content["project"])
        live, need = _is_there(project), str(content["need"])
        return Need(file, str(content["closure"]), live, str(project), need)
    except (OSError, ValueError, LookupError, TypeError):
        return Need(file, "", live=False)


def _is_there(project: Path) -> bool:
    """Whether ``project`` has its lock; when in doubt (no permission to look), it has."""
    try:
        (project / "uv.lock").stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
