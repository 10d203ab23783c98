"""Add to a pyproject.toml and leave everything else of it byte for byte."""

from __future__ import annotations

import copy
import tomllib
from typing import TYPE_CHECKING, Any

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit.items import Table

    from noxden.adopt.values import Proposal

__all__ = ["extend_manifest"]

_SHORT = 88
"""A list that is longer than this is written a line an entry."""


def extend_manifest(text: str, proposal: Proposal, place: str) -> str:
    """``text``, a pyproject.toml, with what ``proposal`` adds.

    Keys come to the end of their tables, before comments that belong to what follows; tables
    that are not there to the end of the file.

    Raises:
        UsageError: tables are spelled in a way that leaves no room for additions, such as an
            inline table; ``place`` says where.
    """
    windows = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    made = text.replace("\r\n", "\n") if windows else text
    for path, rows in _list_additions(proposal):
        wanted = _compute_wanted(tomllib.loads(made), path, rows)
        try:
            made = _add_rows(made, path, rows)
            done = tomllib.loads(made) == wanted
        except (tomllib.TOMLDecodeError, ValueError, TypeError, AttributeError):
            done = False
        if not done:
            table = f"[{'.'.join(path)}]"
            message = (
                f"{place} has no {table} that init could add to, it is spelled in another way; "
                f"write it as a table with that header, then noxden init again"
            )
            raise UsageError(message)
    return made.replace("\n", "\r\n") if windows else made


def _list_additions(proposal: Proposal) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Paths of tables, and the rows that each gets; a tuple in them goes to a list's end."""
    found: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [
        (("dependency-groups",), proposal.groups),
        (("tool", "uv", "sources"), proposal.sources),
        *((("tool", "noxden", name), rows) for name, rows in proposal.settings.items()),
    ]
    return [(path, rows) for path, rows in found if rows]


def _compute_wanted(
    table: Mapping[str, Any], path: tuple[str, ...], rows: Mapping[str, Any]
) -> dict[str, Any]:
    """The data that the new text has to have."""
    wanted: dict[str, Any] = copy.deepcopy(dict(table))
    at = wanted
    for name in path:
        at = at.setdefault(name, {})
    for key, value in rows.items():
        at[key] = [*at.get(key, []), *value] if isinstance(value, tuple) else value
    return wanted


def _add_rows(text: str, path: tuple[str, ...], rows: Mapping[str, Any]) -> str:
    import tomlkit
    from tomlkit.items import Table

    document = tomlkit.parse(text)
    at: Any = document
    for name in path:
        at = at.get(name) if hasattr(at, "get") else None
    if at is None:
        return _append_table(text, path, rows)
    if not isinstance(at, Table) or at.is_super_table():
        # Defined by the tables inside of it, or in another spelling: a header of its own.
        return _append_table(text, path, rows)
    _extend_table(at, rows)
    return tomlkit.dumps(document)


def _append_table(text: str, path: tuple[str, ...], rows: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_make_item(value).as_string()}\n" for key, value in rows.items()]
    gap = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
    return "".join([text, gap, f"[{'.'.join(path)}]\n", *lines])


def _make_item(value: object) -> Any:  # noqa: ANN401 - an item of tomlkit
    """A value of TOML; a list on one line where it is short, a table in one line."""
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    if not isinstance(value, list | tuple):
        return tomlkit.item(value)
    made = tomlkit.array()
    made.extend(value)
    made.multiline(multiline=len(made.as_string()) > _SHORT)
    return made


def _extend_table(table: Table, rows: Mapping[str, Any]) -> None:
    """Add ``rows`` before the blank lines and comments at the end of ``table``."""
    body = table.value.body
    rest: list[Any] = []
    while body and body[-1][0] is None:
        rest.insert(0, body.pop())
    for key, value in rows.items():
        if key in table:
            for one in value:
                table[key].append(one)
        else:
            table.add(key, _make_item(value))
    body.extend(rest)
