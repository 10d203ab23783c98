"""What the wheel store holds, as values: what pruning decides about."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple

import tomli

from noxden.den.disk import measure
from noxden.den.owners import find_leftovers
from noxden.den.wheels.closures import list_closures
from noxden.den.wheels.needs import collect_needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from noxden.den.layout import Den

__all__ = ["BuiltEntry", "ClosureEntry", "Holdings", "StoredEntry", "collect_holdings"]

_DIGEST = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])")
"""A sha256 or a commit id."""


class ClosureEntry(NamedTuple):
    """A closure of the store."""

    id: str
    used: float
    """Seconds since the epoch, when a session was last made of it."""
    live: bool
    """Whether the session of a project that is there stands on it."""
    names: frozenset[str]
    """sha256 or commit of each artifact."""


class StoredEntry(NamedTuple):
    """A file or folder of the store."""

    path: Path
    size: int
    """Bytes on disk."""
    written: float
    """Seconds since the epoch."""


class BuiltEntry(NamedTuple):
    """The manifest of a wheel that was built here from an sdist or a commit."""

    path: Path
    source: frozenset[str]
    """sha256 or commit of what it was built from."""
    names: frozenset[str]
    """sha256 of the wheel and of what building it required."""
    written: float
    """Seconds since the epoch."""


class Holdings(NamedTuple):
    """Everything in the wheel store."""

    closures: tuple[ClosureEntry, ...] = ()
    artifacts: tuple[StoredEntry, ...] = ()
    """Folders, each named by a sha256."""
    built: tuple[BuiltEntry, ...] = ()
    tools: tuple[StoredEntry, ...] = ()
    """Folders of what builds a checkout, each below the name of the list that it is made of."""
    partials: tuple[StoredEntry, ...] = ()
    """What was received in part."""
    quarantine: tuple[StoredEntry, ...] = ()
    """What was found damaged."""
    leftovers: tuple[StoredEntry, ...] = ()
    """What killed processes left."""
    needs: tuple[Path, ...] = ()
    """Files of needs whose project is gone."""


def collect_holdings(den: Den) -> Holdings:
    """Everything in the wheel store of ``den``; reads the manifests and no artifact."""
    needs = collect_needs(den)
    live = {need.closure for need in needs if need.live}
    return Holdings(
        closures=tuple(_read_closures(den, live)),
        artifacts=tuple(_describe(den.wheels.glob(f"{'[0-9a-f]' * 2}/{'[0-9a-f]' * 64}"))),
        built=tuple(_read_built(den)),
        tools=tuple(_describe((den.built / "requires").glob(f"*/{'[0-9a-f]' * 64}"))),
        partials=tuple(_describe((den.wheels / "partial").glob("*"))),
        quarantine=tuple(_describe((den.wheels / "quarantine").glob("*"), moved=True)),
        leftovers=tuple(_describe(_find_leftovers(den))),
        needs=tuple(need.file for need in needs if not need.live),
    )


def _read_closures(den: Den, live: set[str]) -> Iterator[ClosureEntry]:
    for closure_id in list_closures(den):
        found = _read_manifest(den.closures / f"{closure_id}.toml")
        if found is not None:
            text, written = found
            yield ClosureEntry(closure_id, written, closure_id in live, _find_digests(text))


def _read_built(den: Den) -> Iterator[BuiltEntry]:
    for folder in _list(den.root / "built"):
        for path in _list(folder):
            found = _read_manifest(path) if path.suffix == ".toml" else None
            if found is not None:
                text, written = found
                yield BuiltEntry(path, _find_source(path, text), _find_digests(text), written)


def _list(folder: Path) -> list[Path]:
    """What is in ``folder``; another pruning may remove it at this moment."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _read_manifest(path: Path) -> tuple[str, float] | None:
    """The text of a manifest, and when it was written; ``None`` where it has just gone."""
    try:
        return path.read_text("utf-8", "replace"), path.stat().st_mtime
    except OSError:
        return None


def _find_source(path: Path, text: str) -> frozenset[str]:
    """What a wheel was built from, as its manifest says; as its folder says where that cannot."""
    try:
        source = tomli.loads(text)["source"]
        return frozenset([str(source.get("sha256") or source["commit"])])
    except (tomli.TOMLDecodeError, LookupError, AttributeError):
        return _find_digests(path.parent.name)


def _find_digests(text: str) -> frozenset[str]:
    """Every digest in the text of a manifest: one that was damaged still keeps what it names."""
    return frozenset(_DIGEST.findall(text))


def _find_leftovers(den: Den) -> Iterator[Path]:
    """What killed processes left, wherever entries of the store are made."""
    folders = [den.wheels, *den.wheels.glob("[0-9a-f][0-9a-f]"), den.closures]
    folders += [den.closures / "needs", den.built, *_list(den.built)]
    for folder in (*folders, *_list(den.built / "requires")):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield from find_leftovers(folder)


def _describe(paths: Iterable[Path], *, moved: bool = False) -> Iterator[StoredEntry]:
    """``paths`` with their dates: of their last byte, or of when they were ``moved`` there."""
    for path in sorted(paths):
        try:
            found = path.stat()
        except OSError:
            continue
        size = measure(path) if path.is_dir() else found.st_size
        yield StoredEntry(path, size, found.st_ctime if moved else found.st_mtime)
