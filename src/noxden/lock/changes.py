"""Compare two canonical documents: what changed between two environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["compute_changes"]


def compute_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what differs, most important first, an item a line.

    >>> compute_changes(
    ...     {"selection": [{"name": "numpy", "version": "2.4.5"}]},
    ...     {"selection": [{"name": "numpy", "version": "2.4.6"}]},
    ... )
    ['numpy 2.4.5 -> 2.4.6']
    """
    return [
        *_interpreter_changes(old.get("interpreter", {}), new.get("interpreter", {})),
        *_package_changes(_by_name(old), _by_name(new)),
        *_setting_changes(old.get("settings", {}), new.get("settings", {})),
        *(["key format"] if old.get("format") != new.get("format") else []),
    ]


def _by_name(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {package["name"]: package for package in document.get("selection", ())}


def _interpreter_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old.get("version") != new.get("version"):
        yield f"Python {old.get('version')} -> {new.get('version')}"
        return
    for field in sorted({*old, *new}):
        if old.get(field) != new.get(field):
            yield f"Python {field} {old.get(field)} -> {new.get(field)}"


def _package_changes(
    old: Mapping[str, dict[str, str]], new: Mapping[str, dict[str, str]]
) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            yield f"+{name} {after.get('version', '')}".rstrip()
        elif after is None and before is not None:
            yield f"-{name} {before.get('version', '')}".rstrip()
        elif before != after and before is not None and after is not None:
            yield f"{name} {_difference(before, after)}"


def _difference(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if before.get("version") != after.get("version"):
        return f"{before.get('version')} -> {after.get('version')}"
    for field in ("commit", "file", "sha256"):
        if before.get(field) != after.get(field):
            old, new = str(before.get(field))[:12], str(after.get(field))[:12]
            if field == "file":
                return "comes from another file"
            return f"{field} {old} -> {new}"
    return "comes from another place"


def _setting_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for part in sorted({*old, *new}):
        before, after = old.get(part, {}), new.get(part, {})
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield f"{name} {before.get(name)!r} -> {after.get(name)!r}"
