"""Garbage collection: decide what goes, as a value; then do it.

Nothing that is in use goes, and nothing that a worktree environment stands on. Deleting takes
the use lock of a base exclusively, without waiting, looks again, and renames the base away, so
that it disappears at once. A session takes that lock shared *before* it looks whether
its base is there, so it comes either before the deletion (then the lock is not to be had) or
after it (then it finds no base and builds one).

What the removal of a base frees is counted by artifact. uv's cache forgets packages by name only,
so an artifact of which a kept base selects another version stays in it, until the cache
drops everything that no base has a link to. That comes before bases go for their size: it costs
downloads, where a base costs its downloads and a build.

Wheels on which no session of a project stands go before both: nothing that is there needs them.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

from noxden.den.draft import Draft, collect_names
from noxden.den.inventory import collect_leftovers, is_in_use, measure_den, read_last_use
from noxden.den.lifecycle import find_replaced
from noxden.den.locks import try_exclusive
from noxden.den.owners import sibling_name
from noxden.den.roots import find_live_roots, remove_dead_roots
from noxden.den.wheels.prune import Pruned, PrunePlan, apply_prune
from noxden.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noxden.den.inventory import Inventory, MemoEntry
    from noxden.den.layout import Den
    from noxden.den.limits import Limits
    from noxden.tools.uv import Uv

__all__ = [
    "Outcome",
    "Plan",
    "Removal",
    "apply_plan",
    "compute_plan",
    "merge_outcomes",
    "merge_plans",
    "remove_base",
]


class Removal(NamedTuple):
    """A base environment that is to go."""

    key: str
    reason: str
    """``unused for 40 days`` or ``over max-size``."""
    frees: int
    """Bytes that go with it: its own, and those of artifacts that nothing kept has."""
    last_used: float
    """Seconds since the epoch; used later than this, it stays."""


class Plan(NamedTuple):
    """What a collection removes."""

    removals: tuple[Removal, ...]
    """In the order in which they go: too old ones first, then the least recently used."""
    leftovers: tuple[Path, ...]
    dead_roots: tuple[Path, ...]
    memos: tuple[Path, ...]
    packages: tuple[str, ...]
    """Names of packages that only removed bases select: uv's cache forgets them."""
    prune_cache: bool
    """Whether uv removes from its cache what nothing refers to."""
    drop_downloads: bool
    """Whether uv's cache drops all downloads, which kept bases keep by their links: removing
    what is unused for too long is not enough to get below max-size."""
    total: int
    """Bytes on disk now."""
    expected: int
    """Bytes on disk afterwards, if the cache drops all that no base has a link to. It keeps
    what it built from source, so it may be more; then a second plan counts that in."""
    over: int
    """Bytes that kept bases, in use or stood on, may leave above max-size; 0 when none."""
    wheels: PrunePlan = PrunePlan()
    """What leaves the wheel store: what was not needed for max-age, or, above max-size, what
    is not needed now."""


class Outcome(NamedTuple):
    """What a collection did."""

    removed: tuple[str, ...]
    """Keys."""
    kept: tuple[tuple[str, str], ...]
    """Keys that were to go and stayed, each with the reason."""
    freed: int
    """Bytes."""
    notes: tuple[str, ...]
    """What else is worth knowing, a sentence each."""
    wheels: Pruned = Pruned()
    """What left the wheel store."""


def compute_plan(
    inventory: Inventory,
    limits: Limits,
    now: float,
    *,
    prune_cache: bool = False,
    dropped: bool = False,
) -> Plan:
    """Decide what goes: ``now`` in seconds since the epoch; touches nothing.

    ``dropped`` says that uv's cache has just dropped its downloads, so that to do it again
    is not going to free what is in it.
    """
    draft = Draft(inventory, limits, now, dropped=dropped)
    free = sorted(
        (entry for entry in inventory.bases if not entry.in_use and not entry.roots),
        key=lambda entry: (entry.last_used, entry.key),
    )
    removals = []
    for entry in free:
        age = now - entry.last_used
        if age <= limits.max_age and draft.squeeze():
            break
        before = draft.total
        draft.kept.remove(entry)
        reason = f"unused for {age / 86400:.0f} days" if age > limits.max_age else "over max-size"
        removals.append(Removal(entry.key, reason, before - draft.total, entry.last_used))
    draft.squeeze()
    kept = draft.kept
    gone = {name for entry in inventory.bases if entry not in kept for name in entry.names}
    return Plan(
        removals=tuple(removals),
        leftovers=inventory.leftovers,
        dead_roots=inventory.dead_roots,
        memos=_old_memos(inventory.memos, now - limits.max_age),
        packages=tuple(sorted(gone - collect_names(kept))),
        prune_cache=prune_cache or bool(removals) or draft.drop,
        drop_downloads=draft.drop,
        total=inventory.total,
        expected=draft.total,
        over=max(0, draft.total - limits.max_size),
        wheels=draft.wheels,
    )


def apply_plan(den: Den, plan: Plan, uv: Uv) -> Outcome:
    """Do what ``plan`` says, as far as it is still right.

    Raises:
        InfrastructureError: the den is read-only.
    """
    if not den.writable:
        message = f"the den {den.root} is read-only here; run gc where it can be written"
        raise InfrastructureError(message)
    for folder in (den.envs, den.uses):
        # People delete folders of a cache.
        folder.mkdir(exist_ok=True)
    removed, kept = [], []
    for removal in plan.removals:
        stays = remove_base(den, removal.key, removal.last_used)
        if stays is None:
            removed.append(removal.key)
        else:
            kept.append((removal.key, stays))
    for leftover in collect_leftovers(den):
        shutil.rmtree(leftover, ignore_errors=True)
    _remove_replaced(den)
    _remove_roots(den, plan.dead_roots)
    for memo in plan.memos:
        memo.unlink(missing_ok=True)
    wheels = Pruned() if plan.wheels.is_empty else apply_prune(den, plan.wheels)
    notes = _shrink_cache(den, plan, uv)
    freed = max(0, plan.total - measure_den(den))
    return Outcome(tuple(removed), tuple(kept), freed, notes, wheels)


def merge_plans(first: Plan, second: Plan) -> Plan:
    """Both as one; ``second`` was computed after ``first`` had been applied."""
    return first._replace(
        removals=first.removals + second.removals,
        leftovers=first.leftovers + second.leftovers,
        dead_roots=first.dead_roots + second.dead_roots,
        memos=first.memos + second.memos,
        packages=tuple(sorted({*first.packages, *second.packages})),
        expected=second.expected,
        over=second.over,
    )


def merge_outcomes(first: Outcome, second: Outcome) -> Outcome:
    """Both as one; what stayed is what stayed at the end."""
    return Outcome(
        first.removed + second.removed,
        second.kept + tuple(one for one in first.kept if one[0] not in second.removed),
        first.freed + second.freed,
        second.notes,
        Pruned(
            first.wheels.removed + second.wheels.removed,
            first.wheels.freed + second.wheels.freed,
            second.wheels.notes,
        ),
    )


def remove_base(den: Den, key: str, last_used: float) -> str | None:
    """Remove the base ``key`` unless somebody needs it; return why it stays, or ``None``.

    It stays when it is in use, when a worktree environment stands on it, or when it was used
    after ``last_used``.
    """
    used = read_last_use(den, key)
    doomed = den.envs / sibling_name()
    with try_exclusive(den.uses / f"{key}.lock") as held:
        if not held:
            return "in use"
        if roots := find_live_roots(den, key):
            return f"{roots[0]} stands on it"
        if used is not None and used > last_used:
            return "used meanwhile"
        remove_dead_roots(den, key)
        try:
            den.base(key).rename(doomed)
        except FileNotFoundError:
            return "removed by another process"
    shutil.rmtree(doomed, ignore_errors=True)
    return None


def _old_memos(memos: Sequence[MemoEntry], before: float) -> tuple[Path, ...]:
    return tuple(memo.path for memo in memos if memo.written < before)


def _remove_roots(den: Den, files: Sequence[Path]) -> None:
    """Remove root files that are still dead; those of a key in use are left for next time."""
    for key in sorted({file.parent.name.removesuffix(".roots") for file in files}):
        with try_exclusive(den.uses / f"{key}.lock") as held:
            if held:
                remove_dead_roots(den, key)


def _remove_replaced(den: Den) -> None:
    """Remove what was replaced, see lifecycle.py, where nobody can have it open."""
    for path, key in find_replaced(den.envs):
        with try_exclusive(den.uses / f"{key}.lock") as held:
            if held:
                shutil.rmtree(path, ignore_errors=True)


def _shrink_cache(den: Den, plan: Plan, uv: Uv) -> tuple[str, ...]:
    """Let uv remove from its cache what the plan says, unless somebody runs."""
    if not (plan.packages or plan.prune_cache):
        return ()
    if not _is_quiet(den):
        return ("uv's cache stays as it is while sessions run; run noxden gc again later",)
    try:
        if plan.packages:
            _call(uv, den, "clean", *plan.packages)
        if plan.prune_cache:
            _call(uv, den, "prune", *(["--ci"] if plan.drop_downloads else []))
    except InfrastructureError as error:
        return (f"uv's cache stays as it is: {error}",)
    return ()


def _call(uv: Uv, den: Den, *args: str) -> None:
    # uv locks its cache too; somebody who starts now is not to hold us up for minutes.
    uv("cache", *args, "--quiet", cwd=den.root, extra_env={"UV_LOCK_TIMEOUT": "10"})


def _is_quiet(den: Den) -> bool:
    """Whether nobody uses or builds anything in the den."""
    still = {*collect_leftovers(den), *(path for path, _ in find_replaced(den.envs))}
    building = any(at not in still for at in den.envs.glob(".*"))
    keys = [lock.name.removesuffix(".lock") for lock in den.uses.glob("*.lock")]
    return not building and not any(is_in_use(den, key) for key in keys)
