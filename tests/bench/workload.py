"""What all are asked to do: sessions with the same groups, each running the same command."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOTHING", "Workload"]

NOTHING = ("python", "-c", "pass")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Sessions to run, in order."""

    sessions: tuple[str, ...] = ("s",)
    groups: tuple[str, ...] = ("test", "heavy")
    command: tuple[str, ...] = NOTHING

    @property
    def group_options(self) -> tuple[str, ...]:
        """The groups as options of uv."""
        return (
            "--no-default-groups",
            *(part for group in self.groups for part in ("--group", group)),
        )
