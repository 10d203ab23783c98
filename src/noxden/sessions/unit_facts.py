"""What a unit session has to know of its project and its environment before it plans."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["collect_addopts", "collect_distributions", "read_name"]

_INI_FILES = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)
_TOML_FILES = ("pytest.toml", ".pytest.toml")


def collect_distributions(*sites: Path) -> frozenset[str]:
    """Normalized names of what is installed in these site-packages; nothing is started."""
    return frozenset(
        re.sub(r"[-_.]+", "-", entry.name.partition("-")[0]).lower()
        for site in sites
        if site.is_dir()
        for entry in site.iterdir()
        if entry.name.endswith((".dist-info", ".egg-info"))
    )


def read_name(project: Path) -> str:
    """The name in pyproject.toml, or that of the folder where there is none."""
    name = _read_toml(project / "pyproject.toml").get("project", {}).get("name")
    return str(name or project.name)


def collect_addopts(folder: Path) -> tuple[str, ...]:
    """The words of ``addopts`` in the configuration that pytest, run in ``folder``, would read.

    A file that cannot be read has none: pytest says what is wrong with it.
    """
    for at in (folder, *folder.parents):
        found = next(_collect_addopts(at), None)
        if found is not None:
            return _split(found)
    return ()


def _collect_addopts(folder: Path) -> Iterator[object]:
    for name in _TOML_FILES:
        if table := _read_toml(folder / name).get("pytest"):
            yield table.get("addopts", "")
    for name, section in _INI_FILES:
        text = _read(folder / name)
        if re.search(rf"^\[{section}\]", text, re.MULTILINE):
            yield _read_ini(text, section)
        if name == ".pytest.ini":
            # pyproject.toml comes after pytest.ini and before tox.ini.
            tables = _read_toml(folder / "pyproject.toml").get("tool", {}).get("pytest", {})
            if tables:
                yield tables.get("ini_options", tables).get("addopts", "")


def _read_ini(text: str, section: str) -> str:
    import configparser

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return ""
    return parser.get(section, "addopts", fallback="")


def _read_toml(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_read(file))
    except tomllib.TOMLDecodeError:
        return {}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""


def _split(addopts: object) -> tuple[str, ...]:
    if isinstance(addopts, str):
        try:
            return tuple(shlex.split(addopts))
        except ValueError:
            return ()
    return tuple(map(str, addopts)) if isinstance(addopts, list) else ()
