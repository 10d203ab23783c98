"""Which commit of each action generated workflows use."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from noxden.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["PINS_FILE", "Pin", "name_pins", "parse_pins", "read_pins"]

PINS_FILE = ".noxden-pins.toml"
"""A project's own table, beside its pyproject.toml; it goes before the package's."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*")
_SYSTEMS = ("actions", "forgejo")
_FIELDS = ("repository", "commit", "tag")


class Pin(NamedTuple):
    """An action at a commit."""

    repository: str
    commit: str
    tag: str
    """What the commit is called, for people."""

    @property
    def action(self) -> str:
        """As a step uses it."""
        return f"{self.repository}@{self.commit}"


def read_pins(project: Path) -> dict[str, dict[str, Pin]]:
    """The pins for a project, by system (``actions``, ``forgejo``) and name.

    Raises:
        UsageError: the project's own table is wrong.
    """
    ours = files("noxden.ci.files").joinpath("pins.toml").read_text("utf-8")
    pins = parse_pins(ours, "noxden's pins")
    own = project / PINS_FILE
    if own.is_file():
        for system, table in parse_pins(_read(own), str(own)).items():
            pins[system] |= table
    return pins


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {file}: {error}"
        raise UsageError(message) from error


def parse_pins(text: str, place: str) -> dict[str, dict[str, Pin]]:
    """The pins in ``text``; ``place`` says where it is from.

    Raises:
        UsageError: it is not TOML, or an entry has no commit of 40 digits.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{place} is not TOML: {error}"
        raise UsageError(message) from error
    for system in table:
        if system not in _SYSTEMS:
            message = f"{place}: unknown table {system}; known: {', '.join(_SYSTEMS)}"
            raise UsageError(message)
    return {
        system: {
            name: _parse_pin(entry, f"{place}: {system}.{name}")
            for name, entry in table.get(system, {}).items()
        }
        for system in _SYSTEMS
    }


def _parse_pin(entry: object, place: str) -> Pin:
    values = [entry.get(name) for name in _FIELDS] if isinstance(entry, dict) else []
    found = [value for value in values if isinstance(value, str)]
    if len(found) != len(_FIELDS):
        message = f"{place} needs {', '.join(_FIELDS)}, each a text"
        raise UsageError(message)
    pin = Pin(*found)
    if not _COMMIT.fullmatch(pin.commit):
        message = f"{place}: commit is to be 40 hexadecimal digits, got {pin.commit!r}"
        raise UsageError(message)
    for value in (pin.repository, pin.tag):
        # It goes into YAML as it is.
        if not _PLAIN.fullmatch(value):
            message = f"{place}: {value!r} is no name of a repository or a tag"
            raise UsageError(message)
    return pin


def name_pins(pins: Mapping[str, Pin]) -> dict[str, Pin]:
    """The pins as templates know them: by names with underscores; both halves of the cache."""
    named = {name.replace("-", "_"): pin for name, pin in pins.items()}
    cache = pins["cache"]
    return named | {
        f"cache_{half}": cache._replace(repository=f"{cache.repository}/{half}")
        for half in ("restore", "save")
    }
