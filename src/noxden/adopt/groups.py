"""What the dependency groups and the extras of a project hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from noxden.adopt.values import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["collect_extras", "collect_groups", "find_groups", "find_heavy"]

T = TypeVar("T")

_HEAVY = frozenset(
    {
        "cupy",
        "flash-attn",
        "jax",
        "jaxlib",
        "mxnet",
        "onnxruntime-gpu",
        "paddlepaddle",
        "paddlepaddle-gpu",
        "pyarrow",
        "pyspark",
        "tensorflow",
        "torch",
        "torchaudio",
        "torchvision",
        "triton",
        "vllm",
        "xformers",
    }
)
"""Packages that bring, with what they need, wheels from about 50 MB to gigabytes."""
_HEAVY_FAMILIES = ("cupy-cuda", "nvidia-", "tensorflow-", "jax-cuda")


def collect_groups(table: Mapping[str, Any]) -> dict[str, Member]:
    """The dependency groups of a pyproject.toml, with those of ``tool.uv.dev-dependencies``."""
    groups = dict(_lists(table.get("dependency-groups")))
    older = table.get("tool", {}).get("uv", {}).get("dev-dependencies")
    if isinstance(older, list):
        groups["dev"] = [*groups.get("dev", []), *older]
    by_name, own = _normalise(groups), _name(table)
    extras = _normalise(collect_extras(table))

    def packages(name: str, seen: frozenset[str]) -> Iterator[str]:
        for entry in by_name.get(name, []):
            if isinstance(entry, dict):
                included = canonicalize_name(str(entry.get("include-group", "")))
                if included not in seen:
                    yield from packages(included, seen | {included})
                continue
            found, inner = _parse(entry)
            yield found
            for extra in inner if found == own else ():
                if extra in extras:
                    yield from extras[extra].packages

    return {name: _make_member(packages(*_start(name))) for name in groups}


def collect_extras(table: Mapping[str, Any]) -> dict[str, Member]:
    """The extras of a pyproject.toml; one that names others of the project holds them too."""
    extras = dict(_lists(table.get("project", {}).get("optional-dependencies")))
    by_name, own = _normalise(extras), _name(table)

    def packages(name: str, seen: frozenset[str]) -> Iterator[str]:
        for entry in by_name.get(name, []):
            found, inner = _parse(entry)
            if found != own:
                yield found
                continue
            for extra in inner:
                if extra not in seen:
                    yield from packages(extra, seen | {extra})

    return {name: _make_member(packages(*_start(name))) for name in extras}


def _start(name: str) -> tuple[str, frozenset[str]]:
    """A name, normalised, and that it has been seen."""
    normal = str(canonicalize_name(name))
    return normal, frozenset({normal})


def _normalise(named: Mapping[str, T]) -> dict[str, T]:
    return {str(canonicalize_name(name)): value for name, value in named.items()}


def _name(table: Mapping[str, Any]) -> str:
    return canonicalize_name(str(table.get("project", {}).get("name", "")))


def _lists(table: object) -> Iterator[tuple[str, list[Any]]]:
    for name, entries in table.items() if isinstance(table, dict) else ():
        if isinstance(entries, list):
            yield name, entries


def _parse(entry: object) -> tuple[str, list[str]]:
    """Name and extras of a requirement; of one that cannot be read, its first word."""
    try:
        found = Requirement(str(entry))
    except InvalidRequirement:
        words = re.findall(r"[\w.-]+", str(entry))
        return canonicalize_name(words[0]) if words else "", []
    return canonicalize_name(found.name), sorted(map(canonicalize_name, found.extras))


def _make_member(packages: Iterable[str]) -> Member:
    found = frozenset(packages)
    return Member(found, tuple(sorted(name for name in found if _is_heavy(name))))


def _is_heavy(name: str) -> bool:
    return name in _HEAVY or name.startswith(_HEAVY_FAMILIES)


def find_groups(groups: Mapping[str, Member], wanted: Sequence[str], *packages: str) -> list[str]:
    """The groups that have one of ``packages``; the best first.

    That is one whose name is in ``wanted``, else the one that has the fewest packages: a group
    that includes others is for people, not for a session.
    """
    having = [name for name, one in groups.items() if not one.packages.isdisjoint(packages)]

    def order(name: str) -> tuple[int, int]:
        place = wanted.index(name) if name in wanted else len(wanted)
        return place, len(groups[name].packages)

    return sorted(having, key=order)


def find_heavy(members: Mapping[str, Member], beside: Iterable[str]) -> list[str]:
    """The smallest groups or extras that have the heavy packages not in ``beside`` already.

    A group named ``heavy`` is one whatever it holds.
    """
    known, found = set(beside), []
    for name in sorted(members, key=lambda name: (name != "heavy", len(members[name].packages))):
        heavy = members[name].packages if name == "heavy" else {*members[name].heavy}
        if heavy - known:
            found.append(name)
            known |= heavy
    return found
