"""Compare base environments with their documents and RECORDs: find what changed on disk.

env.json is what the key is the sha256 of, so the name of the base judges it; env.json judges
pylock.toml, whose hashes have to be the selection's, and says which packages there have to be.
The files of a package are judged by its RECORD; a file that several packages ship is right
when it is as one of them says, for the one installed last won.

uv does not verify what it reuses from its cache, and hard links make a file in a base and the
one in the cache the same file. So a tampered file shows up here or nowhere. Bytecode is left
out (Python writes it at first use, no RECORD names it), and so is RECORD itself, which has no
hash of its own.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from noxden.den.bases import find_missing, iterate_records, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Finding", "Verdict", "check_documents", "count_files", "verify_base"]

_OF_THE_VENV = ("python", "pypy", "activate", "deactivate", "pydoc.bat")
"""Beginnings of the names that ``uv venv`` puts into bin."""
_LOOKED_AT = ("bin", "etc", "include", "lib", "share")
_THREADS = min(8, (os.cpu_count() or 1) + 1)


class Finding(NamedTuple):
    """What of a base is not as its key, env.json or a package's RECORD says."""

    problem: str
    """``changed``, ``missing``, ``foreign`` (no RECORD names it) or ``missing package``."""
    file: str
    """Relative to the base; of a missing package, where its RECORD would be."""
    package: str
    """Normalized name; empty for a foreign file, env.json and pylock.toml."""


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
    """Compare everything in ``base`` with what it should be; ``on_files`` hears of files done."""
    findings = check_documents(base)
    if not findings:
        findings += _find_missing_packages(base)
    recorded, unreadable = _collect_recorded(base)
    findings += unreadable
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(_compare_all, recorded.values()):
            on_files(1)
            findings += (one._replace(file=os.path.relpath(one.file, base)) for one in found)
    findings += [
        Finding("foreign", os.path.relpath(path, base), "")
        for path in _walk(base)
        if path not in recorded
    ]
    hashed = sum(any(line.digest for line in lines) for lines in recorded.values())
    return Verdict(base.name, hashed, tuple(sorted(set(findings))))


def count_files(base: Path) -> int:
    """How many files of ``base`` :func:`verify_base` compares."""
    return len(_collect_recorded(base)[0])


def check_documents(base: Path) -> list[Finding]:
    """Compare env.json with the name of ``base``, and pylock.toml with env.json."""
    try:
        digest = hashlib.sha256((base / "env.json").read_bytes()).hexdigest()
    except FileNotFoundError:
        return [Finding("missing", "env.json", "")]
    except OSError:
        digest = ""
    if digest != base.name:
        return [Finding("changed", "env.json", "")]
    try:
        pylock = tomllib.loads((base / "pylock.toml").read_text("utf-8"))
        same = [_identify(entry) for entry in pylock["packages"]]
    except FileNotFoundError:
        return [Finding("missing", "pylock.toml", "")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        same = None
    wanted = read_document(base).get("selection")
    return [] if same == wanted else [Finding("changed", "pylock.toml", "")]


def _identify(entry: Mapping[str, Any]) -> dict[str, str]:
    """What a package of pylock.toml is, in the words of env.json's selection.

    Raises:
        ValueError: it has not exactly one source.
    """
    sources: list[Mapping[str, Any]] = list(entry.get("wheels", ()))
    sources += [entry[kind] for kind in ("vcs", "archive", "sdist") if kind in entry]
    [source] = sources
    fields = {"name": entry["name"], "version": entry.get("version", "")}
    if "vcs" in entry:
        fields["file"] = source.get("url") or source["path"]
        fields["commit"] = source["commit-id"]
    else:
        location = source.get("url") or source["path"]
        fields["file"] = unquote(urlsplit(location).path.rsplit("/", 1)[-1])
        fields["sha256"] = source["hashes"]["sha256"]
    if subdirectory := source.get("subdirectory"):
        fields["subdirectory"] = subdirectory
    return fields


def _find_missing_packages(base: Path) -> Iterator[Finding]:
    site = next(base.glob("lib/python*/site-packages"), base / "lib")
    for package in find_missing(base, read_document(base)):
        name = package["name"].replace("-", "_")
        record = site / f"{name}-{package['version'] or '*'}.dist-info" / "RECORD"
        yield Finding("missing package", os.path.relpath(record, base), package["name"])


def _collect_recorded(base: Path) -> tuple[dict[Path, list[_Recorded]], list[Finding]]:
    """The lines of all RECORDs by file, and a finding for each RECORD that cannot be read."""
    from packaging.utils import canonicalize_name

    recorded: dict[Path, list[_Recorded]] = {}
    findings = []
    for info in sorted(base.glob("lib/python*/site-packages/*.dist-info")):
        name = canonicalize_name(info.name.split("-", 1)[0])
        try:
            for path, digest, _ in iterate_records(base, info.name):
                if path.suffix != ".pyc":
                    recorded.setdefault(path, []).append(_Recorded(path, digest, name))
        except (OSError, ValueError, csv.Error):
            findings.append(Finding("changed", os.path.relpath(info / "RECORD", base), name))
    return recorded, findings


def _compare_all(lines: list[_Recorded]) -> list[Finding]:
    """What is wrong with one file: nothing when it is as one of the packages says."""
    findings = []
    for line in lines:
        if (found := _compare(line)) is None:
            return []
        findings.append(found)
    return findings


def _compare(line: _Recorded) -> Finding | None:
    """What is wrong with one file by one line, or ``None``."""
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
