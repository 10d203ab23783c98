"""What a plan of garbage collection leaves on disk, while it is being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxden.den.wheels.prune import compute_prune

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden.den.inventory import BaseEntry, Inventory
    from noxden.den.limits import Limits

__all__ = ["Draft", "collect_names"]


class Draft:
    """A plan in the making: what it keeps, and what that leaves on disk."""

    def __init__(self, inventory: Inventory, limits: Limits, now: float, *, dropped: bool) -> None:
        self.inventory = inventory
        self.limits = limits
        self.now = now
        self.droppable = 0 if dropped else inventory.only_cache
        self.kept = list(inventory.bases)
        self.drop = False
        self.wheels = compute_prune(inventory.store, now, limits.max_age)

    @property
    def total(self) -> int:
        """Bytes on disk afterwards."""
        droppable = self.droppable if self.drop else None
        return max(0, _predict(self.inventory, self.kept, droppable) - self.wheels.freed)

    def squeeze(self) -> bool:
        """Give up, above max-size, what costs no build; whether that is enough."""
        if self.total > self.limits.max_size:
            self.wheels = compute_prune(self.inventory.store, self.now)
        if self.total > self.limits.max_size:
            self.drop = True
        return self.total <= self.limits.max_size


def _predict(inventory: Inventory, kept: Sequence[BaseEntry], droppable: int | None) -> int:
    """Bytes on disk when only ``kept`` is left.

    ``droppable`` are the bytes that go when the cache drops what no base has a link to;
    ``None`` when it does not drop them.
    """
    artifacts = {artifact for entry in kept for artifact in entry.artifacts}
    names = collect_names(kept)
    lost = {
        artifact: size
        for entry in inventory.bases
        for artifact, size in entry.shared.items()
        if artifact not in artifacts
        and (droppable is not None or artifact.partition("@")[0] not in names)
    }
    own = sum(entry.own for entry in inventory.bases if entry not in kept)
    return max(0, inventory.total - own - sum(lost.values()) - (droppable or 0))


def collect_names(bases: Sequence[BaseEntry]) -> set[str]:
    """Names of the packages that ``bases`` select."""
    return {name for entry in bases for name in entry.names}
