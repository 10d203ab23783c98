"""The environment key of a project with a large lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.values import Outcome

if TYPE_CHECKING:
    from bench.workshop import Workshop

__all__ = ["measure"]


def measure(shop: Workshop) -> Outcome:
    """To come."""
    return Outcome(scenario="key", title=f"key {shop.root}", skipped="not written yet")
