"""A proposal in the making: what is added, beside what the project says itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from noxden.adopt.groups import find_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from noxden.adopt.values import Facts

__all__ = ["Draft"]


class Draft:
    """Collects additions; what pyproject.toml has already is never among them."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.groups: dict[str, list[str]] = {}
        self.settings: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []

    def said(self, table: str, key: str) -> Any:  # noqa: ANN401 - a value of TOML
        """What ``[tool.noxden.table]`` says about ``key``; ``None`` where it is silent."""
        ours = self.facts.table.get("tool", {}).get("noxden", {})
        return ours.get(table, {}).get(key)

    def set(self, table: str, key: str, value: object, default: object) -> None:
        """Add a key to ``[tool.noxden.table]``, where the default would not do."""
        if value != default and self.said(table, key) is None:
            self.settings.setdefault(table, {})[key] = value

    def require(self, group: str, requirements: Iterable[str]) -> None:
        """Add ``requirements`` to a dependency group, under the spelling that it has already."""
        spelled = {canonicalize_name(name): name for name in self.facts.groups}
        added = self.groups.setdefault(spelled.get(canonicalize_name(group), group), [])
        added += [one for one in requirements if one not in added]

    def holding(self, groups: Iterable[str]) -> frozenset[str]:
        """Names of the packages that ``groups`` have."""
        known = self.facts.groups
        return frozenset[str]().union(*(known[one].packages for one in groups if one in known))

    def find(self, wanted: Sequence[str], *packages: str) -> list[str]:
        """The groups that have one of ``packages``, the best first."""
        return find_groups(self.facts.groups, wanted, *packages)
