"""Engines: what runs attempts on cards. They differ in where; batches and results are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxden.devices.values import Attempt, Card, Job

__all__ = ["Engine"]


class Engine(Protocol):
    """What runs attempts on cards."""

    def find_cards(self) -> tuple[Card, ...]:
        """The cards that can be used now, those that run something included."""

    def submit(self, job: Job) -> None:
        """Begin an attempt; the caller keeps two attempts off one card."""

    def collect(self, timeout_s: float) -> Sequence[Attempt]:
        """The attempts that ended since the last call; waits for the first, so long at most.

        One whose worker is gone ends as ``lost``. Each submitted job ends exactly once here.
        """

    def close(self) -> None:
        """End what still runs, whole process groups, and give everything back.

        What was ended by it, where that is known, is what :meth:`collect` returns afterwards.
        """
