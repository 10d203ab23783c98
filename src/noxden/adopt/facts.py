"""Learn what a project has: groups, tools, Pythons, markers, traces of CI systems."""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from noxden.adopt.checkout import find_branch, find_providers
from noxden.adopt.groups import collect_extras, collect_groups
from noxden.adopt.noxfile import read_noxfile
from noxden.adopt.refuse import read_manifest, read_text, refuse_unready
from noxden.adopt.values import Facts
from noxden.tools.git import find_top

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["collect_facts"]

_CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
_TOX = re.compile(r"\bpy3\.?(\d+)")
_TOX_LIST = re.compile(r"^env_?list\s*=(.*(?:\n[ \t]+.*)*)", re.MULTILINE)


def collect_facts(root: Path, env: Mapping[str, str]) -> Facts:
    """What the project in ``root`` has.

    Raises:
        UsageError: it is no uv project with a lock (the message has what makes it one), or a
            file of it cannot be understood.
        SafetyError: a file that would be written is a link to a place outside of the project.
        InfrastructureError: a file cannot be read.
    """
    text, table = read_manifest(root)
    refuse_unready(root, table)
    project, tool = _table(table, "project"), _table(table, "tool")
    noxfile = read_text(root, "noxfile.py")
    checkout = find_top(root, env)
    ini = _read_ini(root)
    return Facts(
        root=root,
        manifest=text,
        table=table,
        name=canonicalize_name(str(project.get("name", ""))),
        groups=collect_groups(table),
        extras=collect_extras(table),
        pythons=tuple(_collect_pythons(root, project, tool)),
        packaged=_is_packaged(table),
        tests=_has_tests(root, tool, ini),
        markers=frozenset(_collect_markers(root, tool, ini)),
        types=_is_configured(root, tool, ini, "mypy", "mypy.ini", ".mypy.ini"),
        imports=_is_configured(root, tool, ini, "importlinter", ".importlinter"),
        hooks=(root / ".pre-commit-config.yaml").is_file(),
        spelling=_find_spelling(root, tool, ini),
        noxfile=None if noxfile is None else read_noxfile(noxfile, str(root / "noxfile.py")),
        has_tox=(root / "tox.ini").is_file() or "tox" in tool,
        providers=find_providers(root),
        branch=find_branch(root, env) if checkout else "main",
        checkout=checkout,
    )


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name, {})
    return found if isinstance(found, dict) else {}


def _is_packaged(table: Mapping[str, Any]) -> bool:
    """Whether uv takes the project for a package."""
    said = _table(_table(table, "tool"), "uv").get("package")
    return "build-system" in table if said is None else bool(said) and "build-system" in table


def _read_ini(root: Path) -> configparser.RawConfigParser:
    """The sections of setup.cfg; none where it cannot be read."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(read_text(root, "setup.cfg") or "")
    except configparser.Error:
        parser.clear()
    return parser


def _is_configured(
    root: Path, tool: Mapping[str, Any], ini: configparser.RawConfigParser, name: str, *files: str
) -> bool:
    """Whether a tool has a table, a section of setup.cfg or one of ``files``."""
    return name in tool or ini.has_section(name) or any((root / file).is_file() for file in files)


def _find_spelling(root: Path, tool: Mapping[str, Any], ini: configparser.RawConfigParser) -> str:
    typos = ("typos.toml", "_typos.toml", ".typos.toml")
    if _is_configured(root, tool, ini, "typos", *typos):
        return "typos"
    return "codespell" if _is_configured(root, tool, ini, "codespell", ".codespellrc") else ""


def _has_tests(root: Path, tool: Mapping[str, Any], ini: configparser.RawConfigParser) -> bool:
    folders = any((root / name).is_dir() for name in ("tests", "test"))
    files = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "conftest.py")
    return folders or _is_configured(root, tool, ini, "pytest", *files)


def _collect_markers(
    root: Path, tool: Mapping[str, Any], ini: configparser.RawConfigParser
) -> Iterator[str]:
    """Names of the markers in pytest's configuration, wherever it is."""
    pytest = _table(tool, "pytest")
    lines: list[object] = []
    for table in (pytest, _table(pytest, "ini_options")):
        said = table.get("markers", [])
        lines += said.splitlines() if isinstance(said, str) else said
    lines += ini.get("tool:pytest", "markers", fallback="").splitlines()
    own = configparser.RawConfigParser(strict=False)
    try:
        own.read_string(read_text(root, "pytest.ini") or "")
    except configparser.Error:
        own.clear()
    lines += own.get("pytest", "markers", fallback="").splitlines()
    for line in lines:
        if name := re.match(r"\s*(\w+)", str(line)):
            yield name[1]


def _collect_pythons(
    root: Path, project: Mapping[str, Any], tool: Mapping[str, Any]
) -> Iterable[str]:
    """Versions in classifiers, else of tox; those that requires-python takes, oldest first."""
    said = project.get("classifiers", [])
    found = {match[1] for line in said if (match := _CLASSIFIER.fullmatch(str(line)))}
    found = found or _collect_tox(root, tool) or _collect_pins(root)
    try:
        wanted = SpecifierSet(str(project.get("requires-python", "")))
    except InvalidSpecifier:
        wanted = SpecifierSet()
    # The bound of a requirement such as >=3.11.4 concerns the newest patch of 3.11 too.
    fitting = {version for version in found if wanted.contains(f"{version}.99")}
    return sorted(fitting, key=lambda version: int(version.partition(".")[2]))


def _collect_tox(root: Path, tool: Mapping[str, Any]) -> set[str]:
    table = _table(tool, "tox")
    listed = table.get("env_list", table.get("envlist", []))
    texts = [str(listed), *_TOX_LIST.findall(str(table.get("legacy_tox_ini", "")))]
    texts += _TOX_LIST.findall(read_text(root, "tox.ini") or "")
    text = re.sub(r"py3\{([\d,.]+)\}", _spread, " ".join(texts))
    return {f"3.{minor}" for minor in _TOX.findall(text)}


def _spread(match: re.Match[str]) -> str:
    """``py3{11,12}`` as ``py311 py312``."""
    return " ".join(f"py3{minor}" for minor in match[1].split(","))


def _collect_pins(root: Path) -> set[str]:
    """The versions of .python-versions; one alone is the project's own choice anyway."""
    lines = (read_text(root, ".python-versions") or "").split()
    found = {match[0] for line in lines if (match := re.match(r"3\.\d+", line))}
    return found if len(found) > 1 else set()
