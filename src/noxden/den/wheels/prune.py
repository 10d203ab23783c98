"""Pruning of the wheel store: decide what goes, as a value; then do it.

Wheels of a live closure stay, always. A closure that no live need names is dead, and so is what
only dead closures name. What no closure names at all is being fetched, or was when the fetch
was cut, and stays for a day.

Whoever fetches, installs or exports holds ``locks/wheels.lock`` shared, so that with that lock
held exclusively nobody looks. A killed pruning must not leave a closure that names missing
wheels: manifests go first, and are gone from the disk before the first artifact is.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from noxden.den.disk import measure
from noxden.den.lifecycle import sync_directory
from noxden.den.locks import try_exclusive
from noxden.den.owners import sibling_name
from noxden.den.wheels.holdings import collect_holdings
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from noxden.den.layout import Den
    from noxden.den.wheels.holdings import BuiltEntry, Holdings, StoredEntry

__all__ = ["PrunePlan", "Pruned", "apply_prune", "compute_prune", "plan_prune"]

T = TypeVar("T")

_DAY_S = 86400.0
_MONTH_S = 30 * _DAY_S
_PARTS = (
    "closures", "artifacts", "built", "tools", "partials", "quarantine", "leftovers", "needs",
)  # fmt: skip


class PrunePlan(NamedTuple):
    """What leaves the wheel store."""

    closures: tuple[str, ...] = ()
    """Ids of closures that no session of a project stands on any more."""
    artifacts: tuple[Path, ...] = ()
    """Folders of artifacts that nothing kept names."""
    built: tuple[Path, ...] = ()
    """Manifests of wheels built from what no kept closure names."""
    tools: tuple[Path, ...] = ()
    """Folders of what built a checkout, whose list is gone or pins something else by now."""
    partials: tuple[Path, ...] = ()
    """Of downloads that nobody has gone on with for a day."""
    quarantine: tuple[Path, ...] = ()
    leftovers: tuple[Path, ...] = ()
    """What killed processes left."""
    needs: tuple[Path, ...] = ()
    """Files of needs whose project is gone."""
    freed: int = 0
    """Bytes on disk."""
    now: float = 0.0
    """When it was decided, in seconds since the epoch."""
    max_age: float | None = None
    """Seconds for which a dead closure stays after its last use; ``None``: it does not."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes."""
        return not any(getattr(self, part) for part in _PARTS)


class Pruned(NamedTuple):
    """What a pruning did."""

    removed: tuple[Path, ...] = ()
    """Folders of artifacts."""
    freed: int = 0
    """Bytes on disk."""
    notes: tuple[str, ...] = ()
    """What else is worth knowing, a sentence each."""


def plan_prune(den: Den, *, now: float | None = None, max_age: float | None = None) -> PrunePlan:
    """Decide what leaves the store of ``den``; touches nothing.

    ``now`` is in seconds since the epoch. Dead closures go at once, or ``max_age`` seconds
    after their last use.
    """
    return compute_prune(collect_holdings(den), time.time() if now is None else now, max_age)


def compute_prune(holdings: Holdings, now: float, max_age: float | None = None) -> PrunePlan:
    """Decide what leaves a store that holds ``holdings``; as :func:`plan_prune`."""
    dead = [one for one in holdings.closures if not one.live and _is_old(one.used, now, max_age)]
    gone = {one.id for one in dead}
    kept = {name for one in holdings.closures if one.id not in gone for name in one.names}
    kept = _add_built(kept, holdings.built)
    lost = _add_built({name for one in dead for name in one.names}, holdings.built)
    built = [one for one in holdings.built if one.source.isdisjoint(kept)]
    built = [one for one in built if one.source & lost or _is_old(one.written, now, _keep_s(one))]
    kept |= {name for one in holdings.built if one not in built for name in one.names}
    artifacts = [
        one
        for one in holdings.artifacts
        if one.path.name not in kept
        and (one.path.name in lost or _is_old(one.written, now, _DAY_S))
    ]
    partials = _choose_old(holdings.partials, now, _DAY_S)
    # Somebody may still want to find out what damaged them.
    quarantine = _choose_old(holdings.quarantine, now, max(_DAY_S, max_age or 0.0))
    lists = {one.path for one in holdings.built if one not in built}
    tools = list(_choose_tools(holdings.tools, lists))
    files = [*artifacts, *tools, *partials, *quarantine, *holdings.leftovers]
    plan = PrunePlan(
        closures=tuple(one.id for one in dead),
        artifacts=_paths(artifacts),
        built=tuple(one.path for one in built),
        tools=_paths(tools),
        partials=_paths(partials),
        quarantine=_paths(quarantine),
        leftovers=_paths(holdings.leftovers),
        needs=holdings.needs,
        freed=sum(one.size for one in files),
        now=now,
        max_age=max_age,
    )
    return PrunePlan() if plan.is_empty else plan


def apply_prune(den: Den, plan: PrunePlan) -> Pruned:
    """Do what ``plan`` says, as far as it is still right; nothing while the store is in use.

    Raises:
        InfrastructureError: the den is read-only.
    """
    if not den.writable:
        message = f"the den {den.root} is read-only here; prune it where it can be written"
        raise InfrastructureError(message)
    den.locks.mkdir(exist_ok=True)
    with try_exclusive(den.locks / "wheels.lock") as held:
        if not held:
            return Pruned(notes=("the store is in use; nothing was removed",))
        holdings = collect_holdings(den)
        return _remove(den, _restrict(plan, compute_prune(holdings, plan.now, plan.max_age)))


def _add_built(names: set[str], built: Iterable[BuiltEntry]) -> set[str]:
    """``names`` and what was built from them, with what that required, itself built or not."""
    known = 0
    while len(names) > known:
        known = len(names)
        names = names | {name for one in built if one.source & names for name in one.names}
    return names


def _keep_s(entry: BuiltEntry) -> float:
    """Seconds for which a manifest stays that no closure stands on.

    What builds a checkout is in no closure: its list is touched whenever the store is filled.
    """
    return _MONTH_S if entry.path.parent.name == "requires" else _DAY_S


def _is_old(written: float, now: float, age: float | None) -> bool:
    return age is None or now - written > age


def _choose_old(entries: Iterable[StoredEntry], now: float, age: float) -> list[StoredEntry]:
    return [one for one in entries if _is_old(one.written, now, age)]


def _choose_tools(folders: Iterable[StoredEntry], lists: set[Path]) -> Iterator[StoredEntry]:
    """Those of ``folders`` whose list is not in ``lists``, and all but the newest of a list.

    Nobody reads them now, and one that is gone too early is made again when it is wanted.
    """
    newest = {one.path.parent: one for one in sorted(folders, key=lambda one: one.written)}
    for one in folders:
        if one.path.parent.with_suffix(".toml") not in lists or one != newest[one.path.parent]:
            yield one


def _paths(entries: Iterable[StoredEntry]) -> tuple[Path, ...]:
    return tuple(one.path for one in entries)


def _restrict(plan: PrunePlan, now: PrunePlan) -> PrunePlan:
    """What is in ``plan`` and, by what the store holds ``now``, still to go."""
    return plan._replace(
        closures=_both(plan.closures, now.closures),
        artifacts=_both(plan.artifacts, now.artifacts),
        built=_both(plan.built, now.built),
        tools=_both(plan.tools, now.tools),
        partials=_both(plan.partials, now.partials),
        quarantine=_both(plan.quarantine, now.quarantine),
        leftovers=_both(plan.leftovers, now.leftovers),
        needs=_both(plan.needs, now.needs),
    )


def _both(first: Iterable[T], second: Iterable[T]) -> tuple[T, ...]:
    still = set(second)
    return tuple(one for one in first if one in still)


def _remove(den: Den, plan: PrunePlan) -> Pruned:
    """Remove what is in ``plan``; nobody uses the store.

    Raises:
        InfrastructureError: a manifest cannot be removed; then everything that it names stays.
    """
    manifests = [den.closures / f"{closure_id}.toml" for closure_id in plan.closures]
    manifests += [*plan.built, *plan.needs]
    try:
        for manifest in manifests:
            manifest.unlink(missing_ok=True)
        for folder in {manifest.parent for manifest in manifests}:
            sync_directory(folder)
    except OSError as error:
        message = f"cannot remove {error.filename}: {error.strerror}; make it writable, run again"
        raise InfrastructureError(message) from error
    removed, freed, notes = [], 0, []
    files = (*plan.artifacts, *plan.tools, *plan.partials, *plan.quarantine, *plan.leftovers)
    for path in files:
        try:
            freed += _remove_entry(path)
            removed.append(path)
        except OSError as error:
            notes.append(f"{path} stays: {error.strerror}")
    for folder in {path.parent for path in (*plan.built, *plan.tools)}:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return Pruned(_both(removed, plan.artifacts), freed, tuple(notes))


def _remove_entry(path: Path) -> int:
    """Remove a file or a folder, and tell its bytes on disk.

    A folder is renamed away first, so that an artifact disappears at once, whatever comes between.
    """
    if not path.is_dir():
        size = path.lstat().st_size
        path.unlink()
        return size
    size = measure(path)
    doomed = path.parent / sibling_name()
    path.rename(doomed)
    shutil.rmtree(doomed)
    return size
