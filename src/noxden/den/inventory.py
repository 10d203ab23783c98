"""What is in a den, as values."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from noxden.den.bases import iterate_records, read_document
from noxden.den.disk import measure
from noxden.den.locks import try_exclusive
from noxden.den.owners import find_leftovers
from noxden.den.roots import find_dead_roots, find_live_roots
from noxden.den.wheels.holdings import Holdings, collect_holdings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxden.den.layout import Den

__all__ = [
    "BaseEntry",
    "Inventory",
    "MemoEntry",
    "collect_bases",
    "collect_inventory",
    "collect_leftovers",
    "is_in_use",
    "list_keys",
    "measure_den",
    "name_artifact",
    "read_last_use",
]


class BaseEntry(NamedTuple):
    """A base environment in the den."""

    key: str
    python: str
    """Version with patch level, as env.json has it; empty where it cannot be read."""
    names: tuple[str, ...]
    """The packages it selects, sorted."""
    size: int
    """Bytes on disk of its tree, files that are hard links into uv's cache counted in full."""
    created: float
    """Seconds since the epoch."""
    last_used: float
    """Seconds since the epoch, when the latest session on it began."""
    in_use: bool
    """Whether a session holds it now."""
    roots: tuple[str, ...]
    """Paths of the worktree environments that stand on it."""
    shared: Mapping[str, int]
    """Bytes by artifact of the files that other places in the den have too (hard links).

    An artifact is named ``name@sha256`` or ``name@commit``: bases that select different
    versions of a package share nothing of it.
    """
    artifacts: frozenset[str]
    """The artifacts it selects."""

    @property
    def packages(self) -> int:
        """How many packages it selects."""
        return len(self.names)

    @property
    def own(self) -> int:
        """Bytes that are nowhere else."""
        return max(0, self.size - sum(self.shared.values()))


class MemoEntry(NamedTuple):
    """A remembered result."""

    path: Path
    written: float
    """Seconds since the epoch."""


class Inventory(NamedTuple):
    """Everything in a den that collection decides about."""

    bases: tuple[BaseEntry, ...]
    """Sorted by key."""
    leftovers: tuple[Path, ...]
    """What killed builders left."""
    dead_roots: tuple[Path, ...]
    memos: tuple[MemoEntry, ...]
    uv_cache: int
    """Bytes on disk of uv's cache."""
    total: int
    """Bytes on disk of bases, left-overs, uv's cache and wheels, every file counted once."""
    only_cache: int = 0
    """Bytes on disk of what only uv's cache has: no base has a hard link to it."""
    wheels: int = 0
    """Bytes on disk of the wheel store."""
    store: Holdings = Holdings()
    """What the wheel store holds."""


def collect_bases(den: Den) -> list[BaseEntry]:
    """The base environments of ``den``, sorted by key."""
    found = (_describe(den, den.base(key)) for key in list_keys(den))
    return [entry for entry in found if entry is not None]


def list_keys(den: Den) -> list[str]:
    """Keys of the base environments in ``den``, sorted."""
    try:
        return sorted(at.name for at in den.envs.iterdir() if not at.name.startswith("."))
    except OSError:
        return []


def collect_leftovers(den: Den) -> tuple[Path, ...]:
    """What killed builders left in ``den``."""
    return tuple(sorted(find_leftovers(den.envs))) if den.envs.is_dir() else ()


def collect_inventory(den: Den) -> Inventory:
    """Everything in ``den``; looks at each file two or three times (a second for some 200,000)."""
    total, wheels = measure_den(den), measure(den.wheels)
    return Inventory(
        bases=tuple(collect_bases(den)),
        leftovers=collect_leftovers(den),
        dead_roots=tuple(find_dead_roots(den)),
        memos=tuple(_collect_memos(den)),
        uv_cache=measure(den.uv_cache),
        total=total,
        only_cache=max(0, total - wheels - measure(den.envs)),
        wheels=wheels,
        store=collect_holdings(den),
    )


def measure_den(den: Den) -> int:
    """Bytes on disk of bases, left-overs, uv's cache and wheels, every file counted once."""
    seen: set[tuple[int, int]] = set()
    return sum(measure(tree, seen) for tree in (den.envs, den.uv_cache, den.wheels))


def is_in_use(den: Den, key: str) -> bool:
    """Whether a session holds the base ``key`` now.

    The lock tells only by being taken, for an instant: another process that asks at the same
    time would see a user, hence the second look.
    """
    lock = den.uses / f"{key}.lock"
    if not lock.exists() or not den.writable:
        return False
    return not (_is_free(lock) or _is_free(lock, after_s=random.uniform(0.005, 0.02)))  # noqa: S311


def _is_free(lock: Path, *, after_s: float = 0.0) -> bool:
    time.sleep(after_s)
    with try_exclusive(lock) as held:
        return held


def read_last_use(den: Den, key: str) -> float | None:
    """When the latest session on ``key`` began, in seconds since the epoch."""
    try:
        return (den.uses / f"{key}.lock").stat().st_mtime
    except OSError:
        return None


def _describe(den: Den, path: Path) -> BaseEntry | None:
    """The base in ``path``; ``None`` when it is collected at this moment."""
    document: Mapping[str, Any] = read_document(path)
    artifacts = {str(one["name"]): name_artifact(one) for one in document.get("selection", ())}
    try:
        created = (path / "env.json" if (path / "env.json").exists() else path).stat().st_mtime
        shared = _measure_shared(path, artifacts)
    except OSError:
        return None
    return BaseEntry(
        key=path.name,
        python=str(document.get("interpreter", {}).get("version", "")),
        names=tuple(sorted(artifacts)),
        size=measure(path),
        created=created,
        last_used=max(created, read_last_use(den, path.name) or 0.0),
        in_use=is_in_use(den, path.name),
        roots=tuple(find_live_roots(den, path.name)),
        shared=shared,
        artifacts=frozenset(artifacts.values()),
    )


def name_artifact(package: Mapping[str, Any]) -> str:
    """What tells a package of a selection from every other content: ``name@sha256``."""
    return f"{package['name']}@{package.get('sha256') or package.get('commit') or ''}"


def _measure_shared(base: Path, artifacts: Mapping[str, str]) -> dict[str, int]:
    """Bytes by artifact that RECORD names, of packages that uv hard linked from its cache."""
    shared: dict[str, int] = {}
    for info in base.glob("lib/python*/site-packages/*.dist-info"):
        name = _normalize(info.name.split("-", 1)[0])
        if name in artifacts and _is_linked(info / "METADATA"):
            sizes = (int(size or 0) for _, _, size in iterate_records(base, info.name))
            shared[artifacts[name]] = sum(sizes)
    return shared


def _normalize(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def _is_linked(path: Path) -> bool:
    try:
        return path.stat().st_nlink > 1
    except OSError:
        return False


def _collect_memos(den: Den) -> list[MemoEntry]:
    memos = []
    for path in sorted(den.memo.glob("*")):
        try:
            memos.append(MemoEntry(path, path.stat().st_mtime))
        except OSError:
            continue
    return memos
