"""The scenarios by name, in the order they run: functions from a workshop to an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    bytes_moved,
    device_plan,
    device_run,
    first_import,
    flip,
    fresh,
    key,
    other_filesystem,
    shared,
    stampede,
    warm,
    wheels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.bench.values import Outcome
    from tests.bench.workshop import Workshop

__all__ = ["HEAVY", "SCENARIOS"]

SCENARIOS: Mapping[str, Callable[[Workshop], Outcome]] = {
    "warm": warm.measure,
    "fresh": fresh.measure,
    "other-filesystem": other_filesystem.measure,
    "first-import": first_import.measure,
    "flip": flip.measure,
    "stampede": stampede.measure,
    "shared": shared.measure,
    "key": key.measure,
    "wheels": wheels.measure,
    "bytes": bytes_moved.measure,
    "device-plan": device_plan.measure,
    "device-run": device_run.measure,
}
HEAVY = ("warm", "fresh", "other-filesystem", "first-import", "wheels")
"""The scenarios that ``--heavy`` runs unless others are named."""
