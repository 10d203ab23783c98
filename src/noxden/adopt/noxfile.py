"""Noxfiles: what one has, and the text of a new one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from noxden.adopt.values import Noxfile
from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_noxfile", "render_calls", "render_noxfile"]


def read_noxfile(text: str, place: str) -> Noxfile:
    """What a noxfile has, without running it; names are found where they are spelled out.

    Raises:
        UsageError: it is not Python; ``place`` says where it is.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        message = f"{place} is not Python: {error}"
        raise UsageError(message) from error
    factories = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "noxden"
    }
    return Noxfile(frozenset(factories), tuple(_collect_sessions(tree)))


def _collect_sessions(tree: ast.AST) -> Iterator[str]:
    """Names of the functions that ``session`` decorates, by whatever module it comes from."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            target = call.func if call else decorator
            if getattr(target, "attr", getattr(target, "id", "")) == "session":
                yield _find_name(call) or node.name


def _find_name(call: ast.Call | None) -> str:
    """The ``name=`` of a decorator; empty where it has none."""
    for keyword in call.keywords if call else ():
        value = keyword.value
        if keyword.arg == "name" and isinstance(value, ast.Constant):
            return str(value.value)
    return ""


def render_noxfile(sessions: Sequence[str]) -> str:
    """A noxfile with ``sessions``."""
    head = '"""Sessions: `nox -l` lists them, `noxden config` shows what they go by."""'
    return "\n".join([head, "", "import noxden", "", *render_calls(sessions), ""])


def render_calls(sessions: Sequence[str]) -> list[str]:
    """The lines that register ``sessions``."""
    return [f"noxden.{name}()" for name in sessions]
