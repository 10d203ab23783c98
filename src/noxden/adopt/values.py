"""What a project has, and what is proposed for it, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Change", "Facts", "Member", "Noxfile", "Proposal"]


class Member(NamedTuple):
    """What a dependency group or an extra comes to, groups that it includes among it."""

    packages: frozenset[str]
    """Normalised names."""
    heavy: tuple[str, ...]
    """Of them, those whose wheels weigh hundreds of megabytes."""


class Noxfile(NamedTuple):
    """What a noxfile.py has, read without running it."""

    factories: frozenset[str]
    """Names of the functions of noxden that it calls: ``unit``, ``register``."""
    sessions: tuple[str, ...]
    """Names of the sessions that it defines itself."""


class Facts(NamedTuple):
    """What a project has, as far as a proposal needs to know it."""

    root: Path
    manifest: str
    """The text of pyproject.toml."""
    table: Mapping[str, Any]
    """The same as data."""
    name: str
    """Normalised name of the project."""
    groups: Mapping[str, Member]
    """Dependency groups by name; ``dev`` with ``tool.uv.dev-dependencies``."""
    extras: Mapping[str, Member]
    pythons: tuple[str, ...]
    """Versions of Python that the project says it works with, oldest first."""
    packaged: bool
    """Whether there is something to build."""
    tests: bool
    """Whether there are tests, or a configuration of pytest."""
    markers: frozenset[str]
    """Markers that pytest's configuration names."""
    types: bool
    """Whether mypy is configured."""
    imports: bool
    """Whether import-linter is configured."""
    hooks: bool
    """Whether there is a configuration of pre-commit."""
    spelling: str
    """``codespell`` or ``typos`` where one is configured; else empty."""
    noxfile: Noxfile | None
    """``None`` where there is no noxfile.py."""
    has_tox: bool
    providers: tuple[str, ...]
    """CI systems of which there are traces; those whose one file is taken have none."""
    branch: str
    """The branch that others start from."""
    checkout: Path | None
    """The root of the git checkout; ``None`` outside of one."""


class Proposal(NamedTuple):
    """What is to be added to a project."""

    sessions: tuple[str, ...]
    """Names of the factories, in the order of the noxfile."""
    groups: Mapping[str, tuple[str, ...]]
    """Requirements to add, by dependency group; a group that is not there is made."""
    settings: Mapping[str, Mapping[str, Any]]
    """Keys to add below ``tool.noxden``, by table; those of the table itself under ``""``."""
    sources: Mapping[str, Any]
    """Keys to add to ``tool.uv.sources``."""
    notes: tuple[str, ...]
    """What people should know or do; a line each."""


class Change(NamedTuple):
    """A file that is to be written."""

    path: str
    """From the root of the project."""
    before: str | None
    """What is there; ``None`` where nothing is."""
    after: str
