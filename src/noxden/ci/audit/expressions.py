"""GitHub's expressions, as far as their values stand in the same file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxden.ci.audit.nodes import Node

__all__ = ["Scope", "expand", "read_texts"]

_REFERENCE = re.compile(r"\$\{\{\s*(env|inputs)\.([\w-]+)\s*\}\}|\$(?:\{(\w+)\}|(\w+))")
_LONGEST = 4_000
_LONGEST_VALUE = 200


class Scope(NamedTuple):
    """What names stand for at a step."""

    env: Mapping[str, str] = {}
    inputs: Mapping[str, str] = {}


def expand(text: str, scope: Scope) -> str:
    """``text``, cut to a bound, with the variables and inputs that ``scope`` knows."""

    def replace(found: re.Match[str]) -> str:
        kind, name, braced, bare = found.groups()
        known = scope.inputs if kind == "inputs" else scope.env
        value = known.get(name or braced or bare, "")
        return value if 0 < len(value) <= _LONGEST_VALUE else found.group()

    return _REFERENCE.sub(replace, text[:_LONGEST])[:_LONGEST]


def read_texts(node: Node) -> dict[str, str]:
    """The entries of a mapping that are texts."""
    return {name: one.word for name, one in node.entries.items() if one.text is not None}
