"""What a session asks for: groups, extras and packages of the lock, and an interpreter."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Request"]


class Request(NamedTuple):
    """What the environment of a session is to contain.

    Default groups are never taken silently: what a session gets is what it names.
    """

    groups: tuple[str, ...] = ()
    """Dependency groups beside the project and its dependencies."""
    only_groups: tuple[str, ...] = ()
    """Dependency groups without the project."""
    extras: tuple[str, ...] = ()
    """Extras of the project."""
    packages: tuple[str, ...] = ()
    """Workspace members in place of the project; ``*`` means all."""
    python: str | None = None
    """Interpreter request as uv takes it; ``None`` is the project's own choice."""
    any_lock: bool = False
    """Whether uv.lock is taken as it is, although it may not fit pyproject.toml."""

    @property
    def lock(self) -> str:
        """The option of uv that refuses a uv.lock out of date, or takes it as it is."""
        return "--frozen" if self.any_lock else "--locked"

    @property
    def selectors(self) -> list[str]:
        """The options of ``uv export`` that select this."""
        words = ["--no-default-groups"]
        for option, names in (
            ("--group", self.groups),
            ("--only-group", self.only_groups),
            ("--extra", self.extras),
        ):
            for name in sorted(set(names)):
                words += [option, name]
        if "*" in self.packages:
            words.append("--all-packages")
        else:
            for name in sorted(set(self.packages)):
                words += ["--package", name]
        return words
