"""Compare base environments with the RECORD of each package: find what changed on disk.

uv does not verify what it reuses from its cache, and hard links make a file in a base and the
one in the cache the same file. So a tampered file shows up here or nowhere. Bytecode is left
out (Python writes it at first use, no RECORD names it), and so is RECORD itself, which has no
hash of its own.
"""

from __future__ import annotations

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.bases import iterate_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "Verdict", "verify_base"]

_OF_THE_VENV = ("python", "pypy", "activate", "deactivate", "pydoc.bat")
"""Beginnings of the names that ``uv venv`` puts into bin."""
_LOOKED_AT = ("bin", "etc", "include", "lib", "share")
_THREADS = min(8, (os.cpu_count() or 1) + 1)


class Finding(NamedTuple):
    """A file of a base that is not as the package's RECORD says."""

    problem: str
    """``changed``, ``missing`` or ``foreign`` (no RECORD names it)."""
    file: str
    """Relative to the base."""
    package: str
    """Normalized name; empty for a foreign file."""


class Verdict(NamedTuple):
    """What verification of one base found."""

    key: str
    files: int
    """Files whose hash was compared."""
    findings: tuple[Finding, ...]
    """Sorted."""
    repaired: str = ""
    """What was done about it; empty when nothing was."""


class _Recorded(NamedTuple):
    """A line of a RECORD."""

    path: Path
    digest: str
    package: str


def verify_base(base: Path, on_files: Callable[[int], None] = lambda _: None) -> Verdict:
    """Compare every file in ``base`` with its RECORD; ``on_files`` hears of files done."""
    recorded = list(_collect_recorded(base))
    findings: list[Finding] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(_compare, recorded):
            on_files(1)
            if found is not None:
                findings.append(found._replace(file=os.path.relpath(found.file, base)))
    known = {line.path for line in recorded}
    findings += [
        Finding("foreign", os.path.relpath(path, base), "")
        for path in _walk(base)
        if path not in known
    ]
    return Verdict(base.name, sum(bool(line.digest) for line in recorded), tuple(sorted(findings)))


def _collect_recorded(base: Path) -> Iterator[_Recorded]:
    from packaging.utils import canonicalize_name

    for info in sorted(base.glob("lib/python*/site-packages/*.dist-info")):
        name = canonicalize_name(info.name.split("-", 1)[0])
        for path, digest, _ in iterate_records(base, info.name):
            if path.suffix != ".pyc":
                yield _Recorded(path, digest, name)


def _compare(line: _Recorded) -> Finding | None:
    """What is wrong with one file, or ``None``."""
    algorithm, _, wanted = line.digest.partition("=")
    try:
        if not line.digest:
            os.lstat(line.path)
            return None
        with line.path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).digest()
    except (FileNotFoundError, NotADirectoryError):
        return Finding("missing", str(line.path), line.package)
    except (OSError, ValueError):
        return Finding("changed", str(line.path), line.package)
    same = base64.urlsafe_b64encode(found).decode().rstrip("=") == wanted.rstrip("=")
    return None if same else Finding("changed", str(line.path), line.package)


def _walk(base: Path) -> Iterator[Path]:
    """The files in ``base`` that a package must have brought."""
    for name in _LOOKED_AT:
        for at, folders, files in os.walk(base / name):
            folders[:] = [folder for folder in folders if folder != "__pycache__"]
            links = [folder for folder in folders if Path(at, folder).is_symlink()]
            for file in (*files, *links):
                ours = name == "bin" and file.startswith(_OF_THE_VENV)
                if not ours and not file.endswith(".pyc"):
                    yield Path(at, file)
